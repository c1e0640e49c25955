"""What gateway and policy say to each other: frozen values, one model for each question and answer.

The gateway asks two questions over HTTP with JSON bodies and reports outcomes:

    login     POST /v1/login      LoginStep    -> LoginAnswer     one step of a SASL exchange
    message   POST /v1/message    MessageFacts -> MessageVerdict  everything about one finished transaction
    outcomes  POST /v1/outcomes   Outcomes     -> 204             what became of accepted messages

A verdict carries a reason from a closed list and never a text: the gateway's table (gateway/replies.py) has the words.
"""

from base64 import b64decode, b64encode
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PositiveInt

OUTCOMES_LIMIT = 500  # in one report

# Octets in memory, base64 in JSON. (pydantic's Base64Bytes would decode what is given in memory, too.)
Octets = Annotated[
    bytes,
    BeforeValidator(lambda given: b64decode(given, validate=True) if isinstance(given, str) else given),
    PlainSerializer(lambda octets: b64encode(octets).decode(), return_type=str, when_used="json"),
]


class Frozen(BaseModel):
    """Unknown members are refused, so that two versions that disagree say so instead of guessing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(StrEnum):
    """Why a message was not accepted. The client sees the matching reply, not this."""

    CREDENTIAL_REVOKED = "credential-revoked"
    SENDER_NOT_OWNED = "sender-not-owned"
    AUTHOR_NOT_OWNED = "author-not-owned"
    AUTHOR_MISSING = "author-missing"
    TOO_MANY_RECIPIENTS = "too-many-recipients"
    BUDGET_TOO_SMALL = "budget-too-small"  # no waiting helps: the message alone costs more than the limit
    BUDGET_SPENT = "budget-spent"


class Action(StrEnum):
    """What the gateway does with the message."""

    ACCEPT = "accept"
    DEFER = "defer"
    REJECT = "reject"


class LoginOutcome(StrEnum):
    """How a SASL exchange goes on, RFC 4954 section 4."""

    CHALLENGE = "challenge"
    GRANTED = "granted"
    REFUSED = "refused"
    MALFORMED = "malformed"
    LATER = "later"  # nothing was looked at: too many guesses from there, or too much to do


class LoginStep(Frozen):
    """One step of a SASL exchange. All responses so far come along, so that policy keeps no state between steps."""

    session: str
    exchange: str  # random, new for each AUTH: what policy derives its nonce from
    client_address: str
    listener: str
    gate: str = "default"  # by which name the listener calls the gate that is to be asked
    mechanism: str
    responses: tuple[Octets, ...]
    # What the TLS session can be bound to, by the name of the channel binding: "tls-server-end-point" (RFC 5929), and
    # under TLS 1.2 "tls-unique". Empty where nothing is known.
    channel_bindings: dict[str, Octets] = Field(default_factory=dict)
    is_binding_offered: bool = False  # whether EHLO named SCRAM-SHA-256-PLUS; a client that did not see it was deceived
    certificate: str = ""  # SHA-256 of the verified client certificate's DER, hexadecimal; empty where there is none


class Grants(Frozen):
    """What a credential may do in this session. Addresses are canonical, see canonical_address."""

    credential: int
    login: str
    identity: str
    addresses: frozenset[str]
    recipients_per_message: PositiveInt


class LoginAnswer(Frozen):
    """`challenge` is set for CHALLENGE, `grants` for GRANTED."""

    outcome: LoginOutcome
    challenge: Octets = b""
    grants: Grants | None = None
    delay_s: Annotated[float, Field(ge=0, le=15)] = 0  # how long the gateway waits before it says so (tarpit)


class MessageFacts(Frozen):
    """All that the gateway knows of one finished transaction; never the content."""

    submission: str
    session: str
    listener: str
    gate: str = "default"  # see LoginStep
    client_address: str
    client_name: str  # the EHLO argument: chosen by the client, so it proves nothing
    credential: int
    reverse_path: str  # empty is the null reverse-path, RFC 5321 section 4.5.5
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    authors: tuple[str, ...]  # every address of the From header field
    message_bytes: int


class MessageVerdict(Frozen):
    """`reservation` is set for ACCEPT and must be reported back as an Outcome."""

    action: Action
    reason: Reason | None = None
    reservation: str = ""


class RelayOutcome(StrEnum):
    """What became of the message at the next hop.

    UNKNOWN means that the next hop may or may not have it: the connection was lost after the last octet and before
    the reply (RFC 5321 section 4.5.3.2.6). Policy counts it as sent, because the recipients may have been reached.
    """

    RELAYED = "relayed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Outcome(Frozen):
    """The end of a reservation."""

    reservation: str
    outcome: RelayOutcome
    queue_id: str = ""


class Outcomes(Frozen):
    """Several at once: reports wait a moment for company, because nobody waits for them."""

    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1, max_length=OUTCOMES_LIMIT)]


def canonical_address(address: str) -> str:
    """The one form in which addresses are stored and compared: letter case and a trailing dot do not matter.

    RFC 5321 section 2.4 leaves the local part's case to the receiving domain; for ownership two spellings of one
    address must never belong to two identities, so both parts are folded here. What is relayed keeps its case.
    Not casefold(), for which strasse.example and straße.example were one domain; they are two, and two owners'.
    """
    return address.lower().rstrip(".")
