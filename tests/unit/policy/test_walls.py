"""Walls that are seen and let in: the rows, what policy hears of them, the command and the routes."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from api_client import NOW, Client, back_of, bearer
from command_line import InProcess, prepared
from sqlalchemy import Engine
from structlog.testing import capture_logs

from policy.api.app import make_api
from policy.engine.guessing import NETWORK_LIMIT, PENALTIES_S, Attempt, Walls, Why
from policy.store import audit, walls
from policy.store.database import Location, open_database
from policy.store.errors import StoreError, Unknown
from policy.store.identities import IdentityStore
from policy.store.reader import open_reader
from policy.store.statements import OnConnection
from policy.store.tokens import TokenBook, TokenScope
from policy.store.transactions import Transactions
from policy.store.walls import KeptWalls, StoredWall, WallNotes
from policy.store.writer import Writer
from policy.walling import Walling
from service.spans import DAY_S, HOUR_S

T = 1_000_000.0
OFFICE, ELSEWHERE, VOUCHED_FOR = "198.51.100.0/24", "2001:db8:bad::/48", "203.0.113.0/24"


@dataclass
class Policy:
    """One process, as far as walls are concerned, with a clock that tests move."""

    walling: Walling
    now: float = T
    _tried: int = field(default=0)

    def guess(self, network: str = OFFICE, logins: int = NETWORK_LIMIT) -> None:
        """As many logins with a wrong secret."""
        for _ in range(logins):
            self._tried += 1
            attempt = Attempt(login=f"login-{self._tried}", network=network, is_known=True, has_history=False)
            if until := self.walling.walls.note_wrong(attempt, b"x", self.now):
                self.walling.raised(network, until, Why.GUESSING, self.now)

    def is_walled(self, network: str = OFFICE) -> bool:
        return self.walling.walls.is_walled(network, self.now)


Start = Callable[[], Policy]


@pytest.fixture
async def start(database: Location, statements: Transactions) -> AsyncIterator[Start]:
    """Starts a process on the store; each begins with nothing in memory."""
    reader, writer = open_reader(database), Writer(statements, patience_s=0)

    def started() -> Policy:
        walling = Walling(
            walls=Walls(bytes(32)),
            kept=KeptWalls(reader),
            notes=WallNotes(statements),
            writer=writer,
            unwalled=(ip_network(VOUCHED_FOR),),
            clock=lambda: policy.now,
        )
        policy = Policy(walling)
        return policy

    yield started
    await writer.close()
    await reader.close()


@asynccontextmanager
async def going_on(*policies: Policy) -> AsyncIterator[None]:
    for one in policies:
        one.walling.start()
    yield
    for one in policies:
        await one.walling.close()


def add(engine: Engine, *rows: StoredWall, now: float = T) -> None:
    """As policy writes them."""
    with engine.begin() as connection:
        WallNotes(OnConnection(connection)).add(rows, now)


def wall(network: str = OFFICE, since: float = T, until: float = T + HOUR_S, times: int = 1) -> StoredWall:
    return StoredWall(network, since, until, Why.GUESSING, times)


# What is seen


async def test_a_wall_is_seen_with_its_reason(start: Start, store: IdentityStore) -> None:
    """And none before there is one."""
    policy = start()
    policy.guess(logins=NETWORK_LIMIT - 1)
    await policy.walling.round()
    assert store.walls(T) == []
    policy.guess(logins=1)
    until = policy.walling.walls.penalise(ELSEWHERE, T + 1)
    assert until
    policy.walling.raised(ELSEWHERE, until, Why.TRAP, T + 1)
    await policy.walling.round()
    office = wall(OFFICE)
    assert store.walls(T + 1) == [StoredWall(ELSEWHERE, T + 1, T + 1 + HOUR_S, Why.TRAP, 1), office]
    assert store.walls(T + HOUR_S + 0.5) == [StoredWall(ELSEWHERE, T + 1, T + 1 + HOUR_S, Why.TRAP, 1)]


async def test_the_next_one_of_a_network_is_counted(start: Start, store: IdentityStore) -> None:
    """It has one row, of the wall that stands."""
    policy = start()
    for number, seconds in enumerate(PENALTIES_S[:3], 1):
        policy.guess()
        await policy.walling.round()
        assert store.walls(policy.now) == [wall(since=policy.now, until=policy.now + seconds, times=number)]
        policy.now += seconds


async def test_the_crowd_has_no_row(start: Start, store: IdentityStore) -> None:
    """Networks without a place in memory are walled as one, and there is nothing to lift."""
    policy = start()
    policy.walling.walls = Walls(bytes(32), networks=1)
    policy.guess(ELSEWHERE)
    with capture_logs() as logs:
        policy.guess(OFFICE)
    assert [one["network"] for one in logs if one["event"] == "network-walled"] == [OFFICE]
    await policy.walling.round()
    assert [one.network for one in store.walls(T)] == [ELSEWHERE]


# What the row says where several write it

SOON, LATE = wall(until=T + 10), wall(until=T + 20)
ROWS = [
    # what it shows, the row that is there, when that was lifted, what is written, what is shown then
    ("a longer one", SOON, None, replace(LATE, since_at=T + 1), [replace(LATE, since_at=T + 1)]),
    ("a shorter one, at another policy", LATE, None, replace(SOON, since_at=T + 1), [LATE]),
    ("anew after a lift, though shorter", LATE, T + 1, replace(SOON, since_at=T + 2), [replace(SOON, since_at=T + 2)]),
    ("late: it was lifted meanwhile", SOON, T + 5, replace(LATE, since_at=T + 4), []),
]


@pytest.mark.parametrize(
    ("there", "lifted_at", "written", "shown"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS]
)
def test_one_row_for_each_network(
    store: IdentityStore, there: StoredWall, lifted_at: float | None, written: StoredWall, shown: list[StoredWall]
) -> None:
    """Of the wall that stands longest, and a lift counts for what was there before it."""
    add(store._engine, there)
    if lifted_at:
        store.lift_wall(OFFICE, lifted_at)
    add(store._engine, written)
    assert store.walls(T + 6) == shown


async def test_rows_have_a_bound(engine: Engine, store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In age and in number: those whose end comes last stay."""
    add(engine, wall("192.0.2.0/24"))
    add(engine, wall("198.18.0.0/24", T + HOUR_S + DAY_S, T + 2 * DAY_S), now=T + HOUR_S + DAY_S)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM wall").scalar() == 1
    monkeypatch.setattr(walls, "ROWS_KEPT", 5)
    add(engine, *[wall(f"10.0.{number}.0/24", until=T + 9 * DAY_S + number) for number in range(20)])
    assert {one.network for one in store.walls(T)} == {f"10.0.{number}.0/24" for number in range(15, 20)}


async def test_a_flood_is_written_a_part_at_a_time(start: Start, store: IdentityStore) -> None:
    """No commit in which others wait for theirs gets long; what is left over at the end is written then."""
    policy = start()
    for number in range(1000):
        policy.guess(f"10.{number // 250}.{number % 250}.0/24")
    await policy.walling.round()
    assert len(store.walls(T)) == 200
    await policy.walling.close()
    assert len(store.walls(T)) == 1000


async def test_a_busy_store_is_asked_again(start: Start, store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall stands meanwhile, and its row comes when the store answers."""
    policy = start()
    policy.guess()
    with monkeypatch.context() as patch:
        patch.setattr(WallNotes, "add", _fail)
        with pytest.raises(OSError, match="busy"):
            await policy.walling.round()
        await policy.walling.close()
    assert (policy.is_walled(), store.walls(T)) == (True, [])
    await policy.walling.round()
    assert store.walls(T) == [wall()]


def _fail(*_: object) -> None:
    raise OSError("busy")


# Letting in


async def test_a_lifted_wall_falls_in_every_policy(start: Start, store: IdentityStore) -> None:
    """What was tried is forgotten, and the next wall is a first one; other networks stay walled."""
    one, other = start(), start()
    for policy in (one, other):
        policy.guess()
        policy.guess(ELSEWHERE)
        await policy.walling.round()
    lifted = store.lift_wall("198.51.100.77", T + 1)
    assert lifted == wall()
    for policy in (one, other):
        assert policy.is_walled()
        await policy.walling.round()
        assert (policy.is_walled(), policy.is_walled(ELSEWHERE)) == (False, True)
        policy.guess(logins=NETWORK_LIMIT - 1)
        assert not policy.is_walled()
    one.now += 2
    one.guess(logins=1)
    await one.walling.round()
    assert store.walls(T + 2)[0] == wall(since=T + 2, until=T + 2 + HOUR_S)
    await other.walling.round()
    store.lift_wall(OFFICE, T + 3)
    await one.walling.round()
    assert not one.is_walled()


async def test_the_second_lift_of_a_network_is_heard_too(start: Start, store: IdentityStore) -> None:
    """Also where it comes before the wall is written down that it is for."""
    one, other = start(), start()
    one.guess()
    await one.walling.round()
    store.lift_wall(OFFICE, T + 1)
    for policy in (one, other):
        await policy.walling.round()
        policy.now += 2
        policy.guess()
    await other.walling.round()
    store.lift_wall(OFFICE, T + 3)
    await one.walling.round()
    assert (one.is_walled(), store.walls(T + 3)) == (False, [])


async def test_a_wall_that_falls_before_it_is_written_down_is_not_shown(start: Start, store: IdentityStore) -> None:
    policy = start()
    policy.guess()
    policy.walling.lift(OFFICE, T)
    await policy.walling.round()
    assert (policy.is_walled(), store.walls(T)) == (False, [])


async def test_what_goes_up_during_a_commit_is_written_by_the_next(start: Start, store: IdentityStore) -> None:
    """The same network may have fallen and be walled again by then."""
    policy = start()
    policy.guess()
    written = policy.walling.notes

    class Slow(WallNotes):
        def add(self, walls: Iterable[StoredWall], now: float) -> None:
            written.add(walls, now)
            policy.walling.walls.forget(None, OFFICE)
            policy.now = T + 1
            policy.guess()

    policy.walling.notes = Slow(written._statements)
    await policy.walling.round()
    policy.walling.notes = written
    await policy.walling.round()
    assert store.walls(T + 1) == [wall(since=T + 1, until=T + 1 + HOUR_S)]


async def test_it_is_heard_in_the_background(start: Start, store: IdentityStore) -> None:
    """Without anybody who asks."""
    policy = start()
    policy.walling.period_s = 0.001
    policy.guess()
    async with going_on(policy):
        while not store.walls(T):
            await policy.walling.writer.make(lambda: None)
        store.lift_wall(OFFICE, T)
        while policy.is_walled():
            await policy.walling.writer.make(lambda: None)


async def test_who_cannot_ask_says_so_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, rounds = start(), 0

    async def fail(_: object) -> None:
        nonlocal rounds
        rounds += 1
        raise OSError("away")

    monkeypatch.setattr(KeptWalls, "lifted", fail)
    policy.walling.period_s = 0.001
    with capture_logs() as logs:
        async with going_on(policy):
            while rounds < 3:
                await policy.walling.writer.make(lambda: None)
    assert [(one["event"], one["path"]) for one in logs] == [("question-failed", "walls")]


async def test_a_program_lifts(start: Start, store: IdentityStore) -> None:
    """At once where it asks, and for the others, too; a network without a wall costs no row."""
    one, other = start(), start()
    for policy in (one, other):
        policy.guess()
        await policy.walling.round()
    one.walling.lift(OFFICE, T + 1)
    one.walling.lift(ELSEWHERE, T + 1)
    assert not one.is_walled()
    await one.walling.writer.make(lambda: None)
    assert store.walls(T + 1) == []
    await other.walling.round()
    assert not other.is_walled()
    one.walling.lift(OFFICE, T + 2)
    await one.walling.writer.make(lambda: None)
    assert await one.walling.kept.lifted() == {OFFICE: T + 1}


REFUSED = [
    # what it shows, what is given, the error, what it says
    ("a network that is not walled", "192.0.2.0/24", Unknown, "192.0.2.0/24 is not walled; `sallyport wall list`"),
    ("one that is let in already", "10.0.1.1", Unknown, "10.0.1.0/24 is not walled"),
    ("one whose wall is over", "10.0.2.0/24", Unknown, "10.0.2.0/24 is not walled"),
    ("no network", "office", StoreError, "'office' is neither an address nor a network"),
    ("another size", "198.51.100.0/25", StoreError, "did you mean 198.51.100.0/24?"),
]


@pytest.mark.parametrize(("given", "error", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_lifted(
    engine: Engine, store: IdentityStore, given: str, error: type[StoreError], says: str
) -> None:
    """Nothing is changed, nor in the audit log."""
    add(engine, wall(), wall("10.0.1.0/24"), wall("10.0.2.0/24", until=T + 1))
    store.lift_wall("10.0.1.0/24", T)
    with pytest.raises(error, match=says.replace("?", r"\?")) as refused:
        store.lift_wall(given, T + 1)
    assert type(refused.value) is error
    assert store.walls(T + 1) == [wall()]
    assert len(audit.newest(engine, audit.Wanted())) == 1


# After a start


async def test_walls_stand_again_after_a_start(start: Start) -> None:
    """As long as they would have, and those that follow are longer; whatever was asked of them before."""
    before = start()
    before.guess()
    before.now += HOUR_S
    before.guess()
    await before.walling.close()
    after = start()
    after.now = before.now + 1
    assert not after.is_walled()
    await after.walling.remember(after.now)
    await after.walling.remember(after.now)
    after.now = T + 3 * HOUR_S - 1
    assert after.is_walled()
    after.now += 1
    assert not after.is_walled()
    after.guess()
    assert after.walling.walls.in_a_row(OFFICE) == 3


async def test_a_wall_that_is_over_is_remembered_for_a_day(start: Start) -> None:
    """The next one is the longer one, and after that day a first one again."""
    before = start()
    before.guess()
    await before.walling.close()
    for now, times in ((T + HOUR_S + DAY_S - 1, 2), (T + HOUR_S + DAY_S, 1)):
        after = start()
        after.now = T + HOUR_S + 60
        await after.walling.remember(after.now)
        after.now = now
        after.guess()
        assert after.walling.walls.in_a_row(OFFICE) == times


async def test_walls_stand_again_before_anybody_logs_in(start: Start, engine: Engine) -> None:
    """For connections, and for the logins of another server."""
    add(engine, wall())
    policy = start()
    async with going_on(policy):
        while not policy.is_walled():
            await policy.walling.writer.make(lambda: None)


async def test_a_lifted_wall_does_not_stand_again(start: Start, store: IdentityStore) -> None:
    before = start()
    before.guess()
    await before.walling.close()
    store.lift_wall(OFFICE, T)
    after = start()
    await after.walling.remember(T)
    assert not after.is_walled()


async def test_a_network_that_was_vouched_for_since_is_let_in(
    start: Start, engine: Engine, store: IdentityStore
) -> None:
    """Its wall is not shown any more either."""
    add(engine, wall(VOUCHED_FOR))
    policy = start()
    await policy.walling.remember(T)
    await policy.walling.writer.make(lambda: None)
    assert (policy.is_walled(VOUCHED_FOR), store.walls(T)) == (False, [])


STANDS = [
    # what it shows, until, how many in a row, how long it stands after T, how many are counted then
    ("one that stands", T + 60, 1, 60, 1),
    ("one that is over is counted still", T - 60, 2, 0, 2),
    ("of a clock that was set back: no longer than from now on", T + 400 * DAY_S, 2, 2 * HOUR_S, 2),
    ("of a version that counts further", T + 60, 99, 60, len(PENALTIES_S)),
]


@pytest.mark.parametrize(
    ("until", "times", "seconds", "counted"), [case[1:] for case in STANDS], ids=[case[0] for case in STANDS]
)
def test_stand(until: float, times: int, seconds: float, counted: int) -> None:
    made = Walls(bytes(32))
    made.stand(OFFICE, until, times, T)
    assert made.in_a_row(OFFICE) == counted
    assert not seconds or made.is_walled(OFFICE, T + seconds - 1)
    assert not made.is_walled(OFFICE, T + seconds)


def test_a_wall_that_stands_longer_stays() -> None:
    """What has gone up since the start counts, too."""
    made = Walls(bytes(32))
    made.penalise(OFFICE, T)
    made.stand(OFFICE, T + 1, 4, T)
    assert (made.is_walled(OFFICE, T + HOUR_S - 1), made.in_a_row(OFFICE)) == (True, 1)


def test_where_all_places_are_taken_by_walls_the_rest_is_left() -> None:
    made = Walls(bytes(32), networks=1)
    made.stand(OFFICE, T + 60, 1, T)
    made.stand(ELSEWHERE, T + 61, 1, T)
    assert (made.is_walled(OFFICE, T), made.is_walled(ELSEWHERE, T)) == (True, False)


# The command and the routes


def test_commands(tmp_path: Path) -> None:
    """List and lift, for people and for programs; the act is in the audit log with who did it."""
    sallyport = prepared(InProcess, tmp_path)
    assert sallyport.json("wall", "list") == []
    engine = open_database(tmp_path / "state" / "sallyport.db")
    far = 4_102_444_800.0  # 2100: commands have the machine's clock
    add(engine, wall(until=far), replace(wall(ELSEWHERE, until=far), why=Why.TRAP, times=2))
    engine.dispose()
    assert sallyport.json("wall", "list")[1] == {
        "network": ELSEWHERE,
        "since_at": "1970-01-12T13:46:40Z",
        "ends_at": "2100-01-01T00:00:00Z",
        "why": "a trap",
        "times": 2,
    }
    shown = sallyport("wall", "list").stdout.splitlines()
    assert shown[0].split() == ["network", "since", "until", "why", "in", "a", "row"]
    assert shown[1].split()[0] == OFFICE
    assert [one.split()[0] for one in sallyport("wall", "list", "--limit", "1").stdout.splitlines()[1:]] == [OFFICE]
    assert [one["network"] for one in sallyport.json("wall", "list", "--limit", "1")] == [OFFICE]
    said = sallyport("wall", "lift", "198.51.100.7").stdout
    assert said == (
        "198.51.100.0/24 was walled since 1970-01-12T13:46:40Z (guessing) and is let in: logins within a second, new "
        "connections within ten. What was tried from there is forgotten.\n"
    )
    again = sallyport("wall", "lift", OFFICE)
    assert (again.returncode, again.stdout) == (1, "")
    assert "198.51.100.0/24 is not walled" in again.stderr
    assert sallyport.json("wall", "lift", ELSEWHERE)["times"] == 2
    act = sallyport.json("audit", "list", "--limit", "1")
    assert (act["action"], act["subject"]) == ("wall-lifted", ELSEWHERE)
    assert act["before"]["why"] == "a trap"


def test_routes(engine: Engine, tmp_path: Path) -> None:
    """As the commands; a list is read, and lifting is a change."""
    key = bytes(range(32))
    api = make_api(back_of(engine, key, tmp_path, NOW))
    tokens = TokenBook(engine, key, audit.Actor("cli:test", "here"))
    clients = {
        scope: Client(api, bearer(tokens.add_token(scope.value, (scope,), 30, NOW).token))
        for scope in (TokenScope.READ, TokenScope.WRITE)
    }
    reading, writing = clients[TokenScope.READ], clients[TokenScope.WRITE]
    add(engine, wall(since=NOW, until=NOW + HOUR_S), wall(ELSEWHERE, NOW - 1, NOW + HOUR_S), now=NOW)
    shown = reading.get("/walls")
    assert [one["network"] for one in shown.json()] == [OFFICE, ELSEWHERE]
    assert reading.get("/walls?limit=1").json() == shown.json()[:1]
    assert reading.get("/walls?limit=0").status_code == 422
    assert reading.delete(f"/walls/{OFFICE}").status_code == 403
    assert writing.get("/walls").status_code == 403
    assert writing.delete(f"/walls/{OFFICE}").json() == shown.json()[0]
    assert writing.delete("/walls/2001:db8:bad::5").json() == shown.json()[1]
    assert reading.get("/walls").json() == []
    assert writing.delete(f"/walls/{OFFICE}").status_code == 404
    assert writing.delete("/walls/office").status_code == 409
    assert audit.newest(engine, audit.Wanted())[0].actor == "api:write"
