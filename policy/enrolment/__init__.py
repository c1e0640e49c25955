"""How a person's device learns its settings: pure generators, from one value object each, without clock or network.

    settings.py      (read this first) Servers and Device: the values that everything here is made of
    words.py         German and English
    guides.py        the usual mail programs, step by step
    autoconfig.py    config-v1.1.xml, which Thunderbird, K-9 Mail, Evolution and others ask for
    autodiscover.py  what Outlook asks for
    dns.py           SRV and CNAME records that lead clients here
    mobileconfig.py  Apple's configuration profile
    qr.py            QR codes, and the one that Thunderbird for Android reads
    sheet.py         a page for each person, to be printed
    table.py, users.py, migration.py   files of whole organisations, read and judged before anything is changed

A login is no address, and whoever tries an address as login steps into a trap. No client guesses a login rightly, so
what is said here never lets one guess: each format carries the login itself, or a placeholder that is nobody's.
"""

from policy.enrolment.settings import Device, Endpoint, Security, Servers
from policy.enrolment.words import Language

__all__ = ["Device", "Endpoint", "Language", "Security", "Servers"]
