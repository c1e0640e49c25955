"""The console: a web process of its own through which a person enrols, signs in and looks after devices.

    __main__.py    run it: settings, stores, HTTPS
    serving.py     slow clients, and a certificate that is replaced while it runs
    app.py         what answers which path; the API hangs below /api/v1
    guard.py       around everything: host names, body sizes, foreign forms, the headers of every answer
    parts.py       what every page has at hand
    visit.py       one request of one browser: cookies, form, language, page
    routes.py      a page's path, and what becomes of its errors
    enrolment.py   /invite/TOKEN        from the link to the first session
    sign_in.py     /sign-in, /sign-out
    sign_on.py     /sign-in/issuer      single sign-on, where there is an issuer
    devices.py     /devices             add, rename, revoke
    sending.py     /sending             is my account all right, what have I sent
    incidents.py   /incidents           was this you?
    held.py        /held                own mail that is on hold; looking.py shows what is in one
    networks.py    /networks            from where one has logged in
    account.py     /account             sessions, recovery codes, password
    factors.py     /account/factors     a new second factor, also for an invitation
    confirm.py     /confirm             a second factor once more
    staff/         /staff               pages about others
    health.py      /health              for the machine; metrics.py on an address of its own
    live.py        pages that change while somebody looks
    clients.py     autoconfig and autodiscover, for mail clients and without a sign-in
    wording.py     the machine's own sentences in the reader's language; limit_words.py limits
    language.py    German and English from catalogues/; templates/ and static/ hold what is sent

It holds no rule of its own: who somebody is stands in policy/people, what a device may do in policy/store.
"""
