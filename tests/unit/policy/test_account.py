"""What a person changes about the own sign-in, and the sessions of the console."""

import pytest
from people_desk import HOME, PASSWORD, Enrolled, T, code_at, enrol, invite, new_desk, phone
from sqlalchemy import Engine, select

from policy.people.desk import Desk, Visitor
from policy.people.errors import PasswordRefused, Refused, SignInRefused, Text, TicketExpired, Wait
from policy.people.roles import Role
from policy.people.second_factors import FactorKind
from policy.store import audit
from policy.store.audit import Wanted
from policy.store.console_sessions import IDLE_S, LONGEST_S
from policy.store.factors import MOST_FACTORS
from policy.store.identities import IdentityStore
from policy.store.models import ConsoleSessions

AWAY = Visitor("198.51.100.9", "curl")
OTHER = "eight yellow horses at sea"
LATER = T + 600


@pytest.fixture
def desk(engine: Engine, key: bytes) -> Desk:
    return new_desk(engine, key)


@pytest.fixture
async def ada(desk: Desk, engine: Engine, key: bytes, store: IdentityStore) -> Enrolled:
    return await enrol(desk, invite(engine, key, store))


async def another_browser(desk: Desk, ada: Enrolled, now: float, visitor: Visitor = AWAY) -> str:
    """The cookie of one more session."""
    ticket = await desk.sign_in.password("ada", PASSWORD, visitor, now)
    return desk.sign_in.code(ticket.token, code_at(ada.offer, now), visitor, now).cookie


def actions(engine: Engine) -> list[str]:
    return [act.action for act in audit.newest(engine, Wanted("ada", actor="console:ada"))]


async def test_password(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """The old one is needed and serves no more; other browsers are signed out, this one is not."""
    session, other = ada.first.session, await another_browser(desk, ada, LATER)
    with pytest.raises(SignInRefused) as refused:
        await desk.account.change_password(session, "seven purple ducks", OTHER, HOME, LATER)
    assert refused.value.template is Text.WRONG_PASSWORD
    for new, text in ((PASSWORD, Text.UNCHANGED), ("short", Text.TOO_SHORT), ("ada.long@example.org", Text.OWN_NAME)):
        with pytest.raises(PasswordRefused) as bad:
            await desk.account.change_password(session, PASSWORD, new, HOME, LATER)
        assert bad.value.template is text
    assert desk.sign_in.session(other, LATER)
    await desk.account.change_password(session, PASSWORD, OTHER, HOME, LATER)
    assert desk.sign_in.session(other, LATER) is None
    assert desk.sign_in.session(ada.first.cookie, LATER)
    with pytest.raises(SignInRefused):
        await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    assert await desk.sign_in.password("ada", OTHER, HOME, LATER)
    assert actions(engine)[0] == "password-changed"


async def test_a_stolen_session_does_not_find_the_password(desk: Desk, ada: Enrolled) -> None:
    """Trying the old password meets the same wall as signing in."""
    for turn in range(50):
        with pytest.raises(SignInRefused):
            await desk.account.change_password(ada.first.session, f"guess {turn}", OTHER, AWAY, LATER)
    with pytest.raises(Wait):
        await desk.account.change_password(ada.first.session, PASSWORD, OTHER, AWAY, LATER)


async def test_one_more_application(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """It is there when its first code was typed; the page may be loaded again meanwhile."""
    session = ada.first.session
    with pytest.raises(TicketExpired):
        desk.account.add_totp(session, "000000", "tablet", HOME, T)
    offer = desk.account.totp(session, T)
    assert desk.account.totp(session, T + 5) == offer
    assert offer.secret != ada.offer.secret
    with pytest.raises(Refused) as refused:
        desk.account.add_totp(session, code_at(ada.offer, T + 9), "tablet", HOME, T + 9)
    assert refused.value.template is Text.WRONG_FACTOR
    added = desk.account.add_totp(session, code_at(offer, T + 10), " tablet ", HOME, T + 10)
    assert (added.kind, added.label) == (FactorKind.TOTP, "tablet")
    assert actions(engine)[0] == "factor-added"
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    assert desk.sign_in.code(ticket.token, code_at(offer, LATER), HOME, LATER)


async def test_passkeys_are_added_once(desk: Desk, ada: Enrolled) -> None:
    """One key is one row, of one person: whoever sends somebody else's key id gets nothing."""
    session, device = ada.first.session, phone()
    answer = device.register(desk.account.passkey_options(session, T))
    assert desk.account.add_passkey(session, answer, "key", HOME, T).kind is FactorKind.PASSKEY
    with pytest.raises(TicketExpired):
        desk.account.add_passkey(session, answer, "key", HOME, T)
    again = device.register(desk.account.passkey_options(session, T))
    with pytest.raises(SignInRefused):
        desk.account.add_passkey(session, again, "key", HOME, T)
    assert len(desk.account.factors(session)) == 2


async def test_the_last_factor_stays(
    desk: Desk, ada: Enrolled, engine: Engine, key: bytes, store: IdentityStore
) -> None:
    """And another person's cannot be removed."""
    session = ada.first.session
    (application,) = desk.account.factors(session)
    with pytest.raises(Refused) as refused:
        desk.account.remove_factor(session, application.id, HOME, T)
    assert refused.value.template is Text.LAST_FACTOR
    added = desk.account.add_passkey(
        session, phone().register(desk.account.passkey_options(session, T)), "key", HOME, T
    )
    bob = await enrol(desk, invite(engine, key, store, "bob"))
    for theirs in (application.id, 10**6):
        with pytest.raises(Refused) as missing:
            desk.account.remove_factor(bob.first.session, theirs, HOME, T)
        assert missing.value.template is Text.NO_SUCH_FACTOR
    desk.account.remove_factor(session, application.id, HOME, T)
    assert desk.account.factors(session) == [added]
    assert actions(engine)[:2] == ["factor-removed", "factor-added"]
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    assert ticket.kinds == {FactorKind.PASSKEY}
    with pytest.raises(SignInRefused):
        desk.sign_in.code(ticket.token, code_at(ada.offer, LATER), HOME, LATER)


async def test_factors_are_bounded(desk: Desk, ada: Enrolled) -> None:
    session = ada.first.session
    for number in range(MOST_FACTORS - 1):
        options = desk.account.passkey_options(session, T)
        desk.account.add_passkey(session, phone().register(options), f"key {number}", HOME, T)
    options = desk.account.passkey_options(session, T)
    with pytest.raises(Refused) as refused:
        desk.account.add_passkey(session, phone().register(options), "one more", HOME, T)
    assert refused.value.template is Text.TOO_MANY_FACTORS


async def test_new_recovery_codes(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """The old ones serve no more."""
    codes = desk.account.new_recovery_codes(ada.first.session, HOME, T)
    assert desk.account.recovery_codes_left(ada.first.session) == len(codes) == 10
    assert actions(engine)[0] == "recovery-codes-made"
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, LATER)
    with pytest.raises(SignInRefused):
        desk.sign_in.code(ticket.token, ada.first.recovery_codes[0], HOME, LATER)
    assert desk.sign_in.code(ticket.token, codes[0], HOME, LATER)


async def test_a_session_goes_on_while_it_is_used(desk: Desk, ada: Enrolled) -> None:
    """Half an hour without use ends it, and twelve hours do in any case."""
    now, cookie = T, ada.first.cookie
    while now < T + LONGEST_S - IDLE_S:
        now += IDLE_S - 1
        session = desk.sign_in.session(cookie, now)
        assert session
        assert session.expires_at == T + LONGEST_S
    assert desk.sign_in.session(cookie, T + LONGEST_S - 1)
    assert desk.sign_in.session(cookie, T + LONGEST_S) is None
    idle = await another_browser(desk, ada, LATER)
    assert desk.sign_in.session(idle, LATER + IDLE_S) is None


async def test_a_use_is_written_once_a_minute(desk: Desk, ada: Enrolled) -> None:
    """A page with ten pictures is one use."""
    for later, seen in ((30, T), (60, T), (61, T), (62, T + 61), (100, T + 61)):
        session = desk.sign_in.session(ada.first.cookie, T + later)
        assert session
        assert session.seen_at == seen


@pytest.mark.parametrize("cookie", ["", "x", "\ud800", "x" * 100_000])
async def test_cookies_that_are_none(desk: Desk, ada: Enrolled, cookie: str) -> None:
    assert desk.sign_in.session(cookie, T) is None


async def test_sessions_are_listed_and_ended(
    desk: Desk, ada: Enrolled, engine: Engine, key: bytes, store: IdentityStore
) -> None:
    """One, another one, all others; never another person's."""
    session = ada.first.session
    bob = await enrol(desk, invite(engine, key, store, "bob"))
    cookies = [await another_browser(desk, ada, LATER + 60 * turn) for turn in range(4)]
    listed = desk.sign_in.sessions("ada", LATER + 300)
    assert [one.created_at for one in listed] == [LATER + 180, LATER + 120, LATER + 60, LATER, T]
    assert {one.client_address for one in listed} == {AWAY.client_address, HOME.client_address}
    desk.sign_in.end_session(bob.first.session, listed[0].id, HOME, LATER)
    assert desk.sign_in.session(cookies[3], LATER + 300)
    desk.sign_in.end_session(session, listed[0].id, HOME, LATER)
    assert desk.sign_in.session(cookies[3], LATER + 300) is None
    desk.sign_in.end_all(session, HOME, LATER + 300)
    assert [one.id for one in desk.sign_in.sessions("ada", LATER + 300)] == [session.id]
    assert actions(engine)[0] == "console-sessions-ended"
    desk.sign_in.end(session, HOME, LATER + 300)
    assert desk.sign_in.session(ada.first.cookie, LATER + 300) is None
    assert desk.sign_in.session(bob.first.cookie, LATER + 300)


async def test_what_has_ended_goes(desk: Desk, ada: Enrolled, engine: Engine) -> None:
    """With the next sign-in, whoever's that is: the table does not grow."""
    await another_browser(desk, ada, LATER)
    await another_browser(desk, ada, LATER + IDLE_S)
    with engine.connect() as connection:
        assert len(connection.scalars(select(ConsoleSessions.id)).all()) == 1


async def test_a_user_agent_is_cut(desk: Desk, ada: Enrolled) -> None:
    """It comes from a stranger and is shown in a list."""
    cookie = await another_browser(desk, ada, LATER, Visitor("192.0.2.7", "A\n\x1b[31m" + "x" * 1000))
    session = desk.sign_in.session(cookie, LATER)
    assert session
    assert session.user_agent == ("A[31m" + "x" * 1000)[:200]


async def test_a_role_is_another_one_at_once(desk: Desk, ada: Enrolled, store: IdentityStore) -> None:
    store.set_role("ada", Role.HELP_DESK, LATER)
    session = desk.sign_in.session(ada.first.cookie, LATER)
    assert session
    assert session.role is Role.HELP_DESK
