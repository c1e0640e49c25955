"""German and English: which one, and that none is half translated."""

import ast
import json
import string

import pytest

from policy.alerting.subjects import about
from policy.console.language import HERE, Language, load_languages, moment, preferred
from policy.console.wording import LISTS, WORDS, in_words
from policy.engine.evidence import Evidence
from policy.people.errors import Text
from policy.store.areas import beside_network
from policy.store.incident_timeline import Said
from service.sentence import Sentence, Spans

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


AMOUNTS = [
    # octets, in English, in German
    (0, "0 B", "0 B"),
    (120, "120 B", "120 B"),
    (1024, "1 KiB", "1 KiB"),
    (1600, "1.56 KiB", "1,56 KiB"),
    (172_700, "169 KiB", "169 KiB"),
    (100_000_000, "95.4 MiB", "95,4 MiB"),
    (2_000_000_000, "1.86 GiB", "1,86 GiB"),
    (5_000_000_000_000, "4657 GiB", "4657 GiB"),
]


@pytest.mark.parametrize(("octets", "english", "german"), AMOUNTS)
def test_amounts_have_the_decimal_sign_of_the_language(octets: int, english: str, german: str) -> None:
    assert (KNOWN["en"].octets(octets), KNOWN["de"].octets(octets)) == (english, german)


def test_numbers_of_evidence_have_it_too() -> None:
    sentence = Evidence.VOLUME.of(number=15, limit=15, usual=3.5)
    assert in_words(KNOWN["de"], sentence).endswith("sonst 3,5 sind 15 ungewöhnlich")
    assert in_words(KNOWN["en"], Evidence.VOLUME.of(number=15, limit=15, usual=3.0)).endswith("for 3")


def test_a_rule_is_said_in_words_in_english_too() -> None:
    """As a str, for the log and the command line, it has the name that the policy file has for it."""
    sentence = Evidence.OVER.of(rule="unseen-asns", after=4, span=86400.0, limit=3)
    assert sentence == "unseen-asns: 4 in a day, 3 are allowed"
    assert in_words(KNOWN["en"], sentence) == "Providers never used before: 4 in a day, 3 are allowed"


ABOUT = [
    # kind, facts, what is said
    ("signal", {"signals": [{"kind": "trap"}, {"kind": "spam"}], "step": "hold"}, "RAISED"),
    ("incident-opened", {"incident": 1}, "INCIDENT_OPENED"),
    ("incident-contained", {"by": "cli:root"}, "CONTAINED_BY"),
    ("incident-purged", {"by": "cli:root"}, "PURGED_BY"),
    ("incident-purged", {"until": 7.0}, "OWNER_SAID_NO"),
    ("incident-released", {}, "INCIDENT_RELEASED"),
    ("queue-growing", {"by": "nobody"}, "QUEUE_GROWING"),
]


@pytest.mark.parametrize(("kind", "facts", "name"), ABOUT, ids=[f"{case[0]}: {case[2]}" for case in ABOUT])
def test_what_a_notice_was_about(kind: str, facts: dict[str, object], name: str) -> None:
    part = about(kind, facts)
    assert part
    assert part.kind == name
    assert in_words(KNOWN["de"], Sentence("x", [part])) != "x"


def test_a_notice_of_another_version_is_about_nothing_that_is_known() -> None:
    assert about("of-another-version", {}) is None


AREAS = [("AS3320 DE", "AS3320 DE"), ("198.51.1.0/24 US", "US"), ("2001:db8:1::/48 ??", "??"), ("", "")]


@pytest.mark.parametrize(("area", "shown"), AREAS)
def test_a_network_is_not_said_twice(area: str, shown: str) -> None:
    assert beside_network(area) == shown


def test_moments_are_told_to_the_minute() -> None:
    assert moment(1_700_000_000.0) == "2023-11-14 22:13 UTC"
