"""What a value of the policy file may be: a reader for each kind, and what the JSON schema says of it."""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from policy.addresses import parsed_owner_address
from policy.engine.rulebook import Mode, Treatment, WhenSilent, Windows
from policy.engine.sources import Network
from policy.rulebook import words
from policy.rulebook.wrong import Wrong

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_POOL = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_IDENTITY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Given = TypeVar("Given")


def _array(element: Callable[[object], Given]) -> Callable[[object], tuple[Given, ...]]:
    """Each of an array, read by `element`."""

    def read(given: object) -> tuple[Given, ...]:
        if not isinstance(given, list):
            raise words.WordError(given, Wrong.NO_LIST)
        return tuple(element(one) for one in given)

    return read


def _set(element: Callable[[object], Given]) -> Callable[[object], frozenset[Given]]:
    return lambda given: frozenset(_array(element)(given))


def _spelled_as(pattern: re.Pattern[str]) -> AfterValidator:
    def read(given: str) -> str:
        if not pattern.fullmatch(given):
            raise words.WordError(given, Wrong.NO_NAME)
        return given

    return AfterValidator(read)


def _network(given: object) -> Network:
    try:
        return ip_network(given if isinstance(given, str) else "")
    except ValueError:
        raise words.WordError(given, Wrong.NO_NETWORK) from None


def _identity(given: object) -> str:
    if not isinstance(given, str) or not _IDENTITY.fullmatch(given):
        raise words.WordError(given, Wrong.NO_IDENTITY)
    return given


def _trap(given: object) -> str:
    address = parsed_owner_address(given) if isinstance(given, str) else None
    if not address or address.startswith("@"):
        raise words.WordError(given, Wrong.NO_ADDRESS)
    return address


def _choice(kind: type[Mode] | type[Treatment] | type[WhenSilent]) -> PlainValidator:
    """One of the words of an enumeration."""

    def read(given: object) -> Mode | Treatment | WhenSilent:
        for one in kind:
            if one == given:
                return one
        raise words.WordError(given, Wrong.NO_CHOICE, offered=[f'"{one}"' for one in kind])

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
Silent = Annotated[WhenSilent, _choice(WhenSilent), _schema("string", enum=list(WhenSilent))]
Moded = Annotated[Mode, _choice(Mode), _schema("string", enum=list(Mode))]
Until = Annotated[float, PlainValidator(words.end_of), _schema("string", format="date")]
Name = Annotated[str, _spelled_as(_NAME)]
Identity = Annotated[str, PlainValidator(_identity), _schema("string")]
Pool = Annotated[str, _spelled_as(_POOL)]
Identities = Annotated[frozenset[str], PlainValidator(_set(_identity)), _array_schema(_TEXT)]
Days = Annotated[int, Field(ge=1, le=400)]
Number = Annotated[int, Field(ge=1, le=100_000)]
