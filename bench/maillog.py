"""A Postfix log of people who write to each other and to the world, and of one thief among them; the same for a seed.

Used by the bench of `sallyport replay` and by its tests. Times of day, numbers of recipients and shares of failures are
made up after what limits.md's measurements say of people: one recipient mostly, mostly known ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

DAY_S = 86400.0
BEGIN = datetime(2026, 3, 2, tzinfo=UTC).timestamp()  # a Monday
_TO_ONE, _TO_NEW = 0.85, 0.03  # shares of messages
_HEX = "0123456789ABCDEF"
_SENT = "250 2.0.0 Ok: queued as 4BxQ2p1zZ"
_UNKNOWN = (
    "host mx.{domain}[198.51.100.25] said: 550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual "
    "mailbox table (in reply to RCPT TO command)"
)
_BUSY = (
    "host mx.{domain}[198.51.100.25] said: 450 4.2.0 <{to}>: Recipient address rejected: Greylisted (in reply to "
    "RCPT TO command)"
)

Line = tuple[float, str]
Stamp = Callable[[float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """`thief_on` is the day on which a password is used by somebody else; None: never."""

    seed: int = 1
    people: int = 50
    days: int = 30
    messages_a_day: float = 5.0
    thief_on: int | None = 25
    thief_messages: int = 400
    stamp: str = "traditional"

    @property
    def victim(self) -> str:
        return login(self.people // 2)


def login(number: int) -> str:
    return f"person{number:04}@example.org"


def traditional(at: float) -> str:
    """RFC 3164, in UTC."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S}"


def dated(at: float) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


_STAMPS: dict[str, Stamp] = {"traditional": traditional, "dated": dated}


def lines(town: Town) -> Iterator[str]:
    """In the order of time, each with its line end."""
    writer = _Writer(town)
    for day in range(town.days):
        found = sorted(writer.day(day), key=lambda line: line[0])
        for at, text in found:
            yield f"{_STAMPS[town.stamp](at)} mail {text}\n"


class _Writer:
    """Knows everybody's contacts, and counts queue ids."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._random = Random(town.seed)  # noqa: S311 - a bench wants the same log every time
        self._number = 0
        self._contacts = [
            [f"friend{self._random.randrange(10**6)}@site{self._random.randrange(400)}.test" for _ in range(40)]
            for _ in range(town.people)
        ]

    def day(self, day: int) -> Iterator[Line]:
        begin, is_weekend = BEGIN + day * DAY_S, day % 7 in (5, 6)
        for person in range(self._town.people):
            busy = self._town.messages_a_day * (0.2 if is_weekend else 1.0)
            for _ in range(min(int(self._random.expovariate(1 / busy)), int(busy * 4))):
                at = begin + self._random.gauss(13.0, 2.0) * 3600.0
                yield from self._message(min(max(at, begin), begin + DAY_S - 60), person)
            yield from self._arrival(begin + self._random.random() * (DAY_S - 60), person)
        for _ in range(self._town.people):
            yield from self._noise(begin + self._random.random() * DAY_S)
        if day == self._town.thief_on:
            yield from self._theft(begin + 3 * 3600.0)

    def _message(self, at: float, person: int) -> Iterator[Line]:
        number = 1 if self._random.random() < _TO_ONE else self._random.randint(2, 6)
        to = [self._random.choice(self._contacts[person]) for _ in range(number)]
        if self._random.random() < _TO_NEW:
            to[0] = f"new{self._random.randrange(10**8)}@site{self._random.randrange(400)}.test"
        address = f"10.{person // 250}.{person % 250}.{self._random.randint(2, 9)}"
        yield from self._transaction(at, login(person), address, to, unknown=0.004)

    def _theft(self, at: float) -> Iterator[Line]:
        for number in range(self._town.thief_messages):
            at += self._random.uniform(1.0, 20.0)
            to = [f"list{self._random.randrange(10**8)}@site{self._random.randrange(400)}.test" for _ in range(10)]
            address = f"172.16.{number % 40}.{self._random.randint(2, 250)}"
            yield from self._transaction(at, self._town.victim, address, to, unknown=0.15)

    def _transaction(self, at: float, who: str, address: str, to: list[str], unknown: float) -> Iterator[Line]:
        name, smtpd = self._queue_id(), f"postfix/submission/smtpd[{self._random.randint(1000, 1020)}]"
        yield at, f"{smtpd}: connect from unknown[{address}]"
        yield at + 0.3, f"{smtpd}: {name}: client=unknown[{address}], sasl_method=PLAIN, sasl_username={who}"
        yield at + 0.5, f"postfix/cleanup[1100]: {name}: message-id=<{name}@laptop.example.org>"
        size = self._random.randint(900, 60_000)
        yield at + 0.6, f"postfix/qmgr[900]: {name}: from=<{who}>, size={size}, nrcpt={len(to)} (queue active)"
        yield (
            at + 0.7,
            f"{smtpd}: disconnect from unknown[{address}] ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1",
        )
        end = at + 1.0
        for one in to:
            domain, chance = one.rpartition("@")[2], self._random.random()
            end += self._random.random()
            if chance < unknown:
                yield end, _delivery(name, one, "5.1.1", "bounced", _UNKNOWN.format(domain=domain, to=one))
            elif chance < unknown + 0.02:
                yield end, _delivery(name, one, "4.2.0", "deferred", _BUSY.format(domain=domain, to=one))
                end += 30.0
                yield end, _delivery(name, one, "2.0.0", "sent", _SENT)
            else:
                yield end, _delivery(name, one, "2.0.0", "sent", _SENT)
        yield end + 0.1, f"postfix/qmgr[900]: {name}: removed"

    def _arrival(self, at: float, person: int) -> Iterator[Line]:
        name, who = self._queue_id(), self._random.choice(self._contacts[person])
        yield at, f"postfix/smtpd[1200]: {name}: client=mx.site1.test[198.51.100.7]"
        yield at + 0.1, f"postfix/cleanup[1100]: {name}: message-id=<{name}@site1.test>"
        yield at + 0.2, f"postfix/qmgr[900]: {name}: from=<{who}>, size=4000, nrcpt=1 (queue active)"
        said = "250 2.0.0 <person> Saved"
        yield (
            at + 0.4,
            (
                f"postfix/lmtp[1300]: {name}: to=<{login(person)}>, relay=mail[private/dovecot-lmtp], delay=0.2, "
                f"delays=0.1/0/0/0.1, dsn=2.0.0, status=sent ({said})"
            ),
        )
        yield at + 0.5, f"postfix/qmgr[900]: {name}: removed"

    def _noise(self, at: float) -> Iterator[Line]:
        address = f"203.0.113.{self._random.randint(1, 254)}"
        yield at, f"postfix/smtpd[1200]: connect from unknown[{address}]"
        yield (
            at + 1,
            f"postfix/smtpd[1200]: warning: unknown[{address}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        )
        yield at + 2, f"postfix/smtpd[1200]: disconnect from unknown[{address}] ehlo=1 auth=0/1 quit=1 commands=2/3"

    def _queue_id(self) -> str:
        self._number += 1
        return f"{self._number:05X}{self._random.choice(_HEX)}{self._random.choice(_HEX)}"


def _delivery(name: str, to: str, dsn: str, status: str, said: str) -> str:
    domain = to.rpartition("@")[2]
    return (
        f"postfix/smtp[1400]: {name}: to=<{to}>, relay=mx.{domain}[198.51.100.25]:25, delay=0.9, "
        f"delays=0.2/0/0.4/0.3, dsn={dsn}, status={status} ({said})"
    )
