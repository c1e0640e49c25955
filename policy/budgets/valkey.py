"""Budgets in Valkey or Redis, for several policy processes: one script call for each decision.

    budgets.lua   what happens in the server, as one step
    valkey.py     (you are here) how it is asked, and what is done where it does not answer

Fails closed: no answer within a second is BudgetsAway, and the message is refused for the time being. A call that got
no answer may have been carried out; it is not made again, so what it took stays taken.

Failover: with `replicas` = N an answer counts only when N replicas have it, too, so a replica that is promoted knows of
everything that was answered. Where a server comes back knowing less than it has told us (a snapshot, a replica that was
not waited for, an empty disk), that is in the log as an error: see docs/budgets.md for what it means.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.exceptions import ConnectionError as ValkeyConnectionError
from valkey.exceptions import NoScriptError, ReadOnlyError, ValkeyError

from policy import log
from policy.engine.budget import Charge, Sum, Take, Taken

_PREFIX = "{sallyport}"  # the braces keep all keys on one node of a cluster
_SCRIPT = (Path(__file__).parent / "budgets.lua").read_text()
_DIGEST = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_PATIENCE_S = 1.0  # for an answer; the gateway waits little longer
_REPLICAS_PATIENCE_MS = 700
_CONNECTIONS = 64
_SIGN = 1 << 63
_Words = tuple[object, ...]

_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class BudgetsAway(Exception):
    """The server gave no answer that counts. Nothing may be let through."""


class ValkeyBudgets:
    """What policy.budgets.Budgets promises, over the network. `options` say where the server is: see location.py."""

    def __init__(self, options: dict[str, Any], replicas: int = 0) -> None:
        self._pool = BlockingConnectionPool(
            max_connections=_CONNECTIONS, timeout=None, socket_timeout=_PATIENCE_S, decode_responses=True, **options
        )
        self._client = Valkey(connection_pool=self._pool)
        self._replicas = replicas
        self._heard = 0  # the number of the last reservation that was answered
        self.is_away = False  # the last question got no answer

    async def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        """Take the charges if they fit."""
        asked = {
            "now": now,
            "heard": self._heard,
            "charges": [_asked(charge) for charge in take.charges],
            "otherwise": [_asked(charge) for charge in take.otherwise],
        }
        names = _names((*take.charges, *take.otherwise))
        fits, before, after, number, is_new, lost = await self._call("reserve", reservation, names, asked)
        if is_new or lost:
            log.budgets_lost(lost)
        self._heard = max(self._heard, number)
        return _taken(fits, before, after)

    async def peek(self, charges: Sequence[Charge], now: float) -> Taken:
        """What a reserve of these charges would answer; nothing is changed."""
        asked = {"now": now, "charges": [_asked(charge) for charge in charges], "otherwise": []}
        return _taken(*await self._call("peek", "", _names(charges), asked))

    async def commit(self, reservation: str, now: float) -> bool:
        """The message was relayed, or may have been."""
        return (await self.commit_all([reservation], now))[0]

    async def commit_all(self, reservations: Sequence[str], now: float) -> list[bool]:
        """The same of many, in one go."""
        asked = _json({"now": now})
        return [bool(one) for one in await self._calls([_words("commit", one, [], asked) for one in reservations])]

    async def release(self, reservation: str, now: float) -> bool:
        """The message was certainly not relayed: give the charges back."""
        return bool(await self._call("release", reservation, [], {"now": now}))

    async def close(self) -> None:
        """Ask nothing more."""
        await self._pool.aclose()

    async def _call(self, verb: str, reservation: str, names: list[str], asked: dict[str, object]) -> Any:  # noqa: ANN401 - as JSON
        (answer,) = await self._calls([_words(verb, reservation, names, _json(asked))])
        return answer

    async def _calls(self, calls: Sequence[_Words]) -> list[Any]:
        """The answers to all of them, or BudgetsAway."""
        if not calls:
            return []
        try:
            async with asyncio.timeout(_PATIENCE_S):
                try:
                    answers = await self._run("EVALSHA", _DIGEST, calls)
                except NoScriptError:  # a server that was started since
                    answers = await self._run("EVAL", _SCRIPT, calls)
        except (ValkeyError, OSError) as error:  # TimeoutError is an OSError
            self.is_away = True
            reason = str(error) or type(error).__name__
            log.budgets_away(reason)
            if isinstance(error, (ReadOnlyError, ValkeyConnectionError)):
                # Where the server was started anew, other connections are dead, too; one that is a replica now has
                # left its name to another.
                await self._pool.disconnect(inuse_connections=False)
            raise BudgetsAway(reason) from error
        self.is_away = False
        return answers

    async def _run(self, command: str, script: str, calls: Sequence[_Words]) -> list[Any]:
        if len(calls) == 1 and not self._replicas:
            return [await self._client.execute_command(command, script, *calls[0])]  # type: ignore[no-untyped-call]
        async with self._client.pipeline(transaction=False) as line:
            for words in calls:
                line.execute_command(command, script, *words)
            if self._replicas:
                line.execute_command("WAIT", self._replicas, _REPLICAS_PATIENCE_MS)
            answers: list[Any] = await line.execute()
        if self._replicas and (replicas := answers.pop()) < self._replicas:
            raise ValkeyError(f"{replicas} of {self._replicas} replicas have it")
        return answers


def _words(verb: str, reservation: str, names: list[str], asked: str) -> _Words:
    """What follows the script in one call of it."""
    keys = [f"{_PREFIX}:state", f"{_PREFIX}:r:{reservation}", *names]
    return (len(keys), *keys, verb, asked)


def _asked(charge: Charge) -> dict[str, object]:
    windows = [(window.limit, window.seconds) for window in charge.windows]
    if isinstance(charge, Sum):
        return {"cost": charge.cost, "windows": windows, "enforced": charge.is_enforced}
    # In the order of their digits marks are in the order of their numbers.
    members = [f"{member + _SIGN:016x}" for member in dict.fromkeys(charge.members)]
    return {"members": members, "windows": windows, "enforced": charge.is_enforced}


def _names(charges: Sequence[Charge]) -> list[str]:
    names = []
    for charge in charges:
        if isinstance(charge, Sum):
            names.append(f"{_PREFIX}:c:{charge.key}")
        else:
            names += [f"{_PREFIX}:s:{charge.key}", f"{_PREFIX}:b:{charge.key}"]
    return names


def _taken(fits: int, before: list[list[int]], after: list[list[int]]) -> Taken:
    return Taken(bool(fits), tuple(map(tuple, before)), tuple(map(tuple, after)))
