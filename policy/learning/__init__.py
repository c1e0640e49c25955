"""Recipient history from the past: who has had to do with whom, learnt from what a server has kept.

    found.py      what a source gives, one value after the other
    maillogs.py   source: logs of Postfix (maillog/ reads them)
    mailboxes.py  source: mboxes and Maildirs, message by message
    letters.py    what the header section of a message says: whom it was sent to, who wrote it
    fields.py     the fields of a header section, and the addresses in them
    tables.py     source: CSV
    owners.py     whose a login of the past is
    learner.py    (the way) whose it is, what is too old, what is new; a batch at a time into the store

Where it is kept: policy/store/history.py. Addresses are never kept, their marks are (policy/marks.py).

Nothing that is read is believed to be whole: what cannot be read is counted and shown, and the rest goes on.
"""
