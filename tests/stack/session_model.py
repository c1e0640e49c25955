"""A model of what the RFCs say of a session, and a client that plays any commands in any order beside it.

What it sends is pipelined, cut into any pieces, and may end at any octet. Each reply has to have the code that the
model says; which messages it takes for taken is for the test to compare with what the next hop got.
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from wire import Wire

SENDER, FRIEND = "ada@sallyport.test", "bob@elsewhere.example"
# Complete, so that the gateway adds nothing but its trace field; each message has a number of its own.
HEAD = (
    f"From: {SENDER}\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <NUMBER@sallyport.test>\r\n\r\n".encode()
)
FINE = (b"", b"text\r\n", b".\r\n..\r\n", b".", b"no end", b"RSET\r\nQUIT\r\n", b"\r\n.\r\n")
PIECES = (*FINE, *FINE, HEAD, b"a\nb", b"\r", b"\0")
COMMANDS = {
    # verb of the model: the line
    "EHLO": "EHLO client.example",
    "EHLO?": "EHLO -",
    "HELO": "helo client.example",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH PLAIN {plain}",
    "AUTH?": "AUTH PLAIN !",
    "AUTH-CRAM": "AUTH CRAM-MD5",
    "MAIL": f"MAIL FROM:<{SENDER}> BODY=8BITMIME SIZE=100",
    "MAIL?": f"MAIL FROM:{SENDER}",
    "MAIL-BOB": "MAIL FROM:<bob@sallyport.test>",
    "RCPT": f"RCPT TO:<{FRIEND}> NOTIFY=NEVER",
    "RCPT?": "RCPT TO:<a%b@elsewhere.example>",
    "DATA": "DATA",
    "DATA?": "DATA now",
    "RSET": "RSET",
    "RSET?": "RSET now",
    "NOOP": "noop whatever",
    "VRFY": "VRFY ada",
    "HELP": "HELP",
    "XFORWARD": "XFORWARD ADDR=192.0.2.1",
}
ALWAYS = {"EHLO?": 501, "RSET?": 501, "DATA?": 501, "NOOP": 250, "VRFY": 252, "HELP": 502}  # under TLS
GO_ON, READY_FOR_TLS, BYE = 354, 220, 221
WAITS = ("EHLO", "STARTTLS", "AUTH", "DATA")  # RFC 2920 section 3.1: the client goes on once it has the reply


@dataclass(frozen=True)
class Step:
    """A command; DATA and BDAT have content. `waits`: for its reply, although it need not."""

    verb: str
    pieces: tuple[bytes, ...] = ()
    is_last: bool = False
    waits: bool = False


@dataclass
class Model:
    """What a session is, and what was taken in it."""

    is_under_tls: bool
    is_greeted: bool = False
    is_logged_in: bool = False
    recipients: int | None = None  # none outside of a transaction
    chunks: bytes | None = None  # none before the first BDAT
    taken: list[bytes] = field(default_factory=list)

    def answer(self, step: Step, content: bytes) -> int:
        """The code of the reply to a command. What follows 354 to DATA is for `end`."""
        verb = step.verb
        if verb == "XFORWARD":
            return 500
        if not self.is_under_tls and verb not in ("EHLO", "EHLO?", "NOOP", "STARTTLS"):
            return 530
        if verb in ALWAYS:
            return ALWAYS[verb]
        if verb in ("EHLO", "HELO", "RSET"):
            self.is_greeted |= verb != "RSET"
            self.recipients = self.chunks = None
            return 250
        if verb == "STARTTLS":
            return 503 if self.is_under_tls or not self.is_greeted else READY_FOR_TLS
        if verb.startswith("AUTH"):
            return self._log_in(verb)
        if verb.startswith("MAIL"):
            return self._begin(verb)
        if self.recipients is None:
            return 503 if self.is_logged_in else 530
        return self._add(verb) if verb.startswith("RCPT") else self._fill(step, content)

    def end(self, content: bytes) -> int:
        """A whole message."""
        self.recipients = self.chunks = None
        if b"\0" in content or re.search(rb"\r(?!\n)|(?<!\r)\n", content) or not content.startswith(b"From:"):
            return 554
        self.taken.append(content if content.endswith(b"\r\n") else content + b"\r\n")
        return 250

    def _fill(self, step: Step, content: bytes) -> int:
        if not self.recipients or (step.verb == "DATA" and self.chunks is not None):
            return 503
        if step.verb == "DATA":
            return GO_ON
        self.chunks = (self.chunks or b"") + content
        return self.end(self.chunks) if step.is_last else 250

    def _log_in(self, verb: str) -> int:
        if self.is_logged_in or not self.is_greeted:
            return 503
        self.is_logged_in = verb == "AUTH"
        return {"AUTH": 235, "AUTH?": 501, "AUTH-CRAM": 504}[verb]

    def _begin(self, verb: str) -> int:
        if not self.is_greeted:
            return 503
        if not self.is_logged_in:
            return 530
        if self.recipients is not None:
            return 503
        if verb == "MAIL":
            self.recipients = 0
        return {"MAIL": 250, "MAIL?": 501, "MAIL-BOB": 553}[verb]

    def _add(self, verb: str) -> int:
        if self.chunks is not None:
            return 503
        self.recipients = (self.recipients or 0) + (verb == "RCPT")
        return 250 if verb == "RCPT" else 553


@dataclass
class Session:
    """Plays steps: all octets between two waits go out together, in pieces of `sizes`; `life` octets in all."""

    wire: Wire
    tls: ssl.SSLContext
    plain: str  # the right response to AUTH PLAIN
    numbers: Iterator[int]
    model: Model
    sizes: Sequence[int]
    life: int
    told: int = 0  # how many messages the client knows to be taken
    sent: int = 0  # and how many it has sent to their end: these, and those that it had no reply for
    _flight: bytes = b""
    _codes: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)  # in the flight, of the messages that are taken

    def play(self, steps: Sequence[Step]) -> None:
        """To the end, or until its life is over."""
        for step in steps:
            content = b"".join(step.pieces).replace(b"NUMBER", b"%d" % next(self.numbers))
            code = self.model.answer(step, content)
            self._say(self._octets(step, content), code)
            if step.waits or step.verb.partition("-")[0].rstrip("?") in WAITS:
                self._wait()
            if self.life < 0:
                return
            if code == GO_ON:
                whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
                code = self.model.end(whole)
                self._say(re.sub(rb"(?m)^\.", b"..", whole) + b".\r\n", code)
            if code == READY_FOR_TLS:
                self.wire.start_tls(self.tls)
                self.model = Model(is_under_tls=True, taken=self.model.taken)
        self._say(b"QUIT\r\n", BYE)
        self._wait()
        assert self.life < 0 or self.wire.ended() == ""

    def _octets(self, step: Step, content: bytes) -> bytes:
        if step.verb == "BDAT":
            return b"BDAT %d%b\r\n%b" % (len(content), b" LAST" if step.is_last else b"", content)
        return COMMANDS[step.verb].format(plain=self.plain).encode() + b"\r\n"

    def _say(self, octets: bytes, code: int) -> None:
        self._flight += octets
        self._codes.append(code)
        if len(self.model.taken) > self.told + len(self._ends):
            self._ends.append(len(self._flight))

    def _wait(self) -> None:
        """Send what is to be sent, and read what is said to it."""
        octets, start = self._flight[: self.life], 0
        for size in (*self.sizes, len(octets)):
            if piece := octets[start : start + size]:
                self.wire.say(piece)
            start += size
        self.sent = self.told + sum(end <= len(octets) for end in self._ends)
        self.life -= len(self._flight)
        if self.life < 0:
            return
        assert [int(self.wire.reply()[:3]) for _ in self._codes] == self._codes
        self.told = self.sent
        self._flight, self._codes, self._ends = b"", [], []


@dataclass(frozen=True)
class Play:
    """One session, as it is drawn."""

    is_tls_port: bool
    steps: Sequence[Step]
    sizes: Sequence[int]
    life: int

    def perform(self, wire: Wire, tls: ssl.SSLContext, plain: str, numbers: Iterator[int]) -> Session:
        """On a connection that was just opened."""
        if self.is_tls_port:
            wire.start_tls(tls)
        wire.line()
        session = Session(wire, tls, plain, numbers, Model(self.is_tls_port), self.sizes, self.life)
        session.play(self.steps)
        return session


def plays() -> st.SearchStrategy[Play]:
    """Most of them log in first, and speak of transactions more often than of anything else; a third is cut off."""
    contents = st.lists(st.sampled_from(PIECES), max_size=3).map(tuple)
    messages = contents | contents.map(lambda pieces: (HEAD, *pieces))
    often = ("MAIL", "RCPT", "DATA", "RSET", "EHLO")
    commands = st.builds(Step, st.sampled_from([*sorted(COMMANDS), *often * 4]), messages, waits=st.booleans())
    chunks = st.builds(Step, st.just("BDAT"), messages, st.booleans(), st.booleans())
    envelope = (Step("MAIL"), Step("RCPT"))
    parts = st.lists(
        commands.map(lambda one: (one,)) | chunks.map(lambda one: (one,)) | st.just(envelope),
        min_size=15,
        max_size=40,
    )

    def made(is_tls_port: bool, logs_in: bool, drawn: list[tuple[Step, ...]], sizes: list[int], life: int) -> Play:
        first = [] if is_tls_port else [Step("EHLO"), Step("STARTTLS")]
        start = [*first, Step("EHLO"), Step("AUTH")] if logs_in else []
        return Play(is_tls_port, [*start, *(step for part in drawn for step in part)], sizes, life)

    logs_in = st.sampled_from([True, True, True, True, False])
    lives = st.sampled_from([10**9, 10**9]) | st.integers(0, 3000)
    return st.builds(made, st.booleans(), logs_in, parts, st.lists(st.integers(1, 40), max_size=20), lives)
