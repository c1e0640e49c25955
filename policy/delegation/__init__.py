"""The engine behind a Postfix that keeps its own front: Postfix's policy delegation protocol, SMTPD_POLICY_README.

    protocol.py    octets in, requests out; pure
    envelopes.py   whom a message goes to, gathered from the requests about its recipients; pure
    handed.py      what is judged of one message
    wording.py     what Postfix is told for each reason; pure
    answers.py     what is answered in each state, and which of them charges
    newcomers.py   logins that nobody here has
    server.py      the sockets: one answer for each request, and none on trouble
    listening.py   where they are bound

The protocol has no way to say who asks: whoever reaches the socket is believed. So it is off by default, and belongs on
a Unix socket or on a network that only the mail servers share.
"""
