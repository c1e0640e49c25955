"""What has become of an incident: what is true of it and not only what was decided last. Pure.

A purge may be followed by a release, which gives the account back and lets go only what came to be held since; single
messages are released or deleted at any time. So the end is told by what became of the mail.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from policy.store.held import HeldState
from policy.store.incident_acts import Decision
from policy.store.incident_notes import State
from policy.store.incidents import Counted, StoredIncident


class End(StrEnum):
    """In the words of the command line; pages have them in the reader's language."""

    OPEN = "open"
    RELEASED = "released"
    IN_PART = "released in part"  # some of the mail was deleted, some was let go
    GIVEN_BACK = "deleted, account given back"
    PURGED = "purged"
    NOTHING_DELETED = "closed, nothing deleted"


class Fate(StrEnum):
    """What became of mail on hold, or of the account."""

    DELETED = "deleted"
    RELEASED = "released"
    EXPIRED = "deleted because of its age"
    GONE = "released or deleted at the queue itself"
    GIVEN_BACK = "account given back"


@dataclass(frozen=True, slots=True)
class Part:
    """How much had this fate; `at` and `by` of whoever wanted it last, None and empty where nobody did."""

    fate: Fate
    counted: Counted
    at: float | None = None
    by: tuple[str, ...] = ()


_NOTHING = Counted(0, 0)
_STATES = {
    Fate.DELETED: (HeldState.PURGING, HeldState.PURGED),
    Fate.RELEASED: (HeldState.RELEASING, HeldState.RELEASED),
    Fate.EXPIRED: (HeldState.EXPIRING, HeldState.EXPIRED),
    Fate.GONE: (HeldState.GONE,),
}
_ACTS = {
    Fate.DELETED: ("incident-purged", "held-messages-purged", "incident-answered"),
    Fate.RELEASED: ("incident-released", "held-messages-released"),
    Fate.GIVEN_BACK: ("incident-released",),
}


def end_of(incident: StoredIncident) -> End:
    if incident.state == State.OPEN:
        return End.OPEN
    is_any_deleted = bool(_counted(incident, Fate.DELETED).messages)
    if incident.state == State.PURGED:  # where mail is on hold still, it is deleted later
        return End.PURGED if is_any_deleted or HeldState.HELD in incident.held else End.NOTHING_DELETED
    if not is_any_deleted:
        return End.RELEASED
    return End.IN_PART if _counted(incident, Fate.RELEASED).messages else End.GIVEN_BACK


def parts_of(incident: StoredIncident) -> tuple[Part, ...]:
    """Of an incident that is open, too: single messages are moved at any time."""
    return tuple(_parts(incident))


def _parts(incident: StoredIncident) -> Iterator[Part]:
    for fate in _STATES:
        if (counted := _counted(incident, fate)).messages:
            yield _part(incident, fate, counted)
    if end_of(incident) is End.GIVEN_BACK:
        yield _part(incident, Fate.GIVEN_BACK, _NOTHING)


def _part(incident: StoredIncident, fate: Fate, counted: Counted) -> Part:
    acts = _made_by(incident.decisions, _ACTS.get(fate, ()))
    return Part(fate, counted, acts[0].at if acts else None, tuple(dict.fromkeys(one.actor for one in acts)))


def _made_by(decisions: Collection[Decision], actions: Collection[str]) -> list[Decision]:
    return [one for one in decisions if one.action in actions]


def _counted(incident: StoredIncident, fate: Fate) -> Counted:
    found = [incident.held[state] for state in _STATES.get(fate, ()) if state in incident.held]
    return Counted(sum(one.messages for one in found), sum(one.recipients for one in found))
