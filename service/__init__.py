"""What every service needs to start and to be understood: settings with one-sentence errors, and log lines.

    settings.py      from the environment, read once
    log.py           a line for each event
    listening.py     ports, bound before anything is served
    names.py         a resolver that does not answer keeps nobody waiting
    shared_token.py  the token that two services share
    health.py        what a service says of itself, in sentences of ailments.py; steadiness.py: when a fault counts
    sentence.py      our own sentences, which a page can say in another language
    spans.py         a minute, an hour, a day
    tracing.py       spans for a collector

All services import from here; nothing here knows any of them.
"""

VERSION = "0.1.0"
