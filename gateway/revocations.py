"""Ends the sessions of credentials that have been revoked, suspended or narrowed, within a second.

Each worker asks policy twice a second what has ended since it last asked. A question and not a message from policy:
a gateway needs no port for it, there may be any number of them, and whatever was missed while policy was away is in the
next answer. (A message that is handed in meanwhile is judged by what the credential is then, whatever the session.)
"""

import asyncio

from gateway.edge import Edge
from gateway.errors import PolicyUnavailable

_PERIOD_S = 0.5
_BEGINNING = -1  # the first answer only says where the feed is: who logs in later is judged as things are then


async def follow(edge: Edge) -> None:
    """Until cancelled."""
    newest = _BEGINNING
    while True:
        try:
            answer = await edge.policy.revocations(newest)
        except PolicyUnavailable:
            pass  # whoever logs in or sends is told, and the log with it
        else:
            newest = answer.newest
            ended = frozenset(answer.credentials)
            for session in tuple(edge.sessions) if ended else ():
                session.end_if_revoked(ended)
        await asyncio.sleep(_PERIOD_S)
