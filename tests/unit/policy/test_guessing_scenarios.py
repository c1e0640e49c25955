"""Guessing on a simulated clock, with all of policy: A13 and A14 meet walls, L8 and L9 do not; each trap; history.

The scenarios are those of the reference that the design rests on. `damage` is how many secrets a guesser has tried on
what anybody has; the owner's side is that no login of theirs is refused, deferred or delayed.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from engine_parts import facts_of, profile_of
from scram_client import ScramClient
from sqlalchemy import Engine
from structlog.testing import capture_logs

from policy.brain import Brain
from policy.bridges.answers import Right
from policy.contract import LoginAnswer, LoginOutcome, LoginStep, Reason
from policy.engine.guessing import Walls
from policy.foreign import ForeignSecrets
from policy.store import traps
from policy.store.identities import IdentityStore, NewCredential
from policy.store.rows import Profile, Terms
from policy.store.traps import TrapHit, newest_traps
from service.spans import DAY_S, HOUR_S, MINUTE_S

T = 1_000_000.0
HOME, OFFICE, ABROAD, VOUCHED_FOR = "192.0.2.7", "198.51.100.20", "2001:db8:bad::1", "203.0.113.5"
WRONG, LATER, GRANTED = LoginOutcome.REFUSED, LoginOutcome.LATER, LoginOutcome.GRANTED


@dataclass
class World:
    """All of policy, with a clock that tests move."""

    brain: Brain
    now: float = T

    def __post_init__(self) -> None:
        self.brain = replace(self.brain, clock=lambda: self.now)

    async def plain(self, login: str, secret: str, address: str) -> LoginAnswer:
        return await self.asked(address, "PLAIN", f"\0{login}\0{secret}".encode())

    async def scram(self, login: str, secret: str, address: str) -> LoginAnswer:
        client = ScramClient(login, secret)
        first = await self.asked(address, "SCRAM-SHA-256", client.first())
        if first.outcome is not LoginOutcome.CHALLENGE:
            return first
        final = client.final(first.challenge)
        verifier = await self.asked(address, "SCRAM-SHA-256", client.first(), final)
        if verifier.outcome is not LoginOutcome.CHALLENGE:
            return verifier
        return await self.asked(address, "SCRAM-SHA-256", client.first(), final, b"")

    async def imap(self, login: str, secret: str, address: str) -> LoginAnswer:
        return await self.brain.pick_up(login, secret, "s1", address, "imap")

    async def asked(self, address: str, mechanism: str, *responses: bytes) -> LoginAnswer:
        facts = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
        return await self.brain.login(
            LoginStep.model_validate(facts | {"mechanism": mechanism, "responses": responses})
        )

    async def at_home(self, credential: NewCredential, address: str = HOME) -> None:
        """A login that is granted, and written down."""
        answer = await self.plain(credential.login, credential.secret, address)
        assert (answer.outcome, answer.delay_s) == (GRANTED, 0)
        await self.written()

    async def restarted(self, now: float) -> "World":
        """Another process on the same store."""
        before = self.brain.logins
        await before.walling.close()
        walling = replace(before.walling, walls=Walls(bytes(32)), _is_complete=False)
        return World(replace(self.brain, logins=replace(before, walling=walling)), now)

    async def written(self) -> None:
        """What was to be written later is written before this is."""
        await self.brain.writer.make(lambda: None)


Told = Callable[[], list[tuple[str, str]]]
Ask = Callable[[World, str, str, str], Awaitable[LoginAnswer]]


@pytest.fixture
def world(brain: Brain) -> World:
    """It begins at T."""
    return World(brain)


@pytest.fixture
def bob(store: IdentityStore) -> NewCredential:
    """Somebody else's."""
    store.add_identity("bob", ("bob@example.org",), T)
    return store.add_credential("bob", "laptop", T)


def address_in(network: int) -> str:
    """One address in one of many networks."""
    return f"10.{network // 250}.{network % 250}.{1 + network % 200}"


# Scenarios


@pytest.mark.parametrize("login", ["ada's", "fosem-4k7q-talir"])
@pytest.mark.parametrize("seed", range(3))
async def test_a13_slow_distributed_guessing(world: World, ada: NewCredential, login: str, seed: int) -> None:
    """500 addresses, one try each, 7 to 30 minutes apart: no more than fifty in any day are looked at.

    A login that nobody has looks the same. The owner logs in from home at any time without a delay, and the thief's
    right secret is not looked at while the wall stands.
    """
    await world.at_home(ada)
    chance = random.Random(seed)  # noqa: S311 - a scenario that can be repeated
    tried = ada.login if login == "ada's" else login
    seen, looked_at = [], list[float]()
    for number in range(500):
        world.now += chance.uniform(7, 30) * MINUTE_S
        answer = await world.plain(tried, f"guess {number}", address_in(number))
        seen.append(answer.outcome)
        if answer.outcome is WRONG:
            looked_at.append(world.now)
        if number % 50 == 0:
            await world.at_home(ada)
    assert set(seen) == {WRONG, LATER}
    for moment in looked_at:
        assert len([at for at in looked_at if moment - DAY_S < at <= moment]) <= 50
    # A burst brings the wall back for certain; then somebody has found the right secret.
    for number in range(60):
        await world.plain(tried, f"more {number}", address_in(600 + number))
    stolen = await world.plain(tried, ada.secret, ABROAD)
    assert (stolen.outcome, stolen.grants) == (LATER, None)
    await world.at_home(ada)


@pytest.mark.parametrize("ask", [World.plain, World.imap])
async def test_a14_spray(world: World, ada: NewCredential, bob: NewCredential, ask: Ask) -> None:
    """One network tries one secret on 200 logins, 5 s apart: five are looked at, also where some of them exist."""
    await world.at_home(bob, ABROAD)
    logins = [ada.login, *(f"fosem-{number:04}-talir" for number in range(199))]
    seen = []
    for number, login in enumerate(logins):
        world.now += 5
        seen.append((await ask(world, login, "Sommer2026!", f"198.51.100.{number % 250}")).outcome)
    assert seen == [WRONG] * 5 + [LATER] * 195
    # Whoever is at home elsewhere does not notice; whoever is at home in that network does not, either.
    await world.at_home(bob, ABROAD)


async def test_a14_owners_in_the_network_go_on(world: World, ada: NewCredential, bob: NewCredential) -> None:
    """A guesser in the office: it is walled for strangers, and for nobody who has logged in from there before."""
    await world.at_home(ada, OFFICE)
    for number in range(10):
        await world.plain(f"fosem-{number:04}-talir", "Sommer2026!", OFFICE)
    assert (await world.plain(bob.login, bob.secret, OFFICE)).outcome is LATER
    assert (await world.plain(ada.login, "typo", OFFICE)).outcome is WRONG
    await world.at_home(ada, OFFICE)


async def test_a_success_exempts_from_nothing_else(world: World, ada: NewCredential, bob: NewCredential) -> None:
    """Who has one right secret guesses the others no longer than anybody."""
    seen = []
    for number in range(8):
        await world.at_home(ada, OFFICE)
        seen.append((await world.plain(f"fosem-{number:04}-talir", "x", OFFICE)).outcome)
    assert seen == [WRONG] * 5 + [LATER] * 3


@pytest.mark.parametrize("ask", [World.plain, World.scram, World.imap])
async def test_l8_device_with_an_old_secret(world: World, store: IdentityStore, ada: NewCredential, ask: Ask) -> None:
    """The same wrong secret every minute for a day, from home, where the laptop sends: nobody waits, no trap closes."""
    phone = store.add_credential("ada", "phone", T)
    await world.at_home(ada)
    for minute in range(24 * 60):
        world.now = T + minute * MINUTE_S
        answer = await ask(world, phone.login, "an-old-secret", HOME)
        assert (answer.outcome, answer.delay_s) == (WRONG, 0)
        if minute % 60 == 30:
            await world.at_home(ada)
    await world.at_home(phone)
    # And from a network that it has never been in.
    for _ in range(200):
        world.now += MINUTE_S
        answer = await ask(world, ada.login, "an-old-secret", ABROAD)
        assert (answer.outcome, answer.delay_s) == (WRONG, 0)
    await world.at_home(ada, ABROAD)


async def test_l9_office(world: World, store: IdentityStore, engine: Engine) -> None:
    """Fifty people behind one address, three of them with two typos each within ten minutes: nobody is refused."""
    people = []
    for number in range(50):
        store.add_identity(f"user{number}", (f"user{number}@example.org",), T)
        people.append(store.add_credential(f"user{number}", "laptop", T))
    for number, one in enumerate(people):
        world.now += 12
        if number in (10, 20, 30):
            for typo in ("typo", "another typo"):
                answer = await world.plain(one.login, one.secret + typo, OFFICE)
                assert (answer.outcome, answer.delay_s) == (WRONG, 0)
        await world.at_home(one, OFFICE)
    assert newest_traps(engine, 10) == []


async def test_the_tarpit_is_for_guessers(world: World, ada: NewCredential) -> None:
    """Answers to a login that is being guessed wait; its owner's, from a network that knows him, do not."""
    await world.at_home(ada)
    delays = [(await world.plain(ada.login, f"guess {n}", address_in(n))).delay_s for n in range(16)]
    assert delays == [0] * 9 + [1, 2, 4, 8, 15, 15, 15]
    await world.at_home(ada)
    elsewhere = await world.plain(ada.login, ada.secret, ABROAD)
    assert (elsewhere.outcome, elsewhere.delay_s) == (GRANTED, 15)


# Traps


@dataclass(frozen=True)
class Sprung:
    """What closes a trap (words in capitals are in `words`), and what is known of it then."""

    login: str
    secret: str
    kind: str
    identity: str
    label: str = ""


TRAPS = {
    "an address": Sprung("ada@example.org", "x", "address", "ada"),
    "in other letters": Sprung("ADA@Example.ORG", "x", "address", "ada"),
    "an address of nobody here": Sprung("eve@elsewhere.example", "x", "address", ""),
    "a local part": Sprung("ada.lovelace", "x", "address", "ada"),
    "an identity's name": Sprung("ada", "x", "address", "ada"),
    "a decoy": Sprung("DECOY", "x", "decoy", "", "wiki"),
    "a retired secret": Sprung("LOGIN", "RETIRED", "retired-secret", "ada", "laptop"),
    "a revoked secret": Sprung("PHONE", "REVOKED", "revoked-secret", "ada", "phone"),
}
OF_ADA = {name: sprung for name, sprung in TRAPS.items() if sprung.identity}


@pytest.fixture
def words(store: IdentityStore, ada: NewCredential) -> dict[str, str]:
    """Ada has renewed the laptop's secret, and lost her phone; a decoy lies in the wiki."""
    store.add_address("ada", "ada.lovelace@example.org", T)
    store.add_identity("invoices", ("@invoices.example",), T, profile=Profile.APP)
    renewed = store.renew(ada.login, T)
    phone = store.add_credential("ada", "phone", T)
    store.revoke(phone.login, T)
    decoy = store.add_decoy("wiki", T)
    return {
        "LOGIN": ada.login,
        "SECRET": renewed.secret,
        "RETIRED": ada.secret,
        "PHONE": phone.login,
        "REVOKED": phone.secret,
        "DECOY": decoy.login,
    }


@pytest.mark.parametrize("protocol", ["submission", "imap"])
@pytest.mark.parametrize("sprung", TRAPS.values(), ids=TRAPS)
async def test_a_trap_closes_at_once(
    world: World,
    engine: Engine,
    words: dict[str, str],
    told: Told,
    protocol: str,
    sprung: Sprung,
) -> None:
    """Refused in the usual words; then the network is walled for an hour, it is written down, and somebody is told."""
    ask = World.imap if protocol == "imap" else World.plain
    with capture_logs() as events:
        answer = await ask(
            world, words.get(sprung.login, sprung.login), words.get(sprung.secret, sprung.secret), ABROAD
        )
    assert answer == LoginAnswer(outcome=WRONG)
    assert [one["event"] for one in events] == ["login-refused", "trap-closed", "network-walled"]
    assert events[1]["log_level"] == "error"
    for secret_word in ("RETIRED", "REVOKED", "SECRET"):
        assert words[secret_word] not in repr(events)
    await world.written()
    assert told() == [("trap-hit", f"A trap closed: {sprung.kind} from 2001:db8:bad::/48")]
    await world.written()
    row = TrapHit(T, sprung.kind, "2001:db8:bad::/48", ABROAD, protocol, sprung.identity, sprung.label, 1, 1)
    assert newest_traps(engine, 10) == [row]
    world.now = T + HOUR_S - 1
    assert (await world.plain(words["LOGIN"], words["SECRET"], ABROAD)).outcome is LATER
    assert (await world.imap(words["LOGIN"], words["SECRET"], ABROAD)).outcome is LATER
    assert (await world.plain(words["LOGIN"], words["SECRET"], OFFICE)).outcome is GRANTED
    world.now = T + HOUR_S
    assert (await world.plain(words["LOGIN"], words["SECRET"], ABROAD)).outcome is GRANTED


@pytest.mark.parametrize("sprung", OF_ADA.values(), ids=OF_ADA)
async def test_at_home_it_is_an_old_device_or_a_mistake(
    world: World, engine: Engine, words: dict[str, str], told: Told, sprung: Sprung
) -> None:
    """From a network that is the identity's own it is noted once an hour, and nobody is walled."""
    for _ in range(3):
        await world.at_home(NewCredential(words["LOGIN"], words["SECRET"], "ada", "laptop"))
        world.now += DAY_S
    with capture_logs() as events:
        for _ in range(70):
            login, secret = words.get(sprung.login, sprung.login), words.get(sprung.secret, sprung.secret)
            answer = await world.plain(login, secret, HOME)
            assert (answer.outcome, answer.delay_s) == (WRONG, 0)
            world.now += MINUTE_S
    noted = [one for one in events if one["event"] == "old-login-tried"]
    assert [(one["kind"], one["identity"], one["label"]) for one in noted] == [
        (sprung.kind, sprung.identity, sprung.label)
    ] * 2
    await world.written()
    assert (newest_traps(engine, 10), told()) == ([], [])


@pytest.mark.parametrize("form", [str.upper, " {} ".format], ids=["capitals", "blanks"])
@pytest.mark.parametrize("sprung", TRAPS.values(), ids=TRAPS)
async def test_no_spelling_is_a_way_round_a_trap(
    world: World, words: dict[str, str], told: Told, sprung: Sprung, form: Callable[[str], str]
) -> None:
    """Traps know a login in every form that is granted."""
    login, secret = words.get(sprung.login, sprung.login), words.get(sprung.secret, sprung.secret)
    assert (await world.plain(form(login), secret, ABROAD)).outcome is WRONG
    await world.written()
    assert told() == [("trap-hit", f"A trap closed: {sprung.kind} from 2001:db8:bad::/48")]


@pytest.mark.parametrize("sprung", ["a retired secret", "a revoked secret"])
async def test_a_thief_has_made_no_home_by_one_login(
    world: World, store: IdentityStore, words: dict[str, str], told: Told, sprung: str
) -> None:
    """His network has history from his first login on. That excuses no old secret, until somebody vouches for it."""
    old = TRAPS[sprung]
    await world.at_home(NewCredential(words["LOGIN"], words["SECRET"], "ada", "laptop"))
    assert (await world.plain(words[old.login], words[old.secret], HOME)).outcome is WRONG
    await world.written()
    assert [kind for kind, _ in told()] == ["trap-hit"]
    store.confirm_network("ada", HOME, T)
    assert (await world.plain(words[old.login], words[old.secret], HOME)).outcome is WRONG
    await world.written()
    assert len(told()) == 1


@pytest.mark.parametrize("ask", [World.plain, World.scram])
async def test_a_revoked_secret_is_recognised_by_its_proof(
    world: World, words: dict[str, str], told: Told, ask: Ask
) -> None:
    """SCRAM shows no secret, and yet it proves the revoked one."""
    assert (await ask(world, words["PHONE"], words["REVOKED"], ABROAD)).outcome is WRONG
    await world.written()
    assert told() == [("trap-hit", "A trap closed: revoked-secret from 2001:db8:bad::/48")]


NO_TRAPS = [
    ("a login that nobody has", "fosem-4k7q-talir"),
    ("the beginning of a local part", "ada.love"),
    ("a wildcard", "ada%"),
    ("a subaddress without domain", "ada+x"),
    ("an empty login", ""),
    ("a NUL", "ada\0"),
    ("a long one", "x" * 5000),
]


@pytest.mark.parametrize("login", [c[1] for c in NO_TRAPS], ids=[c[0] for c in NO_TRAPS])
async def test_no_trap(world: World, engine: Engine, words: dict[str, str], told: Told, login: str) -> None:
    """What only looks like one is a wrong login as any other."""
    assert (await world.imap(login, "x", ABROAD)).outcome is WRONG
    await world.written()
    assert (newest_traps(engine, 10), told()) == ([], [])


async def test_a_migrated_login_may_be_an_address(
    world: World, store: IdentityStore, engine: Engine, words: dict[str, str]
) -> None:
    """As long as it is in force it is no trap, whatever was typed; after its last day it is one again."""
    migrated = "{SSHA}" + "MbhBDPJxoPp0FEsHQsBPk5XdbZPjXlIZ"  # of another secret than those below
    store.add_migrated("ada", "ada@example.org", "old server", migrated, T + DAY_S, T)
    for secret in ("typo", "another"):
        assert (await world.plain("Ada@Example.org", secret, OFFICE)).outcome is WRONG
    await world.written()
    assert newest_traps(engine, 10) == []
    world.now = T + DAY_S
    await world.plain("ada@example.org", "guess", OFFICE)
    await world.written()
    assert [one.kind for one in newest_traps(engine, 10)] == ["address"]


async def test_what_is_revoked_during_a_slow_proof_is_refused(
    world: World, store: IdentityStore, ada: NewCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash or a directory takes its time; who is let in after it had no session yet that could be ended."""

    async def check(_self: ForeignSecrets, _stored: str, _secret: str) -> Right:
        store.revoke("ada@example.org", T)
        return Right("")

    monkeypatch.setattr(ForeignSecrets, "check", check)
    store.add_migrated("ada", "ada@example.org", "old server", "{SSHA}x", T + DAY_S, T)
    assert (await world.imap("ada@example.org", "right", HOME)).outcome is WRONG


async def test_hits_are_added_up_by_the_hour(world: World, engine: Engine, words: dict[str, str]) -> None:
    """A row for each hour, kind, network and identity, however many there were."""
    records = world.brain.logins.trap_records
    for at in (T, T + 1, T + HOUR_S):
        for kind in ("address", "decoy"):
            hit = TrapHit(at, kind, "192.0.2.0/24", HOME, "imap", "", "", 1)
            await world.brain.writer.make(lambda hit=hit: records.add(hit))
    assert [(one.at, one.kind, one.hits) for one in newest_traps(engine, 10)] == [
        (T + HOUR_S, "decoy", 1),
        (T + HOUR_S, "address", 1),
        (T, "decoy", 2),
        (T, "address", 2),
    ]


async def test_rows_of_traps_have_a_bound(world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in age: a botnet does not fill the disk."""
    monkeypatch.setattr(traps, "ROWS_KEPT", 5)
    records = world.brain.logins.trap_records
    for number in range(20):
        hit = TrapHit(T + number, "address", f"10.0.{number}.0/24", HOME, "imap", "", "", 1)
        await world.brain.writer.make(lambda hit=hit: records.add(hit))
    assert [one.at for one in newest_traps(engine, 100)] == [T + number for number in range(19, 13, -1)]
    for number in range(3):
        late = TrapHit(T + 91 * DAY_S + number, "decoy", f"10.0.{number}.0/24", HOME, "imap", "", "", 1)
        await world.brain.writer.make(lambda late=late: records.add(late))
    assert {one.kind for one in newest_traps(engine, 100)} == {"decoy"}


async def test_a_vouched_for_network_is_never_walled(
    world: World, engine: Engine, words: dict[str, str], told: Told
) -> None:
    """The administrator has said so (a webmail server): traps are in the log, and that is all."""
    for number in range(20):
        assert (await world.plain("ada@example.org", "x", VOUCHED_FOR)).outcome is WRONG
        assert (await world.plain(f"fosem-{number:04}-talir", "x", VOUCHED_FOR)).outcome is WRONG
    assert (await world.plain(words["LOGIN"], words["SECRET"], VOUCHED_FOR)).outcome is GRANTED
    await world.written()
    assert (newest_traps(engine, 10), told()) == ([], [])


async def test_closed_traps_are_remembered_over_a_restart(world: World, words: dict[str, str]) -> None:
    """The hour of a network goes on; other counts begin anew."""
    await world.plain("ada@example.org", "x", ABROAD)
    anew = await world.restarted(T + HOUR_S - 1)
    assert (await anew.plain(words["LOGIN"], words["SECRET"], ABROAD)).outcome is LATER
    assert (await anew.plain(words["LOGIN"], words["SECRET"], HOME)).outcome is GRANTED
    anew.now += 1
    assert (await anew.plain(words["LOGIN"], words["SECRET"], ABROAD)).outcome is GRANTED


async def test_traps_of_a_clock_that_was_wrong_do_not_stop_the_clock(world: World, words: dict[str, str]) -> None:
    """A network that was walled at a moment that has not come yet is walled from now on, and not until then."""
    world.now = T + 400 * DAY_S
    await world.plain("ada@example.org", "x", ABROAD)
    anew = await world.restarted(T)
    assert (await anew.plain(words["LOGIN"], words["SECRET"], ABROAD)).outcome is LATER
    anew.now += HOUR_S
    assert (await anew.plain(words["LOGIN"], words["SECRET"], ABROAD)).outcome is GRANTED


# History and use


def networks_of(store: IdentityStore, name: str) -> list[tuple[Any, ...]]:
    return [(one.network, one.first_used_at, one.last_used_at, one.days) for one in store.networks(name)]


async def test_networks_are_written_down_once_an_hour(world: World, store: IdentityStore, ada: NewCredential) -> None:
    """By identity, with the days (UTC) on which they were used; a refused login leaves nothing."""
    midnight = T - T % DAY_S + DAY_S
    await world.plain(ada.login, "typo", HOME)
    await world.written()
    assert networks_of(store, "ada") == []
    for now in (midnight - 10, midnight - 5, midnight + 60, midnight + HOUR_S, midnight + HOUR_S + 60):
        world.now = now
        await world.at_home(ada)
    assert networks_of(store, "ada") == [("192.0.2.0/24", midnight - 10, midnight + HOUR_S, 2)]
    await world.at_home(ada, ABROAD)
    assert [one[0] for one in networks_of(store, "ada")] == ["2001:db8:bad::/48", "192.0.2.0/24"]
    (used,) = store.credentials("ada")
    assert (used.last_used_at, used.last_used_from) == (midnight + HOUR_S + 60, HOME)


async def test_a_network_that_was_not_used_for_long_is_forgotten(
    world: World, store: IdentityStore, ada: NewCredential
) -> None:
    """After 400 days, unless somebody has vouched for it."""
    await world.at_home(ada)
    await world.at_home(ada, OFFICE)
    store.confirm_network("ada", OFFICE, T)
    world.now += 401 * DAY_S
    await world.at_home(ada, ABROAD)
    assert [one[0] for one in networks_of(store, "ada")] == ["2001:db8:bad::/48", "198.51.100.0/24"]


async def test_who_comes_from_nowhere_makes_no_history(world: World, store: IdentityStore, ada: NewCredential) -> None:
    """Without an address there is no network that could be anybody's."""
    assert (await world.imap(ada.login, ada.secret, "")).outcome is GRANTED
    await world.written()
    assert networks_of(store, "ada") == []


GATES = [
    # what it shows, terms, address, over SMTP, over IMAP
    ("everywhere", Terms(), ABROAD, GRANTED, GRANTED),
    ("reading alone", Terms(scopes=("imap",)), ABROAD, WRONG, GRANTED),
    ("sending alone", Terms(scopes=("submit",)), ABROAD, GRANTED, WRONG),
    ("from its network", Terms(networks=("2001:db8:bad::/48",)), ABROAD, GRANTED, GRANTED),
    ("from another one", Terms(networks=("192.0.2.0/24", "198.51.100.20/32")), ABROAD, WRONG, WRONG),
    ("one address", Terms(networks=("192.0.2.0/24", "198.51.100.20/32")), OFFICE, GRANTED, GRANTED),
    ("not expired yet", Terms(expires_at=T + 11), ABROAD, GRANTED, GRANTED),
    ("expired", Terms(expires_at=T + 10), ABROAD, WRONG, WRONG),
]


@pytest.mark.parametrize(("terms", "address", "smtp", "imap"), [c[1:] for c in GATES], ids=[c[0] for c in GATES])
async def test_gates(
    world: World,
    store: IdentityStore,
    ada: NewCredential,
    terms: Terms,
    address: str,
    smtp: LoginOutcome,
    imap: LoginOutcome,
) -> None:
    """What a credential is good for, from where, and how long: refused as a wrong secret is."""
    made = store.add_credential("ada", "guest", T, terms)
    world.now = T + 10
    assert (await world.plain(made.login, made.secret, address)).outcome is smtp
    assert (await world.scram(made.login, made.secret, address)).outcome is smtp
    assert (await world.imap(made.login, made.secret, address)).outcome is imap


async def test_a_suspended_identity_is_out(world: World, store: IdentityStore, ada: NewCredential) -> None:
    """In new sessions and in open ones, until it is let in again."""
    store.suspend("ada", T)
    assert (await world.plain(ada.login, ada.secret, HOME)).outcome is WRONG
    assert (await world.scram(ada.login, ada.secret, HOME)).outcome is WRONG
    decision, _ = await world.brain.judging.judge(facts_of(profile_of()), "m1.x", T)
    assert decision.reason is Reason.CREDENTIAL_REVOKED
    store.resume("ada", T)
    await world.at_home(ada)
