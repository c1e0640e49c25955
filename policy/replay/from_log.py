"""A Postfix log as happenings. Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from maillog.events import LoggedDelivery, LoggedMessage, LoggedRecipient, LoginFailed, Refused, Told
from maillog.outcomes import outcome_of
from policy.replay.happenings import Arrived, BecameOf, HandedIn, Happening

_NAMED_KEPT = 50_000  # messages whose deliveries may still come


@dataclass(slots=True)
class Passed:
    """What a log tells beside messages."""

    login_failures: int = 0
    refusals: int = 0  # by Postfix, of whatever kind


class LogHappenings:
    """Gives each message a name: queue ids come again."""

    def __init__(self) -> None:
        self.passed = Passed()
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._number = 0

    def read(self, told: Iterable[Told]) -> Iterator[Happening]:
        """In the order in which they are told."""
        for one in told:
            if isinstance(one, LoggedMessage):
                yield from self._message(one)
            elif isinstance(one, LoggedDelivery):
                yield from self._became((one.host, one.queue_id), (one.recipient,))
            elif isinstance(one, LoginFailed):
                self.passed.login_failures += one.times
            elif isinstance(one, Refused):
                self.passed.refusals += one.times

    def _message(self, one: LoggedMessage) -> Iterator[Happening]:
        if one.original_queue_id:
            if name := self._names.get((one.host, one.original_queue_id)):
                self._names[one.host, one.queue_id] = name
                yield from self._became((one.host, one.queue_id), one.recipients)
        elif one.sasl_username and one.recipients:
            yield self._handed_in(one)
        elif one.reverse_path and one.recipients:
            yield Arrived(
                at=one.at, reverse_path=one.reverse_path, recipients=tuple(to.address for to in one.recipients)
            )

    def _handed_in(self, one: LoggedMessage) -> HandedIn:
        self._number += 1
        name = f"{one.queue_id} {one.host} {self._number}"
        self._names[one.host, one.queue_id] = name
        if len(self._names) > _NAMED_KEPT:
            self._names.popitem(last=False)
        return HandedIn(
            at=one.at,
            submission=name,
            login=one.sasl_username,
            client_address=one.client_address,
            reverse_path=one.reverse_path,
            recipients=tuple(to.address for to in one.recipients),
            message_bytes=one.size,
            became=tuple(_became_of(name, one.recipients)),
        )

    def _became(self, key: tuple[str, str], recipients: Iterable[LoggedRecipient]) -> Iterator[BecameOf]:
        if name := self._names.get(key):
            yield from _became_of(name, recipients)


def _became_of(name: str, recipients: Iterable[LoggedRecipient]) -> Iterator[BecameOf]:
    for to in recipients:
        outcome = outcome_of(to.status, to.dsn, to.text)
        if outcome is not None:
            yield BecameOf(at=to.at, submission=name, recipient=to.address, outcome=outcome)
