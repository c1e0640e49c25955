"""What the console's pages call: signing in, taking an invitation, the own account. One desk for a process."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from sqlalchemy import Engine

from policy.engine.guessing import Walls
from policy.engine.sources import Network
from policy.opening import digest_key
from policy.people import breached
from policy.people.account import Account
from policy.people.choosing import Choosing
from policy.people.confirming import Confirming
from policy.people.hashing import Hasher, Hashing, HashingPool, kept_cost
from policy.people.hibp import RangeServer
from policy.people.invitations import Invitations
from policy.people.passkeys import RelyingParty, user_handle
from policy.people.second_factors import FactorKind, TotpOffer
from policy.people.sign_in import Fence, SignedIn, SignIn, Ticket
from policy.people.vouching import Vouching
from policy.settings import Settings
from policy.store.console_sessions import Session, Sessions, Visitor
from policy.store.factors import Factor, Factors
from policy.store.people import Invite, People

__all__ = [
    "Desk",
    "Factor",
    "FactorKind",
    "Invite",
    "Session",
    "SignedIn",
    "Ticket",
    "TotpOffer",
    "Visitor",
    "make_desk",
    "open_desk",
]

COST_FILE = "password-cost.json"


@dataclass(frozen=True, slots=True)
class Desk:
    """See the package's docstring for what each is."""

    sign_in: SignIn
    invitations: Invitations
    account: Account
    confirming: Confirming
    vouching: Vouching
    hashing: Hashing

    async def close(self) -> None:
        self.hashing.pool.close()


def open_desk(settings: Settings, engine: Engine, stopwatch: Callable[[], float]) -> Desk:
    """On an open database; `stopwatch` tells seconds, for the cost of a password to be measured at the first start."""
    cost = kept_cost(settings.state_dir / COST_FILE, stopwatch)
    url = urlsplit(settings.console_origin)
    site = RelyingParty(settings.console_origin, url.hostname or settings.hostname, settings.hostname)
    hashing = Hashing(Hasher(cost), HashingPool())
    choosing = Choosing(breached.load(), RangeServer(settings.hibp_url), hashing)
    return make_desk(engine, digest_key(settings), site, hashing, choosing, settings.unwalled_networks)


def make_desk(
    engine: Engine,
    key: bytes,
    site: RelyingParty,
    hashing: Hashing,
    choosing: Choosing,
    unwalled: tuple[Network, ...],
) -> Desk:
    """Of parts that are there; the administrator vouches for the networks in `unwalled`."""
    people, factors, sessions = partial(People, engine, key), Factors(engine, key), Sessions(engine, key)
    fence, user = Fence(Walls(secrets.token_bytes(32)), unwalled), partial(user_handle, key=key)
    return Desk(
        SignIn(people, factors, sessions, site, hashing, fence),
        Invitations(people, sessions, site, choosing, hashing, user),
        Account(people, factors, site, choosing, hashing, fence, user),
        Confirming(people, factors, sessions, site),
        Vouching(people, sessions, fence),
        hashing,
    )
