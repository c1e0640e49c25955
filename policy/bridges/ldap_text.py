"""Filters (RFC 4515) and names (RFC 4514) as an administrator writes them, with a place for the login; pure.

A filter is read once, and a login is put into what was read, never into text: whatever it contains, it stays one value.
In a name, which the directory reads, everything that could have a meaning is escaped.

    (&(objectClass=person)(uid={login})(!(userAccountControl:1.2.840.113556.1.4.803:=2)))

And, or, not, equality, presence and matching rules: no login has needed more.
"""

import re
from collections.abc import Callable

from policy.bridges.ldap_messages import element, octets

Filter = Callable[[str], bytes]  # of a login: what is sent

_PLACE = "{login}"
_DEPTH_LIMIT = 20
_COMBINED = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_EQUAL, _PRESENT, _BY_RULE = 0xA3, 0x87, 0xA9
_ITEM = re.compile(r"\(([A-Za-z][A-Za-z0-9.;-]*)(?::([A-Za-z0-9.-]+):)?=([^()*\x00]+|\*)\)")
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})")
_PLAIN_IN_A_NAME = re.compile(rb"[A-Za-z0-9._@-]")


def read_filter(text: str) -> Filter:
    """ValueError, in the words of a setting's error, where it is none or has no place for the login."""
    found, rest = _read(text.strip(), 0)
    if rest:
        raise ValueError("it should be one filter in parentheses, such as (uid={login})")
    if _PLACE not in text:
        raise ValueError("it should have {login} where the login stands, such as (uid={login})")
    return found


def name_with(template: str, login: str) -> str:
    """The name, with the login in its place; each octet that is no letter, digit, dot or dash as \\XX."""
    escaped = "".join(
        chr(octet) if _PLAIN_IN_A_NAME.fullmatch(bytes((octet,))) else f"\\{octet:02X}" for octet in login.encode()
    )
    return template.replace(_PLACE, escaped)


def _read(text: str, depth: int) -> tuple[Filter, str]:
    """The filter with which `text` begins, and what follows it."""
    if depth > _DEPTH_LIMIT:
        raise ValueError("it should be a filter of fewer levels")
    tag = _COMBINED.get(text[1:2]) if text.startswith("(") else None
    if tag is None:
        matched = _ITEM.match(text)
        if not matched:
            raise ValueError("it should be a filter such as (uid={login}), with (&...), (|...) or (!...) around it")
        return _item(*matched.groups()), text[matched.end() :]
    parts, rest = list[Filter](), text[2:]
    while rest.startswith("("):
        part, rest = _read(rest, depth + 1)
        parts.append(part)
    if not rest.startswith(")") or not parts or (text[1] == "!" and len(parts) > 1):
        raise ValueError("it should have a closing parenthesis for each opening one, and one filter in (!...)")
    return lambda login: element(tag, *(part(login) for part in parts)), rest[1:]


def _item(attribute: str, rule: str | None, value: str) -> Filter:
    if value == "*" and not rule:
        present = element(_PRESENT, attribute.encode())
        return lambda _: present
    pieces = [_unescaped(piece) for piece in value.split(_PLACE)]

    def written(login: str) -> bytes:
        asked = login.encode().join(pieces)
        if rule:
            return element(
                _BY_RULE, element(0x81, rule.encode()), element(0x82, attribute.encode()), element(0x83, asked)
            )
        return element(_EQUAL, octets(attribute.encode()), octets(asked))

    return written


def _unescaped(text: str) -> bytes:
    r"""RFC 4515 section 3: \XX is an octet, and a backslash is nothing else."""
    given = text.encode()
    if b"\\" in _ESCAPED.sub(b"", given):
        raise ValueError(r"it should have two hexadecimal digits behind each backslash")
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), given)
