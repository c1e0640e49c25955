"""DKIM (RFC 6376): which keys sign the mail of which domain, and how one pair of keys follows another.

    keys.py      pure but for chance: one pair of keys, RSA and Ed25519, and what of it is published
    rotation.py  pure: the life of a pair, from waiting to retired; what may follow what
    folder.py    the files: private keys, the map that rspamd reads, our own state
    book.py      (start here) the operations of `sallyport dkim`, each with its line in the audit log
    domains.py   whose mail is signed
    seen.py      what the DNS says of the pairs, and the steps that follow from it by themselves

rspamd signs. It reads the folder and nothing else of ours; nothing here touches a message.
"""
