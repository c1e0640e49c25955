"""What gateway and policy say to each other: frozen values, one model for each question and answer.

The gateway asks three questions over HTTP with JSON bodies and reports outcomes:

    connect   POST /v1/connect    ConnectFacts -> ConnectVerdict  may this address talk on this listener
    login     POST /v1/login      LoginStep    -> LoginAnswer     one step of a SASL exchange
    message   POST /v1/message    MessageFacts -> MessageVerdict  everything about one finished transaction
    outcomes  POST /v1/outcomes   Outcomes     -> 204             what became of accepted messages

and, twice a second, whose sessions have to end:

    revocations  POST /v1/revocations  RevocationsAsked -> Revocations

and, every ten seconds, says how it is itself; a policy that does not know this question answers 404:

    health    POST /v1/health     HealthTold   -> 204

What policy and the next hop's queue say to each other is queue_contract.py.

Whoever asks shows its token in `Authorization: Bearer`. Any other answer is "not now" to the asker, and never "no": 401
another token, 413 a body of more than 4 MiB, 422 no question of this form, 500 an error of ours. Its body is at most
`{"error": WORD}`, never an exception's text. Spans are seconds, sizes octets.

The number in the path is the version of this contract, and of queue_contract.py. Whoever is asked by one that it does
not speak answers 501 with ContractRefused: the asker says so in its health, and takes it for "not now" like any other
failure. What may change within a version is in docs/upgrading.md; a test holds the models to it.

A verdict carries a reason from a closed list and never a text: the gateway's table (gateway/replies.py) has the words.
"""

import re
import string
import unicodedata
from base64 import b64decode, b64encode
from enum import StrEnum
from typing import Annotated, Literal

import idna
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PositiveInt

CONTRACT = 1  # by which we ask
SPOKEN = (1,)  # by which we may be asked, the newest last
OUTCOMES_LIMIT = 500  # in one report

_VERSIONED = re.compile(r"/v([0-9]{1,3})/", re.ASCII)
_SUBADDRESS = "+"  # RFC 5233; the first one in a local part, as Postfix and Dovecot have it
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# Letters of a local part, which is 64 octets. To normalize a long run of combining marks takes time that grows with
# its square.
_NORMALIZED_LIMIT = 256
_DOMAIN_LIMIT = 255

# Octets in memory, base64 in JSON. (pydantic's Base64Bytes would decode what is given in memory, too.)
Octets = Annotated[
    bytes,
    BeforeValidator(lambda given: b64decode(given, validate=True) if isinstance(given, str) else given),
    PlainSerializer(lambda octets: b64encode(octets).decode(), return_type=str, when_used="json"),
]


class Frozen(BaseModel):
    """Unknown members are refused, so that two versions that disagree say so instead of guessing.

    What was given is in no error: it may be a SASL response.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ContractRefused(Frozen):
    """The answer to a question by another contract than those that are spoken here."""

    error: Literal["contract"] = "contract"
    spoken: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


def contract_of(path: str) -> int | None:
    """By which a path asks; None where it is no question of any contract."""
    found = _VERSIONED.match(path)
    return int(found[1]) if found else None


class Reason(StrEnum):
    """Why a message was not accepted. The client sees the matching reply, not this."""

    CREDENTIAL_REVOKED = "credential-revoked"
    SENDER_NOT_OWNED = "sender-not-owned"
    AUTHOR_NOT_OWNED = "author-not-owned"
    AUTHOR_MISSING = "author-missing"
    SENDER_FIELD_NOT_OWNED = "sender-field-not-owned"
    NAME_SHOWS_ADDRESS = "name-shows-address"
    TOO_MANY_RECIPIENTS = "too-many-recipients"
    BUDGET_TOO_SMALL = "budget-too-small"  # no waiting helps: the message alone costs more than the limit
    BUDGET_SPENT = "budget-spent"
    SECRET_IN_MESSAGE = "secret-in-message"  # noqa: S105 - the sender's own: who reads it could send as he does
    SPAM = "spam"  # says the scanner
    MALWARE = "malware"  # says the scanner
    SCANNER_SILENT = "scanner-silent"  # it does not answer, and the message is not from and to whom that is no matter
    SENDING_DELAY = "sending-delay"  # held for a moment, so that there is something left to hold
    NEW_RECIPIENTS = "new-recipients"  # more of them than the credential may reach: held
    PROBATION = "probation"  # more than a network may that its owner never used: held
    HELD = "held"  # by the ladder
    HOLD_FULL = "hold-full"  # no more of this identity is held
    RESTRICTED = "restricted"  # by the ladder: to new recipients no more
    LOCKED = "locked"  # by the ladder
    SERVER_BUDGET_SPENT = "server-budget-spent"  # of the domain or of the whole server


class Action(StrEnum):
    """What the gateway does with the message."""

    ACCEPT = "accept"
    HOLD = "hold"  # the client hears yes, and the next hop keeps the message until somebody decides
    DEFER = "defer"
    REJECT = "reject"


class ConnectFacts(Frozen):
    """A connection, before the greeting."""

    listener: str
    gate: str = "default"
    client_address: str


class ConnectOutcome(StrEnum):
    """Whether the client may talk."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # 554: the gate is closed to where it comes from
    LATER = "later"  # 421: its network is walled


class ConnectVerdict(Frozen):
    """Good for `seconds` for this address on this gate."""

    outcome: ConnectOutcome
    seconds: Annotated[float, Field(ge=0)] = 0


class LoginOutcome(StrEnum):
    """How a SASL exchange goes on, RFC 4954 section 4."""

    CHALLENGE = "challenge"
    GRANTED = "granted"
    REFUSED = "refused"
    MALFORMED = "malformed"
    LATER = "later"  # nothing was looked at: too many guesses from there, or too much to do
    UNAVAILABLE = "unavailable"  # somebody else has to say, and does not answer


class LoginStep(Frozen):
    """One step of a SASL exchange. All responses so far come along, so that policy keeps no state between steps."""

    session: str
    exchange: str  # random, new for each AUTH: what policy derives its nonce from
    client_address: str
    listener: str
    gate: str = "default"  # by which name the listener calls the gate that is to be asked
    mechanism: str
    responses: Annotated[tuple[Octets, ...], Field(repr=False)]
    # What the TLS session can be bound to, by the name of the channel binding: "tls-server-end-point" (RFC 5929), and
    # under TLS 1.2 "tls-unique". Empty where nothing is known.
    channel_bindings: dict[str, Octets] = Field(default_factory=dict)
    is_binding_offered: bool = False  # whether EHLO named SCRAM-SHA-256-PLUS; a client that did not see it was deceived
    client_name: str = ""  # the EHLO argument
    tls_fingerprint: str = ""  # what the client's TLS hello looked like, see gateway/client_hello.py; empty: unknown
    certificate: str = ""  # SHA-256 of the verified client certificate's DER, hexadecimal; empty where there is none


class Owned(Frozen):
    """The addresses that an identity may send as, its own and those of others (send-as); all of them canonical."""

    addresses: frozenset[str] = frozenset()
    subaddressed: frozenset[str] = frozenset()  # those of `addresses` that own local-part+detail@domain, too
    domains: frozenset[str] = frozenset()  # whole ones, without their subdomains

    def covers(self, address: str) -> bool:
        """Whether `address`, in whatever spelling, is among them."""
        canonical = canonical_address(address)
        local, at, domain = canonical.rpartition("@")
        if not local or not domain:
            return False
        base = local.partition(_SUBADDRESS)[0]
        return canonical in self.addresses or f"{base}{at}{domain}" in self.subaddressed or domain in self.domains


class Grants(Frozen):
    """What a credential may do in this session."""

    credential: int
    login: str
    identity: str
    owned: Owned
    recipients_per_message: PositiveInt
    sessions: PositiveInt  # of the identity, at the same time
    is_strange: bool = False  # from a network on probation: its sessions are counted apart, or a thief could use up all


class LoginAnswer(Frozen):
    """`challenge` is set for CHALLENGE, `grants` for GRANTED."""

    outcome: LoginOutcome
    challenge: Octets = b""
    grants: Grants | None = None
    delay_s: Annotated[float, Field(ge=0, le=15)] = 0  # how long the gateway waits before it says so (tarpit)


class ScanResult(StrEnum):
    """What the scanner says of a message."""

    CLEAN = "clean"
    SUSPICIOUS = "suspicious"  # it would be marked for a reader, were it incoming
    SPAM = "spam"
    MALWARE = "malware"
    SILENT = "silent"  # no answer in time, or none that can be read


class Scan(Frozen):
    """One answer of the scanner."""

    result: ScanResult
    score: float = 0.0
    symbols: Annotated[tuple[str, ...], Field(max_length=50)] = ()  # the names of what it found, the heaviest first


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
    senders: tuple[str, ...]  # and those of Sender, Resent-From and Resent-Sender
    names: tuple[str, ...]  # what readers are shown beside these addresses, decoded
    message_bytes: int
    scan: Scan | None = None  # None where there is no scanner
    # What in the message has the form of a secret that policy gives out: policy knows whether it is the sender's.
    secrets: Annotated[tuple[str, ...], Field(repr=False, max_length=20)] = ()


class MessageVerdict(Frozen):
    """`reservation` is set for ACCEPT and HOLD and must be reported back as an Outcome.

    With ACCEPT, `held` are the recipients (their places in the facts) for whom the message is held: it goes to the next
    hop twice, with one Message-ID. Never all of them.
    """

    action: Action
    reason: Reason | None = None
    reservation: str = ""
    held: tuple[int, ...] = ()
    delay_s: Annotated[float, Field(ge=0, le=5)] = 0  # how long the gateway waits before it says so


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
    held_queue_id: str = ""  # of the part that is held, where the message was split


class Outcomes(Frozen):
    """Several at once: reports wait a moment for company, because nobody waits for them."""

    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1, max_length=OUTCOMES_LIMIT)]


class RevocationsAsked(Frozen):
    """`after` is the newest one that is known; -1 to learn only which is the newest."""

    after: Annotated[int, Field(ge=-1)]


class Revocations(Frozen):
    """The credentials whose sessions end, in no order; `newest` is what to ask with the next time."""

    newest: int
    credentials: tuple[int, ...] = ()


Sentence = Annotated[str, Field(max_length=400)]
Sentences = Annotated[tuple[Sentence, ...], Field(max_length=20)]
# Of one sentence: the names of its parts in a closed list (service/ailments.py), with their values.
Told = Sentence | int | Annotated[float, Field(allow_inf_nan=False)]
SentencePart = tuple[
    Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")],
    Annotated[dict[Annotated[str, Field(max_length=40)], Told], Field(max_length=10)],
]
MadeOf = Annotated[tuple[SentencePart, ...], Field(max_length=20)]


class PartTold(Frozen):
    """How a part of the installation is. `faults` keep it from its work, `warnings` want somebody to look.

    `made_of` has what they are made of, for each of the faults and then of the warnings; or nothing. A reader that does
    not know what one is made of shows the sentence.
    """

    faults: Sentences = ()
    warnings: Sentences = ()
    made_of: Annotated[tuple[MadeOf, ...], Field(max_length=40)] = ()
    figures: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Annotated[float, Field(allow_inf_nan=False)]],
        Field(max_length=40),
    ] = Field(default_factory=dict)


class HealthTold(PartTold):
    """The gateway, all of its workers together, and of the scanner what it sees of it: None where it asks none."""

    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    version: Annotated[str, Field(max_length=40)]
    scanner: PartTold | None = None
    is_leaving: bool = False  # it ends in order: nobody has to miss it


def canonical_address(address: str) -> str:
    """The one form in which addresses are stored and compared; total: what is no address has a form, too.

    It decides ownership. Spellings that mail systems may deliver to one mailbox have one form, so that they cannot
    belong to two identities; what may be two mailboxes has two. RFC 5321 section 2.4 leaves the local part's case to
    the receiving domain; here it does not matter. What is relayed keeps its spelling.
    """
    if address.isascii() and not address.endswith(".") and "xn--" not in (lower := address.lower()):
        return lower  # as nearly all are
    local, at, domain = address.rpartition("@")
    if not at:
        return _canonical_local(address)
    return f"{_canonical_local(local)}@{_canonical_domain(domain)}"


def canonical_login(login: str) -> str:
    """The one form in which logins are stored, asked for and counted: without letter case, or blanks around it."""
    return canonical_address(login.strip())


def _canonical_local(local: str) -> str:
    """Case and compatibility forms (NFKC: full-width letters, ligatures, composition) do not matter.

    What would become an at sign stays as it is, or it would be the address of somebody else.
    """
    if local.isascii() or len(local) > _NORMALIZED_LIMIT:
        return local.translate(_ASCII_LOWER)
    # Twice, because what is normalized may have case again.
    folded = _folded(_folded(local))
    return folded if folded.count("@") == local.count("@") else local.translate(_ASCII_LOWER)


def _folded(text: str) -> str:
    """One letter to one letter, simple case folding of Unicode: the two small sigmas are one letter.

    Full folding, as of str.casefold, makes ss of sz: straße and strasse are two. A dotless i stays one.
    """
    normal = unicodedata.normalize("NFKC", text)
    lower = "".join(fold if len(fold := letter.casefold()) == 1 else letter.lower() for letter in normal)
    return unicodedata.normalize("NFKC", lower)


def _canonical_domain(domain: str) -> str:
    """A-labels in lower case (RFC 5891, UTS 46 without transitional mappings), and no dot behind the last one.

    A domain that is not valid stays as it is, but for ASCII letters: it is nobody's, and equal to no other one.
    """
    lower = domain.translate(_ASCII_LOWER)
    if len(domain) > _DOMAIN_LIMIT:
        return lower
    if lower.isascii() and "xn--" not in lower:  # as nearly all are
        canonical = lower.removesuffix(".")
        return canonical if all(canonical.split(".")) else lower
    try:
        mapped = lower if lower.isascii() else idna.uts46_remap(lower)
        canonical = ".".join(_canonical_label(label) for label in mapped.removesuffix(".").split("."))
    except (UnicodeError, ValueError):
        return lower
    return canonical if len(canonical) <= _DOMAIN_LIMIT else lower


def _canonical_label(label: str) -> str:
    """ValueError for an empty one, or one outside ASCII that IDNA does not know."""
    if not label:
        raise ValueError("an empty label")
    if label.isascii() and not label.startswith("xn--"):
        return label
    return idna.alabel(idna.ulabel(label)).decode("ascii")
