"""Networks that are walled after guesses or a trap, and letting one in."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from policy.api import bodies
from policy.api.bodies import MOST_ROWS, Text
from policy.api.caller import Reader, Writer
from policy.store.walls import ROWS_KEPT, StoredWall

router = APIRouter(tags=["walls"])


@router.get("/walls", response_model=list[bodies.Wall])
def list_walls(caller: Reader, limit: Annotated[int, Query(ge=1, le=ROWS_KEPT)] = MOST_ROWS) -> list[StoredWall]:
    """Those that stand, the newest first."""
    return caller.identities.walls(caller.now, limit)


@router.delete("/walls/{network:path}", response_model=bodies.Wall)
def lift_wall(caller: Writer, network: Annotated[Text, Path()]) -> StoredWall:
    """Let a network in, logins within a second and new connections within ten; an address stands for its network."""
    return caller.identities.lift_wall(network, caller.now)
