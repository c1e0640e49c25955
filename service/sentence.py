"""Our own English sentences, which still know what they were made of: a page says them in another language by that.

    class Fault(Sentences):                       a closed list; the name is what is kept and sent
        TOO_LARGE = "at most %(most)s"
    Fault.TOO_LARGE.of(most=5)                    the str "at most 5", with its part TOO_LARGE, {"most": 5}

A Sentence is a str like any other: logs, mails and commands show it as it is. `packed` and `unpacked` bring one through
a column of the store, `told` and `heard` through JSON that has the English beside it. A value may be a
sentence, too. What was written down before there were parts is an ordinary str, and stays as it is.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

Value: TypeAlias = str | int | float | Sequence[str]
Say: TypeAlias = Callable[[str], str]  # an English text in the reader's language

SPANS = ("span", "shorter", "longer")  # names of values that are seconds, and are read as `an hour` or `2 days`
BETWEEN = "; "  # the parts of one sentence
_PACKED = '{"said": '  # no sentence of ours begins so


class Part(NamedTuple):
    """One of a sentence: its name in a closed list, and its values."""

    kind: str
    values: Mapping[str, Value]


class Sentence(str):
    """Without parts where nobody knows what it was made of."""

    __slots__ = ("parts",)
    parts: tuple[Part, ...]

    def __new__(cls, text: str = "", parts: Iterable[Part] = ()) -> "Sentence":
        made = super().__new__(cls, text)
        made.parts = tuple(parts)
        return made

    @property
    def told(self) -> list[list[object]]:
        """The parts as JSON has them."""
        return [[part.kind, {name: _plain(value) for name, value in part.values.items()}] for part in self.parts]


class Sentences(StrEnum):
    """A closed list. `%(name)s` in a sentence is a value."""

    def of(self, /, **values: Value) -> Sentence:
        return Sentence(filled(self.value, values, str), [Part(self.name, values)])

    def instead_of(self, text: str) -> Sentence:
        """`text`, of which other languages say no more than this."""
        return Sentence(text, [Part(self.name, {})])


class Spans(StrEnum):
    """How long a window is; behind `in`."""

    DAY = "a day"
    DAYS = "%(number)s days"
    HOUR = "an hour"
    HOURS = "%(number)s hours"
    MINUTE = "a minute"
    MINUTES = "%(number)s minutes"
    SECONDS = "%(number)s seconds"


_SPANS = ((86400.0, Spans.DAY, Spans.DAYS), (3600.0, Spans.HOUR, Spans.HOURS), (60.0, Spans.MINUTE, Spans.MINUTES))


def filled(template: str, values: Mapping[str, Value], say: Say, sentence: Callable[[Sentence], str] = str) -> str:
    """The template in the reader's language. KeyError, TypeError or ValueError where a value is missing or none."""
    shown = {name: _shown(name, value, say, sentence) for name, value in values.items()}
    return say(template) % shown


def joined(sentences: Iterable[str]) -> Sentence:
    """One of several. Where one of them has no parts, the whole has none."""
    several = list(sentences)
    parts = [parts_of(one) for one in several]
    return Sentence(BETWEEN.join(several), [part for some in parts for part in some] if all(parts) else ())


def parts_of(text: str) -> tuple[Part, ...]:
    return text.parts if isinstance(text, Sentence) else ()


def told(text: str) -> list[list[object]]:
    return text.told if isinstance(text, Sentence) else []


def heard(text: str, given: object) -> Sentence:
    """With the parts that JSON has for it; without any where these are none."""
    try:
        return Sentence(text, [_part(*one) for one in given])  # type: ignore[attr-defined]  # the error says it
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return Sentence(text)


def all_heard(texts: Sequence[str], given: Sequence[object]) -> tuple[Sentence, ...]:
    """Each with its parts, where there are some for each."""
    if len(given) != len(texts):
        return tuple(Sentence(text) for text in texts)
    return tuple(heard(text, parts) for text, parts in zip(texts, given, strict=True))


def packed(text: str, most: int | None = None) -> str:
    """For a column: JSON where it has parts; where it has none as it is, and `most` characters of it."""
    return json.dumps({"said": text, "parts": told(text)}) if parts_of(text) else str(text)[:most]


def unpacked(stored: str) -> Sentence:
    """What `packed` has made, or what was written down before there were parts."""
    if not stored.startswith(_PACKED):
        return Sentence(stored)
    try:
        given = json.loads(stored)
        return heard(given["said"], given["parts"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return Sentence(stored)


def _part(kind: str, values: Mapping[str, Any]) -> Part:
    """ValueError where it is none."""
    kept = {str(name): _value(one) for name, one in values.items()}
    if not isinstance(kind, str):
        raise TypeError("no part of a sentence")
    return Part(kind, kept)


def _plain(value: Value) -> object:
    """As JSON has it."""
    if isinstance(value, Sentence):
        return {"said": str(value), "parts": told(value)}
    return value if isinstance(value, str | int | float) else [str(one) for one in value]


def _value(given: Any) -> Value:  # noqa: ANN401 - what JSON holds
    if isinstance(given, dict):
        return heard(str(given["said"]), given["parts"])
    if isinstance(given, list):
        return tuple(str(one) for one in given)
    if isinstance(given, str | int | float):
        return given
    raise TypeError("no value of a sentence")


def _shown(name: str, value: Value, say: Say, sentence: Callable[[Sentence], str]) -> str:
    if isinstance(value, Sentence):
        return sentence(value)
    if name in SPANS and isinstance(value, int | float):
        return _span(value, say)
    return str(value) if isinstance(value, str | int | float) else ", ".join(value)


def _span(seconds: float, say: Say) -> str:
    for length, one, several in _SPANS:
        if seconds >= length:
            number = seconds / length
            return say(one) if number == 1 else say(several) % {"number": f"{number:g}"}
    return say(Spans.SECONDS) % {"number": f"{seconds:g}"}
