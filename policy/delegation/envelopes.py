"""Whom a message goes to. Postfix tells one recipient at RCPT, and at the end only how many there are. Pure.

The recipients of one message are gathered under its instance, from whatever connection they come. One that was told
twice is asked about twice (two restrictions name us), or is two recipients: the count at the end says which. Those that
nobody told are strangers; that is all of them where only the end is asked about.

Memory has a bound: an instance is forgotten after an hour, when another one begins on its connection, and the oldest
where there are too many recipients in all. Whose recipients are forgotten sends to strangers.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

KEPT_S = 3600.0  # a large message over a slow line
IN_ALL = 100_000  # recipients; some 30 MB
IN_ONE = 2_000  # smtpd_recipient_limit is 1,000, and its overshoot as much

Key = tuple[str, str]  # instance and login: who hands a message in adds nothing to another's


@dataclass(slots=True)
class _Envelope:
    """What was told of one message."""

    began_at: float
    recipients: list[str] = field(default_factory=list)
    has_refused: bool = False


@dataclass(frozen=True, slots=True)
class Addressed:
    """`strangers` are more recipients than `recipients`: nobody told which."""

    recipients: tuple[str, ...]
    strangers: int = 0


class Envelopes:
    """Of all connections. `now` must not go backwards."""

    def __init__(self, in_all: int = IN_ALL) -> None:
        self._envelopes: OrderedDict[Key, _Envelope] = OrderedDict()
        self._in_all = in_all
        self._told = 0

    def __len__(self) -> int:
        """How many recipients are kept."""
        return self._told

    def has_begun(self, key: Key) -> bool:
        """Whether a recipient of this message was told before."""
        return key in self._envelopes

    def add(self, key: Key, recipient: str, now: float) -> None:
        """One more that was told. A message without an instance is never the same as another one."""
        if not key[0] or not recipient:
            return
        self._forget_old(now)
        envelope = self._envelopes.setdefault(key, _Envelope(now))
        if len(envelope.recipients) < IN_ONE:
            envelope.recipients.append(recipient)
            self._told += 1
        while self._told > self._in_all:
            self.forget(next(iter(self._envelopes)))

    def refuse(self, key: Key, recipient: str) -> bool:
        """It was told last, and will not be among those that Postfix counts; whether it is the first one of these."""
        envelope = self._envelopes.get(key)
        if not envelope:
            return True
        if envelope.recipients and envelope.recipients[-1] == recipient:
            envelope.recipients.pop()
            self._told -= 1
        is_first, envelope.has_refused = not envelope.has_refused, True
        return is_first

    def until_now(self, key: Key, now: float) -> tuple[str, ...]:
        """Those that were told, each once, in their order."""
        self._forget_old(now)
        envelope = self._envelopes.get(key)
        return tuple(dict.fromkeys(envelope.recipients)) if envelope else ()

    def addressed(self, key: Key, count: int, last: str, now: float) -> Addressed:
        """Whom the message goes to, by what was told, how many there are, and the one that is told at the end.

        More that are told than there are: another restriction refused some, and nobody says which. All are counted.
        """
        self._forget_old(now)
        envelope = self._envelopes.get(key)
        told = envelope.recipients if envelope else [last] if last else []
        each = list(dict.fromkeys(told))
        recipients = each + _repeated(told)[: max(count - len(each), 0)]
        return Addressed(tuple(recipients), max(count - len(recipients), 0))

    def forget(self, key: Key) -> None:
        """The message has ended."""
        if envelope := self._envelopes.pop(key, None):
            self._told -= len(envelope.recipients)

    def _forget_old(self, now: float) -> None:
        while self._envelopes:
            key, oldest = next(iter(self._envelopes.items()))
            if now - oldest.began_at < KEPT_S:
                return
            self.forget(key)


def _repeated(told: Sequence[str]) -> list[str]:
    """Each that was there before, in their order."""
    seen, again = set[str](), list[str]()
    for one in told:
        (again.append if one in seen else seen.add)(one)
    return again
