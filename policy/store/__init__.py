"""The store: identities, their addresses, their credentials.

database.py    opens the SQLite file, brings its schema up to date
models.py      the tables
identities.py  every question and every change, one function each
handles.py     random logins and generated secrets, and the keyed digest that is kept of a secret
"""
