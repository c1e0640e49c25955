"""One policy, one digest: whatever there can be is written and read again; and what is different is told."""

import dataclasses
import tomllib
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.countries import COUNTRIES
from policy.engine.budget import Window
from policy.engine.rulebook import Containment, Exemption, Gate, Limits, Mode, Rulebook, Treatment, WhenSilent, Windows
from policy.engine.sources import Network, Sources
from policy.rulebook import parse, shipped
from policy.rulebook.changes import changes
from policy.rulebook.making import digest_of, tables_of
from policy.rulebook.model import RULES
from policy.rulebook.own import own_part
from policy.rulebook.toml import written
from policy.rulebook.words import LAST_ASN, MOST, MOST_BYTES, MOST_DIFFERENT

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
DAYS = st.integers(1, 400)
COUNTRY_SETS = st.frozensets(st.sampled_from([*sorted(COUNTRIES), "??"]), max_size=5)
ASN_SETS = st.frozensets(st.integers(1, LAST_ASN), max_size=5)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)).map(datetime.timestamp)  # noqa: DTZ001 - hypothesis puts the zone to it


def _windows(spans: list[int], limits: list[int]) -> Windows:
    """A longer span has no smaller limit."""
    return tuple(Window(limit, float(span)) for limit, span in zip(sorted(limits), sorted(spans), strict=False))


def windows(most: int) -> st.SearchStrategy[Windows]:
    spans = st.lists(st.integers(1, 31 * 86400), max_size=4, unique=True)
    return st.builds(_windows, spans, st.lists(st.integers(0, most), min_size=4, max_size=4))


def _network(address: object, bits: int) -> Network:
    return ip_network(f"{address}/{bits}", strict=False)


SUMS, COUNTS, SIZES = windows(MOST), windows(MOST_DIFFERENT), windows(MOST_BYTES)
NUMBERS = st.integers(1, 100_000)
LIMITS = st.builds(
    Limits,
    recipients_per_message=NUMBERS,
    recipients=SUMS,
    messages=SUMS,
    message_bytes=SIZES,
    credential_recipients=SUMS,
    new_recipients=COUNTS,
    probation_new_recipients=COUNTS,
    probation_recipients=SUMS,
    networks=COUNTS,
    asns=COUNTS,
    countries=COUNTS,
    unseen_asns=COUNTS,
    unseen_countries=COUNTS,
    many_networks=COUNTS,
    unknown_recipients=SUMS,
    unknown_share=st.floats(0, 0.999),
    spam_refusals=SUMS,
    complaints=SUMS,
    held_messages=SUMS,
    held_bytes=SIZES,
    sessions=NUMBERS,
)
TREATMENTS = st.sampled_from(Treatment)
GATES = st.builds(
    Gate,
    allow_countries=COUNTRY_SETS,
    deny_countries=COUNTRY_SETS,
    allow_asns=ASN_SETS,
    deny_asns=ASN_SETS,
    hosting=TREATMENTS,
    unknown=TREATMENTS,
)
NETWORKS = st.builds(_network, st.ip_addresses(v=4), st.integers(0, 32)) | st.builds(
    _network, st.ip_addresses(v=6), st.integers(0, 128)
)
POOLS = st.dictionaries(NETWORKS, st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), max_size=4).map(
    lambda made: tuple(sorted(((name, network) for network, name in made.items()), key=str))
)


def _by_value(one: Exemption) -> tuple[str, list[str], list[int], float]:
    return one.identity, sorted(one.countries), sorted(one.asns), one.until


def _rulebook(more: dict[str, Limits], gates: dict[str, Gate], names: set[str], **values: object) -> Rulebook:
    known = shipped()
    members = dict(zip(sorted(names), more, strict=False))
    made = dataclasses.replace(
        known, members=members, limits={**known.limits, **more}, gates={**known.gates, **gates}, **values
    )  # type: ignore[arg-type]  # hypothesis made them
    return dataclasses.replace(made, digest=digest_of(tables_of(made)))


RULEBOOKS = st.builds(
    _rulebook,
    st.dictionaries(NAMES | st.sampled_from(["person", "app"]), LIMITS, max_size=2),
    st.dictionaries(NAMES | st.just("default"), GATES, max_size=2),
    st.sets(NAMES, max_size=2),
    modes=st.fixed_dictionaries({rule: st.sampled_from(Mode) for rule in RULES}),
    exemptions=st.lists(
        st.builds(Exemption, identity=NAMES, countries=COUNTRY_SETS, asns=ASN_SETS, until=MOMENTS), max_size=3
    ).map(tuple),
    domain_recipients_per_user=NUMBERS,
    domain_recipients_least=st.integers(1, MOST),
    host_new_recipients=SUMS,
    settled_after_days=DAYS,
    home_after_days=DAYS,
    forgotten_after_days=DAYS,
    linked_identities=st.integers(2, 1000),
    usual_new_recipients_per_day=st.floats(0.001, 500),
    when_silent=st.sampled_from(WhenSilent),
    containment=st.builds(
        Containment,
        retro_hold_s=st.integers(1, 10_000).map(lambda minutes: minutes * 60.0),
        held_s=st.integers(1, 90).map(lambda days: days * 86400.0),
        purge_after_s=st.integers(0, 720).map(lambda hours: hours * 3600.0),
        sending_delay_s=st.integers(0, 3600),
    ),
    trap_recipients=st.frozensets(NAMES.map(lambda name: f"{name}@example.org"), max_size=3),
    sources=st.builds(Sources, hosting_asns=ASN_SETS, mobile_asns=ASN_SETS, ordinary_asns=ASN_SETS, pools=POOLS),
)


@settings(max_examples=40, deadline=None)
@given(RULEBOOKS)
def test_what_is_written_is_read_again(made: Rulebook) -> None:
    """Every policy that there can be, to the last digit: it is in the store as TOML, and its digest names it there."""
    again = parse(written(tables_of(made)), "written")
    assert sorted(again.exemptions, key=_by_value) == sorted(made.exemptions, key=_by_value)
    assert dataclasses.replace(again, exemptions=made.exemptions) == made
    assert again.digest == made.digest
    assert changes(made, again) == []


@settings(max_examples=40, deadline=None)
@given(RULEBOOKS)
def test_what_is_a_sites_own_makes_the_whole_of_it(made: Rulebook) -> None:
    """The way back to an earlier policy: short, and the same to the last digit."""
    assert parse(own_part(made), "own").digest == made.digest


@settings(max_examples=20, deadline=None)
@given(RULEBOOKS, RULEBOOKS)
def test_whatever_is_different_is_told(one: Rulebook, other: Rulebook) -> None:
    """A digest that is another one, and lines; or neither of them."""
    assert (one.digest == other.digest) == (changes(one, other) == [])


SAME = [
    # what does not matter, two spellings
    ("comments", "# a\n[profiles.person]\nsessions = 9 # b", "[profiles.person]\nsessions = 9"),
    (
        "order",
        '[modes]\nasns = "off"\n[host]\nnew-recipients = "1/day"',
        '[host]\nnew-recipients = "1/day"\n[modes]\nasns = "off"',
    ),
    ("order of limits", 'profiles.app.messages = ["1/hour", "2/day"]', 'profiles.app.messages = ["2/day", "1/hour"]'),
    ("how a span is written", 'profiles.app.messages = "2/day"', 'profiles.app.messages = "2/1440 minutes"'),
    ("how a size is written", 'profiles.app.bytes = "2 MB/day"', 'profiles.app.bytes = "2000 kB/day"'),
    ("a list of one", 'profiles.app.messages = "2/day"', 'profiles.app.messages = ["2/day"]'),
    (
        "order of countries",
        'gates.default.allow-countries = ["DE", "AT"]',
        'gates.default.allow-countries = ["AT", "DE"]',
    ),
    ("how a system is written", 'gates.default.deny-asns = ["AS174"]', "gates.default.deny-asns = [174]"),
    ("what is shipped anyway", "[profiles.app]\nsessions = 3", ""),
    (
        "likeness",
        '[profiles.a]\nlike = "b"\n[profiles.b]\nlike = "app"',
        '[profiles.a]\nlike = "app"\n[profiles.b]\nlike = "a"',
    ),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_what_does_not_change_a_digest(one: str, other: str) -> None:
    assert parse(one, "one").digest == parse(other, "other").digest


def test_a_digest() -> None:
    """Of the canonical form, which is data for ever: a change here makes all earlier records nameless."""
    assert parse("", "a").digest == digest_of(tables_of(shipped()))
    assert digest_of({"b": [1], "a": {"x": datetime(2027, 1, 14, tzinfo=UTC).date()}}) == "85eda9bf5cc67be1"
    assert parse('[modes]\nasns = "off"', "a").digest != shipped().digest


def test_changes_are_a_line_for_each_number() -> None:
    """In the order of the file; an exemption is named after whom it is for."""
    before = parse('[[exemptions]]\nidentity = "ada"\ncountries = ["KZ"]\nuntil = 2027-01-14', "before")
    after = parse(
        '[profiles.person]\nrecipients = "2/hour"\n[profiles.sales]\nlike = "app"\n[gates.office]\nhosting = "refuse"\n'
        '[modes]\ncountries = "observe"\n[[exemptions]]\nidentity = "ada"\ncountries = ["KZ"]\nuntil = 2027-02-14',
        "after",
    )
    told = [str(one) for one in changes(before, after)]
    assert told[0] == 'profiles.person.recipients: ["120/10 minutes", "200/hour", "500/day"] -> "2/hour"'
    assert "profiles.sales.sessions: nothing -> 3" in told
    assert 'gates.office.hosting: nothing -> "refuse"' in told
    assert told[-2:] == ['modes.countries: "enforce" -> "observe"', 'exemptions."ada, KZ": 2027-01-14 -> 2027-02-14']


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
        max_leaves=8,
    ).flatmap(lambda value: st.dictionaries(st.text(min_size=1), st.just(value), max_size=2))
)
def test_toml_is_what_tomllib_reads(tables: dict[str, object]) -> None:
    """Whatever is in the keys and texts: quotes, newlines, dots, control characters."""
    assert tomllib.loads(written(tables)) == tables
