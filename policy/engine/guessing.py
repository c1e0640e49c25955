"""Guessing meets walls, owners do not: who has tried too much, and what follows from it.

    is_walled     when somebody connects (421)
    wall_for      before anything is looked at: None, or the wall that the login stands before (454, 429)
    note_wrong    after a secret was wrong
    penalise      a trap closed: the network is walled at once
    stand         after a start: a network was walled before it
    forget        somebody says that it was a mistake
    tried         what is counted, for whoever looks after it
    delay_s       how long the answer waits (the tarpit)

Distinct wrong secrets are counted, not attempts: a device with an old secret that tries all night has tried one.

A login is counted over all sources: from the tenth distinct wrong secret in a quarter of an hour on, answers are
delayed; after fifty in a day it is walled, but only for networks without history. A network (IPv4 /24, IPv6 /48) is
counted over all logins: after five distinct ones with a wrong secret in an hour it is walled for an hour, the next time
for two, up to a day. A network from which an earlier login of the same identity was granted is never walled for that
identity, and a success exempts it from nothing else.

Logins that nobody has are counted and walled like those that somebody has, so that no answer tells the two apart.

Memory has a bound. Logins that somebody has are as many as the store has, and strangers cannot push them out. Networks,
and logins that nobody has, have tables of a fixed size: where one is full, the least guilty and oldest makes room, and
a walled network never does. Were all of the table walled, every network without a place in it would be counted as one,
the crowd: that is harder on strangers than it should be, and no harder on owners.
"""

import hashlib
from bisect import bisect
from dataclasses import dataclass, field
from enum import StrEnum

from policy.engine.bounded import Recent, Table
from service.spans import DAY_S, HOUR_S, MINUTE_S

TARPIT_FROM, TARPIT_SPAN_S = 10, 15 * MINUTE_S  # distinct wrong secrets of one login, from wherever
TARPIT_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # for the tenth, the eleventh, ...; the gateway waits no longer than the last
LOGIN_LIMIT, LOGIN_SPAN_S = 50, DAY_S
NETWORK_LIMIT, NETWORK_SPAN_S = 5, HOUR_S  # distinct logins with a wrong secret
PENALTIES_S = (1 * HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 16 * HOUR_S, 24 * HOUR_S)
PENALTY_REMEMBERED_S = DAY_S  # after its end; the next one within that is the longer one
NETWORKS_KEPT, STRANGERS_KEPT = 50_000, 20_000  # at most 60 MB together, measured

_LOGIN_LEVELS = (2, TARPIT_FROM, LOGIN_LIMIT)  # distinct secrets at which the next level of guilt begins
_BEFORE_PENALTIES = range(NETWORK_LIMIT)  # levels of networks: by the number of logins tried, then by the penalty
_PENALTIES = range(NETWORK_LIMIT, NETWORK_LIMIT + len(PENALTIES_S))


class Wall(StrEnum):
    """Which wall a login stands before; for the log alone."""

    NETWORK = "too many logins tried from this network"
    LOGIN = "too many secrets tried on this login"


class Why(StrEnum):
    """What has walled a network."""

    GUESSING = "guessing"
    TRAP = "a trap"
    ELSEWHERE = "guessing at another server"


class Trap(StrEnum):
    """What no owner of a login has a reason to do."""

    ADDRESS = "address"  # an address, its local part or an identity's name as login: a thief's guess
    RETIRED = "retired-secret"
    REVOKED = "revoked-secret"
    DECOY = "decoy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A login that is tried, as far as walls are concerned."""

    login: str | None  # as it was typed; None where nothing can be guessed
    network: str | None  # None is one that is never walled nor counted: the administrator vouches for it
    is_known: bool  # somebody has this login
    has_history: bool  # an earlier login of its identity was granted from this network


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What is counted of a login, and of a network."""

    lately: int  # distinct wrong secrets of the login in the last quarter of an hour, from wherever
    in_a_day: int  # and in the last day
    logins: int  # distinct logins with a wrong secret from the network in the last hour
    walled_s: float  # how long the network stays walled


@dataclass(slots=True)
class _Guessed:
    """What was tried on one login."""

    secrets: Recent = field(default_factory=Recent)
    level: int = 0
    put_at: float = 0.0


@dataclass(slots=True)
class _Source:
    """What was tried from one network."""

    logins: Recent = field(default_factory=Recent)
    penalties: int = 0
    walled_until: float = 0.0
    level: int = 0
    put_at: float = 0.0


class Walls:
    """The counters of one process, empty at its start. `key` is random: what is kept of a secret is worth nothing."""

    def __init__(self, key: bytes, networks: int = NETWORKS_KEPT, strangers: int = STRANGERS_KEPT) -> None:
        self._key = key
        login_levels = [LOGIN_SPAN_S] * (len(_LOGIN_LEVELS) + 1)
        self._known: Table[_Guessed] = Table(login_levels, None)
        self._unknown: Table[_Guessed] = Table(login_levels, strangers)
        remembered = [penalty_s + PENALTY_REMEMBERED_S for penalty_s in PENALTIES_S]
        self._networks: Table[_Source] = Table([NETWORK_SPAN_S] * NETWORK_LIMIT + remembered, networks)
        self._crowd = _Source()
        self._now = 0.0

    def __len__(self) -> int:
        """How many entries are kept in all."""
        return len(self._known) + len(self._unknown) + len(self._networks)

    def wall_for(self, attempt: Attempt, now: float) -> Wall | None:
        """The wall that the attempt stands before."""
        now = self._later(now)
        if attempt.has_history or attempt.network is None:
            return None
        if self.is_walled(attempt.network, now):
            return Wall.NETWORK
        return Wall.LOGIN if self._secrets_tried(attempt, now, LOGIN_SPAN_S) >= LOGIN_LIMIT else None

    def is_walled(self, network: str, now: float) -> bool:
        """Whether strangers from this network are deferred, whatever they try."""
        now = self._later(now)
        source = self._networks.get(self._mark(network), now) or self._crowd
        return source.walled_until > now

    def delay_s(self, attempt: Attempt, now: float) -> float:
        """How long an answer to this login has to wait."""
        beyond = self._secrets_tried(attempt, self._later(now), TARPIT_SPAN_S) - TARPIT_FROM
        return TARPIT_S[min(beyond, len(TARPIT_S) - 1)] if beyond >= 0 else 0.0

    def note_wrong(self, attempt: Attempt, secret: bytes, now: float) -> float | None:
        """Count a wrong secret; until when its network is walled, if that walls it."""
        now = self._later(now)
        if attempt.login is None:
            return None
        login = self._mark(attempt.login)
        self._note_secret(self._table(attempt), login, secret, now)
        if attempt.network is None:
            return None
        source, key = self._source(attempt.network, now)
        source.logins.add(login, now, NETWORK_LIMIT)
        tried = source.logins.since(now - NETWORK_SPAN_S)
        if tried >= NETWORK_LIMIT:
            return self._penalise(source, key, now)
        if key is not None and not source.penalties:
            self._networks.put(key, source, tried, now)
        return None

    def penalise(self, network: str | None, now: float) -> float | None:
        """Wall a network at once; until when. None for one that is walled already, or never is."""
        if network is None:
            return None
        now = self._later(now)
        return self._penalise(*self._source(network, now), now)

    def stand(self, network: str, until: float, times: int, now: float) -> None:
        """Wall a network as it was before a start: until when, and how many in a row that makes.

        A moment may be of a clock that was set back since: no wall is longer than it would be if it went up now.
        """
        now, penalties = self._later(now), min(times, len(PENALTIES_S))
        until = min(until, now + PENALTIES_S[penalties - 1])
        source, key = self._source(network, now)
        if key is not None and source.walled_until < until:
            source.walled_until, source.penalties = until, penalties
            self._networks.put(key, source, _PENALTIES[penalties - 1], until - PENALTIES_S[penalties - 1])

    def in_a_row(self, network: str) -> int:
        """How many walls of a network have followed each other; 0 where none has, or it has no place of its own."""
        source = self._networks.get(self._mark(network), self._now)
        return source.penalties if source else 0

    def forget(self, login: str | None, network: str | None) -> None:
        """What was tried on a login, and from a network. Its wall falls, and the next one is a first one."""
        if login is not None:
            for table in (self._known, self._unknown):
                table.drop(self._mark(login))
        if network is not None:
            self._networks.drop(self._mark(network))

    def tried(self, attempt: Attempt, now: float) -> Tried:
        """What is counted of its login and its network."""
        now = self._later(now)
        source = self._networks.get(self._mark(attempt.network), now) if attempt.network else None
        return Tried(
            lately=self._secrets_tried(attempt, now, TARPIT_SPAN_S),
            in_a_day=self._secrets_tried(attempt, now, LOGIN_SPAN_S),
            logins=source.logins.since(now - NETWORK_SPAN_S) if source else 0,
            walled_s=max(source.walled_until - now, 0.0) if source else 0.0,
        )

    def _penalise(self, source: _Source, key: int | None, now: float) -> float | None:
        if source.walled_until > now:
            return None
        penalty_s = PENALTIES_S[min(source.penalties, len(PENALTIES_S) - 1)]
        source.penalties = min(source.penalties + 1, len(PENALTIES_S))
        source.walled_until = now + penalty_s
        source.logins = Recent()
        if key is not None:
            self._networks.put(key, source, _PENALTIES[source.penalties - 1], now)
        return source.walled_until

    def _source(self, network: str, now: float) -> tuple[_Source, int | None]:
        """The entry of a network with its key; a new one may have no place, and is one of the crowd then."""
        key = self._mark(network)
        self._networks.forget(now)
        source = self._networks.get(key, now)
        if source:
            return source, key
        if self._networks.is_full() and not self._has_made_room(now):
            if self._crowd.walled_until + PENALTY_REMEMBERED_S <= now:
                self._crowd.penalties = 0
            return self._crowd, None
        source = _Source()
        self._networks.put(key, source, 0, now)
        return source, key

    def _has_made_room(self, now: float) -> bool:
        """Who has tried least goes first, then who has served a penalty; who is walled stays."""
        if self._networks.drop_least_guilty(_BEFORE_PENALTIES):
            return True
        for level in _PENALTIES:
            oldest = self._networks.oldest(level)
            if oldest and oldest.walled_until <= now:
                return self._networks.drop_least_guilty(range(level, level + 1))
        return False

    def _note_secret(self, table: Table[_Guessed], login: int, secret: bytes, now: float) -> None:
        table.forget(now)
        guessed = table.get(login, now)
        if not guessed:
            if table.is_full():
                table.drop_least_guilty(range(len(_LOGIN_LEVELS) + 1))
            guessed = _Guessed()
        guessed.secrets.add(self._mark(secret), now, LOGIN_LIMIT)
        table.put(login, guessed, bisect(_LOGIN_LEVELS, guessed.secrets.since(now - LOGIN_SPAN_S)), now)

    def _secrets_tried(self, attempt: Attempt, now: float, span_s: float) -> int:
        guessed = None if attempt.login is None else self._table(attempt).get(self._mark(attempt.login), now)
        return guessed.secrets.since(now - span_s) if guessed else 0

    def _table(self, attempt: Attempt) -> Table[_Guessed]:
        return self._known if attempt.is_known else self._unknown

    def _mark(self, of: str | bytes) -> int:
        octets = of.encode(errors="surrogatepass") if isinstance(of, str) else of
        return int.from_bytes(hashlib.blake2b(octets, digest_size=8, key=self._key).digest())

    def _later(self, now: float) -> float:
        """A clock that was set back stands still here, so that what is kept stays in its order."""
        self._now = max(self._now, now)
        return self._now
