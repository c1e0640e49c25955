"""What a reader is shown of a name in From, Sender or a Resent field, pure: text as it stands there in, shown text out.

    "Ada \"A\" Lovelace"                           Ada "A" Lovelace
    =?utf-8?q?Ad=C3=A4?= =?utf-8?b?IExvdmVsYWNl?=  Adä Lovelace
    Ada (work)                                     Ada (work)

Encoded words (RFC 2047) are decoded wherever they stand, and as leniently as the most lenient reader does it: in quotes
and comments, with blanks inside, in pieces that end in the middle of a character. Nothing here is passed on; it is for
policy to judge. A character set that is not in the list is read as ASCII, of which most are supersets.
"""

import binascii
import re
from itertools import groupby

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_WORD = r"=\?[^?\s]+\?[BbQq]\?[^?]*\?="
_WORDS = re.compile(rf"{_WORD}(?:[ \t]*{_WORD})*")
_PARTS = re.compile(r"=\?(?P<charset>[^?*\s]+)[^?]*\?(?P<encoding>[BbQq])\?(?P<text>[^?]*)\?=")
_QUOTED_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
# By name, because Python remembers each name that it was ever asked for, and these are chosen by the client.
_CHARSETS = frozenset(
    (
        *("utf-8", "utf8", "utf-7", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be", "us-ascii"),
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),  # noqa: PLR2004 - there is no part 12
        *(f"windows-125{page}" for page in range(9)),
        *("koi8-r", "koi8-u", "macintosh", "tis-620", "gb2312", "gbk", "gb18030", "hz-gb-2312", "big5", "big5-hkscs"),
        *("euc-jp", "shift_jis", "iso-2022-jp", "euc-kr", "ks_c_5601-1987", "iso-2022-kr"),
    )
)


def shown(name: str) -> str:
    """`name` is unfolded; it may have quotes, comments and encoded words."""
    return _WORDS.sub(lambda match: _decoded(match[0]), _QUOTED.sub(_unquoted, name)).strip()


def _unquoted(match: re.Match[str]) -> str:
    return _QUOTED_PAIR.sub(r"\1", match[1])


def _decoded(words: str) -> str:
    """Encoded words in a row, without the blanks between them (RFC 2047 section 6.2)."""
    pieces = [(part["charset"].lower(), _octets(part["encoding"], part["text"])) for part in _PARTS.finditer(words)]
    return "".join(
        _text(charset, b"".join(octets for _, octets in several))
        for charset, several in groupby(pieces, key=lambda piece: piece[0])
    )


def _octets(encoding: str, text: str) -> bytes:
    given = text.encode()
    if encoding in "Qq":
        return _QUOTED_OCTET.sub(lambda match: bytes.fromhex(match[1].decode()), given.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(given + b"==")
    except binascii.Error:
        return given


def _text(charset: str, octets: bytes) -> str:
    """Never an error, and nothing that UTF-8 does not have."""
    text = octets.decode(charset if charset in _CHARSETS else "latin-1", errors="replace")
    return text.encode(errors="replace").decode()
