"""The store: identities, their addresses, their credentials, and the submissions of the last weeks.

database.py    opens the SQLite file, brings its schema up to date
models.py      the tables
identities.py  every change of the administrator's, and the lists, one function each
directory.py   what the services ask, for each login and each message
records.py     what is written down while they work
writer.py      many changes in one transaction, on disk before their askers are answered
handles.py     random logins and generated secrets, and what is kept of a secret
"""
