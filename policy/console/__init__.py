"""The console: a web process of its own through which a person enrols, signs in and looks after devices.

    __main__.py    run it: settings, stores, HTTPS
    serving.py     slow clients, and a certificate that is replaced while it runs
    app.py         what answers which path; the API hangs below /api/v1
    guard.py       around everything: host names, body sizes, foreign forms, the headers of every answer
    visit.py       one request of one browser: cookies, form, language, page
    routes.py      a page's path, and what becomes of its errors
    enrolment.py   /invite/TOKEN        from the link to the first session
    sign_in.py     /sign-in, /sign-out
    sign_on.py     /sign-in/issuer      single sign-on, where there is an issuer
    devices.py     /devices             add, rename, revoke
    sending.py     /sending             is my account all right, what have I sent
    account.py     /account             sessions, recovery codes, password
    factors.py     /account/factors     a new second factor, also for an invitation
    clients.py     autoconfig and autodiscover, for mail clients and without a sign-in
    language.py    German and English from catalogues/; templates/ and static/ hold what is sent

It holds no rule of its own: who somebody is stands in policy/people, what a device may do in policy/store.
"""
