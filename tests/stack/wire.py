"""A client that says exactly the octets that a test wants, and holds every reply to its form.

smtplib would join lines, wait where it should not, and hide how a connection ended. What is asserted of each line that
comes: RFC 5321 section 4.2 (three digits, then a space or a hyphen), 512 octets at most (section 4.5.3.1.5), printable
ASCII, and an RFC 3463 status of the code's class wherever RFC 2034 wants one.
"""

import re
import select
import socket
import ssl
from typing import Self

from harness import HOSTNAME

_LINE = re.compile(r"([2-5][0-5][0-9])([ -])(.*)")
_STATUS = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3} [A-Z]")
_LINE_LIMIT = 512
_PIECE = 65536


class Wire:
    """One connection. Octets from the gateway are kept until a line is complete."""

    def __init__(self, port: int, *, timeout_s: float = 15) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._received = b""
        self._is_multiline = False

    def start_tls(self, context: ssl.SSLContext, *, early: bytes = b"") -> Self:
        """Shake hands; `early` goes out in one packet with the client's last handshake message (TLS 1.3)."""
        assert not self._received, "octets in clear before TLS"
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._exchange()
        self._tls = tls
        if early:
            tls.write(early)
        self._write_out()
        return self

    def say(self, octets: bytes) -> None:
        if self._tls:
            self._tls.write(octets)
            self._write_out()
        else:
            self._socket.sendall(octets)

    def line(self) -> str:
        """The next line, without its CRLF."""
        while b"\r\n" not in self._received:
            piece = self._piece()
            assert piece, f"the gateway closed the connection after {self._received!r}"
            self._received += piece
        line, _, self._received = self._received.partition(b"\r\n")
        return self._checked(line)

    def reply(self) -> str:
        """The last line of the next reply."""
        line = self.line()
        while line[3] == "-":
            line = self.line()
        return line

    def ask(self, command: str) -> str:
        self.say(command.encode() + b"\r\n")
        return self.reply()

    def ended(self) -> str:
        """Nothing more comes, and the end does. Empty for an orderly one, under TLS with close_notify."""
        try:
            assert not self._received, f"one line too many: {self._received!r}"
            piece = self._piece()
            assert not piece, f"one line too many: {piece!r}"
        except ssl.SSLError as error:
            return str(error)
        except OSError as error:
            return type(error).__name__
        return ""

    def has_something(self, *, within_s: float) -> bool:
        """Whether the gateway has said something that was not yet read."""
        return bool(self._received or select.select([self._socket], [], [], within_s)[0])

    @property
    def certificate(self) -> bytes:
        assert self._tls
        return self._tls.getpeercert(binary_form=True) or b""

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked(self, octets: bytes) -> str:
        assert len(octets) + len(b"\r\n") <= _LINE_LIMIT, octets
        line = octets.decode("ascii")
        match = _LINE.fullmatch(line)
        assert match, line
        assert line.isprintable(), line
        code, more, text = match.groups()
        if self._is_multiline or more == "-" or text.startswith(HOSTNAME):
            # The only replies of several lines, and without a status: greeting, EHLO, HELO.
            assert code in ("220", "250"), line
            assert self._is_multiline or text.startswith(HOSTNAME), line
        elif code not in ("334", "354"):
            status = _STATUS.match(text)
            assert status, line
            assert status[1] == code[0], line
        self._is_multiline = more == "-"
        return line

    def _piece(self) -> bytes:
        """What comes next; nothing at the end."""
        while self._tls:
            try:
                return self._tls.read(_PIECE)
            except ssl.SSLWantReadError:
                self._exchange()
            except ssl.SSLZeroReturnError:
                return b""
        return self._socket.recv(_PIECE)

    def _exchange(self) -> None:
        self._write_out()
        came = self._socket.recv(_PIECE)
        if came:
            self._incoming.write(came)
        else:
            self._incoming.write_eof()

    def _write_out(self) -> None:
        if going := self._outgoing.read():
            self._socket.sendall(going)
