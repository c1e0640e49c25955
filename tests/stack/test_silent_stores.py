"""A database that takes connections and says nothing, a full disk, a machine whose clock is wrong. Real servers.

Nobody hears "accepted" of a message that is not counted, and everybody hears something within seconds.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import PLENTY, Sallyport, policy_file, until
from sqlalchemy import text
from test_database_faults import LIMIT, SENDER, Gateway, assert_exact, judging
from test_faults import small_disk

import postgresql

# A question to PostgreSQL has four seconds, and to give it up takes ten; the gateway has said 451 after five.
BOUND_S = 20.0
AHEAD_S = 600.0
_WRONG_CLOCK = f"import time\nright = time.time\ntime.time = lambda: right() + {AHEAD_S}\n"


def policy_on(folder: Path, server: postgresql.Cluster, **profile: object) -> Sallyport:
    """Policy alone, with one credential."""
    url = server.create_empty().render_as_string()
    settings = policy_file(folder, person=PLENTY | {"recipients": f"{LIMIT}/day"} | profile)
    one = Sallyport(folder / "policy", next_hop=1, policy_settings=settings | {"POLICY_DATABASE_URL": url})
    one.cli("init")
    one.start_policy()
    one.new_login("ada", SENDER)
    return one


@pytest.fixture
def server() -> Iterator[postgresql.Cluster]:
    """A PostgreSQL server of this test's own."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    one = postgresql.Cluster()
    one.start()
    yield one
    one.go_on()
    one.close()


def timed(gateway: Gateway) -> tuple[str, float]:
    """What is said of one more message, and after how many seconds."""
    begun = time.monotonic()
    return gateway.judged(), time.monotonic() - begun


def test_postgresql_accepts_and_does_not_answer(tmp_path: Path, server: postgresql.Cluster) -> None:
    """SIGSTOP to all of it, in the middle of messages: refused in time, not ready, alive; then it goes on by itself."""
    policy = policy_on(tmp_path, server)
    gateway = Gateway(policy)
    try:
        with judging(gateway):
            gateway.has_accepted(20)
            server.pause()
        accepted = gateway.accepted
        with ThreadPoolExecutor(12) as several:
            said = list(several.map(lambda _: timed(gateway), range(12)))
            assert gateway.status("/health/live") == 200
        assert {action for action, _ in said} == {""}
        assert max(seconds for _, seconds in said) < BOUND_S
        assert gateway.status("/health/ready") == 503
        assert gateway.accepted == accepted
        server.go_on()
        until(lambda: gateway.status("/health/ready") == 200, "policy is ready again", 60.0)
        until(lambda: gateway.judged() == "accept", "messages are accepted again", 60.0)
        assert_exact(policy, gateway)
    finally:
        gateway.close()
        policy.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk of its own")
def test_the_disk_of_postgresql_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is accepted that is not written down. With room, and the server started anew, policy goes on."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    base = Path(tempfile.mkdtemp(prefix="sallyport-full-"))
    base.chmod(0o755)
    with small_disk(base / "disk", "160m") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        server = postgresql.Cluster(wal_level="minimal", max_wal_senders="0", max_wal_size="32MB", min_wal_size="32MB")
        monkeypatch.undo()
        server.start()
        policy = policy_on(tmp_path, server)
        gateway = Gateway(policy)
        try:
            assert gateway.judged() == "accept"
            _fill(disk / "filler")
            said = list[tuple[str, float]]()
            until(lambda: said.append(timed(gateway)) or not said[-1][0], "there is no room for a message", 120.0)
            accepted = gateway.accepted
            for _ in range(20):
                said.append(timed(gateway))
            assert max(seconds for _, seconds in said) < BOUND_S
            assert gateway.status("/health/live") == 200
            (disk / "filler").unlink()
            server.stop()  # where its log had no room it has stopped by itself, and somebody starts it
            server.start()
            until(lambda: gateway.judged() == "accept", "messages are accepted again", 60.0)
            assert accepted < LIMIT
            assert_exact(policy, gateway)
        finally:
            gateway.close()
            policy.stop()
            server.close()
    shutil.rmtree(base)


def _fill(path: Path) -> None:
    """To the last octet."""
    with path.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(65536)):
            pass


def test_a_policy_whose_clock_is_wrong_goes_by_the_databases(tmp_path: Path, server: postgresql.Cluster) -> None:
    """A real process on a machine that is ten minutes ahead: what it writes down and charges has the common time."""
    policy = policy_on(tmp_path, server)
    policy.policy.stop()
    (tmp_path / "sitecustomize.py").write_text(_WRONG_CLOCK)
    policy.policy.environment["PYTHONPATH"] = str(tmp_path)
    policy.policy.is_fresh = True  # a Python of its own, that reads it
    policy.start_policy()
    gateway = Gateway(policy)
    try:
        until(lambda: "clock-differs" in policy.policy.text(), "policy has compared the clocks")
        assert gateway.judged() == "accept"
        with policy.store() as connection:
            judged = connection.execute(text("SELECT max(at) FROM submission")).scalar()
            charged = connection.execute(text("SELECT max(at) FROM charge")).scalar()
        assert abs(time.time() - judged) < AHEAD_S / 2
        assert charged == judged
    finally:
        gateway.close()
        policy.stop()
