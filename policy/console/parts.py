"""What every page has at hand, made once for the process."""

import contextlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path

from sqlalchemy import Engine

from policy.console.language import Language, load_languages
from policy.console.live import Live
from policy.console.staff.painting import Painter
from policy.console.staff.policy_desk import PolicyDesk, open_policy_desk
from policy.engine.rulebook import Rulebook
from policy.enrolment import Servers
from policy.geo.atlas import Atlas
from policy.geo.opened import atlas_at
from policy.location import open_existing
from policy.opening import digest_key
from policy.people.desk import Desk, Session, Visitor, open_desk
from policy.people.roles import Role
from policy.publishing.mta_sts import policy_text
from policy.rulebook import PolicyFileError, parse, shipped
from policy.settings import Settings
from policy.single_sign_on.provider import Provider, open_provider
from policy.store.audit import Actor
from policy.store.identities import IdentityStore
from policy.store.people import People
from policy.store.rulebooks import kept_rulebooks
from service.sentence import Sentence

_FORMS = b"CONSOLE FORMS"  # what the digest key is used for here; see policy/store/handles.py for its other uses
_NOBODY: Mapping[str, Role] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`stores` gives the identity store as one person's hand: what it writes into the audit log is bound to it."""

    desk: Desk
    engine: Engine  # for what is only read; what is changed goes through `stores`
    stores: Callable[[Actor], IdentityStore]
    people: Callable[[Actor], People]
    servers: Servers
    languages: dict[str, Language]
    form_key: bytes = field(repr=False)
    title: str  # of the installation: its host name
    invite_url: Callable[[str], str]  # of a token
    has_budgets: bool  # in the database; elsewhere the console has no way to them
    mta_sts: str  # the policy file (RFC 8461); empty: none
    certificate: Path
    certificate_key: Path
    clock: Callable[[], float]
    atlas: Callable[[], Atlas]  # opened when it is asked for: it takes half a second, and nobody may ever ask
    rulebook: Callable[[], Rulebook]  # the policy in force
    painter: Painter  # of the overview
    live: Live
    policy_desk: PolicyDesk
    warnings: Callable[[], tuple[Sentence, ...]]  # of what the process serves with: for its health
    sign_on: Provider | None  # the issuer at which people sign in; None: there is none

    @property
    def by_password(self) -> bool:
        """Whether people have passwords and second factors of ours; not, where an issuer alone signs them in."""
        return self.sign_on is None or not self.sign_on.is_only

    def store_of(self, session: Session, visitor: Visitor, whose: Mapping[str, Role] = _NOBODY) -> IdentityStore:
        """In the hands of who is signed in, while nobody's role changes: neither his own, nor those of `whose`."""
        return self.stores(_actor(session, visitor, whose))

    def people_of(self, session: Session, visitor: Visitor, whose: Mapping[str, Role] = _NOBODY) -> People:
        return self.people(_actor(session, visitor, whose))


def open_parts(
    settings: Settings,
    clock: Callable[[], float],
    stopwatch: Callable[[], float],
    warnings: Callable[[], tuple[Sentence, ...]] = tuple,
) -> Parts:
    """On the database that the settings name."""
    engine, key = open_existing(settings), digest_key(settings)
    languages = load_languages()
    painter = Painter(engine, languages, clock)
    return Parts(
        desk=open_desk(settings, engine, stopwatch),
        engine=engine,
        stores=lambda actor: IdentityStore(engine, key, actor),
        people=lambda actor: People(engine, key, actor),
        servers=Servers.of(settings),
        languages=languages,
        form_key=hmac.digest(key, _FORMS, "sha256"),
        title=settings.hostname,
        invite_url=settings.invite_url,
        has_budgets=not settings.budgets_url,
        mta_sts=policy_text(settings.mta_sts, settings.mx_hosts),
        certificate=settings.tls_cert,
        certificate_key=settings.tls_key,
        clock=clock,
        atlas=cache(partial(atlas_at, settings.geo_country_db, settings.geo_asn_db)),
        rulebook=partial(_rulebook_in_force, engine),
        painter=painter,
        live=Live(painter.paint),
        policy_desk=open_policy_desk(settings),
        warnings=warnings,
        sign_on=open_provider(settings, settings.console_origin),
    )


def _actor(session: Session, visitor: Visitor, whose: Mapping[str, Role]) -> Actor:
    name, roles = f"console:{session.identity}", {session.identity: session.role, **whose}
    return Actor(name=name, source=visitor.client_address, roles=roles)


def _rulebook_in_force(engine: Engine) -> Rulebook:
    """As policy has written it down; the shipped one before it has, or where it is of a version that is not ours."""
    for kept in kept_rulebooks(engine, limit=1):
        with contextlib.suppress(PolicyFileError):
            return _parsed(kept.content)
    return shipped()


@lru_cache(maxsize=1)
def _parsed(content: str) -> Rulebook:
    return parse(content, "the policy in force")
