"""docs/policy-file.md says what the model says; the schema that is published is the one that the program prints."""

import json
import re
import tomllib
from typing import Any

import jsonschema_rs
import pytest
from harness import ROOT

from policy.rulebook import model, parse, shipped
from policy.rulebook.making import tables_of
from policy.rulebook.reading import ALWAYS_ENFORCED, SHIPPED
from policy.rulebook.schema import schema

PAGE = (ROOT / "docs" / "policy-file.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
TABLES: dict[str, type[model.Table]] = {
    "profiles": model.Profile,
    "gates": model.Gate,
    "exemptions": model.Exemption,
    "domain": model.Domain,
    "host": model.Host,
    "history": model.History,
    "signals": model.Signals,
    "scan": model.ScanTable,
    "containment": model.ContainmentTable,
    "sources": model.Sources,
    "traps": model.TrapTable,
}

WITHOUT_ROW = {"like", "identities"}  # no shipped profile has them


def section_of(table: str) -> str:
    return next(text for title, text in SECTIONS.items() if title.startswith((f"[{table}", f"[[{table}")))


def shown(value: object) -> str:
    """As the page writes it, where TOML has quotes and brackets."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def columns_of(table: str) -> list[dict[str, Any]]:
    """The shipped tables that the page shows beside each other."""
    told = tables_of(shipped())
    if table == "profiles":
        return [told[table][name] for name in ("person", "app", "newsletter")]
    if table == "gates":
        return [told[table][name] for name in ("default", "travel")]
    return [told[table]] if table in ("domain", "host", "history", "signals", "scan", "containment") else []


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_documented_as_it_is_shipped(table: str) -> None:
    """A row for each, with its shipped values and the sentence that editors show."""
    section = section_of(table)
    for name, field in TABLES[table].model_fields.items():
        key = name.replace("_", "-")
        values = [shown(column[key]) for column in columns_of(table) if key in column]
        assert field.description, key
        if key in WITHOUT_ROW:
            assert f"`{key}`: {field.description}" in section
            continue
        row = next((line for line in section.splitlines() if line.startswith(f"| `{key}` |")), "")
        assert row.startswith(" | ".join((f"| `{key}`", *values, field.description))), f"{key}: {row}"
        grounded = table in ("profiles", "domain", "host", "history", "signals", "scan", "containment")
        assert not grounded or row.split(" | ")[-1].strip(" |"), f"{key} has no ground"


@pytest.mark.parametrize("table", TABLES)
def test_no_key_is_documented_that_there_is_not(table: str) -> None:
    told = set(re.findall(r"^\| `([a-z-]+)` \|", section_of(table), re.MULTILINE))
    assert told == {name.replace("_", "-") for name in TABLES[table].model_fields} - WITHOUT_ROW


def test_every_rule_is_documented_once_at_least() -> None:
    rows = [line.split(" | ")[0] for line in section_of("modes").splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([a-z-]+)`", "".join(rows))) == set(model.RULES)
    assert not set(ALWAYS_ENFORCED) & set(model.RULES)


def test_the_examples_of_the_page_are_good_files() -> None:
    """Whoever copies one has a policy."""
    for example in re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.MULTILINE):
        text = re.sub("^    ", "", example, flags=re.MULTILINE).strip()
        if not text.startswith("sallyport"):
            parse(text, text)


def test_the_published_schema_is_the_one_of_this_version() -> None:
    """`sallyport policy schema > docs/policy.schema.json` makes it anew."""
    assert (ROOT / "docs" / "policy.schema.json").read_text() == schema()


def test_the_schema_takes_what_is_good_and_refuses_what_is_not() -> None:
    """As far as a schema can: it knows each key, and the form of each value."""
    checked = jsonschema_rs.validator_for(json.loads(schema()))
    for good in (
        SHIPPED.read_text(),
        "",
        '[profiles.sales]\nlike = "person"\nrecipients = "5 / 10 minutes"\nbytes = "25 MiB/hour"',
        '[gates.default]\nallow-countries = ["DE", "??"]\ndeny-asns = [3320, "AS174"]',
    ):
        assert checked.is_valid(tomllib.loads(good)), list(checked.iter_errors(tomllib.loads(good)))
    for bad in (
        "[profiles.person]\nmesages = 5",
        '[profiles.person]\nrecipients = "5/h"',
        '[profiles.person]\nsessions = "5"',
        '[modes]\ncontries = "off"',
        '[modes]\ncountries = "no"',
        '[gates.default]\nallow-countries = "DE"',
        '[[exemptions]]\nidentity = "ada"',
        "[limits]",
    ):
        assert not checked.is_valid(tomllib.loads(bad)), bad
