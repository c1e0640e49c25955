"""What to do next about an incident: sentences, each with the commands to type. A pure function of its story."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from policy.store.held import MOVING, HeldState
from policy.store.incident_notes import State
from policy.store.incident_traffic import STRANGE
from policy.store.incidents import Counted, StoredIncident
from policy.store.measures import Kind, StoredMeasure

if TYPE_CHECKING:
    from policy.store.incident_story import Story

_NETWORKS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do, or to know. Each command can be pasted into a shell."""

    text: str
    commands: tuple[str, ...] = ()


def what_next(story: "Story") -> tuple[Advice, ...]:
    """The most urgent first."""
    parts = (_under_way, _to_be_deleted, _decision, _credentials, _recipients, _networks)
    return tuple(one for part in parts for one in part(story))


def left_to_do(incident: StoredIncident, until: float) -> list[StoredMeasure]:
    """Measures that should be done by then, and are not."""
    return [one for one in incident.measures if one.done_at is None and one.due_at <= until]


def moving(incident: StoredIncident) -> Counted:
    """Held mail that somebody wants released or deleted, and that is still there."""
    return _sum(incident, tuple(MOVING))


def on_hold(incident: StoredIncident) -> Counted:
    return _sum(incident, (HeldState.HELD,))


def in_words(counted: Counted) -> str:
    """`1 message to 3 recipients`."""
    messages = f"{counted.messages:,} message{'' if counted.messages == 1 else 's'}"
    return f"{messages} to {counted.recipients:,} recipient{'' if counted.recipients == 1 else 's'}"


def _sum(incident: StoredIncident, states: Sequence[str]) -> Counted:
    found = [incident.held[state] for state in states if state in incident.held]
    return Counted(sum(one.messages for one in found), sum(one.recipients for one in found))


def _under_way(story: "Story") -> Iterator[Advice]:
    left, moved = left_to_do(story.incident, story.made_at), moving(story.incident)
    what = [f"{one.kind} ({one.outcome})" if one.outcome else one.kind for one in left]
    what += [f"{in_words(moved)} on the way out of the hold queue"] if moved.messages else []
    if what:
        yield Advice(
            f"Not done yet: {'; '.join(what)}. It is done by itself, also after a restart; where it does not end, ask:",
            ("sallyport doctor",),
        )


def _to_be_deleted(story: "Story") -> Iterator[Advice]:
    incident, there = story.incident, on_hold(story.incident)
    waits = any(one.kind == Kind.PURGE and one.done_at is None for one in incident.measures)
    if waits and there.messages:
        yield Advice(
            f"The owner said that it was theft: what is held ({in_words(there)}) is deleted soon."
            " The timeline says when. To have it sooner, or to stop it and let it go:",
            (f"sallyport purge {incident.number}", f"sallyport release {incident.number}"),
        )


def _decision(story: "Story") -> Iterator[Advice]:
    incident, number = story.incident, story.incident.number
    if incident.state == State.RELEASED and not was_theft(incident):
        yield Advice("If it was theft after all:", (_contain(story),))
    if incident.state != State.OPEN:
        return
    there = on_hold(incident)
    if not (incident.contained and incident.contained.is_whole):
        yield Advice(
            f"Logins of {incident.identity} still work (step {story.step_now}; at home {story.at_home_now})."
            " To shut all of them out at once:",
            (_contain(story),),
        )
    if not incident.answer:
        yield Advice("Ask the owner, by telephone and not by mail: was it you? The console asks, too.")
    if there.messages:
        yield Advice("Look at what is held:", (f"sallyport held list --incident {number}",))
    yield Advice(
        f"If it was theft: delete what is held ({in_words(there)}) and suspend the logins that were used:",
        (f"sallyport purge {number}",),
    )
    yield Advice(f"If it was nothing: undo all of it, and let {in_words(there)} go:", (f"sallyport release {number}",))


def was_theft(incident: StoredIncident) -> bool:
    """Somebody had it purged before the account was given back: its networks are hardly the owner's."""
    return any(one.action == "incident-purged" for one in incident.decisions)


def _contain(story: "Story") -> str:
    return f"sallyport contain {shlex.quote(story.incident.identity)}"


def _credentials(story: "Story") -> Iterator[Advice]:
    """Once it is clear that it was theft."""
    if story.incident.state != State.PURGED:
        return
    suspended, used = {*story.incident.suspended}, {one.login for one in story.logins if one.is_strange}
    if stolen := sorted((used or suspended) & {*story.working}):
        name = shlex.quote(story.incident.identity)
        yield Advice(
            "Revoke what was stolen, and make a new login for each device:",
            (
                *(f"sallyport credential revoke {shlex.quote(login)}" for login in stolen),
                f"sallyport credential add {name} --label 'new device'",
            ),
        )
    if used and (suspended - used) & {*story.working}:
        yield Advice(
            "Logins that nobody misused are suspended still. Once what was stolen is revoked, give them back:",
            (f"sallyport release {story.incident.number}",),
        )


def _recipients(story: "Story") -> Iterator[Advice]:
    number = len(story.to_warn) + story.to_warn_left_out
    if story.incident.state == State.RELEASED and not was_theft(story.incident):
        return
    if number:
        whom = "the one recipient that is" if number == 1 else f"the {number:,} recipients that are"
        yield Advice(
            f"If it was theft, warn {whom} known to have got something:",
            (f"sallyport incident {story.incident.number} --json | jq -r '.to_warn[].recipient'",),
        )
    elif story.strange.reached:
        yield Advice(
            f"{story.strange.reached:,} recipients were sent something from strange networks; none is known by address."
            " Deliveries are not reported yet, all failed, or it is more than two weeks ago."
        )


def _networks(story: "Story") -> Iterator[Advice]:
    strange = [one.network for one in story.networks if one.whose == STRANGE][:_NETWORKS_NAMED]
    if strange and story.incident.state == State.RELEASED and not was_theft(story.incident):
        name = shlex.quote(story.incident.identity)
        yield Advice(
            "What of these networks the owner says is his, and no other, so that it does not happen again:",
            tuple(f"sallyport network confirm {name} {network}" for network in strange),
        )
