"""Credentials, one for each device."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from policy.api import bodies
from policy.api.bodies import MOST_ROWS, MadeCredential, Text
from policy.api.caller import Caller, Reader, Writer
from policy.api.identities import Name
from policy.store import rows

router = APIRouter(tags=["credentials"])

Login = Annotated[Text, Path(description="For example fosem-4k7q-talir")]


@router.get("/credentials", response_model=list[bodies.Credential])
def list_credentials(
    caller: Reader,
    identity: Annotated[Text | None, Query(description="Those of one identity")] = None,
    unused_since: Annotated[bodies.When | None, Query(description="Not used since then, or never")] = None,
    expired: Annotated[bool, Query(description="Those that have expired")] = False,
    after: Annotated[Text, Query(description="The last login of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = MOST_ROWS,
) -> list[rows.Credential]:
    """Oldest first, revoked ones too, a page at a time."""
    return caller.identities.credentials(
        identity,
        unused_since=unused_since.timestamp() if unused_since else None,
        expired_at=caller.now if expired else None,
        after=after,
        limit=limit,
    )


@router.post("/identities/{name}/credentials", status_code=201)
def add_credential(caller: Writer, name: Name, given: bodies.NewCredential) -> MadeCredential:
    """For one device. Where there is a secret it is in this answer and nowhere else."""
    if isinstance(given, bodies.NewSecret):
        return _made(caller.identities.add_credential(name, given.label, caller.now, given.terms))
    added = _added(caller, name, given)
    return MadeCredential(login=added.login, identity=added.identity, label=added.label, secret=None)


@router.get("/credentials/{login}", response_model=bodies.Credential)
def show_credential(caller: Reader, login: Login) -> rows.Credential:
    return caller.identities.credential(login)


@router.patch("/credentials/{login}", response_model=bodies.Credential)
def change_credential(caller: Writer, login: Login, given: bodies.CredentialChanges) -> rows.Credential:
    """A narrower limit ends the sessions that are open."""
    wanted = given.model_dump(exclude_unset=True)
    for name in ("scopes", "networks"):
        if name in wanted:
            wanted[name] = tuple(wanted[name])
    if wanted.get("expires_at"):
        wanted["expires_at"] = wanted["expires_at"].timestamp()
    return caller.identities.change_credential(login, caller.now, **wanted)


@router.post("/credentials/{login}/renew", status_code=201)
def renew_credential(caller: Writer, login: Login) -> MadeCredential:
    """A new secret for the same login; whoever still uses the old one has walked into a trap."""
    return _made(caller.identities.renew(login, caller.now))


@router.delete("/credentials/{login}", response_model=bodies.Credential)
def revoke_credential(caller: Writer, login: Login) -> rows.Credential:
    """From now on the login is refused, and its open sessions end within a second."""
    return caller.identities.revoke(login, caller.now)


def _added(
    caller: Caller, name: str, given: bodies.NewCertificate | bodies.NewOidc | bodies.NewLdap
) -> rows.Credential:
    store, now = caller.identities, caller.now
    if isinstance(given, bodies.NewCertificate):
        return store.add_certificate(name, given.label, given.certificate, now, given.terms)
    if isinstance(given, bodies.NewOidc):
        return store.add_oidc(name, given.label, given.subject, now, given.terms)
    return store.add_ldap(name, given.label, given.login, given.subject, now, given.terms)


def _made(made: rows.NewCredential) -> MadeCredential:
    return MadeCredential(login=made.login, identity=made.identity, label=made.label, secret=made.secret)
