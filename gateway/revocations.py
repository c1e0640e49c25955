"""Ends the sessions of credentials that have been revoked, suspended or narrowed, within a second.

Each worker asks policy five times a second what has ended since it last asked. A question and not a message from
policy: a gateway needs no port for it, there may be any number of them, and whatever was missed while policy was away
is in the next answer. (A message that is handed in meanwhile is judged by what the credential is then, whatever the
session.)
"""

import asyncio
import math

from gateway.edge import Edge
from gateway.errors import PolicyUnavailable

_PERIOD_S = 0.2
_SILENT_S = 3.0  # for so long a policy that is started anew is not missed
_BEGINNING = -1  # the first answer only says where the feed is: who logs in later is judged as things are then


async def follow(edge: Edge) -> None:
    """Until cancelled. As it asks all the time, it is also who knows whether policy is there."""
    loop = asyncio.get_running_loop()
    newest, answered_at = _BEGINNING, -math.inf  # who has never reached policy is not ready
    while True:
        try:
            answer = await edge.policy.revocations(newest)
        except PolicyUnavailable:
            pass  # whoever logs in or sends is told, and the log with it
        else:
            newest, answered_at = answer.newest, loop.time()
            ended = frozenset(answer.credentials)
            for session in tuple(edge.sessions) if ended else ():
                session.end_if_revoked(ended)
        edge.scoreboard.set("policy_silent", loop.time() - answered_at >= _SILENT_S)
        edge.scoreboard.set("policy_contract", edge.policy.other_contract)
        await asyncio.sleep(_PERIOD_S)
