"""The documented default limits of other servers, as doors of a scene (policy/simulation/doors.py).

Each model knows what its documentation or source says and nothing else. What is not known is in the model's favour: it
refuses whole messages at once, never tires, and its operator has switched on all that there is. No model looks at
where a login comes from, because none of these does by default.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from policy.contract import Action
from policy.engine.ladder import Signal, Step
from policy.simulation.doors import Answer, Person, Session
from policy.simulation.senders import OUR_DOMAIN

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0


class Counted(Enum):
    """What a limit counts."""

    MESSAGES = auto()
    RECIPIENTS = auto()
    EXTERNAL = auto()  # recipients elsewhere
    INTERNAL = auto()
    UNIQUE = auto()  # different recipients
    UNIQUE_EXTERNAL = auto()
    FIRST_TIME = auto()  # recipients that the account never wrote to
    UNKNOWN = auto()  # recipients that do not exist


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in any `seconds`; where that is met the sender is `blocked`, or the message alone is refused."""

    counted: Counted
    most: int
    seconds: float
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of them. `is_racy`: it looks first and writes down afterwards, so that parallel sessions overshoot."""

    name: str
    limits: tuple[Limit, ...]
    recipients_per_message: int
    source: str
    is_racy: bool = False


C = Counted
SERVERS = (
    Server(
        name="mox",
        limits=(Limit(C.RECIPIENTS, 1000, DAY_S), Limit(C.FIRST_TIME, 200, DAY_S)),
        recipients_per_message=1000,
        source="source: 1000 recipients and 200 first-time recipients a day for each account",
    ),
    Server(
        name="Mailu",
        limits=(Limit(C.MESSAGES, 200, DAY_S),),
        recipients_per_message=1000,
        source="source: 200 messages a day for each user; recipients a message: Postfix's default",
    ),
    Server(
        name="WildDuck",
        limits=(Limit(C.RECIPIENTS, 2000, DAY_S),),
        recipients_per_message=1000,
        source="source: 2000 recipients a day for each user; recipients a message: not known, taken as Postfix's",
    ),
    Server(
        name="mailcow",
        limits=(),
        recipients_per_message=1000,
        source="source: data/conf/rspamd/local.d/ratelimit.conf is a comment; limits are the administrator's to set",
    ),
    Server(
        name="policyd-rate-limit",
        limits=(Limit(C.RECIPIENTS, 10, MINUTE_S), Limit(C.RECIPIENTS, 150, DAY_S)),
        recipients_per_message=1000,
        source="source: 10 recipients in 60 s, 150 in 24 h; asked and written in two steps",
        is_racy=True,
    ),
    Server(
        name="BlockCracking",
        limits=(Limit(C.UNKNOWN, 100, HOUR_S, blocked=True),),
        recipients_per_message=1000,
        source="Exim wiki: 100 attempts to recipients that do not exist in an hour, then the user is blocked",
    ),
    Server(
        name="Exchange Online, CIS",
        limits=(
            Limit(C.MESSAGES, 30, MINUTE_S),
            Limit(C.EXTERNAL, 500, HOUR_S, blocked=True),
            Limit(C.INTERNAL, 1000, HOUR_S, blocked=True),
            Limit(C.RECIPIENTS, 1000, DAY_S, blocked=True),
        ),
        recipients_per_message=500,
        source="CIS benchmark: 500 external, 1000 internal an hour, 1000 a day, then blocked; service: 30 messages/min",
    ),
    Server(
        name="Google Workspace",
        limits=(
            Limit(C.MESSAGES, 2000, DAY_S, blocked=True),
            Limit(C.RECIPIENTS, 10_000, DAY_S, blocked=True),
            Limit(C.EXTERNAL, 3000, DAY_S, blocked=True),
            Limit(C.UNIQUE, 3000, DAY_S, blocked=True),
            Limit(C.UNIQUE_EXTERNAL, 2000, DAY_S, blocked=True),
        ),
        recipients_per_message=100,
        source="support.google.com/a/answer/166852: rolling 24 hours, 100 recipients by SMTP, then suspended for a day",
    ),
)


@dataclass(slots=True)
class _Account:
    known: set[str] = field(default_factory=set)
    counted: defaultdict[Limit, deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))
    totals: defaultdict[Limit, int] = field(default_factory=lambda: defaultdict(int))
    seen: defaultdict[Limit, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    blocked_until: float = 0.0


class Door:
    """What such a server says."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)
        self._numbers = count()
        self._now = 0.0

    def admit(self, person: Person, now: float) -> None:  # noqa: ARG002 - the shape of a door
        self._accounts[person.name].known.update(person.contacts)

    def log_in(self, session: Session, now: float) -> bool:  # noqa: ARG002 - the same
        return True

    def hand_in(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> Answer:
        return self.hand_in_together(session, [recipients], message_bytes, now)[0]

    def hand_in_together(
        self,
        session: Session,
        messages: Sequence[Sequence[str]],
        message_bytes: int,  # noqa: ARG002 - the same
        now: float,
    ) -> list[Answer]:
        account, self._now = self._accounts[session.identity], now
        answers = []
        for recipients in messages:
            is_accepted = self._has_room(account, recipients, now)
            if is_accepted and not self._server.is_racy:
                self._write(account, recipients, now)
            answers.append(self._answer(session.identity, recipients, is_accepted=is_accepted))
        if self._server.is_racy:  # all have looked before any has written
            for answer, recipients in zip(answers, messages, strict=True):
                if answer.accepted:
                    self._write(account, recipients, now)
        return answers

    def break_off(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> None:
        """Nothing is counted for it, in their favour."""

    def deliver(self, submission: str, recipients: Sequence[str], gone: Container[str], now: float) -> None:
        account = self._accounts[submission.partition("/")[0]]
        unknown = [one for one in recipients if one in gone]
        for limit in self._server.limits:
            if limit.counted is Counted.UNKNOWN and unknown:
                self._count(account, limit, len(unknown), now)
                if account.totals[limit] > limit.most:
                    account.blocked_until = float("inf")

    def step_of(self, identity: str) -> Step:
        return Step.LOCK if self._accounts[identity].blocked_until > self._now else Step.FREE

    def distrust(self, identity: str, address: str) -> None:
        """They tell nobody of a network."""

    def release(self, identity: str, gone: Container[str], now: float) -> None:
        """They hold nothing."""

    def signals_of(self, identity: str) -> Sequence[Signal]:  # noqa: ARG002 - the same
        return ()

    def _answer(self, identity: str, recipients: Sequence[str], *, is_accepted: bool) -> Answer:
        return Answer(
            action=Action.ACCEPT if is_accepted else Action.DEFER,
            submission=f"{identity}/{next(self._numbers)}",
            accepted=range(len(recipients)) if is_accepted else (),
        )

    def _has_room(self, account: _Account, recipients: Sequence[str], now: float) -> bool:
        if account.blocked_until > now or len(recipients) > self._server.recipients_per_message:
            return False
        for limit in self._server.limits:
            if limit.counted is Counted.UNKNOWN:
                continue
            if self._lately(account, limit, now) + self._cost(account, limit, recipients) > limit.most:
                if limit.blocked:
                    account.blocked_until = now + DAY_S
                return False
        return True

    def _write(self, account: _Account, recipients: Collection[str], now: float) -> None:
        for limit in self._server.limits:
            if limit.counted in {Counted.UNIQUE, Counted.UNIQUE_EXTERNAL}:
                account.seen[limit].update(dict.fromkeys(_those(limit.counted, recipients), now))
            elif limit.counted is not Counted.UNKNOWN:
                self._count(account, limit, self._cost(account, limit, recipients), now)
        account.known.update(recipients)

    def _cost(self, account: _Account, limit: Limit, recipients: Collection[str]) -> int:
        if limit.counted is Counted.MESSAGES:
            return 1
        those = _those(limit.counted, recipients)
        if limit.counted is Counted.FIRST_TIME:
            return len(set(those) - account.known)
        if limit.counted in {Counted.UNIQUE, Counted.UNIQUE_EXTERNAL}:
            return len(set(those) - account.seen[limit].keys())
        return len(those)

    def _lately(self, account: _Account, limit: Limit, now: float) -> int:
        if limit.counted in {Counted.UNIQUE, Counted.UNIQUE_EXTERNAL}:
            seen = account.seen[limit]
            for one in [one for one, at in seen.items() if at <= now - limit.seconds]:
                del seen[one]
            return len(seen)
        self._count(account, limit, 0, now)
        return account.totals[limit]

    def _count(self, account: _Account, limit: Limit, number: int, now: float) -> None:
        counted = account.counted[limit]
        if number:
            counted.append((now, number))
            account.totals[limit] += number
        while counted and counted[0][0] <= now - limit.seconds:
            account.totals[limit] -= counted.popleft()[1]


def _those(counted: Counted, recipients: Collection[str]) -> list[str]:
    if counted in {Counted.EXTERNAL, Counted.UNIQUE_EXTERNAL, Counted.FIRST_TIME}:
        return [one for one in recipients if not one.endswith(f"@{OUR_DOMAIN}")]
    if counted is Counted.INTERNAL:
        return [one for one in recipients if one.endswith(f"@{OUR_DOMAIN}")]
    return list(recipients)
