"""What goes to policy in one write: one question, or those of all sessions that ask in the same turn of the event loop.

    policy_client.py       what is asked, and what becomes of a failure
    policy_exchange.py     (you are here) who waits for which answer, and what the connection is good for afterwards
    policy_connection.py   the octets

A question of its own costs two system calls here and two in policy, and policy commits what came together in one
transaction anyhow. Each asker has his own patience: who gives up leaves the others theirs.
"""

import asyncio
from http import HTTPStatus

from gateway.policy_connection import HttpAnswer, PolicyConnection


class Exchange:
    """Of one connection, once there is one."""

    def __init__(self) -> None:
        self.connection: PolicyConnection | None = None
        self.opening: asyncio.Task[None] | None = None
        self._questions: list[bytes] = []
        self._answers: list[asyncio.Future[HttpAnswer]] = []
        self._asking = 0  # askers who have neither an answer nor given up
        self._is_whole = True  # all have been answered, by a policy that knows the gateway

    @property
    def is_waited_for(self) -> bool:
        """Or all have given up."""
        return self._asking > 0

    @property
    def is_reusable(self) -> bool:
        """Its connection, afterwards. Where the token is not known it is not: policy reads it slower then."""
        return self._is_whole and self.connection is not None and self.connection.is_open

    def add(self, question: bytes) -> asyncio.Future[HttpAnswer]:
        """Before begin(); whoever adds one waits for it, see answer()."""
        answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self._questions.append(question)
        self._answers.append(answered)
        self._asking += 1
        return answered

    async def answer(self, answered: asyncio.Future[HttpAnswer]) -> HttpAnswer:
        """OSError or NoAnswer where none comes."""
        is_known = False
        try:
            answer = await answered
            is_known = answer.status != HTTPStatus.UNAUTHORIZED
        finally:
            self._asking -= 1
            self._is_whole = self._is_whole and is_known
        return answer

    def begin(self, connection: PolicyConnection) -> None:
        """Write what nobody has given up yet."""
        self.connection = connection
        asked = [(one, answer) for one, answer in zip(self._questions, self._answers, strict=True) if not answer.done()]
        connection.ask([one for one, _ in asked], [answer for _, answer in asked])

    def fail(self, error: Exception) -> None:
        """No connection could be opened."""
        for one in self._answers:
            if not one.done():
                one.set_exception(error)
