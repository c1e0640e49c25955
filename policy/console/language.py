"""The languages of the pages. The text in the code and the templates is English, and is the key of a catalogue.

A catalogue is the JSON objects in catalogues/CODE/, one for each group of pages, from the English text to the other
one. Names in it are %(name)s, as Jinja's i18n extension has them. A test holds templates and catalogues
together, so nothing is half translated.
"""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from policy.console import wording
from policy.visible import visible

HERE = Path(__file__).parent
DEFAULT = "en"
_SPACES = frozenset("\n\r\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")  # that may stand in a text
_LONGEST_HEADER = 200  # of Accept-Language; what is longer is not read
_KIB, _HUNDRED = 1024.0, 100


@dataclass(frozen=True)
class Language:
    """One language: its catalogue and the templates that speak it."""

    code: str
    catalogue: dict[str, str]

    def say(self, text: str, /, **values: object) -> str:
        """The text in this language, with its values in place."""
        found = self.catalogue.get(text, text)
        return found % values if values else found

    def country(self, code: str) -> str:
        """In words; a code that no list has (?? where no database knows the country) is an unknown one."""
        name = countries(self.code).get(code) or countries(DEFAULT).get(code)
        return name or self.say("an unknown country")

    def area(self, area: str) -> str:
        """`Netherlands, AS64500` of `AS64500 NL`; the country alone where no system is known."""
        system, _, code = area.rpartition(" ")
        country = self.country(code)
        return f"{country}, {system}" if system.startswith("AS") else country

    @cached_property
    def templates(self) -> Environment:
        """Escapes every value and shows what is in it; a name that no handler gave is an error, no empty place."""
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_seen,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.policies["ext.i18n.trimmed"] = True
        environment.filters["moment"] = moment_tag
        environment.filters["said"] = self._said
        environment.filters["worded"] = self._worded
        environment.filters["number"] = number
        environment.filters["octets"] = self.octets
        environment.filters["area"] = self.area
        # The extension adds this method when it is loaded, which no type checker can see.
        install = environment.install_gettext_callables  # type: ignore[attr-defined]
        install(self.say, self._count, newstyle=True)
        found: dict[str, Any] = environment.globals
        found |= {name: _with_seen(found[name]) for name in ("gettext", "ngettext")}
        return environment

    def decimal(self, value: float) -> str:
        """No more digits than it needs, and the sign between them that this language has."""
        whole, point, part = f"{value:.10g}".partition(".")
        return self.say("%(whole)s.%(part)s", whole=whole, part=part) if point else whole

    def octets(self, number: float) -> str:
        """In the largest unit of which there is one."""
        unit = "B"
        for larger in ("KiB", "MiB", "GiB"):
            if number < _KIB:
                break
            number, unit = number / _KIB, larger
        return f"{self.decimal(float(f'{number:.3g}') if number < _HUNDRED else round(number))} {unit}"

    @property
    def is_default(self) -> bool:
        return self.code == DEFAULT

    def _said(self, text: str) -> str:
        """A sentence of the machine's; one that stays English is marked so for whoever has it read aloud."""
        said = seen(wording.in_words(self, text))
        return Markup('<span lang="en">{}</span>').format(said) if wording.is_foreign(self, text) else said

    def _worded(self, word: str, sort: str) -> str:
        """What is on the list is a text of ours, as all of the catalogue is, and needs no escaping."""
        said = wording.worded(self, word, sort)
        return Markup(said) if word in wording.WORDS[sort] else said  # noqa: S704 - see above

    def _count(self, one: str, many: str, number: int) -> str:
        return self.say(one if number == 1 else many)


@cache
def load_languages() -> dict[str, Language]:
    """English and every language that has a catalogue, by code."""
    found = {DEFAULT: Language(DEFAULT, {})}
    for folder in sorted((HERE / "catalogues").iterdir()):
        texts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
        found[folder.name] = Language(folder.name, {text: said for some in texts for text, said in some.items()})
    return found


@cache
def countries(language: str) -> dict[str, str]:
    """Names by ISO 3166-1 alpha-2, from the Unicode CLDR; none where nobody has put the file there."""
    path = HERE / "countries" / f"{language}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def preferred(accept: str, known: dict[str, Language]) -> Language:
    """The known language that the header asks for most (RFC 9110 section 12.5.4); English where it asks for none."""
    if len(accept) > _LONGEST_HEADER:
        return known[DEFAULT]
    wishes = [(_weight(part), -place, _code(part)) for place, part in enumerate(accept.split(","))]
    wishes = [wish for wish in wishes if wish[0] > 0 and wish[2] in known]
    return known[max(wishes)[2]] if wishes else known[DEFAULT]


def seen(text: str) -> str:
    """What turns writing around, or is not seen, by its number; what is markup of ours has been here already."""
    if isinstance(text, Markup) or text.isprintable():
        return text
    return "".join(one if one in _SPACES else visible(one) for one in text)


def _seen(value: object) -> object:
    return seen(value) if isinstance(value, str) else value


def _with_seen(translate: Callable[..., str]) -> Callable[..., str]:
    """The values within a sentence go no other way than those beside it."""

    @pass_context
    def translated(context: Context, *texts: object, **values: object) -> str:
        return translate(context, *texts, **{name: _seen(value) for name, value in values.items()})

    return translated


def number(value: float) -> str:
    """A whole one, in groups of three with a narrow space (ISO 80000-1), which every language can read."""
    return f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def moment(at: float) -> str:
    """To the minute, in UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def moment_tag(at: float) -> Markup:
    """The same for a page; static/moments.js puts it into the reader's zone, which nobody here knows."""
    machine = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{}</time>').format(machine, moment(at))


def _code(part: str) -> str:
    return part.partition(";")[0].strip().partition("-")[0].lower()


def _weight(part: str) -> float:
    _, _, given = part.partition("q=")
    if not given:
        return 1.0
    try:
        return min(1.0, float(given.strip()))
    except ValueError:
        return 0.0
