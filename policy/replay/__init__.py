"""A policy run over what has happened: whom it would have slowed, held or refused, before it bites.

    happenings.py   what a log or a record says: handed in, became of it, came in
    from_log.py     out of a Postfix log (maillog/)
    recorded.py     out of recorded decisions (`sallyport submission export`)
    sources.py      which of the two a file is, and its text
    people.py       whose login that was; stored.py has those of the store
    running.py      the engine and its budgets on the log's clock, with the memory of policy/simulation/world.py
    peaks.py        how high everything went, had nothing been refused: what limits would have to be
    tally.py        what is counted on the way
    report.py       the outcome as a value
    page.py         the same as one HTML page
    what_if.py      two policies side by side over recorded decisions; apart.py does it in a process of its own

A log teaches the recipients and the networks by itself. While it does, nothing is judged and nothing reported: on the
first day everybody is new to everybody.
"""
