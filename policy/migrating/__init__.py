"""A whole store moved to another place: SQLite or PostgreSQL, budgets in the database or in Valkey, any to any.

    moving.py          what happens in which order; the rest are its steps
    source.py          the store that is moved: nobody else has it open, and nobody changes it meanwhile
    target.py          the one that is filled: empty before, and of no use to anybody until it is whole
    tables.py          rows over there, a batch and a note of how far it is in each transaction
    sums.py            a sum of what was sent, and of what has arrived
    places.py          what a budget holds, wherever it is kept; those in the database
    in_valkey.py       those in Valkey
    budgets.py         budgets over there, and each of them compared
    with_backups.py    budgets in Valkey, in a backup and after a restore

A restore (store/restore.py) also moves a store, by way of a file and in one transaction. This here is for stores that
are large, and goes on where it was cut off.
"""
