"""Where names lead: a resolver that does not answer keeps nobody from a part that does.

The others (policy, the next hop, a queue agent) are named in the settings, and each new connection looks its name up.
Where no answer comes within a second, or none that names an address, it goes where the name led before. A name that
leads elsewhere is followed as soon as the resolver says so.
"""

import asyncio
from typing import Any

_PATIENCE_S = 1.0

_Question = tuple[bytes | str | None, bytes | str | int | None, int, int, int, int]
_Found = list[Any]  # of what socket.getaddrinfo finds, whose type is another one with each version of typeshed


class Loop(asyncio.SelectorEventLoop):
    """An event loop that remembers. Names come from the settings alone, so that there are few."""

    def __init__(self) -> None:
        super().__init__()
        self._known = dict[_Question, _Found]()
        self._looks = dict[_Question, asyncio.Task[_Found]]()

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name that the callers use
        proto: int = 0,
        flags: int = 0,
    ) -> _Found:
        question = (host, port, family, type, proto, flags)
        known, look = self._known.get(question), self._looks.get(question)
        is_looked_up = look is not None and not look.done()
        if known and is_looked_up:
            return known
        if look is None or not is_looked_up:
            # One at a time: each that hangs has a thread of its own, and there are few.
            look = self._looks[question] = self.create_task(self._looked_up(question))
            look.add_done_callback(_forget_failure)
        try:
            async with asyncio.timeout(_PATIENCE_S if known else None):
                return await asyncio.shield(look)
        except OSError:  # TimeoutError is one
            if not known:
                raise
            return known

    async def _looked_up(self, question: _Question) -> _Found:
        host, port, family, kind, proto, flags = question
        found = await super().getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
        self._known[question] = found
        return found


def _forget_failure(look: asyncio.Task[_Found]) -> None:
    """Whoever waited for it has heard; where nobody does any more, asyncio would complain."""
    if not look.cancelled():
        look.exception()
