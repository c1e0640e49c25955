"""Parts of a policy in plain words: limits, sizes, from where a gate lets in. Sentences are the template's."""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.console.language import Language
from policy.console.limit_words import windows_in_words
from policy.engine.rulebook import Gate, Limits, Rulebook

_SHIPPED = ("person", "app", "newsletter")
_SIZES = ("message_bytes", "held_bytes")
# Rows of the table of profiles, by groups; the names are those of Limits, and in the file but for message_bytes.
GROUPS: Sequence[tuple[str, Sequence[str]]] = (
    (
        "sending",
        (
            "recipients_per_message", "recipients", "messages", "message_bytes", "credential_recipients",
            "new_recipients", "sessions",
        ),
    ),
    (
        "strange",
        (
            "probation_new_recipients", "probation_recipients", "networks", "asns", "countries", "unseen_asns",
            "unseen_countries", "many_networks",
        ),
    ),
    ("afterwards", ("unknown_recipients", "unknown_share", "spam_refusals", "complaints")),
    ("held", ("held_messages", "held_bytes")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One limit of all profiles; `key` as the file has it."""

    key: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class GateInWords:
    """Empty `only` is from everywhere."""

    name: str
    only: tuple[str, ...]
    never: tuple[str, ...]
    gate: Gate


def profile_names(rulebook: Rulebook) -> list[str]:
    """The shipped ones first."""
    return sorted(rulebook.limits, key=lambda name: (_SHIPPED.index(name) if name in _SHIPPED else len(_SHIPPED), name))


def limits_in_words(language: Language, rulebook: Rulebook) -> tuple[Group, ...]:
    """Columns are those of profile_names."""
    profiles = [rulebook.limits[name] for name in profile_names(rulebook)]

    def row(limit: str) -> Row:
        return Row(_key(limit), tuple(_value(language, one, limit) for one in profiles))

    return tuple(Group(name, tuple(map(row, limits))) for name, limits in GROUPS)


def gates_in_words(language: Language, rulebook: Rulebook) -> list[GateInWords]:
    found = []
    for name, gate in sorted(rulebook.gates.items()):
        only = (*map(language.country, sorted(gate.allow_countries)), *(f"AS{one}" for one in sorted(gate.allow_asns)))
        never = (*map(language.country, sorted(gate.deny_countries)), *(f"AS{one}" for one in sorted(gate.deny_asns)))
        found.append(GateInWords(name, only, never, gate))
    return found


def _value(language: Language, limits: Limits, name: str) -> str:
    value = getattr(limits, name)
    if isinstance(value, tuple):
        return windows_in_words(language, value, in_octets=name in _SIZES)
    if name == "unknown_share":
        return f"{language.decimal(round(value * 100, 1))} %" if value else language.say("by a statistical test")
    return str(value)


def _key(name: str) -> str:
    return "bytes" if name == "message_bytes" else name.replace("_", "-")
