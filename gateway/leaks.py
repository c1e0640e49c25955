"""What in a message has the form of a secret that policy gives out: 27 letters of 31, in groups of six. Pure.

Who mails his secret, to himself or to whoever asked for it, gives away what this server was made to protect. Here only
the form is seen; whether it is somebody's secret policy knows. At most CANDIDATES_LIMIT are told, never more than once.

    Finder      fed the octets of a message, in pieces of any size; `candidates` afterwards
    secrets_in  the same for a message that is in memory

Looked at are the header section and the text parts, decoded (quoted-printable, base64, encoded words of RFC 2047), in
whatever nesting; groups may stand together, or have a hyphen, a dash, a blank or a line's end between them. Not looked
at are other parts: an archive or a picture of a secret passes.

The work is bounded and quick, because each message pays for it: a message is split where a line begins with two hyphens
and fields follow, which no MIME boundary can do without; what is no text is skipped by a search that runs at the speed
of memory; and a secret's form, with what stands around it, is a fixed string once each letter is replaced by its class.
No more than TEXT_LIMIT octets of text are looked at.
"""

import re
from binascii import Error as NotBase64
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator

CANDIDATES_LIMIT = 20
TEXT_LIMIT = 1024 * 1024
_PARTS_LIMIT = 1000  # boundaries, and lines that look like one; what comes after is not split any more

_LETTERS = b"23456789abcdefghjkmnpqrstuvwxyz"
_OTHERS = b"01lio"  # letters and digits that no secret has: beside one of these, or of its own, a secret does not end
_BLANKS = b"- \t\r\n_\xa0"
# Each octet by its class: L of a secret, x another letter or digit, - between groups, . all else.
_SIGNS = {b"L": _LETTERS + _LETTERS.upper(), b"x": _OTHERS + _OTHERS.upper(), b"-": _BLANKS}
_CLASS = b"".join(next((sign for sign, octets in _SIGNS.items() if octet in octets), b".") for octet in range(256))
_GROUPED, _LETTERS_ALONE = b"LLLLLL-LLLLLL-LLLLLL-LLLLLL-LLL", b"L" * 27
_RUN = re.compile(b"L+")
_NOT_LETTERS = bytes(octet for octet in range(256) if _CLASS[octet] != b"L"[0])
_WITHIN = b"Lx"  # classes that go on with a word
_BEFORE = b"\n"  # stands before a text, so that its first word has something before it, and one that was cut has not
# The two forms among words, where whatever is not within one is a dot.
_WORDS = _CLASS.replace(b"-", b".")
_GROUPED_AMONG_WORDS, _ALONE_AMONG_WORDS = (b".%b." % form.replace(b"-", b".") for form in (_GROUPED, _LETTERS_ALONE))
# CPython searches in less than 30,000 octets in another way than in more of them: here, five times as fast.
_WINDOW = 28 * 1024

# What is one separator to a reader and several octets: line ends, no-break blanks, hyphens and dashes of Unicode. In
# front of each group stands what all of it have in common.
_SEPARATORS = (
    (b"", (b"\r\n", b" - ")),
    (b"&", (b"&nbsp;", b"&#8209;")),
    (b"\xc2", (b"\xc2\xa0",)),
    (b"\xe2\x80", tuple(b"\xe2\x80%c" % octet for octet in (*range(0x90, 0x96), 0xAF))),
)
_WORD = re.compile(rb"=\?[^?\s]+\?[bB]\?([A-Za-z0-9+/=]*)\?=")
_NOT_BASE64 = bytes(
    octet for octet in range(256) if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

# A part begins: its boundary, and its header section with the empty line.
_FIELD = rb"[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*"
# No more fields than a part can need: lines that are boundary and field at once would be read again from each of them.
_PART = re.compile(rb"\r\n--[^\r\n]+\r\n((?:" + _FIELD + rb"){0,40})\r\n")
_HEAD = re.compile(rb"(?:\r\n)?((?:" + _FIELD + rb")+)\r\n|\r\n()\r\n")
_HEAD_BEGUN = re.compile(rb"(?:\r\n)?(?:" + _FIELD + rb")*[^\r\n]*\r?")
_LINE_END, _DELIMITER = b"\r\n", b"\r\n--"
_BASE64_END = re.compile(rb"=|\r\n--")
_MESSAGE_HEAD_LIMIT = 256 * 1024  # as facts.py has it
_HEAD_LIMIT = 16 * 1024  # of a part's header section; one that is longer is read as text
_TYPE = re.compile(rb"^content-type[ \t]*:\s*([^\s;/]+)", re.IGNORECASE | re.MULTILINE)
_ENCODING = re.compile(rb"^content-transfer-encoding[ \t]*:\s*\"?([^\s;\"]+)", re.IGNORECASE | re.MULTILINE)

_TEXT, _BASE64, _SKIPPED = "text", "base64", "skipped"


class Finder:
    """Of one message, from its first octet on. `feed` it, and then `end` it."""

    def __init__(self) -> None:
        # For the caller, in the order in which they were found
        self.candidates: list[str] = []
        # What goes on
        self._kind = ""  # of the part; empty before the header section's end
        self._rest = b""  # octets of which the next piece tells what they are
        self._text = _BEFORE  # and the end of the text of a part, which may hold a secret's first groups
        self._base64 = b""  # digits that are no whole group of four yet
        self._text_left, self._parts_left = TEXT_LIMIT, _PARTS_LIMIT

    @property
    def is_done(self) -> bool:
        """Whether more octets would change nothing."""
        return self._text_left <= 0 or len(self.candidates) >= CANDIDATES_LIMIT

    def feed(self, piece: bytes) -> None:
        if not self.is_done:
            self._go_on(self._rest + piece, is_end=False)

    def end(self) -> tuple[str, ...]:
        """The candidates."""
        if not self.is_done:
            self._go_on(self._rest, is_end=True)
            self._end_part()
        return tuple(self.candidates[:CANDIDATES_LIMIT])

    def _go_on(self, octets: bytes, *, is_end: bool) -> None:
        position, known = 0, len(self._rest)
        while part := self._part_after(octets, position, known, is_end=is_end):
            position = part
        if not self._kind:
            self._rest = octets[position:]
            return
        kept = len(octets) if is_end else _certain(octets, position)
        self._content(octets[position:kept])
        self._rest = octets[kept:]

    def _part_after(self, octets: bytes, position: int, known: int, *, is_end: bool) -> int:
        """Go on to where the content of the next part begins; 0 where none is known to begin."""
        if not self._kind:
            return self._head(octets, position, is_end=is_end)
        part = self._next_part(octets, position, known)
        if not part:
            return 0
        self._content(octets[position : part.start()])
        self._end_part()
        self._fields(part[1])
        return part.end() - len(_LINE_END)  # a boundary may follow at once

    def _head(self, octets: bytes, position: int, *, is_end: bool) -> int:
        """The header section of a message, or of one that is attached; without one, all of it is text."""
        if head := _HEAD.match(octets, position):
            self._kind = _TEXT
            self._fields(head[1])
            return head.end() - len(_LINE_END)
        if is_end or len(octets) - position > _MESSAGE_HEAD_LIMIT or not _HEAD_BEGUN.fullmatch(octets, position):
            self._kind = _TEXT
        return 0

    def _next_part(self, octets: bytes, position: int, known: int) -> re.Match[bytes] | None:
        """Where the next one begins, from `position` on. What begins before `known` was counted with the last piece."""
        start = octets.find(_DELIMITER, position)
        while start >= 0 and self._parts_left > 0:
            self._parts_left -= start >= known
            if part := _PART.match(octets, start):
                return part
            start = octets.find(_DELIMITER, start + 1)
        return None

    def _end_part(self) -> None:
        """What it ends with may be a secret, and digits that lack their padding."""
        rest = _decoded(self._base64 + b"=" * (-len(self._base64) % 4))
        self._look(self._text + rest, is_end=True)
        self._text, self._base64 = _BEFORE, b""

    def _fields(self, fields: bytes) -> None:
        """A header section is text, and says what follows."""
        encoding = _ENCODING.search(fields)
        is_base64 = bool(encoding and encoding[1].lower() == b"base64")
        kind = _type_of(fields)
        is_text = kind in (b"text", b"multipart", b"")
        # What is attached has a header section of its own.
        self._kind = "" if kind == b"message" else _SKIPPED if not is_text else _BASE64 if is_base64 else _TEXT
        self._look(_BEFORE + _WORD.sub(_decoded_word, fields), is_end=True)

    def _content(self, octets: bytes) -> None:
        if self._kind == _SKIPPED or not octets or self.is_done:
            return
        octets = octets[: self._text_left]
        self._text_left -= len(octets)
        if self._kind == _BASE64:
            self._decode(octets)
        else:
            self._go_on_with(octets)

    def _decode(self, octets: bytes) -> None:
        """As far as it is base64: to its padding, or to the boundary that no part follows."""
        end = _BASE64_END.search(octets)
        digits = self._base64 + octets[: end.start() if end else None].translate(None, _NOT_BASE64)
        whole = len(digits) - len(digits) % 4
        self._base64 = digits[whole:]
        self._go_on_with(_decoded(digits[:whole]))
        if end:
            self._end_part()
            self._kind = _SKIPPED

    def _go_on_with(self, octets: bytes) -> None:
        """More text of the part."""
        for start in range(0, len(octets), _WINDOW):
            text = self._text + octets[start : start + _WINDOW]
            self._look(text)
            # Three octets for each letter, were all of them encoded, and as much between groups.
            self._text = text[-len(_GROUPED) * 6 :]

    def _look(self, text: bytes, *, is_end: bool = False) -> None:
        """What has the form in `text`, as it stands there and as quoted-printable; what reaches its end may go on."""
        for reading in _readings(text):
            for found in _found(reading, is_end=is_end):
                if found not in self.candidates and len(self.candidates) < CANDIDATES_LIMIT:
                    self.candidates.append(found)


def secrets_in(message: bytes) -> tuple[str, ...]:
    """The letters of each, in lower case and without groups."""
    finder = Finder()
    finder.feed(message)
    return finder.end()


def _certain(octets: bytes, position: int) -> int:
    """Up to where a piece can be read before the next one is there: not into what may be the beginning of a part."""
    start = octets.rfind(_DELIMITER, max(position, len(octets) - _HEAD_LIMIT))
    if start >= 0:
        # An earlier one may have fields that go on beyond it.
        first = octets.find(_DELIMITER, max(position, len(octets) - _HEAD_LIMIT))
        return min(start, first)
    return max(position, len(octets) - len(_DELIMITER))


def _type_of(fields: bytes) -> bytes:
    found = _TYPE.search(fields)
    return found[1].lower() if found else b""


def _decoded_word(word: re.Match[bytes]) -> bytes:
    return _decoded(word[1] + b"=" * (-len(word[1]) % 4))


def _decoded(digits: bytes) -> bytes:
    """Nothing where they are none."""
    try:
        return a2b_base64(digits)
    except NotBase64:
        return b""


def _readings(text: bytes) -> list[bytes]:
    """UTF-16 and UTF-32 have the same letters with NULs between them."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    if b"=" not in text:
        return [text]
    return [text, a2b_qp(text)]


def _found(text: bytes, *, is_end: bool) -> list[str]:
    text = _with_single_separators(text)
    words = text.translate(_WORDS) + b"."
    if _GROUPED_AMONG_WORDS not in words and _ALONE_AMONG_WORDS not in words:
        return []  # as nearly always
    classes = text.translate(_CLASS)
    found: list[str] = []
    for start, end in (*_grouped(classes), *_together(classes)):
        is_whole = is_end if end == len(classes) else classes[end] not in _WITHIN
        if is_whole and start and classes[start - 1] not in _WITHIN:
            found.append(text[start:end].translate(None, _NOT_LETTERS).decode("ascii").lower())
    return found


def _with_single_separators(text: bytes) -> bytes:
    for common, separators in _SEPARATORS:
        if common in text:
            for separator in separators:
                text = text.replace(separator, b"-")
    return text


def _grouped(classes: bytes) -> Iterator[tuple[int, int]]:
    start = classes.find(_GROUPED)
    while start >= 0:
        yield start, start + len(_GROUPED)
        start = classes.find(_GROUPED, start + 1)


def _together(classes: bytes) -> Iterator[tuple[int, int]]:
    """Runs of exactly so many letters; of a longer one only its end is looked for."""
    start = classes.find(_LETTERS_ALONE)
    while start >= 0:
        run = _RUN.match(classes, start)
        end = run.end() if run else start + 1
        if end - start == len(_LETTERS_ALONE):
            yield start, end
        start = classes.find(_LETTERS_ALONE, end)
