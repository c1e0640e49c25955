"""The messages of OAUTHBEARER (RFC 7628) and of XOAUTH2 (Google's, without an RFC), pure.

    n,a=fosem-4k7q-talir,^Ahost=mail.example.org^Aport=465^Aauth=Bearer TOKEN^A^A
    user=fosem-4k7q-talir^Aauth=Bearer TOKEN^A^A

`^A` is octet 1. What host and port say proves nothing for a bearer token, so they are read and not looked at.
"""

import re
from dataclasses import dataclass, field

OAUTHBEARER_FAILURE = b'{"status":"invalid_token"}'  # RFC 7628 section 3.2.2
OAUTHBEARER_ACKNOWLEDGED = (b"\x01",)
XOAUTH2_FAILURE = b'{"status":"401","schemes":"bearer"}'
# Google's page asks for an empty one; clients that know both mechanisms send the other's as well.
XOAUTH2_ACKNOWLEDGED = (b"", b"\x01")

# gs2-header of RFC 5801: without channel binding ("n"), or by a client that could and sees none on offer ("y").
_HEADER = re.compile(rb"[ny],(?:a=([^,\x00]+))?,")
_PAIR = re.compile(rb"([A-Za-z]+)=([\x20-\x7e\t\r\n]*)")
_SCHEME = re.compile(rb"Bearer *|Bearer +([A-Za-z0-9\-._~+/]+=*)|", re.IGNORECASE)  # b64token of RFC 6750 section 2.1
_ESCAPED = re.compile(r"=(2C|3D|.{0,2})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bearer:
    """`login` is the name that the client gave; empty where it gave none."""

    login: str
    token: str = field(repr=False)


def read_oauthbearer(message: bytes) -> Bearer | None:
    """None where it is none."""
    header, *pairs = message.split(b"\x01")
    found = _HEADER.fullmatch(header)
    login = _saslname(found[1] or b"") if found else None
    token = _token(pairs)
    return Bearer(login, token) if login is not None and token is not None else None


def read_xoauth2(message: bytes) -> Bearer | None:
    """None where it is none."""
    user, *pairs = message.split(b"\x01")
    login = _text(user.removeprefix(b"user=")) if user.startswith(b"user=") else None
    token = _token(pairs)
    return Bearer(login, token) if login is not None and token is not None else None


def _token(pairs: list[bytes]) -> str | None:
    """Of the key/value pairs, whose end is an empty one: keys that are not known are no fault, a key twice is.

    A client without a token may say so, to be told what is asked for: the token is empty then.
    """
    found: dict[bytes, bytes] = {}
    if pairs[-2:] != [b"", b""]:
        return None
    for pair in pairs[:-2]:
        matched = _PAIR.fullmatch(pair)
        if not matched or matched[1] in found:
            return None
        found[matched[1]] = matched[2]
    scheme = _SCHEME.fullmatch(found[b"auth"]) if b"auth" in found else None
    return (scheme[1] or b"").decode("ascii") if scheme else None


def _saslname(octets: bytes) -> str | None:
    """RFC 5801 section 4: a comma is =2C, an equals sign =3D, and nothing else is escaped."""
    text = _text(octets)
    if text is None or any(one not in ("2C", "3D") for one in _ESCAPED.findall(text)):
        return None
    return text.replace("=2C", ",").replace("=3D", "=")


def _text(octets: bytes) -> str | None:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
