"""The life of a pair of keys, as a table of what may follow what. Pure: time comes in as a number.

    waiting    made, and its records shown; nothing is signed with it until they are published
    active     signs; one pair of each domain
    retiring   signs no more, but mail that it signed is still on its way: its records stay published
    retired    its private keys are gone; its records can be removed

A message may wait in a queue for five days and is verified when it arrives, so records outlive the last signature by
a week (RFC 6376 section 3.6.1 leaves the time to the signer).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from policy.dkim.keys import Algorithm, record_text
from policy.store.errors import StoreError, Unknown
from service.spans import DAY_S

KEPT_DAYS = 7


class State(StrEnum):
    """Of a pair."""

    WAITING = "waiting"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Pair:
    """The public side of one RSA and one Ed25519 key. Moments are None where it did not come to that."""

    domain: str  # A-labels
    name: str  # s20270131; the keys' selectors are NAME-rsa and NAME-ed25519
    state: State
    rsa: str  # the p= tag
    ed25519: str
    created_at: float
    published_at: float | None = None  # when both records were first seen in the DNS
    activated_at: float | None = None
    ended_at: float | None = None  # when it signed for the last time
    removable_at: float | None = None  # from when on its records can go

    def selector(self, algorithm: Algorithm) -> str:
        return f"{self.name}-{algorithm}"

    @property
    def records(self) -> tuple[tuple[str, str], ...]:
        """Name and text of its two TXT records; the name without a dot at its end."""
        publics = ((Algorithm.RSA, self.rsa), (Algorithm.ED25519, self.ed25519))
        return tuple(
            (f"{self.selector(algorithm)}._domainkey.{self.domain}", record_text(algorithm, public))
            for algorithm, public in publics
        )


Pairs = tuple[Pair, ...]  # of all domains, in the order in which they were made


def of_domain(pairs: Pairs, domain: str, *states: State) -> Pairs:
    """Those of one domain in one of these states; in any where none is named."""
    return tuple(one for one in pairs if one.domain == domain and (not states or one.state in states))


def published(pairs: Pairs, domain: str) -> Pairs:
    """Those whose records should be in the DNS, the one that signs first."""
    wanted = (State.ACTIVE, State.WAITING, State.RETIRING)
    return tuple(one for state in wanted for one in of_domain(pairs, domain, state))


def next_name(pairs: Pairs, domain: str, now: float) -> str:
    """s20270131, or with a letter behind it where that day had one: a selector never comes twice."""
    day = datetime.fromtimestamp(now, UTC).strftime("s%Y%m%d")
    taken = {one.name for one in of_domain(pairs, domain)}
    return next(name for name in (day, *(f"{day}{letter}" for letter in _letters())) if name not in taken)


def activated(pairs: Pairs, pair: Pair, now: float, kept_days: float) -> Pairs:
    """`pair` signs from now on. The one that did so retires; one that was retiring comes back (undo)."""
    if pair.state is State.ACTIVE:
        raise StoreError(f"{pair.name} of {pair.domain} signs already")
    if pair.state is State.RETIRED:
        raise StoreError(f"the keys of {pair.name} are gone; `sallyport dkim rotate {pair.domain}` makes new ones")
    end = now + kept_days * DAY_S
    before = {
        one: replace(one, state=State.RETIRING, ended_at=now, removable_at=end)
        for one in of_domain(pairs, pair.domain, State.ACTIVE)
    }
    active = replace(pair, state=State.ACTIVE, activated_at=now, ended_at=None, removable_at=None)
    return _replaced(pairs, before | {pair: active})


def retired(pairs: Pairs, pair: Pair, now: float, *, is_forced: bool) -> Pairs:
    """The end of a pair: one that only waits is given up (undo of rotate), one whose time is over is taken out."""
    if pair.state is State.RETIRED:
        raise StoreError(f"{pair.name} of {pair.domain} is retired already")
    if pair.state is State.ACTIVE:
        raise StoreError(
            f"{pair.name} signs the mail of {pair.domain}; `sallyport dkim rotate {pair.domain}` makes its successor"
        )
    if pair.state is State.RETIRING and now < (pair.removable_at or 0) and not is_forced:
        raise StoreError(
            f"mail that {pair.name} has signed may still be on its way until {_day(pair.removable_at or 0)}; "
            "wait, or say --now"
        )
    return _replaced(pairs, {pair: replace(pair, state=State.RETIRED, removable_at=now)})


def seen(pairs: Pairs, pair: Pair, now: float) -> Pairs:
    """Both records were found in the DNS."""
    return pairs if pair.published_at else _replaced(pairs, {pair: replace(pair, published_at=now)})


def chosen(pairs: Pairs, domain: str, name: str, *states: State) -> Pair:
    """The pair of that name, or of one of its selectors; without a name the oldest in the first of these states."""
    if name:
        found = [
            one for one in of_domain(pairs, domain) if one.name == name.removesuffix("-rsa").removesuffix("-ed25519")
        ]
    else:
        found = [one for state in states for one in of_domain(pairs, domain, state)]
    if not found:
        what = f"{name!r}" if name else f"pair of keys that is {' or '.join(states)}"
        raise Unknown(f"{domain} has no {what}; `sallyport dkim list` shows all")
    return found[0]


def _replaced(pairs: Pairs, changes: dict[Pair, Pair]) -> Pairs:
    return tuple(changes.get(one, one) for one in pairs)


def _letters() -> Iterable[str]:
    return (chr(code) for code in range(ord("b"), ord("z") + 1))


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
