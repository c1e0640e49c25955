"""From an invitation's link to the first session: once, whole, and by one person."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from people_desk import HOME, PASSWORD, T, code_at, enrol, invite, new_desk, phone
from sqlalchemy import Engine, func, select

from policy.people.errors import (
    InviteBegun,
    InviteInvalid,
    PasswordRefused,
    Refused,
    SignInRefused,
    Text,
    TicketExpired,
)
from policy.people.roles import Role
from policy.people.second_factors import RECOVERY_CODES, FactorKind
from policy.store import audit
from policy.store.audit import Actor, Wanted
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore, Profile
from policy.store.models import ConsoleSessions, Invites, Passwords, SecondFactors
from policy.store.people import People

DAY_S = 86400.0


@pytest.fixture
def people(engine: Engine, key: bytes) -> People:
    return People(engine, key, Actor("cli:test", "host"))


def rows(engine: Engine) -> dict[str, int]:
    """How many there are of what enrolling makes."""
    with engine.connect() as connection:
        return {
            table.__tablename__: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (Passwords, SecondFactors, ConsoleSessions)
        }


async def test_with_an_application(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Password, first code, recovery codes, and one is in."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    looked = desk.invitations.look(made.token, T)
    assert (looked.identity, looked.owner) == ("ada", "Ada Example")
    assert looked.addresses == ("ada@example.org", "ada.long@example.org")
    enrolled = await enrol(desk, made)
    assert len(enrolled.first.recovery_codes) == RECOVERY_CODES
    session = desk.sign_in.session(enrolled.first.cookie, T)
    assert session == enrolled.first.session
    assert (session.identity, session.role, session.client_address) == ("ada", Role.OWNER, HOME.client_address)
    assert [(one.kind, one.label) for one in desk.account.factors(session)] == [(FactorKind.TOTP, "phone")]
    assert desk.account.recovery_codes_left(session) == RECOVERY_CODES
    acts = [(act.actor, act.action, act.subject) for act in audit.newest(engine, Wanted("ada"))]
    assert acts[0] == ("console:ada", "person-enrolled", "ada")
    assert acts[1] == ("cli:test", "invite-made", "ada")


async def test_with_a_passkey(engine: Engine, key: bytes, store: IdentityStore) -> None:
    desk, made, device = new_desk(engine, key), invite(engine, key, store), phone()
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    answer = device.register(desk.invitations.passkey_options(made.token, ticket, T))
    done = desk.invitations.finish_passkey(made.token, ticket, answer, "key", HOME, T)
    assert [one.kind for one in desk.account.factors(done.session)] == [FactorKind.PASSKEY]
    assert len(done.recovery_codes) == RECOVERY_CODES


async def test_a_challenge_is_answered_once(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """A wrong answer uses it up as a right one does; the page asks for new options."""
    desk, made, device = new_desk(engine, key), invite(engine, key, store), phone()
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    options = desk.invitations.passkey_options(made.token, ticket, T)
    with pytest.raises(SignInRefused):
        desk.invitations.finish_passkey(made.token, ticket, "{}", "key", HOME, T)
    with pytest.raises(TicketExpired):
        desk.invitations.finish_passkey(made.token, ticket, device.register(options), "key", HOME, T)


async def test_nothing_is_kept_before_the_last_step(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """A person who goes away in the middle begins again, in a console that was restarted, too."""
    made = invite(engine, key, store)
    desk = new_desk(engine, key)
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    with pytest.raises(Refused) as refused:
        desk.invitations.finish_totp(made.token, ticket, "000000", "phone", HOME, T)
    assert refused.value.template is Text.WRONG_FACTOR
    assert set(rows(engine).values()) == {0}
    restarted = new_desk(engine, key)
    with pytest.raises(TicketExpired):
        restarted.invitations.totp(made.token, ticket, T)
    await enrol(restarted, made)


async def test_a_label_that_is_none_keeps_the_link(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """All or nothing: what fails in the middle of the transaction has used nothing up."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    offer = desk.invitations.totp(made.token, ticket, T)
    for label in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(Refused) as refused:
            desk.invitations.finish_totp(made.token, ticket, code_at(offer, T), label, HOME, T)
        assert refused.value.template is Text.BAD_LABEL
    assert set(rows(engine).values()) == {0}
    assert desk.invitations.finish_totp(made.token, ticket, code_at(offer, T), "phone", HOME, T)


async def test_who_opens_the_link_second_must_know_the_password(
    engine: Engine, key: bytes, store: IdentityStore
) -> None:
    """The link alone shows no seed; who has begun goes on in another browser."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    assert not desk.invitations.has_begun(made.token, T)
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    assert desk.invitations.has_begun(made.token, T)
    for other in ("eight yellow horses at sea", "", "x" * 300):
        with pytest.raises(InviteBegun):
            await desk.invitations.choose_password(made.token, other, T)
    again = await desk.invitations.choose_password(made.token, PASSWORD, T + 60)
    offer = desk.invitations.totp(made.token, ticket, T)
    assert desk.invitations.totp(made.token, again, T) == offer
    for wrong in ("", "x", made.token):
        with pytest.raises(TicketExpired):
            desk.invitations.totp(made.token, wrong, T)


async def test_a_ticket_is_of_one_invitation(engine: Engine, key: bytes, store: IdentityStore) -> None:
    desk, adas, bobs = new_desk(engine, key), invite(engine, key, store), invite(engine, key, store, "bob")
    ticket = await desk.invitations.choose_password(adas.token, PASSWORD, T)
    await desk.invitations.choose_password(bobs.token, "eight yellow horses at sea", T)
    with pytest.raises(TicketExpired):
        desk.invitations.totp(bobs.token, ticket, T)


async def test_what_was_begun_is_forgotten_after_an_hour(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Or whoever got hold of the link first could keep its owner out for its seven days."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    with pytest.raises(TicketExpired):
        desk.invitations.totp(made.token, ticket, T + 3600)
    assert not desk.invitations.has_begun(made.token, T + 3600)
    await desk.invitations.choose_password(made.token, "eight yellow horses at sea", T + 3600)


async def test_two_who_choose_at_the_same_time(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """One is the first."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    done = await asyncio.gather(
        desk.invitations.choose_password(made.token, PASSWORD, T),
        desk.invitations.choose_password(made.token, "eight yellow horses at sea", T),
        return_exceptions=True,
    )
    assert sum(isinstance(one, InviteBegun) for one in done) == 1


def test_of_many_at_once_one_enrols(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Exactly once, whatever the threads do; and there is one password, one factor, one session."""
    made = invite(engine, key, store)
    ready: list[Callable[[], object]] = []

    async def begin() -> None:
        for number in range(8):
            desk = new_desk(engine, key)
            ticket = await desk.invitations.choose_password(made.token, f"{PASSWORD} {number}", T)
            code = code_at(desk.invitations.totp(made.token, ticket, T), T)
            finish = desk.invitations.finish_totp
            ready.append(lambda f=finish, t=ticket, c=code: f(made.token, t, c, "phone", HOME, T))  # type: ignore[misc]

    asyncio.run(begin())

    def outcome(finish: Callable[[], object]) -> str:
        try:
            finish()
        except InviteInvalid:
            return "too late"
        return "in"

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(outcome, ready))
    assert sorted(outcomes) == ["in"] + ["too late"] * 7
    assert rows(engine) == {"password": 1, "second_factor": 1 + RECOVERY_CODES, "console_session": 1}


async def test_links_that_are_worth_nothing(engine: Engine, key: bytes, store: IdentityStore, people: People) -> None:
    """Unknown, expired, revoked, replaced, used, of somebody who is suspended: all read the same."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    for token in ("", "x", made.token.lower(), made.token + "x", "\ud800"):
        with pytest.raises(InviteInvalid):
            desk.invitations.look(token, T)
    assert desk.invitations.look(made.token, T + 7 * DAY_S - 1)
    with pytest.raises(InviteInvalid):
        desk.invitations.look(made.token, T + 7 * DAY_S)
    store.suspend("ada", T)
    with pytest.raises(InviteInvalid):
        desk.invitations.look(made.token, T)
    store.resume("ada", T)
    replaced = people.invite("ada", 1, T + 1)
    with pytest.raises(InviteInvalid):
        desk.invitations.look(made.token, T + 1)
    people.revoke_invite(replaced.invite.id, T + 2)
    with pytest.raises(InviteInvalid):
        desk.invitations.look(replaced.token, T + 2)
    last = people.invite("ada", 1, T + 3)
    await enrol(desk, last, T + 3)
    with pytest.raises(InviteInvalid):
        await desk.invitations.choose_password(last.token, PASSWORD, T + 4)
    assert [(one.used_at, one.revoked_at) for one in people.invites()] == [(None, T + 1), (None, T + 2), (T + 3, None)]


async def test_a_link_for_somebody_who_is_suspended(
    engine: Engine, key: bytes, store: IdentityStore, people: People
) -> None:
    """It can be made, opens nothing meanwhile, and opens when they are back."""
    desk = new_desk(engine, key)
    store.add_identity("ada", (), T)
    store.suspend("ada", T)
    for made in (people.invite("ada", 7, T), people.reset("ada", 7, T + 1)):
        with pytest.raises(InviteInvalid):
            desk.invitations.look(made.token, T + 2)
    store.resume("ada", T + 2)
    assert desk.invitations.look(made.token, T + 2) == made.invite
    await enrol(desk, made, T + 2)


async def test_suspended_in_the_middle(engine: Engine, key: bytes, store: IdentityStore) -> None:
    desk, made = new_desk(engine, key), invite(engine, key, store)
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    code = code_at(desk.invitations.totp(made.token, ticket, T), T)
    store.suspend("ada", T)
    with pytest.raises(InviteInvalid):
        desk.invitations.finish_totp(made.token, ticket, code, "phone", HOME, T)
    assert set(rows(engine).values()) == {0}


def test_what_the_administrator_is_told(engine: Engine, key: bytes, store: IdentityStore, people: People) -> None:
    """One sentence each, with what to do."""
    made = invite(engine, key, store)
    store.add_identity("printer", (), T, profile=Profile.APP)
    for days in (0, 91):
        for change in (people.invite, people.reset):
            with pytest.raises(StoreError, match="1 to 90 days"):
                change("ada", days, T)
    assert people.open_invite(made.token, T) == made.invite
    with pytest.raises(StoreError, match="no identity 'nobody'"):
        people.invite("nobody", 7, T)
    with pytest.raises(StoreError, match="'printer' is no person"):
        people.invite("printer", 7, T)
    with pytest.raises(StoreError, match="no invitation 99"):
        people.revoke_invite(99, T)
    people.revoke_invite(made.invite.id, T)
    with pytest.raises(StoreError, match="already"):
        people.revoke_invite(made.invite.id, T)
    with pytest.raises(StoreError, match="no identity 'nobody'"):
        people.reset("nobody", 7, T)


async def test_starting_over(engine: Engine, key: bytes, store: IdentityStore, people: People) -> None:
    """Nothing of before lets anybody in; the new link does."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    enrolled = await enrol(desk, made)
    ticket = await desk.sign_in.password("ada", PASSWORD, HOME, T + 30)
    with pytest.raises(StoreError, match="person reset ada"):
        people.invite("ada", 7, T + 60)
    again = people.reset("ada", 7, T + 60)
    assert desk.sign_in.session(enrolled.first.cookie, T + 60) is None
    assert set(rows(engine).values()) == {0}
    with pytest.raises(SignInRefused):
        await desk.sign_in.password("ada", PASSWORD, HOME, T + 60)
    for code in (code_at(enrolled.offer, T + 60), enrolled.first.recovery_codes[0]):
        with pytest.raises(SignInRefused):
            desk.sign_in.code(ticket.token, code, HOME, T + 60)
    await enrol(desk, again, T + 90)
    assert [act.action for act in audit.newest(engine, Wanted("ada"))][:4] == [
        "person-enrolled", "invite-made", "person-reset", "person-enrolled",
    ]  # fmt: skip


async def test_the_database_holds_no_secret(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Neither token, cookie, password, seed nor recovery code, in any form in which they were told."""
    desk, made = new_desk(engine, key), invite(engine, key, store)
    enrolled = await enrol(desk, made)
    with engine.connect() as connection:
        everything = "".join(
            repr(tuple(row))
            for table in (Invites, Passwords, SecondFactors, ConsoleSessions)
            for row in connection.execute(select(table.__table__))
        )
    secrets = [made.token, enrolled.first.cookie, PASSWORD, enrolled.offer.secret, *enrolled.first.recovery_codes]
    assert not [secret for secret in secrets if secret in everything or secret.replace(" ", "") in everything]
    assert not [secret for secret in secrets if secret in repr((made, enrolled.first, enrolled.offer))]


async def test_passwords_are_judged_with_the_persons_names(engine: Engine, key: bytes, store: IdentityStore) -> None:
    desk, made = new_desk(engine, key), invite(engine, key, store)
    for password, text in (("ada.long@example.org", Text.OWN_NAME), ("short", Text.TOO_SHORT)):
        with pytest.raises(PasswordRefused) as refused:
            await desk.invitations.choose_password(made.token, password, T)
        assert refused.value.template is text
    assert not desk.invitations.has_begun(made.token, T)
