"""Whoever becomes the owner's by quiet use alone is told of, at each step, and can be taken back."""

from dataclasses import replace

import pytest
from engine_parts import ABROAD, HOME, SETTLED, strange
from sqlalchemy import Engine, select

from policy import rulebook as rulebooks
from policy.brain import Brain
from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.contract import LoginOutcome, LoginStep
from policy.engine.entering import Newcomer, enter, sessions_for
from policy.engine.ladder import SignalKind
from policy.engine.places import Gained, History, Trust, gained, place_of, used
from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin, network_of
from policy.store.areas import AreaBook
from policy.store.errors import StoreError, Unknown
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Notices
from policy.store.models import Areas, Credentials, Networks, Revocations, Signals
from policy.store.transactions import Transactions
from policy.store.uses import Uses
from service.spans import DAY_S

T = 1_799_658_000.0
BOOK = rulebooks.shipped()
AT_ABROAD, NETWORK = "198.51.100.9", "198.51.100.0/24"


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy."""
    return BOOK


def past(days: int, since_s: float = DAY_S) -> History:
    return History(T - 100 * DAY_S, T - since_s, days)


GAINED = [
    # what it shows, days of the area, days of the network, what today makes of it
    ("nothing on the first day", None, None, None),
    ("nothing on the second", past(1), past(1), None),
    ("settled on the third", past(2), past(2), Gained(Trust.SETTLED, 3)),
    ("said once", past(3), past(3), None),
    ("home on the seventh", past(6), past(6), Gained(Trust.HOME, 7)),
    ("home, where the provider was the owner's before", past(60), past(6), Gained(Trust.HOME, 7)),
    ("home was said, too", past(7), past(7), None),
    ("a day counts once", past(2, 0.0), past(2, 0.0), None),
    ("what was forgotten begins anew", past(60, 101 * DAY_S), past(60, 101 * DAY_S), None),
]


@pytest.mark.parametrize(("area", "network", "expected"), [c[1:] for c in GAINED], ids=[c[0] for c in GAINED])
def test_what_today_makes_of_a_network(area: History | None, network: History | None, expected: Gained | None) -> None:
    areas = {ABROAD.area: area} if area else {}
    before = place_of(ABROAD, areas, network, BOOK, T)
    assert gained(before, areas, network, BOOK, T) == expected


def test_what_is_suspect_is_not_said_to_be_settled_day_by_day() -> None:
    areas = {ABROAD.area: past(5)}
    before = place_of(ABROAD, areas, past(5), BOOK, T, is_suspect=True)
    assert gained(before, areas, past(5), BOOK, T, is_suspect=True) is None


@pytest.mark.parametrize(
    ("what", "area", "expected"),
    [
        ("in doubt on some days, on each of which a network there was quiet", History(T - 6 * DAY_S, T, 4), True),
        ("not long enough for any network there to be home", History(T - 6 * DAY_S + 1, T, 7), False),
    ],
)
def test_whether_something_is_kept_for_home(what: str, area: History, expected: bool) -> None:
    """Wherever there may be a home: from next door to it seven eighths are spent, and no more."""
    assert place_of(ABROAD, {ABROAD.area: area}, None, BOOK, T).has_home is expected, what


def entered(place: Place, gains: Gained | None, kind: str = "person") -> list[SignalKind]:
    newcomer = Newcomer(identity="ada", kind=kind, place=place, gains=gains)
    entry = run_here(enter(newcomer, BOOK, T), MemoryBudgets(), "r1", T)
    return [one.kind for one in entry.signals]


def test_nobody_is_told_of_a_day_that_does_not_count() -> None:
    """A program does not travel: it stays on probation until somebody vouches for its network."""
    gains = Gained(Trust.SETTLED, 3)
    assert entered(strange(), gains) == [SignalKind.TRUSTED_NETWORK]
    assert entered(strange(), gains, kind="app") == []
    assert entered(SETTLED, Gained(Trust.HOME, 7)) == [SignalKind.TRUSTED_NETWORK]
    assert entered(SETTLED, None) == []


def test_what_was_forgotten_is_strange_until_it_was_used_on_as_many_days_again() -> None:
    """A second login on the same day found it settled, because the days of last year counted."""
    areas, network = {ABROAD.area: past(60, 101 * DAY_S)}, past(60, 101 * DAY_S)
    for day, is_settled in ((0, False), (1, False), (2, False), (3, True)):
        now = T + day * DAY_S
        assert place_of(ABROAD, areas, network, BOOK, now).is_settled is is_settled, day
        areas, network = {ABROAD.area: used(areas[ABROAD.area], BOOK, now)}, used(network, BOOK, now)
        assert place_of(ABROAD, areas, network, BOOK, now).is_settled is (day >= 2), day


def test_what_was_forgotten_begins_anew_in_the_store(
    store: IdentityStore, ada: NewCredential, statements: Transactions, engine: Engine
) -> None:
    """But for what somebody vouched for."""
    uses, areas = Uses(statements), AreaBook(statements)
    store.confirm_network("ada", "203.0.113.1", T)
    for day in range(3):
        for network in (NETWORK, "203.0.113.0/24"):
            uses.note_network(1, network, T + day * DAY_S, forgotten=T)
        areas.note(1, "AS4134 CN", T + day * DAY_S, forgotten=T, is_vouched=False)
    later = T + 110 * DAY_S
    for network in (NETWORK, "203.0.113.0/24"):
        uses.note_network(1, network, later, forgotten=BOOK.forgotten_at(later))
    areas.note(1, "AS4134 CN", later, forgotten=BOOK.forgotten_at(later), is_vouched=False)
    with engine.connect() as connection:
        rows = connection.execute(select(Networks.network, Networks.days, Networks.first_used_at)).all()
        assert {row.network: (row.days, row.first_used_at) for row in rows} == {
            NETWORK: (1, later),
            "203.0.113.0/24": (3, T),
        }
        assert connection.execute(select(Areas.days, Areas.first_used_at)).all() == [(1, later)]


# In the services


async def log_in(brain: Brain, ada: NewCredential, address: str, now: float) -> LoginOutcome:
    brain = replace(brain, clock=lambda: now)
    response = f"\0{ada.login}\0{ada.secret}".encode()
    step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
    answer = await brain.login(LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)}))
    await brain.writer.make(lambda: None)
    return answer.outcome


async def lurk(brain: Brain, ada: NewCredential, days: int) -> None:
    """At home first, then day by day from abroad; each day twice, and the owner goes on."""
    await log_in(brain, ada, "192.0.2.7", T - 60)
    for day in range(days):
        for second in (0, 7200):
            assert await log_in(brain, ada, AT_ABROAD, T + day * DAY_S + second) is LoginOutcome.GRANTED


async def test_owner_and_administrator_are_told_when_it_is_settled_and_when_it_is_home(
    brain: Brain, ada: NewCredential, engine: Engine, store: IdentityStore
) -> None:
    await lurk(brain, ada, 2)
    assert store.trusted_since("ada") == {}
    await lurk(brain, ada, 8)
    with engine.connect() as connection:
        every = select(Signals.kind, Signals.at, Signals.client_address).order_by(Signals.at)
        rows = connection.execute(every).all()
    assert [tuple(row) for row in rows] == [
        ("trusted-network", T + 2 * DAY_S, AT_ABROAD),
        ("trusted-network", T + 6 * DAY_S, AT_ABROAD),
    ]
    assert store.trusted_since("ada") == {NETWORK: T + 6 * DAY_S}
    assert store.standing("ada").step == "free"


async def test_the_notice_goes_to_both(brain: Brain, ada: NewCredential, engine: Engine) -> None:
    await lurk(brain, ada, 3)
    with engine.connect() as connection:
        rows = connection.execute(select(Notices.kind, Notices.channel, Notices.subject)).all()
        told = connection.scalars(select(Notices.content)).all()
    assert all(f"From: {NETWORK} (no database knows it)." in one for one in told), told
    assert sorted(tuple(row) for row in rows) == [
        ("network-trusted", "administrator", f"ada: {NETWORK} now counts as the owner's"),
        ("network-trusted", "owner:ada", f"ada: {NETWORK} now counts as the owner's"),
    ]


async def test_the_owner_says_that_it_was_not_him(
    brain: Brain, ada: NewCredential, engine: Engine, store: IdentityStore
) -> None:
    """The network is strange again, what was used there is suspended, other devices go on; a yes gives it back."""
    await lurk(brain, ada, 3)
    other = store.add_credential("ada", "tablet", T)
    await log_in(brain, other, "192.0.2.7", T + 3 * DAY_S)
    now = T + 4 * DAY_S
    incident = store.distrust_network("ada", AT_ABROAD, nowhere_known, now)
    assert incident.suspended == (ada.login,)
    assert (incident.state, incident.opened_by) == ("open", "cli:test")
    assert [one.network for one in store.networks("ada")] == ["192.0.2.0/24"]
    with engine.connect() as connection:
        assert list(connection.scalars(select(Areas.area))) == ["192.0.2.0/24 ??"]
        assert list(connection.scalars(select(Revocations.credential_id))) == [1]
    assert await log_in(brain, ada, AT_ABROAD, now + 60) is LoginOutcome.REFUSED
    assert await log_in(brain, other, "192.0.2.7", now + 60) is LoginOutcome.GRANTED
    store.answer_incident(incident.number, "ada", True, now + 120)
    with engine.connect() as connection:
        assert set(connection.scalars(select(Credentials.contained_by))) == {None}


def nowhere_known(address: str) -> Origin:
    """As the services are put together here: without a database of addresses."""
    return Origin(network=network_of(address))


def origin(address: str) -> Origin:
    return HOME if address.startswith("192.0.2.") else ABROAD if address.startswith("198.51.100.") else NEAR


NEAR = Origin(network="203.0.113.0/24", asn=HOME.asn, country=HOME.country)


def test_an_area_that_the_owner_was_in_before_stays(
    store: IdentityStore, ada: NewCredential, statements: Transactions, engine: Engine
) -> None:
    """A thief in the owner's provider; and where nobody knows what was used there, all of it is suspended."""
    uses, areas = Uses(statements), AreaBook(statements)
    for day, network in ((0, HOME.network), (5, NEAR.network)):
        uses.note_network(1, network, T + day * DAY_S, forgotten=0.0)
        areas.note(1, HOME.area, T + day * DAY_S, forgotten=0.0, is_vouched=False)
    store.add_credential("ada", "tablet", T)
    incident = store.distrust_network("ada", NEAR.network, origin, T + 6 * DAY_S)
    assert len(incident.suspended) == 2
    with engine.connect() as connection:
        assert list(connection.scalars(select(Areas.area))) == [HOME.area]
        assert list(connection.scalars(select(Networks.network))) == [HOME.network]


def test_what_nobody_used_cannot_be_distrusted(store: IdentityStore, ada: NewCredential) -> None:
    with pytest.raises(Unknown, match="no network"):
        store.distrust_network("ada", "198.51.100.1", origin, T)
    with pytest.raises(StoreError, match="neither an address"):
        store.distrust_network("ada", "everywhere", origin, T)


# Sessions

SESSIONS = [
    # what it shows, place, of five
    ("at home", Place(origin=HOME, is_settled=True, is_home=True, is_unseen_area=False, is_unseen_country=False), 5),
    ("elsewhere, while there is a home", SETTLED, 3),
    ("elsewhere, and there is none yet", replace(SETTLED, has_home=False), 5),
    ("a strange network, which is counted apart", strange(), 5),
]


@pytest.mark.parametrize(("place", "expected"), [c[1:] for c in SESSIONS], ids=[c[0] for c in SESSIONS])
def test_some_sessions_are_kept_for_home(place: Place, expected: int) -> None:
    """A thief in the owner's provider who takes all that he can leaves him two."""
    assert sessions_for(place, BOOK.limits_of("person")) == expected


def test_one_session_is_the_least() -> None:
    assert sessions_for(SETTLED, replace(BOOK.limits_of("person"), sessions=1)) == 1


async def test_fewer_sessions_are_granted_where_it_is_not_home(
    brain: Brain, ada: NewCredential, store: IdentityStore
) -> None:
    """At home all of them, so that what somebody elsewhere has taken is never all."""
    store.confirm_network("ada", "192.0.2.7", T)
    for day in range(8):
        await log_in(brain, ada, "192.0.2.7", T + day * DAY_S)
        if day > 3:
            await log_in(brain, ada, AT_ABROAD, T + day * DAY_S)
    assert await granted_sessions(brain, ada, "192.0.2.7") == 5
    assert await granted_sessions(brain, ada, AT_ABROAD) == 3


async def granted_sessions(brain: Brain, ada: NewCredential, address: str) -> int:
    response = f"\0{ada.login}\0{ada.secret}".encode()
    step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
    brain = replace(brain, clock=lambda: T + 9 * DAY_S)
    answer = await brain.login(LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)}))
    assert answer.grants
    return answer.grants.sessions
