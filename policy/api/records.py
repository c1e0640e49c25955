"""What was done and what happened: audit log, submissions, traps; and the networks of an identity."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query

from policy.api import bodies
from policy.api.bodies import MOST_ROWS, NUMBER_LIMIT, Text
from policy.api.caller import Auditor, Reader, Writer
from policy.api.identities import Name
from policy.store import audit, records, rows, traps
from policy.store.tokens import ApiToken

router = APIRouter(tags=["records"])

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]
Before = Annotated[int | None, Query(ge=1, le=NUMBER_LIMIT, description="The last id of the page before")]


@router.get("/audit", response_model=list[bodies.Act])
def list_acts(
    caller: Auditor,
    subject: Annotated[Text, Query(description="An identity with all that is its own, an address, a login")] = "",
    actor: Annotated[Text, Query(examples=["cli:root"])] = "",
    since: Annotated[bodies.When | None, Query()] = None,
    before: Before = None,
    limit: Limit = MOST_ROWS,
) -> list[audit.Act]:
    """The audit log, newest first."""
    wanted = audit.Wanted(subject, actor, since.timestamp() if since else None, before)
    return audit.newest(caller.engine, wanted, limit)


@router.get("/submissions", response_model=list[bodies.Submission])
def list_submissions(
    caller: Auditor,
    identity: Annotated[Text | None, Query()] = None,
    before: Annotated[Text | None, Query(description="The last id of the page before")] = None,
    limit: Limit = MOST_ROWS,
) -> list[records.Submission]:
    """Newest first."""
    if before is not None:
        show_submission(caller, before)  # an id that is gone must not look like the end
    return records.newest_submissions(caller.engine, identity, limit, before)


@router.get("/submissions/{submission}", response_model=bodies.Submission)
def show_submission(
    caller: Auditor, submission: Annotated[Text, Path(description="The id in the Received field")]
) -> records.Submission:
    found = records.find_submission(caller.engine, submission)
    if found is None:
        raise HTTPException(404, "there is no such submission, or it is too old")
    return found


@router.get("/traps", response_model=list[bodies.TrapHit])
def list_trap_hits(caller: Auditor, before: Before = None, limit: Limit = MOST_ROWS) -> list[traps.TrapHit]:
    """The traps that have closed, newest first."""
    return traps.newest_traps(caller.engine, limit, before)


@router.get("/decoys", response_model=list[bodies.Decoy])
def list_decoys(caller: Auditor) -> list[rows.Decoy]:
    return caller.identities.decoys()


@router.post("/decoys", status_code=201, response_model=bodies.Decoy)
def add_decoy(caller: Writer, given: bodies.NewDecoy) -> rows.Decoy:
    """A login that nobody has; whoever uses it is a thief."""
    return caller.identities.add_decoy(given.label, caller.now)


@router.delete("/decoys/{login}", response_model=bodies.Decoy)
def remove_decoy(caller: Writer, login: Annotated[Text, Path()]) -> rows.Decoy:
    return caller.identities.remove_decoy(login, caller.now)


@router.get("/identities/{name}/networks", response_model=list[bodies.Network])
def list_networks(caller: Reader, name: Name) -> list[rows.Network]:
    """From where the identity has logged in, the one used last first."""
    return caller.identities.networks(name)


@router.put("/identities/{name}/networks/{network:path}", response_model=bodies.Network)
def confirm_network(caller: Writer, name: Name, network: Annotated[Text, Path()]) -> rows.Network:
    """Vouch for a network, also for one that was not used yet; an address stands for its network."""
    return caller.identities.confirm_network(name, network, caller.now)


@router.delete("/identities/{name}/networks/{network:path}", response_model=bodies.Network)
def forget_network(caller: Writer, name: Name, network: Annotated[Text, Path()]) -> rows.Network:
    return caller.identities.forget_network(name, network, caller.now)


@router.get("/token", response_model=bodies.Token)
def show_token(caller: Reader) -> ApiToken:
    """The token of this request."""
    return caller.token
