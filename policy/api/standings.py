"""Where identities stand on the ladder, and taking it back."""

from fastapi import APIRouter

from policy.api import bodies
from policy.api.caller import Reader, Writer
from policy.api.identities import Name
from policy.store.ladder_book import StoredStanding

router = APIRouter(tags=["standings"])


@router.get("/standings", response_model=list[bodies.Standing])
def list_standings(caller: Reader) -> list[StoredStanding]:
    """Of all who are on the ladder, or against whom something has spoken in the last week; the highest first."""
    return caller.identities.standings(caller.now)


@router.get("/identities/{name}/standing", response_model=bodies.Standing)
def show_standing(caller: Reader, name: Name) -> StoredStanding:
    """With its signals, those too that were taken back."""
    return caller.identities.standing(name)


@router.post("/identities/{name}/standing/clear", response_model=bodies.Standing)
def clear_standing(caller: Writer, name: Name, given: bodies.Clearing) -> StoredStanding:
    """It was nothing: all signals are taken back, and the identity is free."""
    return caller.identities.clear_standing(name, given.note, caller.now)
