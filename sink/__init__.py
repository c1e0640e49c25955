"""The mail sink: in the integration-test environment it is the whole internet, as far as mail is concerned.

    __main__.py   settings.py, ports, signals
    service.py    both listeners of one sink: start, stop
    intake.py     SMTP: takes mail for every domain and speaks the answers
    framing.py    where a message ends
    answers.py    pure: how a recipient answers, told by its local part
    store.py      the messages, in memory and bounded
    message.py    one message, and what can be read from its octets
    api.py        HTTP: list, read, wait for and delete messages
    query.py      pure: what a query string asks for
    health.py     health check of the container; log.py

The sink has no code that opens an SMTP connection: nothing can leave it. Not for the internet: no login, no TLS.
"""
