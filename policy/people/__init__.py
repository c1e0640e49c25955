"""How a person signs in to the console: a password, a second factor, and the link that begins it all.

    desk.py            what the console's pages call: the next five, made once for a process
    sign_in.py         password, second factor, sessions
    invitations.py     from the link of an invitation to the first session
    account.py         what a person changes about the own sign-in
    confirming.py      a second factor once more, before what is hard to undo
    vouching.py        who it is for whom an issuer vouches (single sign-on)
    passwords.py       which new password is refused, and why
    breached.py        the offline list of breached and common passwords; make_breached.py makes it
    hibp.py            the same question to a server on the network, where the administrator wants that
    choosing.py        a new password, from the page to its hash
    hashing.py         argon2id, bounded in parallel
    second_factors.py  codes of an authenticator application, recovery codes
    passkeys.py        WebAuthn
    roles.py           who may do what in the console
    pending.py         steps that are not finished yet, in memory
    errors.py          what a person is told who cannot go on

No credential for mail is ever asked for here: a stolen one must not be able to confirm its own misuse. What is kept of
all this is policy/store/people.py, factors.py and console_sessions.py.
"""
