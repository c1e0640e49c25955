"""Budgets on a server of their own, read and written as a whole. policy/budgets/budgets.lua says what its keys hold.

As long as they are being written `{sallyport}:state` is a text and no hash: a policy that asks gets an error, and lets
nothing pass.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import valkey

from policy.budgets.stored import LONGEST_WINDOW_S
from policy.budgets.valkey_line import Server
from policy.engine.budget import RESERVATION_LIFE_S
from policy.migrating.places import Budget, Counter, Entry, MemberSet, Seen, portions
from policy.store.errors import StoreError

IN_USE = "in use"

_PREFIX = "{sallyport}"  # as in policy/budgets/valkey.py
_STATE = f"{_PREFIX}:state"
_SIGN = 1 << 63
_IDLE_S = 86400  # as in budgets.lua
_KEPT_S = math.ceil(LONGEST_WINDOW_S * 17 / 16) + _IDLE_S  # of any policy: a key that is kept too long does no harm
_SCANNED_AT_ONCE = 500
_WRITTEN_AT_ONCE = 1000  # members of one key, in one command
_TIMEOUT_S = 30.0
# In one step: whoever asks before it is refused, whoever asks after it finds all of it.
_FINISH = "redis.call('DEL', KEYS[1]); redis.call('HSET', KEYS[1], 'number', ARGV[1], 'since', ARGV[2])"


def connect(server: Server) -> valkey.Valkey:
    """A client that waits for its answers."""
    where: dict[str, Any] = (
        {"unix_socket_path": server.path} if server.path else {"host": server.host, "port": server.port}
    )
    if server.is_tls:
        where |= {"ssl": True, "ssl_check_hostname": True, "ssl_ca_certs": server.authority}
    return valkey.Valkey(
        db=server.number,
        username=server.user or None,
        password=server.password or None,
        decode_responses=True,
        socket_timeout=_TIMEOUT_S,
        **where,
    )


@dataclass(slots=True)
class _Open:
    """A reservation that may still be given back, as it is being written."""

    number: int
    at: float = 0.0
    counters: list[list[str]] = field(default_factory=list)
    sets: list[list[Any]] = field(default_factory=list)


class InValkey:
    """See policy.migrating.places.Place. `oldest` is the moment before which no reservation can be given back."""

    def __init__(self, client: valkey.Valkey, now: float) -> None:
        self._client, self._now = client, now
        self._oldest = now - RESERVATION_LIFE_S
        self._number = 0
        self._open: dict[str, _Open] = {}

    def state(self) -> str | None:
        """None where nothing was ever written; the mark of a move that did not finish; and "in use"."""
        try:
            found: str | None = self._client.get(_STATE)  # type: ignore[assignment]  # its type is asyncio's, too
        except valkey.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return IN_USE
        return found

    def begin(self, mark: str) -> None:
        """Of no use to anybody from now on."""
        self._client.set(_STATE, mark)

    def forget(self) -> None:
        """As if nothing had begun."""
        self._client.delete(_STATE)

    def finish(self) -> None:
        """Open reservations, and then it is whole."""
        with self._client.pipeline(transaction=False) as line:
            for name, one in self._open.items():
                taken = {"number": str(one.number), "at": _exact(one.at), "counters": one.counters, "sets": one.sets}
                line.set(f"{_PREFIX}:r:{name}", json.dumps(taken), ex=int(RESERVATION_LIFE_S) + _IDLE_S)
            line.execute()  # type: ignore[no-untyped-call]
        self._client.eval(_FINISH, 1, _STATE, str(self._number), _exact(self._now))

    def every(self) -> Iterator[Budget]:
        brought_by = self._reservations()
        for kind in "cs":
            for names in portions(self._names(kind), _SCANNED_AT_ONCE):
                keys = [name.removeprefix(f"{_PREFIX}:{kind}:") for name in names]
                yield from filter(None, self._read(kind, keys, brought_by))

    def those(self, budgets: Sequence[Budget]) -> Sequence[Budget | None]:
        found = {
            (kind, one.key): one
            for kind in "cs"
            for one in self._read(kind, [one.key for one in budgets if _kind(one) == kind], {})
            if one
        }
        return [found.get((_kind(one), one.key)) for one in budgets]

    def empty(self) -> None:
        for names in portions(self._client.scan_iter(f"{_PREFIX}:*", _SCANNED_AT_ONCE), _SCANNED_AT_ONCE):
            gone = [name for name in names if name != _STATE]
            if gone:
                self._client.delete(*gone)

    def put(self, budgets: Sequence[Budget]) -> None:
        with self._client.pipeline(transaction=False) as line:
            for one in budgets:
                if isinstance(one, Counter):
                    self._put_counter(line, one)
                else:
                    self._put_set(line, one)
            line.execute()  # type: ignore[no-untyped-call]

    def _put_counter(self, line: Any, counter: Counter) -> None:  # noqa: ANN401 - a pipeline, which has no type
        name, entries = f"{_PREFIX}:c:{counter.key}", {}
        for entry in counter.entries:
            number = self._number_of(entry)
            if entry.is_open and entry.reservation in self._open:
                self._open[entry.reservation].counters.append([name, _exact(entry.at)])
            entries[f"{entry.total:016d} {entry.cost} {number}"] = entry.at
        _add(line, name, entries)
        line.expire(name, _KEPT_S)

    def _put_set(self, line: Any, one: MemberSet) -> None:  # noqa: ANN401 - the same
        name, brought = f"{_PREFIX}:s:{one.key}", f"{_PREFIX}:b:{one.key}"
        _add(line, name, {_member(seen.mark): seen.at for seen in one.members})
        line.expire(name, _KEPT_S)
        owned = dict[str, list[str]]()
        for seen in one.members:
            if seen.reservation in self._open:
                owned.setdefault(seen.reservation, []).append(_member(seen.mark))
        for reservation, members in owned.items():
            holder = self._open[reservation]
            holder.sets.append([name, brought, members])
            line.hset(brought, mapping=dict.fromkeys(members, str(holder.number)))
        if owned:
            line.expire(brought, _KEPT_S)

    def _number_of(self, entry: Entry) -> int:
        """One for each charge, and the same for all charges of a reservation that is open."""
        if entry.is_open and entry.at >= self._oldest:
            if entry.reservation not in self._open:
                self._number += 1
                self._open[entry.reservation] = _Open(self._number)
            one = self._open[entry.reservation]
            one.at = max(one.at, entry.at)
            return one.number
        self._number += 1
        return self._number

    def _reservations(self) -> dict[int, str]:
        """Those that are open, by their numbers."""
        found = dict[int, str]()
        for names in portions(self._names("r"), _SCANNED_AT_ONCE):
            with self._client.pipeline(transaction=False) as line:
                for name in names:
                    line.get(name)
                answers = line.execute()  # type: ignore[no-untyped-call]
            for name, taken in zip(names, answers, strict=True):
                if taken:
                    found[int(json.loads(taken)["number"])] = name.removeprefix(f"{_PREFIX}:r:")
        return found

    def _names(self, kind: str) -> Iterator[str]:
        """Each once: the server may name one twice while it makes room. Of a name 8 octets are remembered."""
        seen = set[bytes]()
        for name in self._client.scan_iter(f"{_PREFIX}:{kind}:*", _SCANNED_AT_ONCE):
            short = hashlib.blake2b(name.encode(), digest_size=8).digest()
            if short not in seen:
                seen.add(short)
                yield name

    def _read(self, kind: str, keys: Sequence[str], brought_by: Mapping[int, str]) -> list[Budget | None]:
        with self._client.pipeline(transaction=False) as line:
            for key in keys:
                line.zrange(f"{_PREFIX}:{kind}:{key}", 0, -1, withscores=True)
                line.hgetall(f"{_PREFIX}:b:{key}")
            answers = line.execute()  # type: ignore[no-untyped-call]
        pairs = zip(answers[::2], answers[1::2], strict=True)
        made = _counter if kind == "c" else _set
        return [made(key, scored, brought, brought_by) for key, (scored, brought) in zip(keys, pairs, strict=True)]


def _counter(key: str, scored: Any, _brought: Any, brought_by: Mapping[int, str]) -> Counter | None:  # noqa: ANN401 - answers of the server
    entries = []
    for text, at in scored:
        total, cost, number = map(int, text.split())
        name = brought_by.get(number)
        entries.append(Entry(float(at), total, cost, name or f"moved/{number}/{at:.17g}", name is not None))
    return Counter(key, tuple(entries)) if entries else None


def _set(key: str, scored: Any, brought: Any, brought_by: Mapping[int, str]) -> MemberSet | None:  # noqa: ANN401 - the same
    members = [
        Seen(int(one, 16) - _SIGN, float(at), brought_by.get(int(brought.get(one, -1)), "")) for one, at in scored
    ]
    return MemberSet(key, tuple(members)) if members else None


def _add(line: Any, name: str, scored: Mapping[str, float]) -> None:  # noqa: ANN401 - a pipeline
    for some in portions(scored.items(), _WRITTEN_AT_ONCE):
        line.zadd(name, dict(some))


def _kind(budget: Budget) -> str:
    return "c" if isinstance(budget, Counter) else "s"


def _member(mark: int) -> str:
    return f"{mark + _SIGN:016x}"


def _exact(number: float) -> str:
    return f"{number:.17g}"


def told(error: valkey.ValkeyError) -> StoreError:
    """For whoever typed the command."""
    reason = str(error) or type(error).__name__
    if "NOPERM" in reason or "no permissions" in reason:
        return StoreError(
            f"the server of the budgets does not allow what is needed ({reason}); see docs/budgets.md for its user"
        )
    return StoreError(f"the server of the budgets cannot be used ({reason})")
