"""One pair of keys follows another: what may follow what, and what is in the folder then."""

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import InProcess, prepared
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from harness import turning
from sqlalchemy import Engine
from structlog.testing import capture_logs

from policy.dkim.book import KeyBook, checked_domain
from policy.dkim.domains import make_missing
from policy.dkim.folder import KeyFolder, map_lines
from policy.dkim.rotation import Pair, State, next_name, of_domain
from policy.dkim.seen import KeyWatch, steps
from policy.queue_contract import Asked, DnsAnswer, OutsideAnswers, OutsideQuestions
from policy.store.audit import Actor, Wanted, newest
from policy.store.database import open_database
from policy.store.errors import StoreError, Unknown
from policy.store.identities import IdentityStore
from service.settings import SettingError

T = 1_800_000_000.0  # 2027-01-15
DAY_S = 86_400.0
ACTOR = Actor("cli:test", "localhost")
DOMAIN = "example.org"


@pytest.fixture
def opened(sqlite_database: Path) -> Iterator[Engine]:
    made = open_database(sqlite_database)
    yield made
    made.dispose()


@pytest.fixture
def book(tmp_path: Path, opened: Engine) -> KeyBook:
    return KeyBook(KeyFolder(tmp_path / "dkim"), opened, ACTOR)


class Dns:
    """The queue agent, in front of a world that has these TXT records."""

    def __init__(self, texts: dict[str, list[str]]) -> None:
        self.texts = texts

    async def outside(self, questions: OutsideQuestions) -> OutsideAnswers:
        return OutsideAnswers(
            dns=tuple(
                DnsAnswer(
                    name=one.name,
                    type=one.type,
                    asked=Asked.FOUND if one.name in self.texts else Asked.NONE,
                    data=tuple(self.texts.get(one.name, ())),
                )
                for one in questions.dns
            )
        )

    def publish(self, pair: Pair) -> None:
        self.texts.update({name: [text] for name, text in pair.records})

    async def close(self) -> None:
        self.texts = {}


def states(book: KeyBook) -> dict[str, str]:
    return {one.name: one.state.value for one in book.pairs()}


def test_the_first_pair_signs_at_once(book: KeyBook, tmp_path: Path) -> None:
    """One line of the map, two keys that nobody else can read, and the public parts fit them."""
    assert book.ensure({DOMAIN: State.ACTIVE}, T) == [DOMAIN]
    folder = tmp_path / "dkim"
    rsa, ed25519 = f"{DOMAIN}.s20270115-rsa.key", f"{DOMAIN}.s20270115-ed25519.key"
    line = f"{DOMAIN} s20270115-rsa:{rsa} s20270115-ed25519:{ed25519}\n"
    assert (folder / "keys.map").read_text() == line
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    (pair,) = book.pairs()
    key = load_pem_private_key((folder / rsa).read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(pair.rsa) == public
    seed = base64.b64decode((folder / ed25519).read_bytes())
    assert base64.b64decode(pair.ed25519) == Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert dict(pair.records)[f"s20270115-ed25519._domainkey.{DOMAIN}"] == f"v=DKIM1; k=ed25519; p={pair.ed25519}"


def test_nothing_is_made_twice(book: KeyBook, tmp_path: Path) -> None:
    """The second start changes not one file, or rspamd would read all of it again."""
    book.ensure({DOMAIN: State.ACTIVE}, T)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "dkim").iterdir()}
    assert book.ensure({DOMAIN: State.ACTIVE}, T + DAY_S) == []
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "dkim").iterdir()}
    assert after == before


def test_a_folder_of_rspamds_group_is_read_by_that_group(book: KeyBook, tmp_path: Path) -> None:
    """The setgid bit says so; others still read nothing."""
    (tmp_path / "dkim").mkdir()
    (tmp_path / "dkim").chmod(0o2750)
    book.ensure({DOMAIN: State.ACTIVE}, T)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "dkim").iterdir()}
    assert {mode for name, mode in modes.items() if name != ".lock"} == {0o640}


def test_a_whole_rotation(book: KeyBook, tmp_path: Path) -> None:
    """Made, published, used; the old one stays for a week, and goes with its keys."""
    book.ensure({DOMAIN: State.ACTIVE}, T)
    made = book.rotate(DOMAIN, T + DAY_S)
    assert book.rotate(DOMAIN, T + 2 * DAY_S) == made  # shown again
    assert states(book) == {"s20270115": "active", "s20270116": "waiting"}
    assert "s20270116" not in (tmp_path / "dkim" / "keys.map").read_text()
    book.activate(DOMAIN, "", T + 3 * DAY_S)
    assert states(book) == {"s20270115": "retiring", "s20270116": "active"}
    assert "s20270115" not in (tmp_path / "dkim" / "keys.map").read_text()
    with pytest.raises(StoreError, match="may still be on its way until 2027-01-25 08:00 UTC"):
        book.retire(DOMAIN, "", T + 9 * DAY_S)
    gone = book.retire(DOMAIN, "", T + 10 * DAY_S)
    assert gone.state is State.RETIRED
    assert not list((tmp_path / "dkim").glob("*s20270115*"))
    assert len(list((tmp_path / "dkim").glob("*.key"))) == 2


def test_the_way_back(book: KeyBook, tmp_path: Path) -> None:
    """As long as its keys are there, the old pair can sign again; and a pair that only waits can be given up."""
    book.ensure({DOMAIN: State.ACTIVE}, T)
    book.rotate(DOMAIN, T + DAY_S)
    book.activate(DOMAIN, "", T + DAY_S)
    book.activate(DOMAIN, "s20270115", T + DAY_S)
    assert states(book) == {"s20270115": "active", "s20270116": "retiring"}
    assert "s20270115-rsa:" in (tmp_path / "dkim" / "keys.map").read_text()
    book.rotate(DOMAIN, T + DAY_S)
    assert book.retire(DOMAIN, "", T + DAY_S).name == "s20270116b"  # the one that waits goes first
    assert states(book)["s20270115"] == "active"


REFUSED = [
    # what it shows, method, selector, sentence
    ("the one that signs is not used again", "activate", "s20270115", "signs already"),
    ("the one that signs stays", "retire", "s20270115", "signs the mail of example.org"),
    ("nothing waits", "activate", "", "has no pair of keys that is waiting"),
    ("nothing to retire", "retire", "", "has no pair of keys that is waiting or retiring"),
    ("no such selector", "activate", "s1", "has no 's1'"),
]


@pytest.mark.parametrize(("method", "selector", "sentence"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_may_not_follow(book: KeyBook, method: str, selector: str, sentence: str) -> None:
    book.ensure({DOMAIN: State.ACTIVE}, T)
    with pytest.raises(StoreError, match=sentence):
        getattr(book, method)(DOMAIN, selector, T)


def test_what_is_gone_does_not_come_back(book: KeyBook) -> None:
    book.ensure({DOMAIN: State.ACTIVE}, T)
    book.rotate(DOMAIN, T)
    book.activate(DOMAIN, "", T)
    book.retire(DOMAIN, "", T, is_forced=True)
    for method in (book.activate, book.retire):
        with pytest.raises(StoreError, match=r"gone|retired already"):
            method(DOMAIN, "s20270115", T)


def test_every_change_is_audited(book: KeyBook, opened: Engine) -> None:
    """With the names of selectors, and nothing of a key."""
    book.ensure({DOMAIN: State.ACTIVE}, T)
    book.rotate(DOMAIN, T)
    book.activate(DOMAIN, "", T)
    acts = newest(opened, Wanted(subject=DOMAIN))
    assert [one.action for one in acts] == ["dkim-activated", "dkim-made", "dkim-made"]
    assert (acts[0].before, acts[0].after) == (
        {"selector": "s20270115b", "state": "waiting"},
        {"selector": "s20270115b", "state": "active"},
    )
    assert "p=" not in json.dumps([one.after for one in acts])


def test_domains_of_the_store_wait(book: KeyBook, opened: Engine) -> None:
    """An address may be of somebody else's domain: its keys sign when the DNS shows them, and not before."""
    store = IdentityStore(opened, b"k" * 32, ACTOR)
    store.add_identity("ada", ("ada@example.org", "ada@bücher.example", "ada@example.net"), T)
    assert make_missing(book, ["example.org"], opened, T) == ["example.net", "example.org", "xn--bcher-kva.example"]
    found = {one.domain: one.state.value for one in book.pairs()}
    assert found == {"example.net": "waiting", "xn--bcher-kva.example": "waiting", "example.org": "active"}


def test_a_domain_in_unicode_is_signed_for_in_both_forms(book: KeyBook) -> None:
    book.ensure({"Bücher.example": State.ACTIVE}, T)
    first, second = map_lines(book.pairs())
    assert first.startswith("xn--bcher-kva.example s20270115-rsa:xn--bcher-kva.example.s20270115-rsa.key ")
    assert second.partition(" ")[0] == "bücher.example"
    assert second.partition(" ")[2] == first.partition(" ")[2]


@pytest.mark.parametrize("domain", ["example", "../../etc", "a/b.org", "", "a..org", "-", "x" * 64 + ".org", "a b.org"])
def test_what_is_no_domain_is_no_file(domain: str) -> None:
    with pytest.raises(StoreError, match="is no domain"):
        checked_domain(domain)


def test_a_selector_never_comes_twice(book: KeyBook) -> None:
    """What receivers have cached under a name stays true."""
    book.ensure({DOMAIN: State.ACTIVE}, T)
    names = []
    for _ in range(3):
        names.append(book.rotate(DOMAIN, T).name)
        book.retire(DOMAIN, "", T)
    assert names == ["s20270115b", "s20270115c", "s20270115d"]
    assert next_name(of_domain(book.pairs(), DOMAIN), DOMAIN, T) == "s20270115e"


def test_a_broken_folder_is_told_in_a_sentence(book: KeyBook, tmp_path: Path) -> None:
    (tmp_path / "dkim").mkdir()
    (tmp_path / "dkim" / "state.json").write_text("[{}]")
    with pytest.raises(SettingError, match=r"POLICY_DKIM_DIR: .*broken state\.json"):
        book.pairs()


async def test_what_the_dns_shows_is_used_by_itself(book: KeyBook) -> None:
    """Half of a pair is not enough, nor another key; the old one goes when its time is over."""
    book.ensure({DOMAIN: State.ACTIVE}, T)
    made = book.rotate(DOMAIN, T)
    first, second = made.records
    world = Dns({first[0]: [first[1]]})
    assert await steps(book, world, T) == []
    world.texts[second[0]] = ["v=DKIM1; k=ed25519; p=AAAA"]
    assert await steps(book, world, T) == []
    world.texts[second[0]] = ["k=ed25519;p=" + made.ed25519[:10] + " " + made.ed25519[10:] + "; t=s"]
    (now_active,) = await steps(book, world, T + 60)
    assert (now_active.name, now_active.state, now_active.published_at) == (made.name, State.ACTIVE, T + 60)
    assert await steps(book, world, T + 6 * DAY_S) == []
    (gone,) = await steps(book, world, T + 60 + 7 * DAY_S)
    assert (gone.name, gone.state) == ("s20270115", State.RETIRED)


async def test_the_watch_goes_on_after_an_error(book: KeyBook) -> None:
    """A folder that is away is said once; the next round does the work."""
    rounds, is_away = 0, True

    def missing(now: float) -> object:
        nonlocal rounds
        rounds += 1
        if is_away:
            raise SettingError("POLICY_DKIM_DIR", "it is away", "mount it")
        return book.ensure({DOMAIN: State.ACTIVE}, now)

    watch = KeyWatch(book, Dns({}), missing, lambda: T)
    watch.period_s = 0
    with capture_logs() as lines:
        watch.start()
        await turning(lambda: rounds >= 3)
        is_away = False
        await turning(lambda: bool(states(book)))
        await watch.close()
    assert states(book) == {"s20270115": "active"}
    assert [line["event"] for line in lines] == ["dkim-failed"]


def test_commands(tmp_path: Path) -> None:
    """The steps of a rotation as somebody types them; without a queue agent nobody looks at the DNS."""
    sallyport = prepared(InProcess, tmp_path)
    (first,) = sallyport.json("dkim", "list")
    assert (first["domain"], first["state"], len(first["records"])) == ("sallyport.test", "active", 2)
    shown = sallyport("dkim", "rotate", "sallyport.test").stdout
    assert shown.count(" IN TXT ") == 2
    made = sallyport.json("dkim", "rotate", "sallyport.test")
    assert made["selector"] in shown
    refused = sallyport("dkim", "activate", "sallyport.test")
    assert (refused.returncode, "no queue agent" in refused.stderr) == (1, True)
    done = sallyport("dkim", "activate", "sallyport.test", "--unseen")
    assert f"the way back: sallyport dkim activate sallyport.test --selector {first['selector']}" in done.stdout
    early = sallyport("dkim", "retire", "sallyport.test", "--yes")
    assert (early.returncode, "say --now" in early.stderr) == (1, True)
    gone = sallyport("dkim", "retire", "sallyport.test", "--now", "--yes")
    assert f"{first['selector']}-rsa._domainkey.sallyport.test." in gone.stdout
    assert [one["state"] for one in sallyport.json("dkim", "list")] == ["retired", "active"]
    unknown = sallyport("dkim", "retire", "example.net")
    assert (unknown.returncode, "there are no keys of example.net" in unknown.stderr) == (1, True)


def test_unknown_is_an_error_of_its_own(book: KeyBook) -> None:
    with pytest.raises(Unknown):
        book.activate(DOMAIN, "s1", T)
