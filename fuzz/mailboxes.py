"""The field From, for any text:

- addresses or none, never another error; each stands in the field as it is, and each name can be shown;
- where addresses are found in ASCII, both parsers of Python find the same ones, in the same order.
"""

import email.utils
import re
from email.headerregistry import AddressHeader, HeaderRegistry

from fuzz.spelling import spelled
from gateway.display_names import shown
from gateway.mailboxes import mailboxes

WORDS = [
    *(
        b"ada@example.org",
        b"<ada@example.org>",
        b'"a b"@x.example',
        b'<"a,b"@x.example>',
        b"Ada ",
        b'"Lovelace, Ada"',
        b'"a@b.cd"',
    ),
    *(
        b"=?utf-8?q?a=40b?=",
        b"=?",
        b"?=",
        b"(work)",
        b"us:",
        b";",
        b", ",
        b"@x.example",
        b"J. ",
        b"\\",
        b"\xc3\xa4",
        b"\xef\xbc\xa0",
    ),
]
_registry = HeaderRegistry()


def one(octets: bytes) -> None:
    """The octets are the field's body, unfolded."""
    field = spelled(octets, WORDS).decode()
    if re.search("[\0-\x08\x0a-\x1f\x7f]", field):
        return  # facts.py refuses those before
    read = mailboxes(field, is_utf8=True)
    found = read.addresses if read else ()
    for address in found:
        assert address in field
    for name in read.names if read else ():
        assert len(shown(name)) <= len(name)
    if not field.isascii() or not found:
        return
    assert mailboxes(field, is_utf8=False) == read
    # The blank, without meaning there, keeps Python 3.11 from an AttributeError at a name that ends in a dot.
    header = _registry("from", field.strip().replace(".<", ". <"))
    assert isinstance(header, AddressHeader)
    assert tuple(address.addr_spec for address in header.addresses) == found
    assert tuple(address for _, address in email.utils.getaddresses([field])) == found
