"""The policy file as it is written: every table, every key, what each may hold. Keys are the fields with hyphens.

    words.py      limits, countries and so on in words
    model.py      (you are here)
    reading.py    a file over the shipped policy, and the sentence about what is wrong with it
    making.py     what the engine reads, made of this

There are no defaults: what a site's file does not say is in shipped.toml.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, create_model

from policy.addresses import parsed_owner_address
from policy.engine.rulebook import Mode, Treatment, Windows
from policy.engine.sources import Network
from policy.rulebook import words

# What [modes] may name. Who may send as whom has rules, too; they have no mode.
RULES: Final = (
    "recipients-per-message",
    "recipients",
    "messages",
    "bytes",
    "credential-recipients",
    "new-recipients",
    "probation-new-recipients",
    "probation-recipients",
    "networks",
    "asns",
    "countries",
    "unseen-asns",
    "unseen-countries",
    "many-networks",
    "held-messages",
    "held-bytes",
    "domain-recipients",
    "host-new-recipients",
    "unknown-recipients",
    "spread",
    "unseen",
    "linked",
    "trap",
    "volume",
    "strange-client",
    "probation",
    "ladder",
)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_POOL = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_IDENTITY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Given = TypeVar("Given")


def _array(element: Callable[[object], Given]) -> Callable[[object], tuple[Given, ...]]:
    """Each of an array, read by `element`."""

    def read(given: object) -> tuple[Given, ...]:
        if not isinstance(given, list):
            raise words.WordError(given, "is no list; write it in square brackets")
        return tuple(element(one) for one in given)

    return read


def _set(element: Callable[[object], Given]) -> Callable[[object], frozenset[Given]]:
    return lambda given: frozenset(_array(element)(given))


def _spelled_as(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def read(given: str) -> str:
        if not pattern.fullmatch(given):
            raise words.WordError(given, f"is no {what}; write small letters, digits and hyphens")
        return given

    return AfterValidator(read)


def _network(given: object) -> Network:
    try:
        return ip_network(given if isinstance(given, str) else "")
    except ValueError:
        raise words.WordError(given, 'is no network; write one such as "192.0.2.0/24" or "2001:db8::/32"') from None


def _trap(given: object) -> str:
    address = parsed_owner_address(given) if isinstance(given, str) else None
    if not address or address.startswith("@"):
        raise words.WordError(given, 'is no address; write one such as "harvested@example.org"')
    return address


def _choice(kind: type[Mode] | type[Treatment]) -> PlainValidator:
    """One of the words of an enumeration."""
    offered = " or ".join(f'"{one}"' for one in kind)

    def read(given: object) -> Mode | Treatment:
        for one in kind:
            if one == given:
                return one
        raise words.WordError(given, f"will not do; write {offered}")

    return PlainValidator(read)


def _schema(kind: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


def _array_schema(*elements: dict[str, object]) -> WithJsonSchema:
    return _schema("array", items=elements[0] if len(elements) == 1 else {"anyOf": list(elements)})


def _windows_schema(pattern: str, example: str) -> WithJsonSchema:
    one = {"type": "string", "pattern": f"^({pattern})$", "examples": [example]}
    several = {"type": "array", "items": one, "minItems": 1}
    return WithJsonSchema({"anyOf": [{"const": words.NO_LIMIT}, one, several]})


_SPAN = "( *[1-9][0-9]* +| *)(second|minute|hour|day|week)s?"
_A_LIMIT = _windows_schema(f"[0-9]+ */{_SPAN}", "100/10 minutes")
_A_SIZE = _windows_schema(f"[0-9]+ ?(bytes|[KMG]iB|kB|MB|GB) */{_SPAN}", "100 MB/day")
_A_COUNTRY: dict[str, object] = {"type": "string", "pattern": r"^([A-Z]{2}|\?\?)$"}
_ASN_NUMBER: dict[str, object] = {"type": "integer", "minimum": 1, "maximum": words.LAST_ASN}
_ASN_NAME: dict[str, object] = {"type": "string", "pattern": "^AS[0-9]+$"}
_TEXT: dict[str, object] = {"type": "string"}

Limit = Annotated[Windows, PlainValidator(words.limits), _A_LIMIT]
Count = Annotated[Windows, PlainValidator(words.counts), _A_LIMIT]
Size = Annotated[Windows, PlainValidator(words.sizes), _A_SIZE]
Countries = Annotated[frozenset[str], PlainValidator(_set(words.country)), _array_schema(_A_COUNTRY)]
Asns = Annotated[frozenset[int], PlainValidator(_set(words.asn)), _array_schema(_ASN_NUMBER, _ASN_NAME)]
Networks = Annotated[tuple[Network, ...], PlainValidator(_array(_network)), _array_schema(_TEXT)]
Traps = Annotated[frozenset[str], PlainValidator(_set(_trap)), _array_schema({"type": "string", "format": "email"})]
Treated = Annotated[Treatment, _choice(Treatment), _schema("string", enum=list(Treatment))]
Moded = Annotated[Mode, _choice(Mode), _schema("string", enum=list(Mode))]
Until = Annotated[float, PlainValidator(words.end_of), _schema("string", format="date")]
Name = Annotated[str, _spelled_as(_NAME, "name")]
Pool = Annotated[str, _spelled_as(_POOL, "name")]
Days = Annotated[int, Field(ge=1, le=400)]
Number = Annotated[int, Field(ge=1, le=100_000)]


class Table(BaseModel):
    """A table of the file. Nothing is taken for something else: 5 is no text, and "5" no number."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=lambda field: field.replace("_", "-")
    )


class Profile(Table):
    """`like` has done its work by now: what a profile does not say itself is that of the other one."""

    like: Name | None = None
    recipients_per_message: Number
    recipients: Limit
    messages: Limit
    bytes: Size
    credential_recipients: Limit
    new_recipients: Count
    probation_new_recipients: Count
    probation_recipients: Limit
    networks: Count
    asns: Count
    countries: Count
    unseen_asns: Count
    unseen_countries: Count
    many_networks: Count
    unknown_recipients: Limit
    unknown_share: Annotated[float, Field(ge=0, lt=1)]
    held_messages: Limit
    held_bytes: Size
    sessions: Number


class Gate(Table):
    """Of the listeners that name it."""

    allow_countries: Countries
    deny_countries: Countries
    allow_asns: Asns
    deny_asns: Asns
    hosting: Treated
    unknown: Treated


class Exemption(Table):
    """Some countries, or some autonomous systems, for one identity."""

    identity: Annotated[str, _spelled_as(_IDENTITY, "identity's name")]
    countries: Countries = frozenset()
    asns: Asns = frozenset()
    until: Until


class Domain(Table):
    """Of all identities of a domain together."""

    recipients_per_user: Number
    recipients_least: Annotated[int, Field(ge=1, le=words.MOST)]


class Host(Table):
    """Of everybody together."""

    new_recipients: Limit


class History(Table):
    """How a network becomes an identity's own, and stops being it."""

    settled_after_days: Days
    home_after_days: Days
    forgotten_after_days: Days


class Signals(Table):
    """What is suspicious from when on. More than 500 a day is nobody's usual: its limit could not be computed."""

    linked_identities: Annotated[int, Field(ge=2, le=1000)]
    usual_new_recipients_per_day: Annotated[float, Field(gt=0, le=500)]


class Sources(Table):
    """Beside the shipped lists of policy/geo/."""

    hosting_asns: Asns
    mobile_asns: Asns
    ordinary_asns: Asns
    pools: dict[Pool, Networks]


class TrapTable(Table):
    """Addresses that nobody writes to who has not harvested them."""

    recipients: Traps


_OF_RULES: dict[str, Any] = {rule.replace("-", "_"): (Moded, ...) for rule in RULES}
Modes = create_model("Modes", __base__=Table, **_OF_RULES)


class PolicyFile(Table):
    """All of it."""

    profiles: dict[Name, Profile]
    gates: dict[Name, Gate]
    modes: Modes
    exemptions: Annotated[tuple[Exemption, ...], Field(strict=False)] = ()
    domain: Domain
    host: Host
    history: History
    signals: Signals
    sources: Sources
    traps: TrapTable
