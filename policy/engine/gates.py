"""GATES: what must hold of a credential that was proven, before its holder is let in.

A gate is a pure function of credential and entrance that says why not, or None. The words are for the log: whoever is
refused hears those of a wrong secret.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from policy.engine.sources import is_within


class Credential(Protocol):
    """What the store knows of it; times are seconds since the epoch."""

    @property
    def revoked_at(self) -> float | None: ...
    @property
    def expires_at(self) -> float | None: ...
    @property
    def contained_by(self) -> int | None: ...  # the incident that suspends it
    @property
    def suspended_at(self) -> float | None: ...
    @property
    def scopes(self) -> str: ...  # blank-separated
    @property
    def networks(self) -> str: ...  # CIDR, blank-separated; empty is everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Where somebody wants in. `client_address` is empty where that was asked before, at the login of this session."""

    scope: str
    client_address: str
    now: float


Gate = Callable[[Credential, Entrance], str | None]


def is_not_revoked(credential: Credential, entrance: Entrance) -> str | None:  # noqa: ARG001 - the shape of a gate
    return None if credential.revoked_at is None else "revoked"


def is_not_suspended(credential: Credential, entrance: Entrance) -> str | None:  # noqa: ARG001 - the shape of a gate
    return None if credential.suspended_at is None else "its identity is suspended"


def is_not_contained(credential: Credential, entrance: Entrance) -> str | None:  # noqa: ARG001 - the shape of a gate
    return None if credential.contained_by is None else f"suspended by incident {credential.contained_by}"


def is_not_expired(credential: Credential, entrance: Entrance) -> str | None:
    return "expired" if credential.expires_at is not None and credential.expires_at <= entrance.now else None


def has_scope(credential: Credential, entrance: Entrance) -> str | None:
    return None if entrance.scope in credential.scopes.split() else f"not good for {entrance.scope}"


def comes_from_its_networks(credential: Credential, entrance: Entrance) -> str | None:
    if not credential.networks or not entrance.client_address:
        return None
    networks = [ipaddress.ip_network(one) for one in credential.networks.split()]
    return None if is_within(entrance.client_address, networks) else "not from its networks"


GATES: Mapping[str, Gate] = {  # each by what it is counted as, in the order in which they are asked
    "revoked": is_not_revoked,
    "contained": is_not_contained,
    "suspended": is_not_suspended,
    "expired": is_not_expired,
    "scope": has_scope,
    "network": comes_from_its_networks,
}


class Refusal(NamedTuple):
    """Which gate it was, and why."""

    gate: str
    why: str


def refusal_at_gates(credential: Credential, entrance: Entrance) -> Refusal | None:
    """Why the holder is not let in; the first gate decides."""
    for name, gate in GATES.items():
        if why := gate(credential, entrance):
            return Refusal(name, why)
    return None
