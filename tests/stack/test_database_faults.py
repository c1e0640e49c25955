"""What a budget holds when policy or its database is killed while messages are judged. Real processes, both databases.

Whoever heard "accepted" is counted, whatever happened next; nobody hears "accepted" while the database is away.
"""

import contextlib
import itertools
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from harness import PLENTY, Sallyport, policy_file, until

import postgresql

LIMIT = 400
SENDER = "ada@sallyport.test"


def message(number: int) -> dict[str, object]:
    """The facts of one message of ada's, to one recipient."""
    return {
        "submission": f"m{number}",
        "session": "s1",
        "listener": "submission",
        "client_address": "192.0.2.1",
        "client_name": "laptop.example",
        "credential": 1,
        "reverse_path": SENDER,
        "recipients": ["bob@example.net"],
        "authors": [SENDER],
        "senders": [],
        "names": [],
        "message_bytes": 100,
    }


class Gateway:
    """Asks policy as the gateway does, and keeps what it heard."""

    def __init__(self, policy: Sallyport) -> None:
        token = (policy.folder / "gateway.token").read_text().strip()
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{policy.policy_port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
            trust_env=False,
        )
        self._numbers = itertools.count()
        self._open = set[int]()  # asked, and not answered yet
        self.asked, self.accepted = 0, 0

    def judged(self) -> str:
        """What policy says of one more message; empty where it cannot be asked or says "not now"."""
        self.asked += 1
        number = next(self._numbers)
        self._open.add(number)
        try:
            answer = self._client.post("/v1/message", json=message(number))
            action = str(answer.json()["action"]) if answer.status_code == 200 else ""
            self.accepted += action == "accept"
        except httpx.TransportError:
            return ""
        else:
            return action
        finally:
            self._open.discard(number)

    def has_heard(self) -> None:
        """Wait until whatever is asked by now is answered, and the answer counted."""
        asked = set(self._open)
        until(lambda: not asked & self._open, "all questions are answered")

    def has_accepted(self, wanted: int) -> None:
        """Wait until that many were accepted."""
        until(lambda: self.accepted >= wanted, "messages are accepted")

    def status(self, path: str) -> int:
        with contextlib.suppress(httpx.TransportError):
            return self._client.get(path).status_code
        return 0

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def judging(gateway: Gateway) -> Iterator[None]:
    """Eight sessions hand in messages as fast as they can, until the block ends."""
    over = threading.Event()

    def session() -> None:
        while not over.is_set():
            gateway.judged()

    with ThreadPoolExecutor(8) as sessions:
        running = [sessions.submit(session) for _ in range(8)]
        try:
            yield
        finally:
            over.set()
        for one in running:
            one.result()


@contextlib.contextmanager
def policy_alone(folder: Path, **settings: str) -> Iterator[Sallyport]:
    """With one credential."""
    limited = policy_file(folder, person=PLENTY | {"recipients": f"{LIMIT}/day"})
    one = Sallyport(folder / "policy", next_hop=1, policy_settings=limited | settings)
    one.cli("init")
    one.start_policy()
    try:
        one.new_login("ada", SENDER)
        yield one
    finally:
        one.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sallyport]:
    """On a database of its own."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("server").create_empty().render_as_string()
    with policy_alone(tmp_path, POLICY_DATABASE_URL=url) as one:
        yield one


@pytest.fixture
def server() -> Iterator[postgresql.Cluster]:
    """A PostgreSQL server of this test's own, which it may stop."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    one = postgresql.Cluster()
    one.start()
    yield one
    one.close()


@pytest.fixture
def gateway(policy: Sallyport) -> Iterator[Gateway]:
    """Who asks it."""
    one = Gateway(policy)
    yield one
    one.close()


def assert_exact(policy: Sallyport, gateway: Gateway) -> None:
    """What was accepted is counted, and the limit holds to the last recipient."""
    assert gateway.accepted <= policy.spent("ada") <= gateway.asked
    while gateway.judged() == "accept":
        pass
    assert policy.spent("ada") == LIMIT
    assert gateway.accepted <= LIMIT


def test_policy_killed_while_messages_are_judged(policy: Sallyport, gateway: Gateway) -> None:
    """Three times with SIGKILL; the next process counts what the one before it has accepted."""
    with judging(gateway):
        for wanted in (20, 60, 100):
            gateway.has_accepted(wanted)
            policy.policy.send(signal.SIGKILL)
            policy.policy.ended()
            policy.start_policy()
    assert 100 <= gateway.accepted < LIMIT
    assert_exact(policy, gateway)


@pytest.mark.parametrize("policy", ["postgresql"], indirect=True)
def test_postgresql_killed_while_messages_are_judged(
    server: postgresql.Cluster, policy: Sallyport, gateway: Gateway
) -> None:
    """Without it there is no verdict, and policy says that it is not ready; with it policy goes on by itself."""
    with judging(gateway):
        for wanted in (20, 60):
            gateway.has_accepted(wanted)
            server.stop()
            until(lambda: gateway.status("/health/ready") == 503, "policy is not ready")
            gateway.has_heard()
            before = gateway.accepted
            assert gateway.judged() == ""
            assert gateway.accepted == before
            assert gateway.status("/health/live") == 200
            server.start()
            until(lambda: gateway.status("/health/ready") == 200, "policy is ready again")
    assert gateway.accepted < LIMIT
    assert_exact(policy, gateway)


def test_policy_starts_before_postgresql(tmp_path: Path, server: postgresql.Cluster) -> None:
    """`sallyport init` waits and says for what; policy runs, is not ready, and is as soon as the server is there."""
    url = server.create_empty().render_as_string()
    server.stop()
    one = Sallyport(tmp_path, next_hop=1, policy_settings={"POLICY_DATABASE_URL": url})
    try:
        with ThreadPoolExecutor(1) as beside:
            waiting = beside.submit(one.cli, "init")
            until((tmp_path / "cert.pem").exists, "init has made its files")
            one.start_policy()
            gateway = Gateway(one)
            until(lambda: gateway.status("/health/live") == 200, "policy runs")
            assert gateway.status("/health/ready") == 503
            server.start()
            assert "administrator" in waiting.result(60)
        until(lambda: gateway.status("/health/ready") == 200, "policy is ready")
        gateway.close()
    finally:
        one.stop()
