"""What lists show: identities, credentials, decoys and networks as frozen values. None of them has a secret but one."""

from dataclasses import dataclass, field
from enum import StrEnum

from policy.people.roles import Role
from policy.store.handles import Kind, Scope

SCOPES = (Scope.SUBMIT, Scope.IMAP)  # of a credential, unless somebody chooses


class Profile(StrEnum):
    """What sort of sender an identity is; its limits depend on it."""

    PERSON = "person"
    APP = "app"
    NEWSLETTER = "newsletter"


@dataclass(frozen=True, slots=True)
class Identity:
    """`name` is its mailbox. `sends_as` are addresses of other identities."""

    name: str
    profile: Profile
    owner: str
    addresses: tuple[str, ...]
    subaddressed: tuple[str, ...]  # those of `addresses` that own local-part+detail@domain, too
    sends_as: tuple[str, ...]
    notice_address: str  # where its owner is told what concerns his account, beside his mailbox; may be empty
    role: Role  # what it may do in the console
    created_at: float
    suspended_at: float | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a credential is good for, from where, and how long."""

    scopes: tuple[Scope, ...] = SCOPES
    networks: tuple[str, ...] = ()  # CIDR; none is everywhere
    expires_at: float | None = None


EVERYWHERE = Terms()


@dataclass(frozen=True, slots=True)
class Credential:
    """One login."""

    login: str
    kind: Kind
    certificate: str | None  # its fingerprint, where that is the kind
    subject: str | None  # who it is to the OIDC issuer, or its DN in LDAP
    identity: str
    label: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    last_used_from: str | None
    revoked_at: float | None
    contained_by: int | None = None  # the incident that suspends it


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What is shown once. The secret is in no repr and in no table."""

    login: str
    secret: str = field(repr=False)
    identity: str
    label: str


@dataclass(frozen=True, slots=True)
class Decoy:
    """A login that nobody has."""

    login: str
    label: str
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredExemption:
    """What the gates let through for one identity until a time."""

    identity: str
    country: str
    ends_at: float
    created_at: float
    note: str


@dataclass(frozen=True, slots=True)
class Network:
    """A source network that an identity has logged in from, or that somebody said is its owner's."""

    network: str
    first_used_at: float
    last_used_at: float
    days: int
    confirmed_at: float | None
