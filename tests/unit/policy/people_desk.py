"""A console's desk for tests: real stores and rules, passwords that cost nothing, a site that authenticators know."""

import base64
import hmac
import struct
from dataclasses import dataclass

from authenticator import Authenticator
from sqlalchemy import Engine

from policy.engine.sources import Network
from policy.people import breached
from policy.people.choosing import Choosing
from policy.people.desk import Desk, Visitor, make_desk
from policy.people.hashing import Cost, Hasher, Hashing, HashingPool
from policy.people.hibp import RangeServer
from policy.people.passkeys import RelyingParty
from policy.people.second_factors import STEP_S, TotpOffer
from policy.people.sign_in import SignedIn
from policy.store.audit import Actor
from policy.store.identities import IdentityStore
from policy.store.people import NewInvite, People

T = 1_750_000_000.0
SITE = RelyingParty("https://mail.example.org:8443", "mail.example.org", "mail.example.org")
PASSWORD = "seven purple ducks in a row"
HOME = Visitor("192.0.2.7", "Firefox")
KNOWN = breached.load()


def cheap_hashing(cost: Cost | None = None) -> Hashing:
    return Hashing(Hasher(cost or Cost(memory_kib=64, passes=1)), HashingPool())


def new_desk(engine: Engine, key: bytes, hashing: Hashing | None = None, unwalled: tuple[Network, ...] = ()) -> Desk:
    hashing = hashing or cheap_hashing()
    return make_desk(engine, key, SITE, hashing, Choosing(KNOWN, RangeServer(""), hashing), unwalled)


def phone() -> Authenticator:
    return Authenticator(origin=SITE.origin, rp_id=SITE.id)


def code_at(offer: TotpOffer, now: float) -> str:
    """What an authenticator application shows, made without the code under test (RFC 4226 section 5.3)."""
    seed = base64.b32decode(offer.secret.replace(" ", ""))
    mac = hmac.digest(seed, struct.pack(">Q", int(now) // STEP_S), "sha1")
    number: int = struct.unpack(">I", mac[mac[-1] & 15 :][:4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"


@dataclass
class Enrolled:
    """Somebody who has taken an invitation with an application."""

    name: str
    offer: TotpOffer
    first: SignedIn
    at: float


def invite(engine: Engine, key: bytes, store: IdentityStore, name: str = "ada", now: float = T) -> NewInvite:
    """An invitation for somebody new."""
    store.add_identity(name, (f"{name}@example.org", f"{name}.long@example.org"), now, owner=f"{name.title()} Example")
    return People(engine, key, Actor("cli:test", "host")).invite(name, 7, now)


async def enrol(desk: Desk, made: NewInvite, now: float = T) -> Enrolled:
    """With an application, from home."""
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, now)
    offer = desk.invitations.totp(made.token, ticket, now)
    first = desk.invitations.finish_totp(made.token, ticket, code_at(offer, now), "phone", HOME, now)
    return Enrolled(made.invite.identity, offer, first, now)
