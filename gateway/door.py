"""Question 1, before the greeting: may this address talk on this listener. Its answers are remembered for a while.

    listener.py      asks as soon as it has accepted, so that on the TLS ports the handshake goes on meanwhile
    door.py          (you are here)
    conversation.py  waits for the answer, and greets or parts

This question alone fails open. To be turned away while policy is silent would look like a firewall to a client, which
then asks its owner for other settings; and who is let in can do nothing until policy has answered the next question.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from gateway.errors import PolicyUnavailable
from gateway.policy_client import PolicyClient
from gateway.scoreboard import Scoreboard
from gateway.settings import ListenerSettings
from policy.contract import ConnectFacts, ConnectOutcome

_TIMEOUT_S = 1.0  # a client that is innocent waits for it
_REMEMBERED = 10_000  # answers: of whoever comes next the oldest makes room

Key = tuple[str, str]  # gate and address


class Door:
    """Of one worker. `clock` gives seconds that never go backwards."""

    def __init__(self, policy: PolicyClient, scoreboard: Scoreboard, clock: Callable[[], float]) -> None:
        self._policy, self._scoreboard, self._clock = policy, scoreboard, clock
        self._answers: OrderedDict[Key, tuple[ConnectOutcome, float]] = OrderedDict()  # and until when they hold

    async def ask(self, listener: ListenerSettings, client_address: str) -> ConnectOutcome:
        """What policy says, or has said a moment ago; accepted where it says nothing in time. Raises nothing."""
        key = listener.gate, client_address
        outcome = self._remembered(key) or await self._asked(key, listener.name)
        self._scoreboard.count("admissions_total", outcome or "unanswered")
        return outcome or ConnectOutcome.ACCEPTED

    def _remembered(self, key: Key) -> ConnectOutcome | None:
        outcome, until = self._answers.get(key, (None, 0.0))
        return outcome if until > self._clock() else None

    async def _asked(self, key: Key, listener: str) -> ConnectOutcome | None:
        gate, client_address = key
        facts = ConnectFacts(listener=listener, gate=gate, client_address=client_address)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                verdict = await self._policy.connect(facts)
        except (PolicyUnavailable, TimeoutError):
            return None
        self._answers[key] = verdict.outcome, self._clock() + verdict.seconds
        self._answers.move_to_end(key)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return verdict.outcome
