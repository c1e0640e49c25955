"""The same with the budgets on a server of their own: policy or Valkey is killed while messages are judged."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey
import valkey_server
from harness import Sallyport, until
from test_database_faults import LIMIT, Gateway, judging, policy_alone

COUNTER = "{sallyport}:c:recipients:ada"


@pytest.fixture
def server() -> Iterator[valkey_server.Server]:
    """A server of this test's own, which it may kill; what it answered is on disk."""
    if not valkey_server.is_possible():
        pytest.skip(valkey_server.NOT_INSTALLED)
    one = valkey_server.Server(appendonly="yes", appendfsync="always").start()
    yield one
    one.close()


@pytest.fixture
def policy(server: valkey_server.Server, tmp_path: Path) -> Iterator[Sallyport]:
    with policy_alone(tmp_path, POLICY_BUDGETS_URL=f"unix://{server.socket}") as one:
        yield one


@pytest.fixture
def gateway(policy: Sallyport) -> Iterator[Gateway]:
    """Who asks it."""
    one = Gateway(policy)
    yield one
    one.close()


def counted(server: valkey_server.Server) -> int:
    """One recipient each."""
    with valkey.Valkey(unix_socket_path=str(server.socket)) as client:
        return len(client.zrangebyscore(COUNTER, time.time() - 86400, "+inf"))


def assert_exact(server: valkey_server.Server, gateway: Gateway) -> None:
    """What was accepted is counted, and the limit holds to the last recipient."""
    assert gateway.accepted <= counted(server) <= gateway.asked
    while gateway.judged() == "accept":
        pass
    assert counted(server) == LIMIT
    assert gateway.accepted <= LIMIT


def test_policy_killed_while_messages_are_judged(
    server: valkey_server.Server, policy: Sallyport, gateway: Gateway
) -> None:
    """Twice with SIGKILL; the next process goes on where the one before it was."""
    with judging(gateway):
        for wanted in (20, 60):
            gateway.has_accepted(wanted)
            policy.policy.send(signal.SIGKILL)
            policy.policy.ended()
            policy.start_policy()
    assert 60 <= gateway.accepted < LIMIT
    assert_exact(server, gateway)


def test_valkey_killed_while_messages_are_judged(
    server: valkey_server.Server, policy: Sallyport, gateway: Gateway
) -> None:
    """Without it nothing is accepted; with it policy goes on by itself."""
    with judging(gateway):
        for wanted in (20, 60):
            gateway.has_accepted(wanted)
            server.kill()
            # What was counted before the kill may still be on its way to the disk, or to whoever asked.
            gateway.has_heard()
            until(lambda: [gateway.judged() for _ in range(5)] == [""] * 5, "nothing is answered")
            before = gateway.accepted
            assert [gateway.judged() for _ in range(5)] == [""] * 5
            assert gateway.accepted == before
            server.start()
    gateway.has_accepted(60)
    assert gateway.accepted < LIMIT
    assert_exact(server, gateway)
