"""What the DNS should say of a domain: the records that are printed, and a sentence for each fault in them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import InProcess, prepared
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.certificate import new_key, self_signed
from policy.dkim.keys import Algorithm
from policy.dkim.keys import new_key as new_dkim_key
from policy.dkim.rotation import Pair
from policy.dkim.rotation import State as Stage
from policy.enrolment.dns import Record
from policy.enrolment.settings import Servers
from policy.finding import Finding, State
from policy.publishing import spf
from policy.publishing.compared import Looked, findings, has_key
from policy.publishing.mta_sts import policy_id, policy_text, same_policy
from policy.publishing.reached import clock, dane, host_name, validation, way_out
from policy.publishing.records import FILE, Publishing, key_digest, quoted, records_of, records_of_host
from policy.publishing.world import SIGNED, World, pointer, questions
from policy.queue_contract import Asked, DnsAnswer, OutsideAnswers, PolicyAnswer, PortAnswer

T = 1_800_000_000.0
DOMAIN, HOST, ADDRESS, ADDRESS_6 = "example.org", "mail.example.org", "192.0.2.10", "2001:db8::10"
CERTIFICATE = self_signed(HOST, new_key(), T)
Table = dict[tuple[str, str], list[str]]


def pair(name: str, state: Stage) -> Pair:
    rsa, ed25519 = (new_dkim_key(kind).public for kind in Algorithm)
    return Pair(domain=DOMAIN, name=name, state=state, rsa=rsa, ed25519=ed25519, created_at=T)


ACTIVE, WAITING, RETIRING, RETIRED = (pair(f"s{number}", state) for number, state in enumerate(Stage))
ACTIVE, WAITING = replace(WAITING, state=Stage.ACTIVE), replace(ACTIVE, state=Stage.WAITING)
GIVEN = Publishing(
    servers=Servers(HOST, 993, 587, 465, (DOMAIN,)),
    console_url="https://console.example.org",
    mx=("mx.example.org",),
    mta_sts="enforce",
    pairs=(ACTIVE, WAITING, RETIRING),
    certificate=CERTIFICATE,
)
KEY = f"{ACTIVE.name}-rsa._domainkey.{DOMAIN}"


def published(given: Publishing = GIVEN) -> Table:
    """The world after somebody has pasted all of it."""
    table: Table = {}
    for one in (*records_of(DOMAIN, given), *records_of_host(given)):
        if one.type != FILE:
            data = one.data.replace('" "', "").strip('"') if one.type == "TXT" else one.data
            table.setdefault((one.name.rstrip("."), one.type), []).append(data)
    table |= {(HOST, "A"): [ADDRESS], (HOST, "AAAA"): [ADDRESS_6]}
    return table | {(pointer(one), "PTR"): [f"{HOST}."] for one in (ADDRESS, ADDRESS_6)}


def asked(table: Table, given: Publishing = GIVEN, silent: tuple[str, ...] = ()) -> World:
    """What is known after all rounds of questions."""
    world = World()
    while names := questions([DOMAIN], given, [RETIRED], world):
        world = world.with_answers(
            DnsAnswer(
                name=name,
                type=kind,
                asked=Asked.FAILED if name in silent else Asked.FOUND if (name, kind) in table else Asked.NONE,
                data=tuple(table.get((name, kind.value), ())) if name not in silent else (),
            )
            for name, kind in names
        )
    return world


def found(
    table: Table, given: Publishing = GIVEN, silent: tuple[str, ...] = (), text: str | None = None
) -> list[Finding]:
    world = asked(table, given, silent)
    policy = PolicyAnswer(domain=DOMAIN, text=given.policy_text if text is None else text, problem="")
    looked = Looked(DOMAIN, given, world, (RETIRED,), {DOMAIN: policy})
    return [*findings(looked), *host_name(given, world), *dane(given, world)]


def test_what_is_printed_is_what_is_wanted() -> None:
    """Whoever pastes it all hears no complaint, but that a key waits no longer than it has to."""
    assert {one.state for one in found(published())} == {State.FINE}


def test_texts_are_cut_into_strings() -> None:
    """Of 255 octets at most, none of which is lost."""
    (rsa, ed25519) = [one for one in records_of(DOMAIN, GIVEN) if one.name.startswith(ACTIVE.name)]
    strings = [one.strip('"') for one in rsa.data.split('" "')]
    assert [len(one) for one in strings] == [255, len(f"v=DKIM1; k=rsa; p={ACTIVE.rsa}") - 255]
    assert "".join(strings) == f"v=DKIM1; k=rsa; p={ACTIVE.rsa}"
    assert ed25519.data == f'"v=DKIM1; k=ed25519; p={ACTIVE.ed25519}"'
    assert quoted("") == ""


Change = Callable[[Table], object]


def put(name: str, kind: str, *data: str) -> Change:
    return lambda table: table.__setitem__((name, kind), list(data))


def gone(name: str, kind: str) -> Change:
    return lambda table: table.pop((name, kind))


FAULTS = [
    # what it shows, what is done, what it is said of, how it is, a word of the sentence
    ("no MX", gone(DOMAIN, "MX"), f"MX of {DOMAIN}", "wrong", "answers and bounces to your mail are lost"),
    (
        "another MX",
        put(DOMAIN, "MX", "10 mx.example.net."),
        f"MX of {DOMAIN}",
        "wrong",
        "POLICY_MX says mx.example.org",
    ),
    ("no SPF", gone(DOMAIN, "TXT"), f"SPF of {DOMAIN}", "wrong", "there is none"),
    ("two SPF", put(DOMAIN, "TXT", "v=spf1 a -all", "v=spf1 mx -all"), f"SPF of {DOMAIN}", "wrong", "2 records"),
    ("SPF of others", put(DOMAIN, "TXT", "v=spf1 ip4:198.51.100.1 -all"), f"SPF of {DOMAIN}", "wrong", "may not send"),
    (
        "SPF of half of us",
        put(DOMAIN, "TXT", f"v=spf1 ip4:{ADDRESS} -all"),
        f"SPF of {DOMAIN}",
        "wrong",
        "may not send",
    ),
    ("SPF for all", put(DOMAIN, "TXT", "v=spf1 +all"), f"SPF of {DOMAIN}", "wrong", "lets everybody send"),
    (
        "SPF that ends in ?all",
        put(DOMAIN, "TXT", f"v=spf1 a:{HOST} ?all"),
        f"SPF of {DOMAIN}",
        "warning",
        "refuses nobody",
    ),
    (
        "SPF of a macro",
        put(DOMAIN, "TXT", "v=spf1 exists:%{i}.example.net -all"),
        f"SPF of {DOMAIN}",
        "warning",
        "be told",
    ),
    ("no key", gone(KEY, "TXT"), f"DKIM {KEY}", "wrong", "nobody can verify what we sign"),
    ("another key", put(KEY, "TXT", f"v=DKIM1; p={RETIRING.rsa}"), f"DKIM {KEY}", "wrong", "another key, or rubbish"),
    (
        "half a key",
        put(KEY, "TXT", f"v=DKIM1; p={ACTIVE.rsa[:200]}"),
        f"DKIM {KEY}",
        "wrong",
        "another key, or rubbish",
    ),
    ("two keys", put(KEY, "TXT", "v=DKIM1; p=a", "v=DKIM1; p=b"), f"DKIM {KEY}", "wrong", "2 records"),
    (
        "a key that waits",
        gone(f"{WAITING.name}-ed25519._domainkey.{DOMAIN}", "TXT"),
        f"DKIM {WAITING.name}-ed25519._domainkey.{DOMAIN}",
        "warning",
        "until then it does not sign",
    ),
    (
        "a key that went early",
        gone(f"{RETIRING.name}-rsa._domainkey.{DOMAIN}", "TXT"),
        f"DKIM {RETIRING.name}-rsa._domainkey.{DOMAIN}",
        "wrong",
        "still on its way",
    ),
    (
        "a key that can go",
        put(f"{RETIRED.name}-rsa._domainkey.{DOMAIN}", "TXT", "v=DKIM1; p=x"),
        f"DKIM {RETIRED.name}-rsa._domainkey.{DOMAIN}",
        "warning",
        "not used any more",
    ),
    ("no DMARC", gone(f"_dmarc.{DOMAIN}", "TXT"), f"DMARC of {DOMAIN}", "wrong", "there is none"),
    (
        "two DMARC",
        put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=none", "v=DMARC1; p=reject"),
        f"DMARC of {DOMAIN}",
        "wrong",
        "2 records",
    ),
    (
        "DMARC that asks for nothing",
        put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=none"),
        f"DMARC of {DOMAIN}",
        "warning",
        "forged mail is let in",
    ),
    ("DMARC of rubbish", put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; rua=x"), f"DMARC of {DOMAIN}", "wrong", "no p="),
    ("no TLS reports", gone(f"_smtp._tls.{DOMAIN}", "TXT"), f"TLS reports of {DOMAIN}", "warning", "0 records"),
    ("no MTA-STS", gone(f"_mta-sts.{DOMAIN}", "TXT"), f"MTA-STS of {DOMAIN}", "wrong", "0 records"),
    (
        "an old MTA-STS",
        put(f"_mta-sts.{DOMAIN}", "TXT", "v=STSv1; id=1;"),
        f"MTA-STS of {DOMAIN}",
        "wrong",
        "another policy",
    ),
    (
        "no SRV",
        gone(f"_submissions._tcp.{DOMAIN}", "SRV"),
        f"mail programs of {DOMAIN}",
        "warning",
        "not there: _submissions",
    ),
    (
        "SRV to others",
        put(f"_imaps._tcp.{DOMAIN}", "SRV", "0 1 993 imap.example.net."),
        f"mail programs of {DOMAIN}",
        "warning",
        "_imaps._tcp.example.org lead elsewhere",
    ),
    (
        "a host without address",
        lambda table: (gone(HOST, "A")(table), gone(HOST, "AAAA")(table)),
        "host name",
        "wrong",
        "has no address",
    ),
    ("an address without a name", gone(pointer(ADDRESS), "PTR"), "reverse DNS", "wrong", "without a name"),
    (
        "an address of another name",
        put(pointer(ADDRESS_6), "PTR", "cable-7.example.net."),
        "reverse DNS",
        "wrong",
        "is cable-7.example.net, and not mail.example.org",
    ),
    (
        "DANE of an old certificate",
        put(f"_465._tcp.{HOST}", "TLSA", "3 1 1 " + "00" * 32),
        f"DANE _465._tcp.{HOST}",
        "wrong",
        "none of its TLSA records",
    ),
]


@pytest.mark.parametrize(
    ("change", "what", "state", "word"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_one_record_is_wrong(change: Change, what: str, state: str, word: str) -> None:
    """It is told of that record, with what to do; of nothing else that does not hang on it."""
    table = published()
    change(table)
    wrong = [one for one in found(table) if one.state is not State.FINE]
    of_it = [one for one in wrong if one.what == what]
    assert of_it, wrong
    assert (of_it[0].state.value, word in of_it[0].says) == (state, True), of_it
    assert of_it[0].todo
    assert len(wrong) == 1 or what == "host name" or "SPF" in {one.what.split()[0] for one in wrong}, wrong


@pytest.mark.parametrize(
    "name", [DOMAIN, HOST, KEY, f"_imaps._tcp.{DOMAIN}", f"_dmarc.{DOMAIN}", f"_mta-sts.{DOMAIN}", pointer(ADDRESS)]
)
def test_no_answer_is_no_fault(name: str) -> None:
    """A resolver that is down is told as what it is."""
    states = {one.state for one in found(published(), silent=(name,))}
    assert State.UNKNOWN in states
    assert State.WRONG not in states or name == HOST  # SPF cannot be told without the host's addresses


def test_a_policy_file_that_is_not_served() -> None:
    (wrong,) = [one for one in found(published(), text="version: STSv1\nmode: none\n") if one.state is not State.FINE]
    assert (wrong.what, wrong.state.value) == (f"MTA-STS of {DOMAIN}", "wrong")
    assert {one.state for one in found(published(), text=GIVEN.policy_text.replace("\n", "\r\n"))} == {State.FINE}


def test_dmarc_of_a_domain_above_counts() -> None:
    """RFC 7489 section 6.6.3."""
    table = published()
    table[("_dmarc.org", "TXT")] = ["v=DMARC1; p=none"]  # a top-level domain is nobody's to say
    assert not [one for one in found(table) if one.state is not State.FINE]


SPF_CASES = [
    # what it shows, the record, more of the world, the answer
    ("by name", f"v=spf1 a:{HOST} -all", {}, "allowed"),
    ("by addresses", "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", {}, "allowed"),
    (
        "by the domain's own addresses",
        "v=spf1 a -all",
        {(DOMAIN, "A"): [ADDRESS], (DOMAIN, "AAAA"): [ADDRESS_6]},
        "allowed",
    ),
    (
        "by a network around a name",
        "v=spf1 a:x.test/24//64 -all",
        {("x.test", "A"): ["192.0.2.99"], ("x.test", "AAAA"): ["2001:db8::99"]},
        "allowed",
    ),
    (
        "by mx",
        "v=spf1 mx -all",
        {("mx.example.org", "A"): [ADDRESS], ("mx.example.org", "AAAA"): [ADDRESS_6]},
        "allowed",
    ),
    ("by include", "v=spf1 include:x.test -all", {("x.test", "TXT"): [f"v=spf1 a:{HOST} -all"]}, "allowed"),
    ("by redirect", "v=spf1 redirect=x.test", {("x.test", "TXT"): [f"v=spf1 a:{HOST} -all"]}, "allowed"),
    (
        "an include of others",
        "v=spf1 include:x.test -all",
        {("x.test", "TXT"): ["v=spf1 ip4:198.51.100.1 -all"]},
        "refused",
    ),
    ("an include of nobody", "v=spf1 include:x.test -all", {}, "unknown"),
    ("in a circle", f"v=spf1 include:{DOMAIN} a:{HOST} -all", {}, "unknown"),
    ("refused before", f"v=spf1 -a:{HOST} a:{HOST} -all", {}, "refused"),
    ("softly refused", "v=spf1 ~all", {}, "refused"),
    ("nothing said", "v=spf1", {}, "refused"),
    ("in capitals", f"v=SPF1 A:{HOST.upper()} -ALL", {}, "allowed"),
    ("rubbish", "v=spf1 ip4:rubbish ip6:: a: / // include: -all", {}, "unknown"),
]


@pytest.mark.parametrize(
    ("record", "more", "answer"), [row[1:] for row in SPF_CASES], ids=[row[0] for row in SPF_CASES]
)
def test_spf(record: str, more: Table, answer: str) -> None:
    table = published() | {(DOMAIN, "TXT"): [record]} | more
    world = asked(table)
    ours = [ADDRESS, ADDRESS_6]
    assert spf.may_send(DOMAIN, ours, world.texts, world.addresses, world.mx_addresses).value == answer


@given(st.text(alphabet="v=spf1 a:/.-+~?mxinclude%{}0123456789redirect", max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_record_of_others_breaks_anything(text: str) -> None:
    """Whatever a stranger publishes, there is an answer."""
    table = published() | {
        (DOMAIN, "TXT"): [f"v=spf1 {text}"],
        (KEY, "TXT"): [text],
        (f"_dmarc.{DOMAIN}", "TXT"): [text],
    }
    assert found(table)


def test_a_key_is_compared_by_its_tags() -> None:
    wanted = "v=DKIM1; k=rsa; p=ABC"
    assert has_key(" p = A B C ; t=s", wanted)  # k=rsa is the default
    assert not has_key("v=DKIM1; k=ed25519; p=ABC", wanted)
    assert not has_key("v=DKIM1; k=rsa; p=", wanted)  # revoked


def test_the_id_of_the_policy_follows_its_text() -> None:
    """RFC 8461 section 3.1: what has another text needs another id."""
    one, other = policy_text("testing", ["mx.example.org"]), policy_text("enforce", ["mx.example.org"])
    assert policy_id(one) != policy_id(other)
    assert one == "version: STSv1\nmode: testing\nmx: mx.example.org\nmax_age: 86400\n"
    assert same_policy(one + "\r\n", one)
    assert (policy_text("", ["mx.example.org"]), policy_text("enforce", [])) == ("", "")


def test_dane_names_the_key_of_the_certificate() -> None:
    (first, *_) = records_of_host(GIVEN)
    assert first == Record(f"_465._tcp.{HOST}.", "TLSA", f"3 1 1 {key_digest(CERTIFICATE)}", first.why)
    renewed = self_signed(HOST, new_key(), T)
    assert key_digest(renewed) != key_digest(CERTIFICATE)
    assert list(records_of_host(replace(GIVEN, certificate=b"rubbish"))) == []


PORTS = [
    # what it shows, answers, what and how, a word
    ("it gets out", (PortAnswer(domain="a", host="mx.a", is_open=True),), [("port 25 out", "fine")], "mx.a answers"),
    (
        "one of two",
        (PortAnswer(domain="a", problem="no"), PortAnswer(domain="b", host="mx.b", is_open=True)),
        [("port 25 out", "fine")],
        "mx.b answers",
    ),
    (
        "nobody",
        (PortAnswer(domain="a", problem="no answer"),),
        [("port 25 out", "wrong")],
        "no mail gets out (no answer)",
    ),
    (
        "from elsewhere",
        (PortAnswer(domain="a", host="mx.a", is_open=True, seen_as="198.51.100.9"),),
        [("port 25 out", "fine"), ("way out", "wrong")],
        "mail leaves from 198.51.100.9",
    ),
    (
        "from here",
        (PortAnswer(domain="a", host="mx.a", is_open=True, seen_as=ADDRESS_6),),
        [("port 25 out", "fine")],
        "mx.a",
    ),
]


@pytest.mark.parametrize(("ports", "wanted", "word"), [row[1:] for row in PORTS], ids=[row[0] for row in PORTS])
def test_the_way_out(ports: tuple[PortAnswer, ...], wanted: list[tuple[str, str]], word: str) -> None:
    said = list(way_out(GIVEN, asked(published()), ports))
    assert [(one.what, one.state.value) for one in said] == wanted
    assert word in said[-1].says


@pytest.mark.parametrize(
    ("asked_for", "is_secure", "state"),
    [(Asked.NONE, True, "fine"), (Asked.NONE, False, "warning"), (Asked.FAILED, False, "unknown")],
)
def test_whether_the_resolver_verifies(asked_for: Asked, is_secure: bool, state: str) -> None:
    name, kind = SIGNED
    answer = DnsAnswer(name=name, type=kind, asked=asked_for, is_secure=is_secure)
    (said,) = validation(World().with_answers([answer]))
    assert (said.state.value, bool(said.todo)) == (state, state != "fine")


CLOCKS = [
    ("right", 0.4, "fine"),
    ("a little late", -3.0, "warning"),
    ("wrong", 61.0, "wrong"),
    ("nobody", None, "unknown"),
]


@pytest.mark.parametrize(("ahead", "state"), [row[1:] for row in CLOCKS], ids=[row[0] for row in CLOCKS])
def test_the_clock(ahead: float | None, state: str) -> None:
    (said,) = clock(OutsideAnswers(clock_ahead_s=ahead))
    assert (said.state.value, bool(said.todo)) == (state, state != "fine")


def test_command(tmp_path: Path) -> None:
    """A zone file with all of it; --json the same; --check says that nobody can be asked."""
    sallyport = prepared(InProcess, tmp_path)
    more = {"POLICY_MX": "mx.example.org", "POLICY_MTA_STS": "testing", "POLICY_DOMAINS": DOMAIN}
    printed = sallyport("dns", DOMAIN, **more)
    assert printed.returncode == 0, printed.stderr
    for wanted in (
        "MX    10 mx.example.org.",
        '"v=spf1 a:mail.sallyport.test -all"',
        "_mta-sts.example.org.",
        "; mode: testing",
    ):
        assert wanted in " ".join(printed.stdout.split()) or wanted in printed.stdout, wanted
    assert '"v=spf1 ip4:192.0.2.1 -all"' in sallyport("dns", DOMAIN, "--address", "192.0.2.1").stdout
    listed = sallyport.json("dns", DOMAIN, **more)
    assert {one["type"] for one in listed} >= {"MX", "TXT", "TLSA", "SRV", "file"}
    refused = sallyport("dns", DOMAIN, "--check")
    assert (refused.returncode, "no queue agent" in refused.stderr) == (1, True)
    assert SimpleNamespace(**listed[0]).type == "MX"
