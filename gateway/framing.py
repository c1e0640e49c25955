"""Where a message ends, pure: pieces of any size in, content that is certain, its flaws and what follows it out.

DATA ends with CRLF "." CRLF and with nothing else (RFC 5321 section 4.1.1.4). What some server somewhere takes for an
end - LF.LF, CRLF.LF, CR.CR - stays content, and content with a bare CR, a bare LF or a NUL is refused once all of it
has been read: the next server might read it differently from us, which is what SMTP smuggling lives on. Nothing is
repaired here: what is relayed is what was sent, without the transparency dots (section 4.5.2).

BDAT says beforehand how many octets come (RFC 3030), so nothing in them can be an end; the same flaws are refused. The
last line may lack its CRLF there (RFC 5322 section 3.5), and gets it, as DATA would have given it: every server behind
us reads lines, and what DKIM signs is the same with it (RFC 6376 section 3.4).

Memory: one piece, and at most four octets of the piece before. Every octet is searched a fixed number of times, with
searches that run at the speed of C; a loop over lines would take longer than TLS does.
"""

from enum import Enum
from io import IncrementalNewlineDecoder  # it only looks at text; nothing is opened

_CRLF = b"\r\n"
_CRLF_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_LINE_LIMIT = 998  # without CRLF, RFC 5321 section 4.5.3.1.6


class Flaw(Enum):
    """Why a message that was read to its end cannot be accepted. Of several, the first in this order is told."""

    TOO_BIG = "too-big"
    BARE_CR_OR_LF = "bare-cr-or-lf"
    NUL = "nul"
    LINE_TOO_LONG = "line-too-long"


_RANK = {flaw: rank for rank, flaw in enumerate(Flaw)}


class _Reader:
    """What both verbs have in common: the content is measured, and looked at for flaws, as it becomes certain."""

    def __init__(self, limit: int) -> None:
        # For the caller
        self.ended = False
        self.rest = b""  # what the client sent after the end
        self.flaw: Flaw | None = None
        self.size = 0  # octets of content as it came, with the final CRLF of DATA; counted on where it is flawed
        self.is_ascii = True
        # Between two pieces
        self._limit = limit
        self._held = b""  # octets whose meaning the next piece tells; a CR is never parted from its LF
        self._line = 0  # length of the unfinished line

    def _take(self, content: bytes) -> bytes:
        """The content again, or nothing where the message cannot be accepted any more."""
        self.size += len(content)
        if self.flaw is Flaw.TOO_BIG:
            return b""
        self.is_ascii = self.is_ascii and content.isascii()
        found = self._first_flaw(content)
        # By rank, not by time: the reply must not depend on how the network cut the message.
        if found and (self.flaw is None or _RANK[found] < _RANK[self.flaw]):
            self.flaw = found
        return b"" if self.flaw else content

    def _first_flaw(self, content: bytes) -> Flaw | None:
        if self.size > self._limit:
            return Flaw.TOO_BIG
        if _has_bare_cr_or_lf(content):
            return Flaw.BARE_CR_OR_LF
        if b"\0" in content:
            return Flaw.NUL
        if self.flaw is None and self._has_long_line(content):
            return Flaw.LINE_TOO_LONG
        return None

    def _has_long_line(self, content: bytes) -> bool:
        """Jump from line end to line end: each step looks for the last CRLF that legal lines could have."""
        start, room = 0, _LINE_LIMIT - self._line
        while len(content) - start > room:
            end = content.rfind(_CRLF, start, start + room + 2)
            if end < 0:
                return True
            start, room = end + 2, _LINE_LIMIT
        last = content.rfind(_CRLF, start)
        self._line = len(content) - (last + 2) if last >= 0 else len(content) - start + _LINE_LIMIT - room
        return False


class DataReader(_Reader):
    """Takes the octets after 354 until `ended`; what `feed` gives back, put together, is the content."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        # The CRLF before the first line is the one of the DATA command: a message that starts with "." CRLF is empty.
        self._held = _CRLF
        self._at_start = True

    def feed(self, octets: bytes | bytearray) -> bytes:
        """The content that is certain now, dots unstuffed; nothing once there is a flaw."""
        window = self._held + octets
        has_dots = _has_dot_at_line_start(window)
        end = window.find(_END) if has_dots else -1
        if end >= 0:
            self.ended, self.rest, self._held = True, window[end + len(_END) :], b""
            content = window[: end + 2]
        else:
            cut = len(window) - _start_of_end(window)
            content, self._held = window[:cut], window[cut:]
        if has_dots:
            content = content.replace(_CRLF_DOT, _CRLF)
        if self._at_start and content:
            content, self._at_start = content[2:], False
        return self._take(content)


class ChunkReader(_Reader):
    """Takes the octets after each BDAT until `chunk_ended`; all chunks up to the last one, `ended`, are one message.

    Chunks are cut anywhere, between CR and LF as well (RFC 3030 section 2). There are no transparency dots.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.chunk_ended = True
        self.needed = 0  # octets, until the chunk ends
        self._is_last = False
        self._is_in_line = False

    def begin(self, octets: int, *, is_last: bool) -> None:
        """BDAT said so. `feed` comes next, even with nothing: BDAT 0 LAST ends what came before."""
        self.needed, self._is_last = octets, is_last
        self.chunk_ended, self.rest = False, b""

    def feed(self, octets: bytes | bytearray) -> bytes:
        """The content that is certain now, at most what the chunk still needs; nothing once there is a flaw."""
        window = self._held + octets[: self.needed]
        self.rest = bytes(octets[self.needed :])
        self.needed -= min(self.needed, len(octets))
        self.chunk_ended = self.needed == 0
        self.ended = self.chunk_ended and self._is_last
        cut = len(window) - (not self.ended and window.endswith(b"\r"))
        content, self._held = window[:cut], window[cut:]
        if content:
            self._is_in_line = not content.endswith(_CRLF)
        taken = self._take(content)
        return taken + _CRLF if self.ended and self._is_in_line and self.flaw is None else taken


def _has_dot_at_line_start(window: bytes) -> bool:
    """Nearly always the answer is no: base64 has no dots at all, and rfind is several times faster than find."""
    return b"." in window and window.rfind(_CRLF_DOT) >= 0


def _start_of_end(window: bytes) -> int:
    """How many octets at the end of the window may be the start of CRLF "." CRLF."""
    return next((octets for octets in range(len(_END) - 1, 0, -1) if window.endswith(_END[:octets])), 0)


def _has_bare_cr_or_lf(content: bytes) -> bool:
    """Text files with universal newlines ask the same; their decoder answers three times as fast as counting does.

    Latin-1 gives each octet its character. With final=True a CR in the last place counts as bare.
    """
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(content.decode("latin-1"), final=True)
    return decoder.newlines not in (None, "\r\n")
