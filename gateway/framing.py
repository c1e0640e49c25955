"""Where a message ends, pure: octets in, the message, its flaws and the octets after it out.

Only CRLF "." CRLF ends a message (RFC 5321 section 4.1.1.4). Everything else that some server somewhere takes for an
end - LF.LF, CRLF.LF, CR.CR - stays content, and content with a bare CR, a bare LF or a NUL is refused once all of it
has been read: the next server might read it differently from us, which is what SMTP smuggling lives on.
Nothing is repaired here: what is relayed is what was sent, without the transparency dots (section 4.5.2).

Memory: at most `limit` octets and what one feed brings. Beyond the limit content is read and dropped.
"""

from enum import Enum

_END = b"\r\n.\r\n"
_LINE_LIMIT = 998  # without CRLF, RFC 5321 section 4.5.3.1.6


class Flaw(Enum):
    """Why a message that was read to its end cannot be accepted."""

    TOO_BIG = "too-big"
    BARE_CR_OR_LF = "bare-cr-or-lf"
    NUL = "nul"
    LINE_TOO_LONG = "line-too-long"


class MessageReader:
    """Takes the octets after 354, in pieces of any size, until `ended`.

    Then `message` holds the content with its final CRLF, `rest` what the client sent after the end, and `flaw` the
    first reason not to accept the message, or None.
    """

    def __init__(self, limit: int) -> None:
        self.ended = False
        self.message = b""
        self.rest = b""
        self.flaw: Flaw | None = None
        self._limit = limit
        # The CRLF before the first line is the one of the DATA command: a message that starts with "." CRLF is empty.
        self._raw = bytearray(b"\r\n")
        self._searched = 0
        self._dropping = False

    def feed(self, octets: bytes) -> None:
        self._raw += octets
        end = self._raw.find(_END, self._searched)
        if end >= 0:
            self._finish(end)
            return
        # The end may be cut anywhere: look again at its first four octets.
        self._searched = max(0, len(self._raw) - len(_END) + 1)
        # Transparency dots do not count, and there can be one in three octets.
        if len(self._raw) > self._limit + self._limit // 2 + len(_END) or self._dropping:
            self._dropping = True
            del self._raw[: self._searched]
            self._searched = 0

    def _finish(self, end: int) -> None:
        self.ended = True
        self.rest = bytes(self._raw[end + len(_END) :])
        if self._dropping:
            self.flaw = Flaw.TOO_BIG
        else:
            del self._raw[end + 2 :]
            self.message = bytes(self._raw.replace(b"\r\n.", b"\r\n"))[2:]
            self.flaw = _first_flaw(self.message, self._limit)
        if self.flaw:
            self.message = b""
        self._raw.clear()


def _first_flaw(message: bytes, limit: int) -> Flaw | None:
    if len(message) > limit:
        return Flaw.TOO_BIG
    pairs = message.count(b"\r\n")
    # Counting takes microseconds where a regular expression takes 100 ms for 5 MB.
    if message.count(b"\r") != pairs or message.count(b"\n") != pairs:
        return Flaw.BARE_CR_OR_LF
    if b"\0" in message:
        return Flaw.NUL
    if _has_long_line(message):
        return Flaw.LINE_TOO_LONG
    return None


def _has_long_line(message: bytes) -> bool:
    """Jump from line end to line end: each step looks for the last CRLF that a legal line could have."""
    start = 0
    while len(message) - start > _LINE_LIMIT + 2:
        end = message.rfind(b"\r\n", start, start + _LINE_LIMIT + 2)
        if end < 0:
            return True
        start = end + 2
    return False
