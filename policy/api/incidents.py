"""Incidents and held mail: contain, release, purge.

A change is done when it is answered: the measures that follow from it are carried out soon afterwards, and
`GET /incidents/{number}` says how far they are. Content of messages is not shown here: this process cannot reach the
queue, and `sallyport held show` can.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from policy.api import incident_bodies as bodies
from policy.api.bodies import MOST_ROWS, NUMBER_LIMIT, Text
from policy.api.caller import Auditor, Caller, Writer
from policy.api.identities import Name
from policy.store.held import HeldState
from policy.store.held_book import StoredHeld
from policy.store.incident_notes import State
from policy.store.incident_story import Story
from policy.store.incidents import LISTED, Place, StoredIncident

router = APIRouter(tags=["incidents"])

Number = Annotated[int, Path(ge=1, le=NUMBER_LIMIT)]
Identity = Annotated[Text | None, Query(description="Only this identity's")]


@router.get("/incidents", response_model=list[bodies.Incident])
def list_incidents(
    caller: Auditor,
    state: Annotated[State | None, Query()] = None,
    identity: Identity = None,
    after: Annotated[int | None, Query(ge=1, le=NUMBER_LIMIT, description="The last number of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = LISTED,
) -> list[StoredIncident]:
    """Open ones first, then the newest."""
    place = _place(caller, after) if after is not None else None
    return caller.identities.incidents(state=state, identity=identity, after=place, limit=limit)


@router.get("/incidents/{number}", response_model=bodies.Story)
def show_incident(caller: Auditor, number: Number) -> Story:
    """All of it: what happened, from where, what went out, whom to warn, what to do next."""
    return caller.identities.story(number, caller.now)


@router.post("/identities/{name}/contain", response_model=bodies.Incident)
def contain_identity(caller: Writer, name: Name, given: bodies.Note) -> StoredIncident:
    """None of its logins works, sessions end, queued mail is held. Release undoes exactly that."""
    return caller.identities.contain_identity(name, given.note, caller.now)


@router.post("/credentials/{login}/contain", response_model=bodies.Incident)
def contain_credential(caller: Writer, login: Annotated[Text, Path()], given: bodies.Note) -> StoredIncident:
    """The same for one login."""
    return caller.identities.contain_credential(login, given.note, caller.now)


@router.post("/incidents/{number}/release", response_model=bodies.Incident)
def release_incident(caller: Writer, number: Number, given: bodies.Note) -> StoredIncident:
    """It was nothing, or it is over: logins work again, held mail goes on its way."""
    return caller.identities.release_incident(number, given.note, caller.now)


@router.post("/incidents/{number}/purge", response_model=bodies.Incident)
def purge_incident(caller: Writer, number: Number, given: bodies.Note) -> StoredIncident:
    """It was theft: what is held is deleted, and the logins that were used stay suspended."""
    return caller.identities.purge_incident(number, given.note, caller.now)


@router.get("/held", response_model=list[bodies.Held])
def list_held(
    caller: Auditor,
    identity: Identity = None,
    incident: Annotated[int | None, Query(ge=1, le=NUMBER_LIMIT, description="Only this incident's")] = None,
    state: Annotated[HeldState, Query()] = HeldState.HELD,
    after: Annotated[bodies.QueueId | None, Query(description="The last queue id of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = MOST_ROWS,
) -> list[StoredHeld]:
    """Messages on hold, the oldest first."""
    if after is not None:
        caller.identities.held_message(after)  # one that is not there must not look like the end
    return caller.identities.held(identity=identity, incident=incident, state=state, after=after, limit=limit)


@router.post("/held/release", response_model=list[bodies.Held])
def release_held(caller: Writer, given: bodies.QueueIds) -> list[StoredHeld]:
    """Let single messages go on their way, all or none."""
    return caller.identities.release_held(given.queue_ids, caller.now)


@router.post("/held/purge", response_model=list[bodies.Held])
def purge_held(caller: Writer, given: bodies.QueueIds) -> list[StoredHeld]:
    """Delete single messages, all or none."""
    return caller.identities.purge_held(given.queue_ids, caller.now)


def _place(caller: Caller, number: int) -> Place:
    return Place(caller.identities.incident(number).state != State.OPEN, number)
