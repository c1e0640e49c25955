"""German and English: which one, and that none is half translated."""

import ast
import json
import string

import pytest

from policy.console.language import HERE, Language, load_languages, moment, preferred
from policy.console.wording import LISTS, WORDS
from policy.people.errors import Text
from policy.store.incident_timeline import Said
from service.sentence import Spans

KNOWN = load_languages()

WISHES = [
    # what it shows, Accept-Language, language
    ("nothing", "", "en"),
    ("German of Austria", "de-AT", "de"),
    ("the order counts", "de,en", "de"),
    ("weights count more", "de;q=0.4, en;q=0.8", "en"),
    ("the first that is known", "fr, de;q=0.9, en;q=0.8", "de"),
    ("none that is known", "fr, it", "en"),
    ("a weight of nothing is a refusal", "de;q=0", "en"),
    ("a weight that is none", "de;q=x, en;q=0.1", "en"),
    ("whatever", "*", "en"),
    ("capitals", "DE", "de"),
    ("longer than anybody needs", "de," + "x" * 300, "en"),
]


@pytest.mark.parametrize(("accept", "expected"), [case[1:] for case in WISHES], ids=[case[0] for case in WISHES])
def test_preferred(accept: str, expected: str) -> None:
    assert preferred(accept, KNOWN).code == expected


def texts() -> set[str]:
    """Every text of templates and code, and every sentence for people."""
    found = {str(text) for some in (Text, Said, Spans, *LISTS) for text in some}
    found |= {text for some in WORDS.values() for text in some.values()}
    extract = Language("en", {}).templates.extract_translations  # type: ignore[attr-defined]  # of the extension
    for template in sorted((HERE / "templates").rglob("*.html")):
        for _, _, message in extract(template.read_text(encoding="utf-8")):
            found |= {text for text in ([message] if isinstance(message, str) else message) if text}
    for module in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "say":
                (first, *_) = node.args
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


@pytest.mark.parametrize("code", sorted(set(KNOWN) - {"en"}))
def test_a_catalogue_has_every_text_and_no_other(code: str) -> None:
    files = sorted((HERE / "catalogues" / code).glob("*.json"))
    keys = [key for file in files for key, _ in json.loads(file.read_text(), object_pairs_hook=list)]
    assert len(keys) == len(set(keys))
    assert set(keys) == texts()


@pytest.mark.parametrize("code", sorted(set(KNOWN) - {"en"}))
def test_a_translation_has_the_values_of_its_text(code: str) -> None:
    """A name that is missing or misspelt would be an error on the page."""
    for text, translated in KNOWN[code].catalogue.items():
        assert _names(text) == _names(translated), text
        assert text.count("<strong>") == translated.count("<strong>"), text


def _names(text: str) -> set[str]:
    braces = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    return braces | {part.split(")s")[0] for part in text.split("%(")[1:]}


def test_moments_are_told_to_the_minute() -> None:
    assert moment(1_700_000_000.0) == "2023-11-14 22:13 UTC"
