"""Bridges to who knows people already: the issuer of an organisation's tokens (OIDC), and its directory (LDAP).

    settings.py          what the administrator says about both
    answers.py           Right, Wrong or Later: what a bridge says of a claim
    opened.py            the bridges of one process
    oidc.py              whether a token is one of the issuer's and was made for us
        tokens.py        what must stand in a token, pure
        issuer_keys.py   the issuer's public keys, as its document has them, pure
        issuer.py        where they come from, over HTTPS, and how long they stay
    ldap.py              whether the directory takes a password
        ldap_messages.py the four messages of LDAP that this takes, pure
        ldap_text.py     filters and names in which a login is put, pure
        ldap_connection.py, ldap_pool.py    connections to the directory, and their bounds

A bridge proves who somebody is. What that somebody may do here is in our own store: a credential of kind oidc or ldap.
"""
