"""Exemptions: what the gates let through for one identity, because it travels."""

from typing import Annotated

from fastapi import APIRouter, Path

from policy.api import bodies
from policy.api.bodies import Text
from policy.api.caller import Reader, Writer
from policy.api.identities import Name
from policy.store.rows import StoredExemption

router = APIRouter(tags=["exemptions"])

Country = Annotated[Text, Path(description="ISO 3166-1 alpha-2, or ??")]


@router.get("/exemptions", response_model=list[bodies.Exemption])
def list_exemptions(caller: Reader) -> list[StoredExemption]:
    """Of everybody, those too that have ended; those of the policy file are not among them."""
    return caller.identities.exemptions()


@router.get("/identities/{name}/exemptions", response_model=list[bodies.Exemption])
def list_exemptions_of(caller: Reader, name: Name) -> list[StoredExemption]:
    return caller.identities.exemptions(name)


@router.post("/identities/{name}/exemptions", status_code=201, response_model=bodies.Exemption)
def add_exemption(caller: Writer, name: Name, given: bodies.NewExemption) -> StoredExemption:
    """A second one for the same country replaces the first."""
    return caller.identities.add_exemption(name, given.country, given.ends_at.timestamp(), given.note, caller.now)


@router.delete("/identities/{name}/exemptions/{country}", response_model=bodies.Exemption)
def remove_exemption(caller: Writer, name: Name, country: Country) -> StoredExemption:
    return caller.identities.remove_exemption(name, country, caller.now)
