"""The gates for a Dovecot of others: Dovecot's auth-policy client, and whoever else speaks the API of weakforced.

    routes.py    HTTP: who may ask, and which command it is
    asked.py     what a body says, read as leniently as weakforced does; pure
    desk.py      what each command does
    verdicts.py  what is answered, so that Dovecot 2.3 reads it right, too; pure

    allow    before a password is looked at, and again after it was right: may this login go on from there?
    report   what became of it: wrong secrets for the walls, networks for the history
    lists    who is let in or kept out without more ado

Only holders of its token are answered: whoever could report failures could wall anybody.
"""
