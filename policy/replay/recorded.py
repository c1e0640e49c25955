"""Recorded decisions: one JSON document a line, written by `sallyport submission export`, read by `sallyport replay`.

There is no recipient's address in it, only marks of those outside of our own domains, so marks are all that a replay
has. As recipients of a happening they are numbers in text; those of our own domains have a domain, too.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from policy.contract import Action, Octets
from policy.engine.sources import UNKNOWN_COUNTRY, Origin, network_of
from policy.marks import Marks
from policy.replay.happenings import HandedIn
from policy.store.evidence import evidence_of
from policy.store.records import Record

INTERNAL = "internal.invalid"
MARK_OCTETS = 8
_RECIPIENTS_LIMIT = 100_000  # of one message; a line says what it likes


class RecordUnreadable(Exception):
    """A line that is no recorded decision. str() is for people."""


class Recorded(BaseModel):
    """One submission as it was judged."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    at: datetime
    id: str
    identity: str
    profile: str = "person"
    client_address: str
    origin: str = ""  # policy.engine.sources.Origin.area
    recipients: NonNegativeInt  # all of them
    marks: Octets  # of those outside of our own domains, eight octets each, big-endian, signed
    message_bytes: int
    reverse_path_domain: str = ""
    action: Action
    reason: str = ""
    rule: str = ""
    rulebook: str = ""


class RecordedMarks(Marks):
    """Takes back what `happening_of` has written. The policy's traps are addresses, and need the store's key."""

    def recipient(self, address: str) -> int:
        number = address.partition("@")[0]
        return int(number) if number.lstrip("-").isdecimal() else super().recipient(address)


class Origins:
    """Where addresses were by the record itself, for whoever has no database of addresses."""

    def __init__(self) -> None:
        self._areas: dict[str, str] = {}

    def note(self, one: HandedIn) -> None:
        self._areas[network_of(one.client_address)] = one.area

    def origin_of(self, address: str) -> Origin:
        network = network_of(address)
        asn, _, country = self._areas.get(network, "").partition(" ")
        number = asn.removeprefix("AS")
        known = int(number) if number != asn and number.isdecimal() else 0
        return Origin(network=network, asn=known, country=country or UNKNOWN_COUNTRY)


def read_records(lines: Iterable[str]) -> Iterator[HandedIn]:
    """RecordUnreadable at the first line that is none."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = Recorded.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RecordUnreadable(f"line {number} is no recorded decision: {where} {first['msg']}".strip()) from None
        if one.identity and one.recipients:
            yield happening_of(one)


def happening_of(one: Recorded) -> HandedIn:
    at = one.at if one.at.tzinfo else one.at.replace(tzinfo=UTC)
    return HandedIn(
        at=at.timestamp(),
        submission=one.id,
        login=one.identity,
        client_address=one.client_address,
        reverse_path="",
        recipients=tuple(_recipients(one.marks, min(one.recipients, _RECIPIENTS_LIMIT))),
        message_bytes=one.message_bytes,
        kind=one.profile,
        area=one.origin,
        recorded=one.action.value,
    )


def recorded_of(one: Record) -> Recorded:
    """A row of the store."""
    evidence = evidence_of(one.evidence)
    return Recorded(
        at=datetime.fromtimestamp(one.at, UTC),
        id=one.id,
        identity=one.identity,
        profile=(evidence.fact("profile") if evidence else "") or "person",
        client_address=one.client_address,
        origin=one.origin,
        recipients=one.recipients,
        marks=one.marks or b"",
        message_bytes=one.message_bytes,
        reverse_path_domain=one.reverse_path.rpartition("@")[2],
        action=Action(one.action),
        reason=one.reason,
        rule=one.rule,
        rulebook=one.rulebook,
    )


def _recipients(marks: bytes, number: int) -> Iterator[str]:
    outside = len(marks) // MARK_OCTETS
    for place in range(outside):
        yield str(int.from_bytes(marks[place * MARK_OCTETS : (place + 1) * MARK_OCTETS], signed=True))
    for place in range(outside, number):
        yield f"{place}@{INTERNAL}"
