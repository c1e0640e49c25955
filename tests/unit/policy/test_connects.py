"""The connect question on a real store: walls, gates, exemptions; and the same gate at the login."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from mmdb import country, write_mmdb
from structlog.testing import capture_logs
from test_policy_app import GATEWAY, step

from policy.app import App, Tokens
from policy.brain import Brain
from policy.connects import Connects
from policy.contract import ConnectFacts, ConnectVerdict
from policy.engine.guessing import Walls
from policy.engine.rulebook import Rulebook, Treatment
from policy.engine.sources import Sources
from policy.geo.atlas import Atlas
from policy.rulebook import parse
from policy.store.database import Location
from policy.store.exemptions import Exempt
from policy.store.identities import IdentityStore, NewCredential
from policy.store.reader import Reader, open_reader
from policy.store.visited import Visited
from policy.tally import Stage, Tally, What
from service.shared_token import SharedToken

T = 1_000_000.0
DAY_S = 86400.0
GERMAN, KAZAKH, RENTED, UNKNOWN = "91.0.0.1", "2.132.0.1", "5.9.0.1", "9.9.9.9"
RULES = """
[gates.default]
allow-countries = ["DE"]
hosting = "probation"

[gates.travel]
deny-countries = ["US"]
unknown = "refuse"

[[exemptions]]
identity = "bob"
countries = ["KZ"]
until = 1970-01-20
"""
BOOK = parse(RULES.partition("[[")[0], "test")


@pytest.fixture
async def reader(database: Location) -> AsyncIterator[Reader]:
    made = open_reader(database)
    yield made
    await made.close()


@pytest.fixture
def atlas(tmp_path: Path) -> Atlas:
    """Where the addresses of the tests are; the two last are nowhere."""
    networks = {"91.0.0.0/24": "DE", "2.132.0.0/24": "KZ", "8.8.8.0/24": "US"}
    records = {network: country(code) for network, code in networks.items()}
    records["5.9.0.0/24"] = {"country_code": "DE", "asn": 64500}
    made = Atlas(file := write_mmdb(tmp_path / "world.mmdb", records), file)
    made.extend(Sources(hosting_asns=frozenset({64500})))
    return made


def connects(reader: Reader, atlas: Atlas, book: Rulebook = BOOK, *unwalled: str) -> Connects:
    return Connects(
        atlas=atlas,
        rulebook=lambda: book,
        walls=Walls(bytes(32)),
        unwalled=tuple(ip_network(one) for one in unwalled),
        exempt=Exempt(reader),
        visited=Visited(reader),
        tally=Tally(),
    )


async def outcome(asked: Connects, address: str, gate: str = "default", now: float = T) -> str:
    facts = ConnectFacts(listener="submission", gate=gate, client_address=address)
    return (await asked.decide(facts, now)).outcome.value


GATES = [
    # what it shows, address, gate, outcome
    ("allowed", GERMAN, "default", "accepted"),
    ("not allowed", KAZAKH, "default", "refused"),
    ("unknown is not allowed", UNKNOWN, "default", "refused"),
    ("private is unknown", "192.168.1.1", "default", "refused"),
    ("no address is unknown", "rubbish", "default", "refused"),
    ("probation is for messages, not for connections", RENTED, "default", "accepted"),
    ("another gate", KAZAKH, "travel", "accepted"),
    ("another gate, denied", "8.8.8.8", "travel", "refused"),
    ("another gate, unknown", UNKNOWN, "travel", "refused"),
    ("a gate that there is not is the default one", KAZAKH, "garden", "refused"),
]


@pytest.mark.parametrize(("address", "gate", "said"), [row[1:] for row in GATES], ids=[row[0] for row in GATES])
async def test_gates(reader: Reader, atlas: Atlas, address: str, gate: str, said: str) -> None:
    """Counted, and who is refused is in the log with the reason."""
    asked = connects(reader, atlas)
    with capture_logs() as lines:
        assert await outcome(asked, address, gate) == said
    assert [line["event"] for line in lines] == (["connect-refused"] if said == "refused" else [])
    assert asked.tally.totals == {What(Stage.CONNECT, said): 1}


async def test_a_flood_is_mentioned_once_in_ten_minutes(reader: Reader, atlas: Atlas) -> None:
    """For each network; and what is kept of that is bounded."""
    asked = connects(reader, atlas)
    with capture_logs() as lines:
        for number in range(20):
            await outcome(asked, f"2.132.0.{number}", now=T + number)
        assert len(lines) == 1
        await outcome(asked, KAZAKH, "travel-no-such", now=T)
        await outcome(asked, KAZAKH, now=T + 600)
        assert len(lines) == 3
        for number in range(1200):
            await outcome(asked, f"2.133.{number >> 8}.{number & 255}")
            await outcome(asked, f"2001:db8:{number:x}::1")
    assert len(asked._mentioned) == 1000


async def test_private_networks_of_the_administrator(reader: Reader, atlas: Atlas) -> None:
    asked = connects(reader, atlas, BOOK, "192.168.0.0/16", "2.132.0.0/16")
    assert await outcome(asked, "192.168.1.1") == "accepted"
    assert await outcome(asked, KAZAKH) == "refused"  # a database knows better than that


async def test_a_walled_network_hears_later(reader: Reader, atlas: Atlas, store: IdentityStore) -> None:
    """Unless somebody of ours has logged in from there: whoever that is goes on, and the login tells who."""
    asked = connects(reader, atlas)
    asked.walls.penalise("91.0.0.0/24", T)
    assert await outcome(asked, GERMAN) == "later"
    assert await outcome(asked, "91.0.1.1") == "refused"  # the network beside it, of which no database knows anything
    store.add_identity("ada", (), T)
    store.confirm_network("ada", "91.0.0.0/24", T)
    assert await outcome(asked, GERMAN) == "accepted"
    store.forget_network("ada", "91.0.0.0/24", T)
    assert await outcome(asked, GERMAN) == "later"
    assert await outcome(asked, GERMAN, now=T + 3601) == "accepted"


async def test_a_network_that_is_never_walled(reader: Reader, atlas: Atlas) -> None:
    asked = connects(reader, atlas, BOOK, "91.0.0.0/24")
    asked.walls.penalise("91.0.0.0/24", T)
    assert await outcome(asked, GERMAN) == "accepted"


async def test_an_exemption_of_anybody_lets_connect(reader: Reader, atlas: Atlas, store: IdentityStore) -> None:
    """And only its identity is let in by the same gate then."""
    store.add_identity("ada", (), T)
    store.add_identity("eve", (), T)
    asked = connects(reader, atlas)
    assert await outcome(asked, KAZAKH) == "refused"
    store.add_exemption("ada", "KZ", T + DAY_S, "", T)
    assert await outcome(asked, KAZAKH, now=T + 5) == "accepted"
    ada, eve = [(await asked.passage_of(row, name, "default", KAZAKH, T + 5)) for row, name in ((1, "ada"), (2, "eve"))]
    assert (ada.treatment, ada.why) == (Treatment.ACCEPT, "an exemption")
    assert (eve.treatment, eve.why) == (Treatment.REFUSE, "KZ and AS0 are on no allow list")
    assert await outcome(asked, KAZAKH, now=T + DAY_S) == "refused"
    store.remove_exemption("ada", "KZ", T)
    assert await outcome(asked, KAZAKH, now=T + 20) == "refused"


async def test_exemptions_of_the_policy_file(reader: Reader, atlas: Atlas, store: IdentityStore) -> None:
    """To the end of their day, and for their identity."""
    asked = connects(reader, atlas, parse(RULES, "test"))
    end = 20 * DAY_S
    assert await outcome(asked, KAZAKH, now=end - 1) == "accepted"
    assert await outcome(asked, KAZAKH, now=end) == "refused"
    assert (await asked.passage_of(1, "bob", "default", KAZAKH, T)).treatment is Treatment.ACCEPT
    assert (await asked.passage_of(1, "ada", "default", KAZAKH, T)).treatment is Treatment.REFUSE


async def test_probation_is_told_to_the_login(reader: Reader, atlas: Atlas) -> None:
    found = await connects(reader, atlas).passage_of(1, "ada", "default", RENTED, T)
    assert (found.treatment, found.why) == (Treatment.PROBATION, "rented machines (AS64500)")


async def test_over_http_and_in_the_metrics(brain: Brain) -> None:
    """The gateway's own question, with its token; the numbers are there for whoever may reach the port."""
    app = App(brain, Tokens(gateway=SharedToken(GATEWAY), dovecot=SharedToken(), queue=SharedToken()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://policy.test") as client:
        facts = ConnectFacts(listener="submission", client_address=GERMAN).model_dump(mode="json")
        assert (await client.post("/v1/connect", json=facts)).status_code == 401
        client.headers["Authorization"] = f"Bearer {GATEWAY}"
        answer = ConnectVerdict.model_validate((await client.post("/v1/connect", json=facts)).json())
        assert (answer.outcome, answer.seconds) == ("accepted", 10)
        assert (await client.post("/v1/connect", json=facts | {"login": "x"})).status_code == 422
        text = (await client.get("/metrics")).text
    assert 'sallyport_policy_connects_total{outcome="accepted"} 1.0' in text
    assert 'sallyport_policy_connects_total{outcome="refused"} 0.0' in text
    assert 'sallyport_policy_geo_lookups_total{country="unknown"}' in text
    assert "sallyport_policy_geo_databases_refused 0.0" in text


@pytest.mark.parametrize("rulebook", [parse('[gates.default]\nunknown = "refuse"\n', "test")], ids=["closed"])
async def test_a_login_from_where_the_gate_is_closed(
    brain: Brain, ada: NewCredential, store: IdentityStore, rulebook: Rulebook
) -> None:
    """Refused as a wrong secret is, and the log has the reason; with an exemption, granted."""
    app = App(brain, Tokens(gateway=SharedToken(GATEWAY), dovecot=SharedToken(), queue=SharedToken()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://policy.test") as client:
        client.headers["Authorization"] = f"Bearer {GATEWAY}"
        right = step("PLAIN", f"\0{ada.login}\0{ada.secret}".encode())
        wrong = step("PLAIN", f"\0{ada.login}\0wrong".encode())
        with capture_logs() as lines:
            refused = (await client.post("/v1/login", json=right)).json()
        assert refused == (await client.post("/v1/login", json=wrong)).json()
        assert [line["why"] for line in lines if line["event"] == "login-refused"] == ["no country known"]
        store.add_exemption("ada", "??", T + DAY_S, "a ship", T)
        assert (await client.post("/v1/login", json=right)).json()["outcome"] == "granted"
