"""Policy files, good and bad: what they come to, and the line and sentence that says what is wrong."""

from pathlib import Path

import pytest

from policy.engine.budget import Window
from policy.engine.rulebook import Mode, Rulebook, Treatment
from policy.rulebook import PolicyFileError, load, parse, shipped
from policy.rulebook.making import tables_of
from policy.rulebook.model import RULES
from policy.rulebook.reading import SHIPPED, shipped_tables

HOUR, DAY = 3600.0, 86400.0


def read(text: str) -> Rulebook:
    return parse(text, "policy.toml")


def test_an_empty_file_is_the_shipped_policy() -> None:
    assert read("") == shipped()
    assert read("# nothing yet\n").digest == shipped().digest


def test_the_shipped_policy_says_everything() -> None:
    """What shipped.toml writes is what comes out, in the one form; and nothing has a default elsewhere."""
    told, written = tables_of(shipped()), shipped_tables()
    assert {name: list(table) for name, table in written.items()} == {
        name: list(table) for name, table in told.items()
    } | {"profiles": ["person", "app", "newsletter"]}
    assert told["profiles"]["person"] == written["profiles"]["person"]
    assert tuple(told["modes"]) == RULES


def test_every_number_of_the_shipped_policy_has_its_ground() -> None:
    """A comment on its line, in the first profile that has it."""
    lines = SHIPPED.read_text().split("[profiles.person]")[1].split("[profiles.app]")[0].strip().splitlines()
    assert len(lines) == 21
    assert all("#" in line for line in lines)


def test_the_promise_in_numbers() -> None:
    """On a stolen credential: 10 and 30 new recipients from a strange network, 50 and 150 from the owner's own."""
    person, app = shipped().limits["person"], shipped().limits["app"]
    assert person.probation_new_recipients == (Window(10, HOUR), Window(30, DAY), Window(100, 7 * DAY))
    assert person.new_recipients == (Window(50, HOUR), Window(150, DAY))
    assert person.networks[0] == Window(6, HOUR)
    assert (person.unseen_asns, person.unseen_countries) == ((Window(3, DAY),), (Window(2, DAY),))
    assert app.probation_new_recipients == app.probation_recipients == (Window(0, DAY),)


GOOD = [
    # what it shows, the file, where to look, what is there
    ("one limit", '[profiles.person]\nrecipients = "2/hour"', "profiles.person.recipients", "2/hour"),
    ("a list replaces a list", '[profiles.person]\nrecipients = ["9/day"]', "profiles.person.recipients", "9/day"),
    (
        "the shortest span first",
        '[profiles.app]\nmessages = ["9/day", "2/hour"]',
        "profiles.app.messages",
        ["2/hour", "9/day"],
    ),
    ("none", '[profiles.person]\nrecipients = "none"', "profiles.person.recipients", "none"),
    ("nothing", '[profiles.person]\nrecipients = "0/hour"', "profiles.person.recipients", "0/hour"),
    ("another spelling", '[profiles.person]\nrecipients = " 5 / 60 minutes"', "profiles.person.recipients", "5/hour"),
    ("a week", '[profiles.person]\nrecipients = "5/2 weeks"', "profiles.person.recipients", "5/14 days"),
    ("a second", '[profiles.person]\nrecipients = "5/second"', "profiles.person.recipients", "5/second"),
    ("the longest span", '[profiles.person]\nrecipients = "5/31 days"', "profiles.person.recipients", "5/31 days"),
    ("octets", '[profiles.person]\nbytes = "100 MB/day"', "profiles.person.bytes", "100 MB/day"),
    ("a thousand of them", '[profiles.person]\nbytes = "1000 kB/day"', "profiles.person.bytes", "1 MB/day"),
    ("binary octets", '[profiles.person]\nbytes = "25 MiB/10 minutes"', "profiles.person.bytes", "25 MiB/10 minutes"),
    ("no octets", '[profiles.person]\nbytes = "0 GB/day"', "profiles.person.bytes", "0 bytes/day"),
    ("what is not said is shipped", "[profiles.person]\nsessions = 9", "profiles.person.recipients-per-message", 100),
    ("dotted keys", "profiles.person.sessions = 9", "profiles.person.sessions", 9),
    ("inline tables", "profiles = {person = {sessions = 9}}", "profiles.person.sessions", 9),
    ("like another one", '[profiles.sales]\nlike = "app"\nsessions = 9', "profiles.sales.recipients-per-message", 100),
    ("and not like it", '[profiles.sales]\nlike = "app"\nsessions = 9', "profiles.sales.sessions", 9),
    (
        "like another one of this file",
        '[profiles.sales]\nlike = "person"\n[profiles.person]\nsessions = 9',
        "profiles.sales.sessions",
        9,
    ),
    ("like one that is like one", '[profiles.a]\nlike = "b"\n[profiles.b]\nlike = "app"', "profiles.a.sessions", 3),
    ("a shipped one, like another", '[profiles.app]\nlike = "person"', "profiles.app.recipients-per-message", 100),
    ("numbers and names", '[gates.default]\ndeny-asns = ["AS3320", 174]', "gates.default.deny-asns", [174, 3320]),
    (
        "countries",
        '[gates.default]\nallow-countries = ["DE", "??", "AT"]',
        "gates.default.allow-countries",
        ["??", "AT", "DE"],
    ),
    ("a new gate is open", '[gates.office]\nhosting = "refuse"', "gates.office.unknown", "accept"),
    (
        "also where the default is closed",
        '[gates.default]\nallow-countries = ["DE"]\n[gates.office]\nhosting = "refuse"',
        "gates.office.allow-countries",
        [],
    ),
    ("a mode", '[modes]\nunseen-asns = "observe"', "modes.unseen-asns", "observe"),
    (
        "a whole number is a number",
        "[signals]\nusual-new-recipients-per-day = 7",
        "signals.usual-new-recipients-per-day",
        7.0,
    ),
    (
        "a pool",
        '[sources.pools]\n"mail.example" = ["192.0.2.0/24"]',
        "sources.pools",
        {"mail.example": ["192.0.2.0/24"]},
    ),
    (
        "a trap in its one form",
        '[traps]\nrecipients = ["Harvest@EXAMPLE.org"]',
        "traps.recipients",
        ["harvest@example.org"],
    ),
]


@pytest.mark.parametrize(("text", "key", "expected"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_good_files(text: str, key: str, expected: object) -> None:
    found: object = tables_of(read(text))
    for part in key.split("."):
        assert isinstance(found, dict)
        found = found[part]
    assert found == expected


NO_LIMIT = 'is too large; at most 1000000000, and "none" is no limit'
NO_COUNTRY = 'is no country; write one of ISO 3166-1 such as "DE", or "??" for an unknown one'
NO_SYSTEM = 'is no autonomous system; write its number, such as 3320 or "AS3320"'
NO_DATE = "is no date; write the last day, such as 2027-01-14, without quotes"
LIMIT_FORMS = 'write one such as "50/hour" or "100/10 minutes", several in a list, or "none"'
SIZE_FORMS = 'write one such as "100 MB/day" or "1 GB/hour", several in a list, or "none"'
PERSON = "[profiles.person]\n"
BAD = [
    # what it shows, the file, what is said
    ("no TOML", "\n\nrecipients\n", "3:11: Expected '=' after a key in a key/value pair"),
    ("an end in the middle", 'a = "b', "1: Unterminated string"),
    ("a table twice", "[modes]\n[modes]\n", "2:7: Cannot declare ('modes',) twice"),
    ("a table that is none", "[limits]\nx = 1", "1: limits: there is no such key"),
    ("a misspelt table", "[profile.person]", "1: profile: there is no such key; did you mean profiles?"),
    (
        "a misspelt key",
        PERSON + "# a comment\nmesages = 1",
        "3: profiles.person.mesages: there is no such key; did you mean messages?",
    ),
    (
        "an underscore",
        PERSON + "held_bytes = 1",
        "2: profiles.person.held_bytes: there is no such key; did you mean held-bytes?",
    ),
    (
        "a misspelt key of a new profile",
        '[profiles.x]\nlike = "app"\nsesions = 1',
        "3: profiles.x.sesions: there is no such key; did you mean sessions?",
    ),
    (
        "a misspelt key of a new gate",
        "[gates.x]\nhostings = 1",
        "2: gates.x.hostings: there is no such key; did you mean hosting?",
    ),
    (
        "a misspelt key of a pair",
        '[host]\nnew-recipient = "1/day"',
        "2: host.new-recipient: there is no such key; did you mean new-recipients?",
    ),
    ("no unit", PERSON + "recipients = 50", f"2: profiles.person.recipients: 50 is no limit; {LIMIT_FORMS}"),
    (
        "an abbreviation",
        PERSON + 'recipients = "50/h"',
        f'2: profiles.person.recipients: "50/h" is no limit; {LIMIT_FORMS}',
    ),
    (
        "a negative one",
        PERSON + 'recipients = "-1/day"',
        f'2: profiles.person.recipients: "-1/day" is no limit; {LIMIT_FORMS}',
    ),
    (
        "a fraction",
        PERSON + 'recipients = "1.5/day"',
        f'2: profiles.person.recipients: "1.5/day" is no limit; {LIMIT_FORMS}',
    ),
    (
        "other digits",
        PERSON + 'recipients = "\u0665/day"',
        f'2: profiles.person.recipients: "\u0665/day" is no limit; {LIMIT_FORMS}',
    ),
    (
        "times nothing",
        PERSON + 'recipients = "1/0 days"',
        f'2: profiles.person.recipients: "1/0 days" is no limit; {LIMIT_FORMS}',
    ),
    (
        "one of a list",
        PERSON + 'recipients = [\n  "2/hour",  # a comment "]"\n  "many",\n]',
        f'4: profiles.person.recipients: "many" is no limit; {LIMIT_FORMS}',
    ),
    (
        "a list in a list",
        PERSON + 'recipients = [["2/hour"]]',
        f'2: profiles.person.recipients: ["2/hour"] is no limit; {LIMIT_FORMS}',
    ),
    (
        "an empty list",
        PERSON + "recipients = []",
        '2: profiles.person.recipients: [] is empty; for no limit at all write "none"',
    ),
    (
        "too many",
        PERSON + 'recipients = "1000000001/day"',
        f'2: profiles.person.recipients: "1000000001/day" {NO_LIMIT}',
    ),
    (
        "too many different ones",
        PERSON + 'networks = "100001/day"',
        '2: profiles.person.networks: "100001/day" is too large; at most 100000 different ones, and "none" is no limit',
    ),
    (
        "too long",
        PERSON + 'recipients = "5/32 days"',
        '2: profiles.person.recipients: "5/32 days" has too long a span; at most 31 days',
    ),
    (
        "the same span twice",
        PERSON + 'recipients = ["5/hour", "9/60 minutes"]',
        ('2: profiles.person.recipients: ["5/hour", "9/60 minutes"] has two limits in an hour; write one of them'),
    ),
    (
        "more in less",
        PERSON + 'recipients = ["9/hour", "5/day"]',
        '2: profiles.person.recipients: ["9/hour", "5/day"] allows more in an hour than in a day',
    ),
    (
        "octets without a unit",
        PERSON + 'bytes = "100/day"',
        f'2: profiles.person.bytes: "100/day" is no limit of octets; {SIZE_FORMS}',
    ),
    (
        "too many octets",
        PERSON + 'bytes = "1000001 GB/day"',
        '2: profiles.person.bytes: "1000001 GB/day" is too large; at most 1000000 GB, and "none" is no limit',
    ),
    ("a number in quotes", PERSON + 'sessions = "5"', '2: profiles.person.sessions: "5" is no whole number'),
    ("a truth", PERSON + "sessions = true", "2: profiles.person.sessions: true is no whole number"),
    ("a fraction of one", PERSON + "sessions = 1.5", "2: profiles.person.sessions: 1.5 is no whole number"),
    ("too small", PERSON + "sessions = 0", "2: profiles.person.sessions: 0 is too small; at least 1"),
    ("too large", PERSON + "sessions = 1_000_000", "2: profiles.person.sessions: 1000000 is too large; at most 100000"),
    ("a whole share", PERSON + "unknown-share = 1", "2: profiles.person.unknown-share: 1 is too large; less than 1"),
    (
        "no number at all",
        "[signals]\nusual-new-recipients-per-day = nan",
        "2: signals.usual-new-recipients-per-day: NaN is too large; at most 500",
    ),
    (
        "no number",
        "[signals]\nusual-new-recipients-per-day = true",
        "2: signals.usual-new-recipients-per-day: true is no number",
    ),
    (
        "nobody's usual",
        "[signals]\nusual-new-recipients-per-day = 0",
        "2: signals.usual-new-recipients-per-day: 0 is too small; more than 0",
    ),
    ("links of one", "[signals]\nlinked-identities = 1", "2: signals.linked-identities: 1 is too small; at least 2"),
    ("no table", "profiles = 3", "1: profiles: 3 is no table"),
    ("no table in a table", '\n[profiles]\nperson = "x"', '3: profiles.person: "x" is no table'),
    (
        "a profile in capitals",
        '[profiles.Sales]\nlike = "person"',
        '1: profiles.Sales: "Sales" is no name; write small letters, digits and hyphens',
    ),
    (
        "a profile that says little",
        "[profiles.sales]\nsessions = 3",
        (
            "1: profiles.sales: recipients-per-message is missing; a new profile says everything, "
            'or like = "person" and what is different'
        ),
    ),
    (
        "like nobody",
        '[profiles.sales]\nsessions = 3\nlike = "persn"',
        '3: profiles.sales.like: "persn" is no profile; did you mean person?',
    ),
    (
        "like itself",
        '[profiles.sales]\nlike = "sales"',
        "2: profiles.sales.like: goes round in a circle; one of them must say everything itself",
    ),
    (
        "like in a circle",
        '[profiles.a]\nlike = "b"\n[profiles.b]\nlike = "a"',
        "4: profiles.b.like: goes round in a circle; one of them must say everything itself",
    ),
    ("like a number", PERSON + "like = 5", "2: profiles.person.like: 5 is no text; write it in quotes"),
    (
        "a country by its name",
        '[gates.default]\nallow-countries = ["Germany"]',
        f'2: gates.default.allow-countries: "Germany" {NO_COUNTRY}',
    ),
    (
        "a country in small letters",
        '[gates.default]\nallow-countries = [\n  "AT",\n  "de",\n]',
        '4: gates.default.allow-countries: "de" is no country; did you mean "DE"?',
    ),
    (
        "what people call it",
        '[gates.default]\nallow-countries = ["UK"]',
        '2: gates.default.allow-countries: "UK" is no country; did you mean "GB"?',
    ),
    (
        "countries without brackets",
        '[gates.default]\nallow-countries = "DE"',
        '2: gates.default.allow-countries: "DE" is no list; write it in square brackets',
    ),
    (
        "a number for a country",
        "[gates.default]\nallow-countries = [49]",
        '2: gates.default.allow-countries: 49 is no country; write two letters in quotes, such as "DE"',
    ),
    ("a system in words", '[gates.default]\ndeny-asns = ["3320"]', f'2: gates.default.deny-asns: "3320" {NO_SYSTEM}'),
    ("nobody's system", "[gates.default]\ndeny-asns = [0]", f"2: gates.default.deny-asns: 0 {NO_SYSTEM}"),
    (
        "a system too far",
        "[gates.default]\ndeny-asns = [4294967296]",
        f"2: gates.default.deny-asns: 4294967296 {NO_SYSTEM}",
    ),
    ("a truth for a system", "[gates.default]\ndeny-asns = [true]", f"2: gates.default.deny-asns: true {NO_SYSTEM}"),
    (
        "no treatment",
        '[gates.default]\nhosting = "deny"',
        '2: gates.default.hosting: "deny" will not do; write one of "accept", "probation", "refuse"',
    ),
    (
        "no mode",
        '[modes]\nasns = "maybe"',
        '2: modes.asns: "maybe" will not do; write one of "enforce", "observe", "off"',
    ),
    (
        "a rule that is none",
        '[modes]\ncontries = "off"',
        "2: modes.contries: there is no such rule; did you mean countries?",
    ),
    (
        "a rule that cannot be switched off",
        '[modes]\nsender-is-owned = "off"',
        "2: modes.sender-is-owned: this rule is always enforced and has no mode",
    ),
    (
        "a second exemption without an end",
        '[[exemptions]]\nidentity = "ada"\nuntil = 2027-01-14\n\n[[exemptions]]\nidentity = "bob"',
        "5: exemptions[1].until: is missing",
    ),
    (
        "an end in quotes",
        '[[exemptions]]\nidentity = "ada"\nuntil = "2027-01-14"',
        f'3: exemptions[0].until: "2027-01-14" {NO_DATE}',
    ),
    (
        "an end before all days",
        '[[exemptions]]\nidentity = "ada"\nuntil = 0001-01-01T00:00:00+12:00',
        f'3: exemptions[0].until: "0001-01-01 00:00:00+12:00" {NO_DATE}',
    ),
    (
        "an end of all days",
        '[[exemptions]]\nidentity = "ada"\nuntil = 9999-12-31',
        f'3: exemptions[0].until: "9999-12-31" {NO_DATE}',
    ),
    (
        "an address for an identity",
        '[[exemptions]]\nidentity = "ada@a.test"\nuntil = 2027-01-14',
        '2: exemptions[0].identity: "ada@a.test" is no identity\'s name; write small letters, digits and hyphens',
    ),
    (
        "a key that exemptions have not",
        '[[exemptions]]\nidentity = "ada"\ncountry = ["KZ"]\nuntil = 2027-01-14',
        "3: exemptions[0].country: there is no such key; did you mean countries?",
    ),
    (
        "exemptions that are none",
        "exemptions = 3",
        "1: exemptions: 3 is no list of tables; begin each with [[exemptions]]",
    ),
    (
        "an address within a network",
        '[sources.pools]\na = ["192.0.2.7/24"]',
        '2: sources.pools.a: "192.0.2.7/24" is no network; write one such as "192.0.2.0/24" or "2001:db8::/32"',
    ),
    (
        "a network in two pools",
        '[sources.pools]\na = ["192.0.2.0/24"]\nb = [\n"192.0.2.0/24"]',
        '4: sources.pools.b: 192.0.2.0/24 is in the pool "a", too; leave it in one of them',
    ),
    (
        "an identity of two profiles",
        '[profiles.person]\nidentities = ["ada"]\n[profiles.app]\nidentities = [\n"bob",\n"ada"]',
        '6: profiles.app.identities: ada has the profile "person" already; leave it in one of them',
    ),
    (
        "no identity",
        '[profiles.person]\nidentities = ["Ada"]',
        '2: profiles.person.identities: "Ada" is no identity\'s name; write small letters, digits and hyphens',
    ),
    (
        "a whole domain as a trap",
        '[traps]\nrecipients = ["@a.test"]',
        '2: traps.recipients: "@a.test" is no address; write one such as "harvested@example.org"',
    ),
    ("brackets without end", f"a = {'[' * 5000}", "1: the file is no policy"),
    ("a number without end", f"a = {'1' * 5000}", "1: the file is no policy"),
    (
        "behind a text of several lines",
        '[profiles.person]\nlike = """\n[profiles.app]\nx = 1\n"""\nsessions = 0',
        '2: profiles.person.like: "\\n[profiles.app]\\nx = 1\\n" is no profile'.replace("\\n[", "[", 1),
    ),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_files(text: str, expected: str) -> None:
    """Line and column where one is known; the key; what is wrong and what to write instead."""
    with pytest.raises(PolicyFileError) as error:
        read(text)
    assert str(error.value) == f"policy.toml:{expected}"


def test_all_faults_are_told_at_once_in_their_order() -> None:
    """Nobody wants to mend a file one fault at a time."""
    with pytest.raises(PolicyFileError) as error:
        read('[modes]\nasns = "x"\n\n[profiles.app]\nsessions = 0\nmesages = 1\n\n[profiles.person]\nbytes = 5\n')
    assert [(fault.line, fault.key) for fault in error.value.faults] == [
        (2, "modes.asns"),
        (5, "profiles.app.sessions"),
        (6, "profiles.app.mesages"),
        (9, "profiles.person.bytes"),
    ]


def test_another_kind_of_file_is_told_from_a_policy_soon() -> None:
    """Whose every line is wrong: a hundred of them are looked for, not each in all of the others."""
    with pytest.raises(PolicyFileError) as error:
        read("".join(f"key{number} = 1\n" for number in range(3000)))
    *faults, last = error.value.faults
    assert [fault.line for fault in faults] == list(range(1, 101))
    assert (last.line, last.why) == (3000, "that is not all: 2900 more are wrong")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match=r"policy.toml:1: the file cannot be read \(No such file or directory\)"):
        load(tmp_path / "policy.toml")


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes("# first\n# für\n".encode("latin-1"))
    with pytest.raises(PolicyFileError, match=r"policy.toml:2: the file is not UTF-8"):
        load(path)


def test_a_profile_of_ones_own_holds_for_whom_it_names() -> None:
    """Whatever sort of sender they are; for all others their sort decides, and one like another one names nobody."""
    made = read(
        '[profiles.sales]\nlike = "person"\nsessions = 77\nidentities = ["ada"]\n[profiles.more]\nlike = "sales"\n'
        '[profiles.app]\nidentities = ["bob"]\n'
    )
    assert made.limits_of("app", "ada").sessions == 77
    assert made.limits_of("person", "bob") == made.limits["app"]
    assert made.limits_of("person", "carol") == made.limits_of("person") == made.limits["person"]
    assert made.members == {"ada": "sales", "bob": "app"}


def test_modes_gates_and_exemptions_reach_the_engine() -> None:
    """In the engine's types, and the last day whole."""
    made = read(
        '[modes]\nasns = "off"\n[gates.travel]\nunknown = "refuse"\n'
        '[[exemptions]]\nidentity = "ada"\ncountries = ["KZ"]\nasns = [9198]\nuntil = 1970-01-02\n'
        '[[exemptions]]\nidentity = "bob"\ncountries = ["KZ"]\nuntil = 1970-01-02T06:00:00+02:00\n'
    )
    assert (made.mode("asns"), made.mode("networks")) == (Mode.OFF, Mode.ENFORCE)
    assert made.gate("travel").unknown is Treatment.REFUSE
    assert made.exemptions[0].until == 2 * DAY
    assert (made.exemptions[0].countries, made.exemptions[0].asns) == ({"KZ"}, {9198})
    assert made.exemptions[1].until == DAY + 4 * HOUR
