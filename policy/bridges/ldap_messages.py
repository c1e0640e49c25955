"""The messages of LDAP (RFC 4511) that a login takes, pure: octets out, octets in.

    ldap_messages.py   (you are here) bind, search, StartTLS and their answers, in BER
    ldap_connection.py says them and hears them

Four requests and the first two members of each answer are all that is needed. The libraries that can do everything need
a compiler to be installed, or have had no release for years; what is here can be read at one sitting.
"""

from dataclasses import dataclass

BIND_ANSWER, ENTRY, SEARCH_DONE, EXTENDED_ANSWER = 0x61, 0x64, 0x65, 0x78
SUCCESS = 0

_SEQUENCE, _INTEGER, _BOOLEAN, _OCTETS, _ENUMERATED = 0x30, 0x02, 0x01, 0x04, 0x0A
_VERSION = 3
_WHOLE_SUBTREE, _NEVER_DEREFERENCE, _NO_ATTRIBUTES = 2, 0, b"1.1"
_START_TLS = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14.1
_LONG = 0x80  # the first octet of a length that has several
_MESSAGE_LIMIT = 64 * 1024


class Broken(Exception):
    """What came is no answer of an LDAP server's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One message from the server. `code` is that of a result, `name` that of an entry."""

    message: int
    kind: int
    code: int = -1
    name: str = ""


def element(tag: int, *parts: bytes) -> bytes:
    """A tag, the length, and what it contains."""
    content = b"".join(parts)
    length = len(content)
    if length < _LONG:
        return bytes((tag, length)) + content
    octets_of_length = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG + len(octets_of_length))) + octets_of_length + content


def octets(content: bytes) -> bytes:
    return element(_OCTETS, content)


def bind(name: str, secret: str) -> bytes:
    """Simple authentication, RFC 4511 section 4.2.

    Without a name or without a secret the server would say yes to anybody: RFC 4513 sections 5.1.1 and 5.1.2.
    """
    if not name or not secret:
        raise ValueError("a bind without a name or a secret proves nothing")
    return element(0x60, _integer(_VERSION), octets(name.encode()), element(0x80, secret.encode()))


def search(base: str, filtered: bytes, limit: int, seconds: int) -> bytes:
    """The names of the entries below `base` that pass; RFC 4511 section 4.5.1."""
    return element(
        0x63,
        octets(base.encode()),
        element(_ENUMERATED, bytes((_WHOLE_SUBTREE,))),
        element(_ENUMERATED, bytes((_NEVER_DEREFERENCE,))),
        _integer(limit),
        _integer(seconds),
        element(_BOOLEAN, b"\x00"),
        filtered,
        element(_SEQUENCE, octets(_NO_ATTRIBUTES)),
    )


def start_tls() -> bytes:
    return element(0x77, element(0x80, _START_TLS))


def request(message: int, operation: bytes) -> bytes:
    return element(_SEQUENCE, _integer(message), operation)


def split(received: bytes) -> tuple[bytes, bytes] | None:
    """The content of the first message, and what follows it; None as long as it is not complete."""
    if received and received[0] != _SEQUENCE:
        raise Broken("no LDAP message")
    bounds = _bounds(received)
    if bounds is None:
        return None
    begin, end = bounds
    if end > _MESSAGE_LIMIT:
        raise Broken("a message that is too long")
    return (received[begin:end], received[end:]) if end <= len(received) else None


def read(content: bytes) -> Answer:
    """The answer in a message; references to other servers and what servers add to answers are not looked at."""
    tag, message, rest = _first(content)
    kind, operation, _ = _first(rest)
    if tag != _INTEGER or len(message) > 4:  # noqa: PLR2004 - RFC 4511 section 4.1.1.1
        raise Broken("a message without a number")
    number = int.from_bytes(message, "big", signed=True)
    if kind == ENTRY:
        return Answer(number, kind, name=_name(operation))
    if kind in (BIND_ANSWER, SEARCH_DONE, EXTENDED_ANSWER):
        return Answer(number, kind, code=_code(operation))
    return Answer(number, kind)


def _name(operation: bytes) -> str:
    tag, name, _ = _first(operation)
    try:
        return name.decode() if tag == _OCTETS else ""
    except UnicodeDecodeError:
        raise Broken("a name that is no UTF-8") from None


def _code(operation: bytes) -> int:
    tag, code, _ = _first(operation)
    if tag != _ENUMERATED or not 1 <= len(code) <= 2:  # noqa: PLR2004 - as RFC 4511 appendix A has them
        raise Broken("a result without a code")
    return int.from_bytes(code, "big", signed=True)


def _integer(value: int) -> bytes:
    return element(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _first(content: bytes) -> tuple[int, bytes, bytes]:
    """The first element: its tag, what it contains, and what follows it."""
    bounds = _bounds(content)
    if bounds is None or bounds[1] > len(content):
        raise Broken("an element that has no end")
    begin, end = bounds
    return content[0], content[begin:end], content[end:]


def _bounds(received: bytes) -> tuple[int, int] | None:
    """Where the content of an element begins and ends; None as long as its length is not complete."""
    if len(received) < 2:  # noqa: PLR2004 - the tag and the first octet of the length
        return None
    length, begin = received[1], 2
    if length >= _LONG:
        count = length - _LONG
        if not 1 <= count <= 4:  # noqa: PLR2004 - RFC 4511 section 5.1: definite, and no server needs more
            raise Broken("a length that is none")
        if len(received) < begin + count:
            return None
        length, begin = int.from_bytes(received[begin : begin + count], "big"), begin + count
    return begin, begin + length
