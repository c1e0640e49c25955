"""Signing in: who gets in, who does not, and what neither can tell."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from ipaddress import ip_network

import pytest
import structlog
from harness import until
from people_desk import HOME, PASSWORD, Enrolled, T, cheap_hashing, code_at, enrol, invite, new_desk, phone
from sqlalchemy import Engine, select, update

from policy.engine.guessing import LOGIN_LIMIT, NETWORK_LIMIT, TARPIT_FROM, Attempt
from policy.people.desk import Desk, Visitor
from policy.people.errors import Busy, SignInRefused, Text, TicketExpired, Wait
from policy.people.hashing import Cost, Hasher, Hashing, HashingPool
from policy.people.second_factors import RECOVERY_CODES, FactorKind
from policy.people.sign_in import Ticket, attempt_of
from policy.store.audit import Actor
from policy.store.factors import MOST_WRONG, WRONG_WINDOW_S, Factors
from policy.store.identities import IdentityStore
from policy.store.incident_models import Notices
from policy.store.models import Identities, Networks, Passwords, WrongFactors
from policy.store.people import People

AWAY = Visitor("198.51.100.9", "curl")
LATER = T + 3600  # other steps than those of enrolling


@pytest.fixture
def desk(engine: Engine, key: bytes) -> Desk:
    return new_desk(engine, key)


@pytest.fixture
async def ada(desk: Desk, engine: Engine, key: bytes, store: IdentityStore) -> Enrolled:
    """She has an application and recovery codes."""
    return await enrol(desk, invite(engine, key, store))


@pytest.mark.parametrize("typed", ["ada", "ADA", " ada ", "ada@example.org", "Ada.Long@Example.ORG"])
async def test_name_or_address(desk: Desk, ada: Enrolled, typed: str) -> None:
    """What people type into a field that says name."""
    ticket = await desk.sign_in.password(typed, PASSWORD, HOME, LATER)
    assert (ticket.identity, ticket.kinds) == ("ada", {FactorKind.TOTP})
    done = desk.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)
    assert done.session.identity == "ada"
    assert done.recovery_codes == ()
    assert not done.by_recovery_code
    assert desk.sign_in.session(done.cookie, LATER) == done.session


REFUSED = [
    ("wrong password", "ada", "seven purple ducks in a row!"),
    ("no password", "ada", ""),
    ("a very long one", "ada", "x" * 100_000),
    ("half a character", "ada", "\ud800"),
    ("unknown name", "eve", PASSWORD),
    ("no name", "", PASSWORD),
    ("a name that is no text", "\ud800", PASSWORD),
    ("a name with a null", "ada\0", PASSWORD),
    ("an endless name", "a" * 100_000, PASSWORD),
    ("a whole domain", "@example.org", PASSWORD),
    ("subaddress", "ada+x@example.org", PASSWORD),
    ("invited, and no password yet", "bob", PASSWORD),
    ("bob's address", "bob@example.org", ""),
]


@pytest.mark.parametrize(("name", "password"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_refused(
    desk: Desk, ada: Enrolled, engine: Engine, key: bytes, store: IdentityStore, name: str, password: str
) -> None:
    """All with the same sentence; the log does not have what was typed."""
    invite(engine, key, store, "bob")
    with structlog.testing.capture_logs() as events, pytest.raises(SignInRefused) as refused:
        await desk.sign_in.password(name, password, AWAY, LATER)
    assert str(refused.value) == Text.WRONG_SIGN_IN
    assert [event["event"] for event in events] == ["sign-in-refused"]
    assert set(events[0]) == {"event", "log_level", "client_address", "why"}


async def test_every_refusal_costs_a_hash(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Of the same parameters: unknown, without a password, suspended, or simply wrong."""
    verified = list[bool]()

    class Counting(Hasher):
        def verify(self, kept: str | None, password: str) -> bool:
            verified.append(kept is not None)
            return super().verify(kept, password)

    desk = new_desk(engine, key, Hashing(Counting(Cost(memory_kib=64, passes=1)), HashingPool()))
    await enrol(desk, invite(engine, key, store))
    invite(engine, key, store, "bob")
    for name, somebodys in (("ada", True), ("bob", False), ("eve", False)):
        verified.clear()
        with pytest.raises(SignInRefused):
            await desk.sign_in.password(name, "eight yellow horses", HOME, LATER)
        assert verified == [somebodys]
    store.suspend("ada", LATER)
    verified.clear()
    with pytest.raises(SignInRefused) as refused:
        await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    assert verified == [True]
    assert str(refused.value) == Text.WRONG_SIGN_IN


async def test_a_device_secret_does_not_sign_in(desk: Desk, ada: Enrolled, store: IdentityStore) -> None:
    """There is no way: neither as password nor as code, under login, name or address."""
    made = store.add_credential("ada", "laptop", T)
    for name in (made.login, "ada", "ada@example.org"):
        with pytest.raises(SignInRefused):
            await desk.sign_in.password(name, made.secret, HOME, LATER)
    with pytest.raises(SignInRefused):
        await desk.sign_in.password(made.login, PASSWORD, HOME, LATER)
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    with pytest.raises(SignInRefused):
        desk.sign_in.code(ticket.token, made.secret, HOME, LATER)


async def test_suspended_between_password_and_code(desk: Desk, ada: Enrolled, store: IdentityStore) -> None:
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    store.suspend("ada", LATER)
    assert desk.sign_in.session(ada.first.cookie, LATER) is None
    with pytest.raises(SignInRefused) as refused:
        desk.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)
    assert str(refused.value) == Text.WRONG_SIGN_IN


async def test_changed_between_password_and_code(desk: Desk, ada: Enrolled) -> None:
    """Whoever had the old password is not in with it."""
    ticket = await desk.sign_in.password("ada", PASSWORD, AWAY, T + 60)
    await desk.account.change_password(ada.first.session, PASSWORD, "eight yellow horses at sea", HOME, T + 61)
    with pytest.raises(SignInRefused):
        desk.sign_in.code(ticket.token, code_at(ada.offer, T + 60), AWAY, T + 62)


async def test_a_code_serves_once(desk: Desk, ada: Enrolled) -> None:
    """In another session, too, and not the one that confirmed the application."""
    code = code_at(ada.offer, LATER)
    first, second = [await desk.sign_in.password("ada", PASSWORD, HOME, LATER) for _ in range(2)]
    assert desk.sign_in.code(first.token, code, HOME, LATER)
    with pytest.raises(SignInRefused) as refused:
        desk.sign_in.code(second.token, code, HOME, LATER)
    assert refused.value.template is Text.WRONG_FACTOR
    again = await desk.sign_in.password("ada", PASSWORD, HOME, T + 1)
    with pytest.raises(SignInRefused):
        desk.sign_in.code(again.token, code_at(ada.offer, ada.at), HOME, T + 1)


async def test_recovery_codes_serve_once_each(desk: Desk, ada: Enrolled) -> None:
    """In whatever form they are typed."""
    for number, code in enumerate(ada.first.recovery_codes, 1):
        ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
        done = desk.sign_in.code(ticket.token, code.upper().replace("-", " "), HOME, LATER)
        assert done.by_recovery_code
        assert desk.account.recovery_codes_left(done.session) == RECOVERY_CODES - number
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    with pytest.raises(SignInRefused):
        desk.sign_in.code(ticket.token, ada.first.recovery_codes[0], HOME, LATER)


async def test_a_ticket_serves_once_and_five_minutes(desk: Desk, ada: Enrolled) -> None:
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    with pytest.raises(SignInRefused):
        desk.sign_in.code(ticket.token, "000000", HOME, LATER)
    desk.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)
    with pytest.raises(TicketExpired):
        desk.sign_in.code(ticket.token, ada.first.recovery_codes[0], HOME, LATER)
    late = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    with pytest.raises(TicketExpired):
        desk.sign_in.code(late.token, ada.first.recovery_codes[0], HOME, LATER + 300)
    with pytest.raises(TicketExpired):
        desk.sign_in.passkey_options("", LATER)


async def test_wrong_codes_meet_a_wall(desk: Desk, ada: Enrolled, engine: Engine, key: bytes) -> None:
    """Five, over all tickets and over a restart; then a right one has to wait, too. A passkey does not."""
    device = phone()
    answer = device.register(desk.account.passkey_options(ada.first.session, T))
    desk.account.add_passkey(ada.first.session, answer, "key", HOME, T)
    for turn in range(MOST_WRONG):
        ticket = await desk.sign_in.password("ada", PASSWORD, AWAY, LATER + turn)
        with pytest.raises(SignInRefused):
            desk.sign_in.code(ticket.token, ("000000", "abcde-fghjk")[turn % 2], AWAY, LATER + turn)
    restarted, now = new_desk(engine, key), LATER + 60
    ticket = await restarted.sign_in.password("ada", PASSWORD, HOME, now)
    for code in (code_at(ada.offer, now), ada.first.recovery_codes[0]):
        with pytest.raises(Wait) as waiting:
            restarted.sign_in.code(ticket.token, code, HOME, now)
        assert waiting.value.seconds == WRONG_WINDOW_S - 60
        assert "14 minutes" in str(waiting.value)
    signed = device.sign(restarted.sign_in.passkey_options(ticket.token, now))
    assert restarted.sign_in.passkey(ticket.token, signed, HOME, now)
    over = LATER + WRONG_WINDOW_S
    ticket = await restarted.sign_in.password("ada", PASSWORD, HOME, over)
    assert restarted.sign_in.code(ticket.token, code_at(ada.offer, over), HOME, over)


class Held(Hasher):
    """Hashes when it is told to go on."""

    def __init__(self, cost: Cost) -> None:
        super().__init__(cost)
        self.go_on = threading.Event()

    def verify(self, kept: str | None, password: str) -> bool:
        self.go_on.wait(60)
        return super().verify(kept, password)


async def storm(
    asked: Iterable[Coroutine[None, None, Ticket]], inside: int
) -> tuple[list[BaseException | None], set[asyncio.Task[Ticket]]]:
    """What those hear at once for whom there is no room, and who waits: so many are inside."""
    told, waiting = list[BaseException | None](), {asyncio.create_task(one) for one in asked}
    while len(waiting) > inside:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        told += [one.exception() for one in done]
    return told, waiting


async def test_strangers_do_not_keep_owners_from_being_heard(
    engine: Engine, key: bytes, ada: Enrolled, store: IdentityStore
) -> None:
    """One wrong password, again and again: that is no guess that would be walled, and each time it is hashed."""
    store.confirm_network("ada", HOME.client_address, LATER)
    hasher, pool = Held(Cost(memory_kib=8, passes=1)), HashingPool(parallel=2, queue=3, kept=1)
    desk = new_desk(engine, key, Hashing(hasher, pool))
    told, waiting = await storm([desk.sign_in.password("nobody", "the same one", AWAY, LATER) for _ in range(20)], 5)
    assert {type(one) for one in told} == {Busy}
    with pytest.raises(Busy):
        await desk.sign_in.password("ada", PASSWORD, AWAY, LATER)
    owner = asyncio.create_task(desk.sign_in.password("ada", PASSWORD, HOME, LATER))
    await asyncio.to_thread(until, lambda: pool._inside == 6 or owner.done(), "it is her turn")
    hasher.go_on.set()
    assert (await owner).identity == "ada"
    await asyncio.wait(waiting)
    assert {type(one.exception()) for one in waiting} == {SignInRefused}


async def wrong_codes(desk: Desk, visitor: Visitor, number: int) -> None:
    for _ in range(number):
        ticket = await desk.sign_in.password("ada", PASSWORD, visitor, LATER)
        with pytest.raises(SignInRefused):
            desk.sign_in.code(ticket.token, "000000", visitor, LATER)


@pytest.mark.parametrize(("is_hers", "expected"), [(True, True), (False, False)])
async def test_who_knows_the_password_does_not_keep_its_owner_out(
    desk: Desk, ada: Enrolled, store: IdentityStore, is_hers: bool, expected: bool
) -> None:
    """Where she was on three days, or somebody vouched for it, there are as many codes again."""
    if is_hers:
        store.confirm_network("ada", HOME.client_address, LATER)
    await wrong_codes(desk, AWAY, MOST_WRONG)
    for visitor, code in ((AWAY, "000000"), (AWAY, code_at(ada.offer, LATER))):
        ticket = await desk.sign_in.password("ada", PASSWORD, visitor, LATER)
        with pytest.raises(Wait):
            desk.sign_in.code(ticket.token, code, visitor, LATER)
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    if not expected:
        with pytest.raises(Wait):
            desk.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)
        return
    assert desk.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)


async def test_in_a_session_the_second_factor_is_confirmed_all_the_same(desk: Desk, ada: Enrolled) -> None:
    """Wherever she is: the cookie says that she has shown it before."""
    await wrong_codes(desk, AWAY, MOST_WRONG)
    assert desk.confirming.code(ada.first.session, code_at(ada.offer, LATER), HOME, LATER)


async def test_codes_at_home_have_an_end_too(desk: Desk, ada: Enrolled, store: IdentityStore) -> None:
    store.confirm_network("ada", HOME.client_address, LATER)
    await wrong_codes(desk, HOME, 2 * MOST_WRONG)
    with pytest.raises(Wait):
        desk.confirming.code(ada.first.session, code_at(ada.offer, LATER), HOME, LATER)


async def test_owner_and_administrator_hear_that_somebody_knows_the_password(
    desk: Desk, ada: Enrolled, engine: Engine
) -> None:
    """With the fifth wrong code, once in a day."""

    def told() -> list[str]:
        with engine.connect() as connection:
            mine = select(Notices.channel).where(Notices.kind == "second-factor-wrong").order_by(Notices.id)
            return list(connection.scalars(mine))

    await wrong_codes(desk, AWAY, MOST_WRONG - 1)
    assert told() == []
    await wrong_codes(desk, AWAY, 1)
    assert told() == ["administrator", "owner:ada"]
    for turn in range(MOST_WRONG):
        later = LATER + WRONG_WINDOW_S + turn
        ticket = await desk.sign_in.password("ada", PASSWORD, AWAY, later)
        with pytest.raises(SignInRefused):
            desk.sign_in.code(ticket.token, "000000", AWAY, later)
    with engine.connect() as connection:
        assert set(connection.scalars(select(Notices.count).where(Notices.kind == "second-factor-wrong"))) == {1}


async def test_wrong_codes_are_forgotten(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """Their table never has more than a quarter of an hour."""
    for turn in range(20):
        now = LATER + turn * 300
        ticket = await desk.sign_in.password("ada", PASSWORD, HOME, now)
        with pytest.raises(SignInRefused):
            desk.sign_in.code(ticket.token, "000000", HOME, now)
    with engine.connect() as connection:
        assert len(connection.scalars(select(WrongFactors.id)).all()) == 3


def test_many_wrong_codes_at_once(desk: Desk, ada: Enrolled) -> None:
    """The count is made where the code is judged: twenty threads get five answers."""

    async def tickets() -> list[str]:
        return [(await desk.sign_in.password("ada", PASSWORD, AWAY, LATER)).token for _ in range(20)]

    async def storm() -> list[str]:
        async def one(token: str) -> str:
            try:
                await asyncio.to_thread(desk.sign_in.code, token, "000000", AWAY, LATER)
            except (SignInRefused, Wait) as refused:
                return type(refused).__name__
            return "in"

        return list(await asyncio.gather(*map(one, await tickets())))

    outcomes = asyncio.run(storm())
    assert outcomes.count("SignInRefused") == MOST_WRONG
    assert outcomes.count("Wait") == 20 - MOST_WRONG


async def test_passkeys(desk: Desk, ada: Enrolled) -> None:
    """Each challenge once, each count once, and only the person's own."""
    device, foreign = phone(), phone()
    desk.account.add_passkey(
        ada.first.session, device.register(desk.account.passkey_options(ada.first.session, T)), "key", HOME, T
    )
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    assert ticket.kinds == {FactorKind.TOTP, FactorKind.PASSKEY}
    options = desk.sign_in.passkey_options(ticket.token, LATER)
    signed = device.sign(options)
    with pytest.raises(SignInRefused) as refused:
        desk.sign_in.passkey(ticket.token, foreign.sign(options), HOME, LATER)
    assert refused.value.template is Text.WRONG_PASSKEY
    with pytest.raises(TicketExpired):
        desk.sign_in.passkey(ticket.token, signed, HOME, LATER)
    fresh = device.sign(desk.sign_in.passkey_options(ticket.token, LATER))
    done = desk.sign_in.passkey(ticket.token, fresh, HOME, LATER)
    assert desk.account.factors(done.session)[1].last_used_at == LATER
    device.count = 0  # a copy of the device
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    copied = device.sign(desk.sign_in.passkey_options(ticket.token, LATER))
    with pytest.raises(SignInRefused):
        desk.sign_in.passkey(ticket.token, copied, HOME, LATER)


async def test_a_passkey_is_taken_once_at_a_time(desk: Desk, ada: Enrolled, engine: Engine, key: bytes) -> None:
    """Two answers of the same count that were judged at the same time: one of them is a copy's."""
    session, device, factors = ada.first.session, phone(), Factors(engine, key)
    desk.account.add_passkey(session, device.register(desk.account.passkey_options(session, T)), "key", HOME, T)
    passkey = factors.passkey("ada", device.handle)
    assert passkey
    assert factors.passkey("bob", device.handle) is None
    assert factors.take_passkey(passkey, 1, LATER)
    assert not factors.take_passkey(passkey, 1, LATER)


async def test_a_session_is_none_while_its_person_is_suspended(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """Whoever wrote that down, and whether or not sessions were ended with it."""
    with engine.begin() as connection:
        connection.execute(update(Identities).values(suspended_at=T))
    assert desk.sign_in.session(ada.first.cookie, T) is None
    assert desk.sign_in.sessions("ada", T) == []


async def test_a_hash_made_anew_replaces_its_own_alone(desk: Desk, ada: Enrolled, engine: Engine, key: bytes) -> None:
    """Not the one of a password that was changed while it was made."""
    people = People(engine, key, Actor("cli:test", "host"))
    before = people.find("ada")
    assert before
    await desk.account.change_password(ada.first.session, PASSWORD, "eight yellow horses at sea", HOME, T)
    people.rehash(before, "the old password's")
    assert await desk.sign_in.password("ada", "eight yellow horses at sea", HOME, T)


async def test_what_walls_are_told(ada: Enrolled, engine: Engine, key: bytes) -> None:
    """One login for all of a person's names, and strangers' names apart: their number has a bound."""
    people = People(engine, key, Actor("cli:test", "host"))

    def told(typed: str, visitor: Visitor) -> Attempt:
        return attempt_of(people, people.find(typed), typed, visitor)

    home = Attempt(login="ada", network="192.0.2.0/24", is_known=True, has_history=True)
    assert told("ada", HOME) == told("ADA@example.org", HOME) == home
    assert told("ada", AWAY) == Attempt(login="ada", network="198.51.100.0/24", is_known=True, has_history=False)
    assert told(" Eve ", HOME) == Attempt(login="eve", network="192.0.2.0/24", is_known=False, has_history=False)


async def test_a_network_that_the_administrator_vouches_for(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """It is never walled, neither at the sign-in nor where the password is asked for once more; another one is."""
    desk = new_desk(engine, key, unwalled=(ip_network("198.51.100.0/24"),))
    ada = await enrol(desk, invite(engine, key, store))
    for visitor, at_last in ((AWAY, SignInRefused), (Visitor("203.0.113.9", "curl"), Wait)):
        for number in range(NETWORK_LIMIT):
            with pytest.raises(SignInRefused):
                await desk.sign_in.password(f"stranger{number}", "x", visitor, LATER)
        with pytest.raises(at_last):
            await desk.sign_in.password("stranger", "x", visitor, LATER)
        with pytest.raises(at_last):
            await desk.account.change_password(ada.first.session, "x", "eight yellow horses at sea", visitor, LATER)


async def test_enrolling_is_the_first_use_of_a_factor(desk: Desk, ada: Enrolled) -> None:
    """It was proven then."""
    (factor,) = desk.account.factors(ada.first.session)
    assert factor.last_used_at == T


async def test_a_hash_is_made_anew_at_sign_in(desk: Desk, ada: Enrolled, engine: Engine, key: bytes) -> None:
    """When the cost has risen; the password stays the same."""
    costly = new_desk(engine, key, cheap_hashing(Cost(memory_kib=128, passes=2)))
    with engine.connect() as connection:
        before = connection.scalar(select(Passwords.hash))
    ticket = await costly.sign_in.password("ada", PASSWORD, HOME, LATER)
    with engine.connect() as connection:
        after = connection.scalar(select(Passwords.hash))
    assert "m=64,t=1" in str(before)
    assert "m=128,t=2" in str(after)
    assert costly.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)
    assert await desk.sign_in.password("ada", PASSWORD, HOME, LATER)


async def test_a_storm_is_told_to_come_back(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """More passwords at once than there is memory for."""
    hasher = Held(Cost(memory_kib=64, passes=1))
    desk = new_desk(engine, key, Hashing(hasher, HashingPool(parallel=1, queue=2)))
    visitors = [Visitor(f"203.0.{number}.1", "") for number in range(60)]
    told, waiting = await storm([desk.sign_in.password("eve", "x", one, T) for one in visitors], 3)
    assert [one.seconds for one in told if isinstance(one, Busy)] == [5] * 57
    hasher.go_on.set()
    await asyncio.wait(waiting)
    assert [type(one.exception()) for one in waiting] == [SignInRefused] * 3


@pytest.fixture
def pauses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the desk has kept people waiting; it did not."""
    waited = list[float]()

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(desk.sign_in, "_pause", pause)
    return waited


async def tries(desk: Desk, ask: Callable[[int], Awaitable[object]], number: int) -> list[str]:
    outcomes = list[str]()
    for turn in range(number):
        try:
            await ask(turn)
        except (SignInRefused, Wait) as refused:
            outcomes.append(type(refused).__name__)
        else:
            outcomes.append("in")
    return outcomes


async def test_guessers_meet_a_wall_and_the_owner_does_not(desk: Desk, ada: Enrolled, pauses: list[float]) -> None:
    """A hundred passwords from a hundred networks: delayed from the tenth on, refused from the fiftieth on."""
    outcomes = await tries(
        desk, lambda turn: desk.sign_in.password("ada", f"guess {turn}", Visitor(f"203.0.{turn}.1", ""), T), 100
    )
    assert outcomes == ["SignInRefused"] * LOGIN_LIMIT + ["Wait"] * 50
    assert not any(pauses[: TARPIT_FROM - 1])
    assert all(pauses[TARPIT_FROM - 1 :])
    with pytest.raises(Wait):
        await desk.sign_in.password("ada@example.org", PASSWORD, AWAY, T)  # right, and not looked at
    assert await desk.sign_in.password("ada", PASSWORD, HOME, T)


async def test_a_network_that_tries_many_names(desk: Desk, ada: Enrolled, pauses: list[float]) -> None:
    """Known ones and unknown ones alike; the owner in that network goes on."""
    outcomes = await tries(desk, lambda turn: desk.sign_in.password(f"name{turn}", "guess", AWAY, T), 10)
    assert outcomes == ["SignInRefused"] * NETWORK_LIMIT + ["Wait"] * (10 - NETWORK_LIMIT)
    with pytest.raises(Wait):
        await desk.sign_in.password("ada", PASSWORD, AWAY, T)
    outcomes = await tries(desk, lambda turn: desk.sign_in.password(f"name{turn}", "guess", HOME, T), 10)
    assert outcomes[-1] == "Wait"
    assert await desk.sign_in.password("ada", PASSWORD, HOME, T)


async def test_where_somebody_has_signed_in_is_theirs(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """As where a device was: strangers who know the name, and try passwords, keep nobody out there."""
    for at in (LATER, LATER + 86400.0):
        ticket = await desk.sign_in.password("ada", PASSWORD, AWAY, at)
        desk.sign_in.code(ticket.token, code_at(ada.offer, at), AWAY, at)
    with engine.begin() as connection:
        columns = select(Networks.network, Networks.first_used_at, Networks.last_used_at, Networks.days)
        rows = connection.execute(columns.order_by(Networks.id)).all()
    assert rows == [("192.0.2.0/24", T, T, 1), ("198.51.100.0/24", LATER, LATER + 86400.0, 2)]


async def test_the_same_wrong_password_is_one(desk: Desk, ada: Enrolled, pauses: list[float]) -> None:
    """A password manager with an old password is no guesser."""
    outcomes = await tries(desk, lambda _: desk.sign_in.password("ada", "an old password", AWAY, T), 200)
    assert set(outcomes) == {"SignInRefused"}
    assert not any(pauses)
    assert await desk.sign_in.password("ada", PASSWORD, AWAY, T)
