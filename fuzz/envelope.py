"""MAIL and RCPT, for any text:

- a command or a reply of 5yz, never another error;
- what was accepted stands in the text as it is, and reads the same when it is said again in the shortest form;
- the path has the two parts that the reference finds, is one line for everybody, and ASCII without SMTPUTF8;
- the parameters have nothing in them, decoded or not, that would be another line, parameter or command.
"""

import re

from fuzz import references
from fuzz.spelling import spelled
from gateway.envelope import MailCommand, Offers, RcptCommand, parse_mail, parse_rcpt

_ADDRESSES = [
    "FROM:<ada@example.org>",
    "TO:<bob@x.example>",
    "FROM:<",
    "TO:<",
    "ada",
    "@example.org>",
    "@b\u00fccher.example>",
]
_NAMES = [
    " SIZE=",
    " BODY=8BITMIME",
    " SMTPUTF8",
    " AUTH=",
    " RET=FULL",
    " ENVID=",
    " REQUIRETLS",
    " NOTIFY=",
    " ORCPT=",
]
_VALUES = [
    "NEVER",
    "SUCCESS",
    ",FAILURE",
    ",DELAY",
    "rfc822;",
    "utf-8;",
    "+2B",
    "+0D",
    "\\x{F3}",
    "\\x{0D}",
    "xn--bcher-kva",
]
_LETTERS = [
    "\u00e4",
    "\u0308",
    "\u00df",
    "\u7528",
    "\u05d0",
    "\u0085",
    "\u2028",
    "\u200b",
    "\uff20",
    "\u2163",
    "\ue000",
    "\udcff",
    "\u017f",
    "\u0131",
]
WORDS = [word.encode(errors="surrogatepass") for word in _ADDRESSES + _NAMES + _VALUES + _LETTERS]
_OFFERS = [
    Offers(max_message_bytes=1000, utf8=True, dsn=True, require_tls=True),
    Offers(max_message_bytes=1000, eight_bit=False, utf8=False, dsn=False, require_tls=False),
]
_UNSAFE = re.compile("[\0-\x20\x7f-\x9f\u2028\u2029=]")  # in a value, and in a domain


def one(octets: bytes) -> None:
    """The first octet chooses the command and what was offered, the others are its argument."""
    choice = octets[0] if octets else 0
    argument = spelled(octets[1:], WORDS).decode(errors="surrogatepass")
    offers, is_utf8 = _OFFERS[choice & 1], bool(choice & 4)
    if choice & 2:
        _mail(argument, offers)
    else:
        _rcpt(argument, offers, is_utf8=is_utf8)


def _mail(argument: str, offers: Offers) -> None:
    command = parse_mail(argument, offers)
    if not isinstance(command, MailCommand):
        assert 500 <= command.code < 600
        return
    assert argument[4:].startswith(f":<{command.path}>")
    if command.path:
        _is_safe_path(command.path, is_utf8=command.is_utf8)
    said = f"FROM:<{command.path}>"
    said += f" SIZE={command.size}" if command.size is not None else ""
    said += f" BODY={command.body}" if command.body else ""
    said += " SMTPUTF8" if command.is_utf8 else ""
    said += f" RET={command.ret}" if command.ret else ""
    said += f" ENVID={command.envid}" if command.envid else ""
    said += " REQUIRETLS" if command.require_tls else ""
    assert parse_mail(said, offers) == command
    assert _decoded(command.envid).isprintable()
    for value in (command.body, command.ret, command.envid):
        assert value.isascii()
        assert not _UNSAFE.search(value)


def _rcpt(argument: str, offers: Offers, *, is_utf8: bool) -> None:
    command = parse_rcpt(argument, offers, is_utf8=is_utf8)
    if not isinstance(command, RcptCommand):
        assert 500 <= command.code < 600
        return
    assert argument[2:].startswith(f":<{command.path}>")
    if command.path.lower() != "postmaster":
        _is_safe_path(command.path, is_utf8=is_utf8)
    said = f"TO:<{command.path}>"
    said += f" NOTIFY={command.notify}" if command.notify else ""
    said += f" ORCPT={command.original}" if command.original else ""
    assert parse_rcpt(said, offers, is_utf8=is_utf8) == command
    assert is_utf8 or said.isascii()
    if not command.original.lower().startswith("utf-8;"):
        assert _decoded(command.original).isprintable()
    assert command.notify.isascii()
    for value in (command.notify, command.original):
        assert not _UNSAFE.search(value)


def _decoded(xtext: str) -> str:
    """RFC 3461 section 4: a plus is followed by two hexadecimal digits."""
    first, *others = xtext.split("+")
    return first + "".join(chr(int(one[:2], 16)) + one[2:] for one in others)


def _is_safe_path(path: str, *, is_utf8: bool) -> None:
    parts = references.mailbox(path)
    assert parts
    local, domain = parts
    assert path == f"{local}@{domain}"
    assert path.count("@") == 1
    assert "." in domain
    assert is_utf8 or path.isascii()
    assert path.isprintable()
    assert len(path.encode()) <= 254
    assert not _UNSAFE.search(domain)
