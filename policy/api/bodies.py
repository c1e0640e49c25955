"""What goes in and out as JSON. Moments are ISO 8601, UTC; a secret is in the answer that makes it, and in no other."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from policy.people.roles import Role
from policy.store.handles import Kind, Scope
from policy.store.ladder_book import NOTE_LIMIT
from policy.store.rows import SCOPES, Profile, Terms
from policy.store.tokens import TokenScope

_LONGEST = 1000
MOST_ROWS = 1000
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
NUMBER_LIMIT = 2**31 - 1  # what a column of numbers holds
_NOTICE_ADDRESS = "Where its owner is told what concerns his account, beside his mailbox; empty is nowhere else"


def _written_moment(given: object) -> object:
    if isinstance(given, str) and _RFC_3339.fullmatch(given):
        return given
    raise ValueError("a moment is written as in 2027-01-31T12:00:00Z")


def _within_the_calendar(given: datetime) -> datetime:
    """In UTC: an offset leads out of the years 1 to 9999, and no answer could write such a moment."""
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment is within the years 1 to 9999, in UTC") from None


def _number(given: object) -> object:
    """7 and 7.0, which are one in JSON, but no text and no yes."""
    if isinstance(given, str | bool):
        raise ValueError("a whole number is wanted")  # noqa: TRY004 - pydantic's word for what is wrong
    return given


# What no name, address or label has, and no database column of PostgreSQL could hold (NUL).
Text = Annotated[str, StringConstraints(max_length=_LONGEST, pattern=r"^[^\x00-\x1f\x7f]*$")]
# As RFC 3339 has it, and with its offset: a number, or a date alone, would mean something else to everybody.
When = Annotated[
    AwareDatetime,
    BeforeValidator(_written_moment),
    AfterValidator(_within_the_calendar),
]
Moment = Annotated[
    datetime, BeforeValidator(lambda at: datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else at)
]


class Given(BaseModel):
    """A body of a request; a member that there is not is refused, so that a misspelt limit is not silently none."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """A body of an answer, read from a row of the store."""

    model_config = ConfigDict(from_attributes=True)


class NewIdentity(Given):
    name: Annotated[Text, Field(description="Its mailbox, too: a-z, 0-9, dot, underscore, hyphen", examples=["ada"])]
    addresses: Annotated[list[Text], Field(max_length=MOST_ROWS, examples=[["ada@example.org"]])] = []
    profile: Profile = Profile.PERSON
    owner: Annotated[Text, Field(description="The person's name, or what the application is")] = ""
    notice_address: Annotated[Text, Field(description=_NOTICE_ADDRESS, examples=["ada@elsewhere.example"])] = ""


class IdentityChanges(Given):
    """What is left out stays."""

    owner: Text | None = None
    profile: Profile | None = None
    notice_address: Annotated[Text | None, Field(description=_NOTICE_ADDRESS)] = None


class Identity(Shown):
    name: str
    profile: Profile
    owner: str
    addresses: list[str]
    subaddressed: list[str]
    sends_as: list[str]
    notice_address: str
    role: Annotated[Role, Field(description="What it may do in the console; the command line changes it")]
    created_at: Moment
    suspended_at: Moment | None


class NewAddress(Given):
    address: Annotated[Text, Field(description="An address, or @domain for an application", examples=["a@example.org"])]
    subaddresses: Annotated[StrictBool, Field(description="Also local-part+detail@domain")] = False


class AddressChanges(Given):
    subaddresses: StrictBool


class _NewCredential(Given):
    """What all kinds have."""

    label: Annotated[Text, Field(description="Which device", examples=["laptop"])]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = SCOPES
    networks: Annotated[list[Text], Field(max_length=MOST_ROWS, examples=[["192.0.2.0/24"]])] = []
    expires_at: When | None = None

    @property
    def terms(self) -> Terms:
        return Terms(self.scopes, tuple(self.networks), self.expires_at.timestamp() if self.expires_at else None)


class NewSecret(_NewCredential):
    """A generated secret, which the answer has."""

    kind: Literal[Kind.SECRET]


class NewCertificate(_NewCredential):
    """A client certificate, by its SHA-256 fingerprint."""

    kind: Literal[Kind.CERTIFICATE]
    certificate: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NewOidc(_NewCredential):
    """A token of the issuer; `subject` is the value of its claim."""

    kind: Literal[Kind.OIDC]
    subject: Text


class NewLdap(_NewCredential):
    """A bind at the directory; `login` is what is typed, `subject` the DN, or empty where settings lead to it."""

    kind: Literal[Kind.LDAP]
    login: Text
    subject: Text = ""


NewCredential = Annotated[NewSecret | NewCertificate | NewOidc | NewLdap, Field(discriminator="kind")]


class CredentialChanges(Given):
    """What is left out stays; `expires_at: null` is never."""

    label: Text = ""
    scopes: tuple[Scope, ...] = ()
    networks: Annotated[list[Text], Field(max_length=MOST_ROWS)] = []
    expires_at: When | None = None


class Credential(Shown):
    login: str
    kind: Kind
    certificate: str | None
    subject: str | None
    identity: str
    label: str
    scopes: list[Scope]
    networks: list[str]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None
    last_used_from: str | None
    revoked_at: Moment | None
    contained_by: Annotated[int | None, Field(description="The incident that suspends it")]


class MadeCredential(BaseModel):
    """`secret` is shown this once; there is none for the kinds that are proven otherwise."""

    login: str
    identity: str
    label: str
    secret: Annotated[str | None, Field(repr=False)]


class NewInvite(Given):
    days: Annotated[int, Field(ge=1, le=90), BeforeValidator(_number)] = 7


class Invite(Shown):
    id: int
    identity: str
    owner: str
    addresses: list[str]
    created_at: Moment
    expires_at: Moment
    used_at: Moment | None
    revoked_at: Moment | None


class MadeInvite(BaseModel):
    """`url` is shown this once, and opens once."""

    url: Annotated[str, Field(repr=False)]
    invite: Invite


class NewDecoy(Given):
    label: Text


class Decoy(Shown):
    login: str
    label: str
    created_at: Moment


class NewExemption(Given):
    country: Annotated[Text, Field(description="ISO 3166-1 alpha-2, or ??", examples=["KZ"])]
    ends_at: When
    note: Annotated[Text, Field(description="Why, for whoever asks later")] = ""


class Exemption(Shown):
    identity: str
    country: str
    ends_at: Moment
    created_at: Moment
    note: str


class Network(Shown):
    network: str
    first_used_at: Moment
    last_used_at: Moment
    days: Annotated[int, Field(description="On how many it was used")]
    confirmed_at: Moment | None


class Wall(Shown):
    network: str
    since_at: Moment
    ends_at: Moment
    why: Annotated[str, Field(examples=["guessing", "a trap"])]
    times: Annotated[int, Field(description="How many in a row, each longer than the one before")]


class Act(Shown):
    """One row of the audit log."""

    id: int
    at: Moment
    actor: str
    source: str
    action: str
    subject: str
    before: dict[str, object]
    after: dict[str, object]


class Submission(Shown):
    id: str
    at: Moment
    session: str
    identity: str
    login: str
    listener: str
    client_address: str
    client_name: str
    reverse_path: str
    recipients: int
    message_bytes: int
    action: str
    reason: str
    outcome: str
    queue_id: str
    held_queue_id: Annotated[str, Field(description="Of the part that is held, where the message was split")]
    held: Annotated[int, Field(description="Recipients for whom it is held")]
    rule: Annotated[str, Field(description="The one that decided")]
    rulebook: Annotated[str, Field(description="The digest of the policy that was in force")]
    origin: Annotated[str, Field(description="The autonomous system and the country", examples=["AS3320 DE"])]
    new_recipients: Annotated[int, Field(description="Recipients outside that it went to, new to the identity")]
    known_recipients: int


class Signal(Shown):
    """What speaks against an identity."""

    kind: str
    at: Moment
    at_home: Annotated[bool, Field(description="It came from a network that is the owner's beyond doubt")]
    evidence: str
    submission: str
    client_address: str
    cleared_at: Moment | None


class Standing(Shown):
    """Where an identity stands on the ladder, and its signals, the newest first."""

    identity: str
    step: Literal["free", "slow", "hold", "restrict", "lock"]
    at_home: Annotated[
        Literal["free", "slow", "hold", "restrict", "lock"],
        Field(description="In networks that are its own beyond doubt"),
    ]
    since_at: Moment | None
    signals: list[Signal]


class Clearing(Given):
    note: Annotated[Text, Field(description="Why, for whoever asks later", max_length=NOTE_LIMIT)] = ""


class TrapHit(Shown):
    id: int
    at: Moment
    kind: str
    network: str
    client_address: str
    protocol: str
    identity: str
    label: str
    hits: int


class Token(Shown):
    """The token of this request."""

    name: str
    scopes: list[TokenScope]
    created_at: Moment
    expires_at: Moment
    last_used_at: Moment | None


class ImportedLine(BaseModel):
    """`is_new` is false for who was there already."""

    line: int
    name: str
    is_new: bool


class EnrolledPerson(ImportedLine):
    """A link, or the credential of a device, told this once."""

    login: str | None
    secret: Annotated[str | None, Field(repr=False)]
    url: Annotated[str | None, Field(repr=False)]


class PendingPerson(Shown):
    """Somebody who still depends on the password of the old server."""

    identity: str
    login: str
    last_used_at: Moment | None
    expires_at: Moment | None
    has_device: bool


class BadLine(Shown):
    """What is wrong with one line of a file."""

    number: int
    why: str


class Problem(BaseModel):
    """Why a request was not answered, RFC 9457: media type application/problem+json."""

    title: str
    status: int
    detail: str
    lines: list[BadLine] = []  # of a file that was not imported
