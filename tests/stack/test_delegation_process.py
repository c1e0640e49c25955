"""Policy as a process that listens for a Postfix: strangers become identities, and what is wrong is said at once."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Sallyport, answers, free_port, until

REQUEST = """request=smtpd_access_policy
protocol_state={state}
instance={instance}
client_address=198.51.100.7
sasl_username=Joe@example.org
recipient=bob@example.net
recipient_count=1

"""


@pytest.fixture
def policy(tmp_path: Path) -> Iterator[Sallyport]:
    """Without a gateway; whoever has logged in somewhere else is added."""
    port = free_port()
    settings = {"POLICY_DELEGATION_LISTEN": f"127.0.0.1:{port},[::1]:{port}", "POLICY_DELEGATION_UNKNOWN": "add"}
    one = Sallyport(tmp_path, next_hop=port, policy_settings=settings)
    one.cli("init")
    yield one
    one.policy.stop()


def asked(port: int, state: str, instance: str, address: str = "127.0.0.1") -> str:
    with socket.create_connection((address, port), timeout=30) as connection:
        connection.sendall(REQUEST.format(state=state, instance=instance).encode())
        return connection.recv(1000).decode()


def test_a_stranger_becomes_an_identity(policy: Sallyport) -> None:
    """At the first message, over either address; the audit log says who did it."""
    policy.start_policy()
    port = policy.next_hop
    until(lambda: answers(port), "policy listens")
    for number, address in enumerate(("127.0.0.1", "::1")):
        assert asked(port, "RCPT", str(number), address) == "action=DUNNO\n\n"
        assert asked(port, "END-OF-MESSAGE", str(number), address) == "action=DUNNO\n\n"
    assert "joe@example.org" in policy.cli("identity", "list")
    assert "identity-added" in policy.cli("audit", "list")
    with policy.store() as connection:
        assert connection.exec_driver_sql("SELECT DISTINCT recipients FROM submission").scalars().all() == [1]


def test_a_stop_does_not_wait_for_idle_connections(policy: Sallyport) -> None:
    """Postfix keeps them for minutes."""
    policy.start_policy()
    until(lambda: answers(policy.next_hop), "policy listens")
    with socket.create_connection(("127.0.0.1", policy.next_hop), timeout=30) as idle:
        policy.policy.send(signal.SIGTERM)
        assert idle.recv(1) == b""
        assert policy.policy.ended() == -signal.SIGTERM, "when all is finished, uvicorn ends by the signal itself"


@pytest.mark.parametrize("wrong", ["somewhere", "127.0.0.1:99999", "unix:relative", "unix:/nowhere/at/all"])
def test_a_place_that_cannot_be_ends_the_start(policy: Sallyport, wrong: str) -> None:
    """One sentence that names the setting, and exit code 2."""
    policy.policy.environment["POLICY_DELEGATION_LISTEN"] = wrong
    policy.policy.start()
    assert policy.policy.ended(60) == 2
    assert policy.policy.text().splitlines()[-1].startswith("policy: POLICY_DELEGATION_LISTEN: ")
