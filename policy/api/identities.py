"""Identities and their addresses."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from policy.api import bodies
from policy.api.bodies import MOST_ROWS, Text
from policy.api.caller import Reader, Writer
from policy.store.rows import Identity

router = APIRouter(tags=["identities"])

Name = Annotated[Text, Path(description="The identity's name")]
Address = Annotated[Text, Path(description="The address, or @domain")]


@router.get("/identities", response_model=list[bodies.Identity])
def list_identities(
    caller: Reader,
    search: Annotated[Text, Query(description="Begins a name or an address, or is in an owner's name")] = "",
    after: Annotated[Text, Query(description="The last name of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = MOST_ROWS,
) -> list[Identity]:
    """By name, a page at a time."""
    return caller.identities.identities(search=search, after=after, limit=limit)


@router.post("/identities", status_code=201, response_model=bodies.Identity)
def add_identity(caller: Writer, given: bodies.NewIdentity) -> Identity:
    return caller.identities.add_identity(
        given.name,
        given.addresses,
        caller.now,
        profile=given.profile,
        owner=given.owner,
        notice_address=given.notice_address,
    )


@router.get("/identities/{name}", response_model=bodies.Identity)
def show_identity(caller: Reader, name: Name) -> Identity:
    return caller.identities.identity(name)


@router.patch("/identities/{name}", response_model=bodies.Identity)
def change_identity(caller: Writer, name: Name, given: bodies.IdentityChanges) -> Identity:
    return caller.identities.change_identity(
        name, caller.now, owner=given.owner, profile=given.profile, notice_address=given.notice_address
    )


@router.delete("/identities/{name}", status_code=204)
def remove_identity(caller: Writer, name: Name) -> None:
    """With its credentials, addresses and sign-in. Submissions and the audit log keep its name."""
    caller.identities.remove_identity(name, caller.now)


@router.post("/identities/{name}/suspend", response_model=bodies.Identity)
def suspend_identity(caller: Writer, name: Name) -> Identity:
    """All of its credentials are refused from now on, and its open sessions end."""
    return caller.identities.suspend(name, caller.now)


@router.post("/identities/{name}/resume", response_model=bodies.Identity)
def resume_identity(caller: Writer, name: Name) -> Identity:
    return caller.identities.resume(name, caller.now)


@router.post("/identities/{name}/addresses", status_code=201, response_model=bodies.Identity)
def add_address(caller: Writer, name: Name, given: bodies.NewAddress) -> Identity:
    return caller.identities.add_address(name, given.address, caller.now, subaddresses=given.subaddresses)


@router.patch("/addresses/{address}", response_model=bodies.Identity)
def change_address(caller: Writer, address: Address, given: bodies.AddressChanges) -> Identity:
    """The identity that owns it, as it is then."""
    return caller.identities.change_address(address, given.subaddresses, caller.now)


@router.delete("/addresses/{address}", response_model=bodies.Identity)
def remove_address(caller: Writer, address: Address) -> Identity:
    return caller.identities.remove_address(address, caller.now)


@router.put("/addresses/{address}/senders/{name}", response_model=bodies.Identity)
def allow_sender(caller: Writer, address: Address, name: Name) -> Identity:
    """Another identity may send as this address, too."""
    return caller.identities.allow(address, name, caller.now)


@router.delete("/addresses/{address}/senders/{name}", response_model=bodies.Identity)
def disallow_sender(caller: Writer, address: Address, name: Name) -> Identity:
    return caller.identities.disallow(address, name, caller.now)
