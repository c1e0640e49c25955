"""One HTTP connection to policy: questions in one write, their answers, and then the next ones (RFC 9112).

    policy_client.py       what is asked, and what becomes of a failure
    policy_exchange.py     what goes in one write, and who waits for it
    policy_connection.py   (you are here) the octets

A client for every server there is costs 70 us of a processor for each question, with up to four in a session. Policy
says how long its answers are, so this much is enough; whatever is not such an answer is none, and ends the connection.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Self

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_UNREADABLE = re.compile(rb"\r\n(?:transfer-encoding|content-encoding):", re.IGNORECASE)
_CLOSING = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_HEAD_LIMIT = 8 * 1024
_NO_CONTENT = 204  # RFC 9110 section 15.3.5: nothing comes behind its head


class NoAnswer(Exception):
    """The connection, or what came over it, is of no use."""


class HttpAnswer(NamedTuple):
    """`ends_at` is where the next one would begin."""

    status: int
    body: bytes
    ends_at: int
    is_last: bool  # the connection is closed behind it


def read_answer(received: bytes | bytearray, limit: int) -> HttpAnswer | None:
    """The answer at the beginning of what was received; None until it is whole. NoAnswer where it is none."""
    ends_at = received.find(b"\r\n\r\n", 0, _HEAD_LIMIT)
    if ends_at < 0:
        if len(received) >= _HEAD_LIMIT:
            raise NoAnswer("a head without an end")
        return None
    head = bytes(received[: ends_at + 2])
    status, lengths = _STATUS.match(head), _LENGTH.findall(head)
    if not status or _UNREADABLE.search(head):
        raise NoAnswer("not an answer")
    code = int(status[1])
    if len(lengths) != (code != _NO_CONTENT):
        raise NoAnswer("an answer without one length")
    length = int(lengths[0]) if lengths else 0
    if length > limit:
        raise NoAnswer("answer too long")
    begins_at = ends_at + 4
    if len(received) < begins_at + length:
        return None
    body = bytes(received[begins_at : begins_at + length])
    return HttpAnswer(code, body, begins_at + length, bool(_CLOSING.search(head)))


class PolicyConnection(asyncio.Protocol):
    """Who was asked and has not answered, for whatever reason, is parted from: the next question would get this answer.

    Answers come in the order of the questions (section 9.3.2).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._awaited = deque[asyncio.Future[HttpAnswer]]()
        self.address = ""  # whose it is
        self.used_at = 0.0  # on the loop's clock

    @classmethod
    async def open(cls, address: str, port: int, tls: ssl.SSLContext | None, limit: int, name: str) -> Self:
        """`name` is what a certificate has to be for."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: cls(limit), address, port, ssl=tls, server_hostname=name if tls else None
        )
        connection.address = address
        return connection

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, questions: Iterable[bytes], answers: Iterable[asyncio.Future[HttpAnswer]]) -> None:
        """OSError or NoAnswer is what an answer becomes that does not come. One that is done by then is nobody's."""
        self._awaited.extend(answers)
        if self._transport is None:
            self._fail(NoAnswer("closed"))
        else:
            self._transport.write(b"".join(questions))

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type alone
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(exc or NoAnswer("closed by policy"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            answers = self._read()
        except NoAnswer as error:
            self._fail(error)
            return
        self.used_at = asyncio.get_running_loop().time()
        for one in answers:
            awaited = self._awaited.popleft()
            if not awaited.done():
                awaited.set_result(one)
        if answers and answers[-1].is_last:
            self._fail(NoAnswer("closed by policy"))

    def _read(self) -> list[HttpAnswer]:
        """Those that are whole. NoAnswer where there is more than was asked for."""
        answers: list[HttpAnswer] = []
        while self._received and (one := read_answer(self._received, self._limit)):
            del self._received[: one.ends_at]
            answers.append(one)
        if len(answers) + bool(self._received) > len(self._awaited):
            raise NoAnswer("more than was asked for")
        return answers

    def _fail(self, error: Exception) -> None:
        while self._awaited:
            awaited = self._awaited.popleft()
            if not awaited.done():
                awaited.set_exception(error)
        self.close()
