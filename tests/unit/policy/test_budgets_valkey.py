"""What only budgets on a server of their own have: a network that fails, a failover, an empty server, a URL."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from budget_backends import Waiting, require_valkey
from harness import free_port, until
from structlog.testing import capture_logs
from valkey_server import Server

from policy.budgets.location import remote_budgets, server_at
from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.budgets.valkey_line import Server as Where
from policy.engine.budget import Distinct, Sum, Take, Window
from policy.settings import Settings
from service.settings import SettingError

T = 1_000_000.0  # any moment
LIMIT = 10
TEN = (Window(LIMIT, 3600.0),)
ONE = Take((Sum("recipients", "recipients:ada", 1, TEN), Distinct("new-recipients", "new:ada", (1,), TEN)))


@contextmanager
def running(**settings: str) -> Iterator[Server]:
    """A server of this test alone."""
    require_valkey()
    server = Server(**settings)
    try:
        yield server.start()
    finally:
        server.go_on()
        server.close()


@contextmanager
def asked(path: Path, replicas: int = 0, password: str = "", patience_s: float | None = None) -> Iterator[Waiting]:
    """With the product's patience where a test waits in vain; in others the machine may stand still."""
    with pytest.MonkeyPatch.context() as patched:
        if patience_s is not None:
            patched.setattr("policy.budgets.valkey._PATIENCE_S", patience_s)
        waiting = Waiting(ValkeyBudgets(replace(server_at(f"unix://{path}"), password=password), replicas))
    try:
        yield waiting
    finally:
        waiting.close()


def answers(budgets: Waiting, most: int, name: str) -> int:
    """How many of so many tries were answered with yes."""
    fits = 0
    for number in range(most):
        try:
            fits += budgets.reserve(f"{name}-{number}", ONE, T).fits
        except BudgetsAway:
            continue
    return fits


def lost(logs: list[Any]) -> list[int]:
    return [line["reservations"] for line in logs if line["event"] == "budgets-lost"]


# Failover


@contextmanager
def pair(tmp_path: Path) -> Iterator[tuple[Server, Server, Path]]:
    """A primary, its replica in step, and the name under which whoever is primary is found."""
    port = free_port()  # replication has no sockets but TCP
    with running(port=str(port), bind="127.0.0.1", repl_diskless_sync_delay="0") as primary, running() as replica:
        replica.order("REPLICAOF", "127.0.0.1", str(port))
        primary.order("SET", "step", "1")  # WAIT alone asks about what its own client wrote: nothing
        until(lambda: replica.order("GET", "step") == "1", "the replica is in step")
        name = tmp_path / "primary"
        name.symlink_to(primary.socket)
        yield primary, replica, name


def fail_over(primary: Server, replica: Server, name: Path) -> None:
    primary.kill()
    replica.order("REPLICAOF", "NO", "ONE")
    name.unlink()
    name.symlink_to(replica.socket)


def test_a_failover_to_a_replica_that_lost_the_last_second_never_overshoots(tmp_path: Path) -> None:
    """What the replica did not have was not answered: the message was refused for the time being."""
    with pair(tmp_path) as (primary, replica, name):
        with asked(name, replicas=1) as budgets:
            assert answers(budgets, 3, "in step") == 3
        replica.order("REPLICAOF", "127.0.0.1", "1")  # the link is cut; it keeps what it has
        with asked(name, replicas=1, patience_s=1.0) as budgets:
            assert answers(budgets, 1, "lost") == 0
        fail_over(primary, replica, name)
        with asked(name) as budgets:  # the new primary has no replica yet
            assert answers(budgets, LIMIT + 1, "after") == LIMIT - 3


def test_a_replica_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    """No answer within a second, whatever the primary says; and all is well when the replica goes on."""
    with pair(tmp_path) as (_, replica, name), asked(name, replicas=1) as budgets:
        assert answers(budgets, 1, "in step") == 1
        replica.pause()
        with asked(name, replicas=1, patience_s=1.0) as hasty:
            assert answers(hasty, 1, "alone") == 0
        replica.go_on()
        # What was not answered is counted: it may have been let through.
        assert answers(budgets, LIMIT + 1, "again") == LIMIT - 2


def test_a_failover_without_waiting_is_said_aloud(tmp_path: Path) -> None:
    """With no replicas in the settings the last second may be forgotten; how much of it was is in the log."""
    with pair(tmp_path) as (primary, replica, name), asked(name) as budgets:
        assert answers(budgets, 2, "in step") == 2
        until(lambda: replica.order("HGET", "{sallyport}:state", "number") == "2", "the replica has them")
        replica.order("REPLICAOF", "127.0.0.1", "1")
        assert answers(budgets, 4, "lost") == 4
        fail_over(primary, replica, name)
        with capture_logs() as logs:
            assert answers(budgets, LIMIT + 1, "after") == LIMIT - 2
    assert lost(logs) == [4]


def test_a_primary_that_became_a_replica_is_left(tmp_path: Path) -> None:
    """It writes nothing, so nothing is answered; the next question finds whoever has the name now."""
    with pair(tmp_path) as (primary, replica, name), asked(name) as budgets:
        assert answers(budgets, 1, "first") == 1
        replica.order("REPLICAOF", "NO", "ONE")
        primary.order("REPLICAOF", "127.0.0.1", "1")
        name.unlink()
        name.symlink_to(replica.socket)
        assert answers(budgets, 1, "to the old one") == 0
        assert answers(budgets, 1, "to the new one") == 1


# A server that is not there, or not as it was


def test_an_answer_that_does_not_come_is_none() -> None:
    """It hangs, it is gone, it comes back: no message passes meanwhile, and nothing is forgotten."""
    with running(appendonly="yes", appendfsync="always") as server, asked(server.socket) as budgets:
        assert answers(budgets, 1, "first") == 1
        server.pause()
        with asked(server.socket, patience_s=1.0) as hasty:
            with pytest.raises(BudgetsAway):
                hasty.reserve("hangs", ONE, T)
            with pytest.raises(BudgetsAway):
                hasty.release("first-0", T)
        server.go_on()
        server.kill()
        with pytest.raises(BudgetsAway):
            budgets.peek(ONE.charges, T)
        assert budgets.budgets.is_away
        server.start()
        answers(budgets, 1, "finds that the connection is dead")
        (counted, _) = budgets.peek(ONE.charges, T).before
        assert not budgets.budgets.is_away
        assert counted[0] in (1, 2, 3)  # what got no answer may be counted
        assert answers(budgets, LIMIT + 1, "again") == LIMIT - counted[0]


def test_a_server_that_was_killed_has_what_it_answered() -> None:
    """kill -9 at any point, again and again, with appendfsync always."""
    chance, number = random.Random(1), 0  # noqa: S311 - no secret
    octets = Sum("octets", "octets:ada", 1, (Window(999, 60.0),))
    with running(appendonly="yes", appendfsync="always") as server:
        for _ in range(6):
            with asked(server.socket) as budgets:
                for _ in range(chance.randrange(1, 6)):
                    number += budgets.reserve(f"r-{number}", Take((octets,)), T).fits
            server.kill()
            server.start()
            with asked(server.socket) as budgets:
                assert budgets.peek((octets,), T).before == ((number,),)


def test_an_empty_server_is_said_aloud() -> None:
    """The first start, and one that lost its disk: what was taken before is not counted."""
    with running() as server, asked(server.socket) as budgets:
        with capture_logs() as logs:
            assert answers(budgets, 3, "first") == 3
        assert lost(logs) == [0]
        server.order("FLUSHALL")
        with capture_logs() as logs:
            assert answers(budgets, 3, "second") == 3
        assert lost(logs) == [3]


def test_a_server_without_room_lets_nothing_through() -> None:
    """Nothing is evicted for a newcomer, and nobody passes because there is no room to count him."""
    with running(maxmemory_policy="noeviction") as server, asked(server.socket) as budgets:
        assert answers(budgets, 3, "first") == 3
        server.order("CONFIG", "SET", "maxmemory", "1")
        assert answers(budgets, 3, "second") == 0
        server.order("CONFIG", "SET", "maxmemory", "0")
        assert answers(budgets, LIMIT, "third") == LIMIT - 3


def test_a_password() -> None:
    """Without the right one there is no answer, and none of them is in the log."""
    with running(requirepass="correct horse") as server:
        with asked(server.socket, password="correct horse") as budgets:
            assert answers(budgets, 1, "right") == 1
        with capture_logs() as logs, asked(server.socket, password="battery staple") as budgets:
            assert answers(budgets, 1, "wrong") == 0
    assert "horse" not in str(logs)
    assert "staple" not in str(logs)


# Settings

URLS = [
    # what it shows, the URL, what it means
    ("TCP", "valkey://budgets:6380/2", Where(host="budgets", port=6380, number=2)),
    ("the usual port and number", "valkey://budgets", Where(host="budgets", port=6379, number=0)),
    ("a user", "valkey://sallyport@budgets", Where(host="budgets", user="sallyport")),
    ("TLS", "valkeys://budgets/1", Where(host="budgets", number=1, is_tls=True)),
    ("an authority of one's own", "valkeys://b?ca=/tls/ca.pem", Where(host="b", is_tls=True, authority="/tls/ca.pem")),
    ("a socket", "unix:///run/valkey/socket?db=3", Where(path="/run/valkey/socket", number=3)),
]


@pytest.mark.parametrize(("url", "meant"), [row[1:] for row in URLS], ids=[row[0] for row in URLS])
def test_url(url: str, meant: Where) -> None:
    """Where the server is."""
    assert server_at(url) == meant


WRONG_URLS = [
    # what it shows, the URL, what is said
    ("no URL", "budgets:6379", "names no server"),
    ("another scheme", "http://budgets", "names no server"),
    ("no host", "valkey:///1", "names no server"),
    ("a port that is none", "valkey://budgets:many", "it is no URL"),
    ("a number that is none", "valkey://budgets/one", "is no number"),
    ("an option that would weaken TLS", "valkeys://budgets?ssl_cert_reqs=none", "names no server"),
    ("a password", "valkey://:s3cret@budgets", "holds a password"),
    ("a password as an option", "unix:///socket?password=s3cret", "holds a password"),
]


@pytest.mark.parametrize(("url", "said"), [row[1:] for row in WRONG_URLS], ids=[row[0] for row in WRONG_URLS])
def test_wrong_url(url: str, said: str) -> None:
    """One sentence that says what is wrong, and never what was in it."""
    with pytest.raises(SettingError, match=f"^POLICY_BUDGETS_URL: .*{said}") as raised:
        server_at(url)
    assert "s3cret" not in str(raised.value)


def test_without_a_url_the_budgets_are_in_the_database() -> None:
    """As shipped."""
    assert remote_budgets(Settings()) is None


async def test_the_password_is_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sees it who looks at the environment, and the setting for replicas is heard."""
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setattr("policy.budgets.valkey._PATIENCE_S", 5.0)  # for a replica that is not there
    with running(requirepass="correct horse") as server, capture_logs() as logs:
        url = f"unix://{server.socket}"
        settings = Settings(budgets_url=url, budgets_password_file=tmp_path / "password", budgets_replicas=1)
        budgets = remote_budgets(settings)
        assert budgets
        with pytest.raises(BudgetsAway):
            await budgets.reserve("r", ONE, T)
        await budgets.close()
    assert [line["reason"] for line in logs] == ["0 of 1 replicas have it"]
