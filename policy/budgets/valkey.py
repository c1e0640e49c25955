"""Budgets in Valkey or Redis, for several policy processes: one script call for each decision.

    budgets.lua      what happens in the server, as one step
    valkey.py        (you are here) what it is asked, and what is done where it does not answer
    valkey_line.py   the connection

Fails closed: no answer within a second is BudgetsAway, and the message is refused for the time being. A call that got
no answer may have been carried out; it is not made again, so what it took stays taken.

Failover: with `replicas` = N an answer counts only when N replicas have it, too, so a replica that is promoted knows of
everything that was answered. Where a server comes back knowing less than it has told us (a snapshot, a replica that was
not waited for, an empty disk), that is in the log as an error: see docs/budgets.md for what it means.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from policy import log
from policy.budgets.valkey_line import Line, Reply, Server, ServerError, command
from policy.engine.budget import Charge, Sum, Take, Taken

_PREFIX = "{sallyport}"  # the braces keep all keys on one node of a cluster
_SCRIPT = (Path(__file__).parent / "budgets.lua").read_text()
_DIGEST = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_PATIENCE_S = 1.0  # for an answer; the gateway waits little longer
_SIGN = 1 << 63

_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class BudgetsAway(Exception):
    """The server gave no answer that counts. Nothing may be let through."""


class ValkeyBudgets:
    """What policy.budgets.Budgets promises, over the network."""

    def __init__(self, server: Server, replicas: int = 0, patience_s: float | None = None) -> None:
        self._line = Line(server, _PATIENCE_S if patience_s is None else patience_s, replicas)
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
        answer = _numbers(await self._call(_call("reserve", reservation, names, _json(asked))))
        fits, number, is_new, lost = islice(answer, 4)
        if is_new or lost:
            log.budgets_lost(lost)
        self._heard = max(self._heard, number)
        return _taken(take.charges, fits, answer)

    async def peek(self, charges: Sequence[Charge], now: float) -> Taken:
        """What a reserve of these charges would answer; nothing is changed."""
        asked = {"now": now, "charges": [_asked(charge) for charge in charges], "otherwise": []}
        answer = _numbers(await self._call(_call("peek", "", _names(charges), _json(asked))))
        return _taken(charges, next(answer), answer)

    async def commit(self, reservation: str, now: float) -> bool:
        """The message was relayed, or may have been."""
        return (await self.commit_all([reservation], now))[0]

    async def commit_all(self, reservations: Sequence[str], now: float) -> list[bool]:
        """The same of many, in one go."""
        asked = _json({"now": now})
        return [bool(one) for one in await self._calls([_call("commit", one, (), asked) for one in reservations])]

    async def release(self, reservation: str, now: float) -> bool:
        """The message was certainly not relayed: give the charges back."""
        return bool(await self._call(_call("release", reservation, (), _json({"now": now}))))

    async def close(self) -> None:
        """Ask nothing more."""
        await self._line.close()

    async def _call(self, call: Sequence[str]) -> Reply:
        (answer,) = await self._calls([call])
        return answer

    async def _calls(self, calls: Sequence[Sequence[str]]) -> Sequence[Reply]:
        """The answers to all of them, or BudgetsAway."""
        if not calls:
            return ()
        try:
            answers = await self._answers(calls)
        except (ServerError, OSError) as error:  # TimeoutError is an OSError
            self.is_away = True
            reason = str(error) or type(error).__name__
            log.budgets_away(reason)
            raise BudgetsAway(reason) from error
        self.is_away = False
        return answers

    async def _answers(self, calls: Sequence[Sequence[str]]) -> Sequence[Reply]:
        answers = list(await self._line.ask([command("EVALSHA", _DIGEST, *call) for call in calls]))
        # A server that was started since does not know the script, and has done nothing.
        again = [place for place, one in enumerate(answers) if isinstance(one, ServerError) and _is_unknown(one)]
        if again:
            told = await self._line.ask([command("EVAL", _SCRIPT, *calls[place]) for place in again])
            for place, one in zip(again, told, strict=True):
                answers[place] = one
        if refused := [one for one in answers if isinstance(one, ServerError)]:
            raise refused[0]
        return answers


def _is_unknown(error: ServerError) -> bool:
    return str(error).startswith("NOSCRIPT")


def _call(verb: str, reservation: str, names: Sequence[str], asked: str) -> Sequence[str]:
    """What follows the script in one call of it."""
    keys = (f"{_PREFIX}:state", f"{_PREFIX}:r:{reservation}", *names)
    return (str(len(keys)), *keys, verb, asked)


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


def _numbers(answer: Reply) -> Iterator[int]:
    if not isinstance(answer, bytes):
        raise BudgetsAway("it answers something else")
    return map(int, answer.split())


def _taken(charges: Sequence[Charge], fits: int, answer: Iterator[int]) -> Taken:
    """`answer` goes on with what is before each window, and then with what is after each."""
    before, after = (tuple([tuple(islice(answer, len(one.windows))) for one in charges]) for _ in range(2))
    return Taken(bool(fits), before, after)
