"""How people come to sign in: invitations, and starting over."""

from typing import Annotated

from fastapi import APIRouter, Path

from policy.api import bodies
from policy.api.bodies import NUMBER_LIMIT, MadeInvite
from policy.api.caller import Caller, Reader, Writer
from policy.api.identities import Name
from policy.store import people

router = APIRouter(tags=["people"])


@router.get("/invites", response_model=list[bodies.Invite])
def list_invites(caller: Reader) -> list[people.Invite]:
    """All that were made, oldest first."""
    return caller.people.invites()


@router.post("/identities/{name}/invite", status_code=201)
def invite(caller: Writer, name: Name, given: bodies.NewInvite) -> MadeInvite:
    """A link for a person who cannot sign in yet; one that was made before is worth nothing from now on."""
    return _made(caller, caller.people.invite(name, given.days, caller.now))


@router.post("/identities/{name}/reset-sign-in", status_code=201)
def reset_sign_in(caller: Writer, name: Name, given: bodies.NewInvite) -> MadeInvite:
    """Password and second factors go, browsers are signed out, and a new link lets the person start over."""
    return _made(caller, caller.people.reset(name, given.days, caller.now))


@router.delete("/invites/{number}", response_model=bodies.Invite)
def revoke_invite(caller: Writer, number: Annotated[int, Path(ge=1, le=NUMBER_LIMIT)]) -> people.Invite:
    return caller.people.revoke_invite(number, caller.now)


def _made(caller: Caller, made: people.NewInvite) -> MadeInvite:
    url = caller.invite_url(made.token)
    return MadeInvite(url=url, invite=bodies.Invite.model_validate(made.invite))
