"""The gateway's questions as it writes them, answered without what any other request goes through.

    app.py            (asks for the token, knows the paths) what is asked, and who answers
    gateway_line.py   (you are here) the octets of such a question, and of its answer
    uvicorn           every other request, and the life of all connections

Up to four questions come for each message. A parser that calls back for each part, a scope, an event and two writes
cost more than most answers. So a question in exactly the form in which gateway/policy_client.py writes it is taken as
one piece. Whatever differs in one octet is uvicorn's, and so is the rest of that connection.

Messages that come together are judged together, and their answers are one write in the order of the questions.
"""

import asyncio
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from policy.app import BODY_LIMIT, App, Question

_FORM = re.compile(
    rb"POST (/v1/[a-z]+) HTTP/1\.1\r\nHost: [!-~]+\r\nAuthorization: ([!-~]+ [!-~]+)\r\n"
    rb"Content-Type: application/json\r\nContent-Length: ([0-9]{1,7})\r\n\r\n"
)

_HEAD_LIMIT = 1024
_HEADS = {one.value: b"HTTP/1.1 %d %b\r\n" % (one, one.phrase.encode()) for one in HTTPStatus}


class Line(HttpToolsProtocol):
    """One connection. What comes before there is an answer waits, and is not read on."""

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own business
        super().__init__(*given, **named)
        assert isinstance(self.config.app, App)  # noqa: S101 - for the type alone
        self._app = self.config.app
        self._received = b""
        self._is_answering = self._is_ending = self._is_uvicorns = False
        self._is_known = False  # a question of the gateway's has come over it
        self._answering: asyncio.Task[None] | None = None
        self._used_at = 0.0  # on the loop's clock

    def data_received(self, data: bytes) -> None:
        if self._is_uvicorns:
            super().data_received(data)
            return
        self._received += data
        if self._is_answering:
            self.flow.pause_reading()
        else:
            self._take()

    def shutdown(self) -> None:
        """Called when policy stops."""
        self._is_ending = True
        if not self._is_answering:
            super().shutdown()

    def _take(self) -> None:
        """The question that was received, and those of its kind behind it.

        Nothing is kept of one whose asker has not shown the token.
        """
        asked: list[tuple[Question, bytes]] = []
        begins_at = 0
        while begins_at < len(self._received):
            form = _FORM.match(self._received, begins_at)
            question = form and self._app.question(form[1].decode(), form[2])
            if not form or not question or (length := int(form[3])) > BODY_LIMIT:
                if not asked and not self._may_be_head():
                    self._leave_to_uvicorn()
                break
            ends_at = form.end() + length
            if len(self._received) < ends_at or (asked and question is not asked[0][0]):
                break
            asked.append((question, self._received[form.end() : ends_at]))
            begins_at = ends_at
        if asked:
            self._received = self._received[begins_at:]
            self._is_answering = self._is_known = True
            self._answering = self.loop.create_task(self._answer(asked))
            self.tasks.add(self._answering)  # uvicorn waits for these when policy stops

    def _may_be_head(self) -> bool:
        """Of the gateway's, and not yet whole: the network may part what was written in one piece."""
        return self._is_known and len(self._received) < _HEAD_LIMIT and b"\r\n\r\n" not in self._received

    def _leave_to_uvicorn(self) -> None:
        self._is_uvicorns = True
        received, self._received = self._received, b""
        super().data_received(received)

    async def _answer(self, asked: Sequence[tuple[Question, bytes]]) -> None:
        if len(asked) == 1:  # without a task of its own
            answers = [await self._app.answer(*asked[0])]
        else:
            answers = await asyncio.gather(*[self._app.answer(*one) for one in asked])
        self._is_answering = False
        self.tasks.discard(self._answering)
        if self.transport.is_closing():  # who asked has gone
            return
        self.transport.write(b"".join([_written(*one) for one in answers]))
        if self._is_ending:
            self.transport.close()
            return
        self._used_at = self.loop.time()
        if not self.timeout_keep_alive_task:
            self._look_again_in(self.timeout_keep_alive)
        self.flow.resume_reading()
        if self._received:
            self._take()

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """One timer for each connection, and not one for each question."""
        unused_s = 0.0 if self._is_answering else self.loop.time() - self._used_at
        if unused_s < self.timeout_keep_alive:
            self._look_again_in(self.timeout_keep_alive - unused_s)
        else:
            self.timeout_keep_alive_handler()


def _written(status: int, body: bytes) -> bytes:
    head = _HEADS[status]
    if not body:
        return head + b"\r\n"
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body)
