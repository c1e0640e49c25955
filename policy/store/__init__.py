"""The store: identities, their addresses, their credentials, and the submissions of the last weeks.

database.py    opens the SQLite file or PostgreSQL, brings the schema up to date
statements.py  statements of the hot path, as text for both databases
reader.py      where the questions of the hot path run
transactions.py  where the changes of the writer run
models.py      the tables
identities.py  every change of the administrator's, and the lists, one function each
directory.py   what the services ask, for each login and each message
records.py     what is written down while they work
writer.py      many changes in one transaction, on disk before their askers are answered
handles.py     random logins and generated secrets, and what is kept of a secret
"""
