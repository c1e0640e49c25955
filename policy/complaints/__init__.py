"""Complaints: people who got a message said that it is spam, and their provider, or they, told us.

    report.py     pure: a report (ARF, RFC 5965), or a letter with the message in it -> whose message it was
    mailbox.py    the mailbox abuse@ and those of feedback loops, read as they come
    desk.py       written down, and weighed against whoever sent the message

A complaint names a message by the id in our own Received field: what has none is left for people to read.
"""
