"""What every page has at hand, made once for the process."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from policy.console.language import Language, load_languages
from policy.enrolment import Servers
from policy.location import open_existing
from policy.people.desk import Desk, Session, Visitor, open_desk
from policy.settings import Settings
from policy.setup import digest_key
from policy.store.audit import Actor
from policy.store.identities import IdentityStore

_FORMS = b"CONSOLE FORMS"  # what the digest key is used for here; see policy/store/handles.py for its other uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`stores` gives the identity store as one person's hand: what it writes into the audit log is bound to it."""

    desk: Desk
    stores: Callable[[Actor], IdentityStore]
    servers: Servers
    languages: dict[str, Language]
    form_key: bytes = field(repr=False)
    title: str  # of the installation: its host name
    certificate: Path
    certificate_key: Path
    clock: Callable[[], float]

    def store_of(self, session: Session, visitor: Visitor) -> IdentityStore:
        return self.stores(Actor(name=f"console:{session.identity}", source=visitor.client_address))


def open_parts(settings: Settings, clock: Callable[[], float], stopwatch: Callable[[], float]) -> Parts:
    """On the database that the settings name."""
    engine, key = open_existing(settings), digest_key(settings)
    return Parts(
        desk=open_desk(settings, engine, stopwatch),
        stores=lambda actor: IdentityStore(engine, key, actor),
        servers=Servers.of(settings),
        languages=load_languages(),
        form_key=hmac.digest(key, _FORMS, "sha256"),
        title=settings.hostname,
        certificate=settings.tls_cert,
        certificate_key=settings.tls_key,
        clock=clock,
    )
