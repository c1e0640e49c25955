"""The delay that policy asks for: the reply waits, nobody else does, and every deadline still holds."""

import signal
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Sallyport, Sink, until
from scripted import ScriptedPolicy

DEADLINE_S = 4
REFUSED = '{"outcome": "refused", "delay_s": %s}'


@pytest.fixture
def policy(tmp_path: Path, sink: Sink) -> Iterator[tuple[Sallyport, ScriptedPolicy]]:
    """A gateway of one worker, and a policy that says what a test wants."""
    one = Sallyport(
        tmp_path, sink.smtp_port, gateway_settings={"GATEWAY_WORKERS": "1", "GATEWAY_LOGIN_TIMEOUT_S": str(DEADLINE_S)}
    )
    scripted = ScriptedPolicy(one.policy_port).start()
    one.gateway.environment["GATEWAY_POLICY_URL"] = f"http://127.0.0.1:{scripted.port}"
    try:
        one.cli("init")
        one.start_policy()
        one.start_gateway()
        yield one, scripted
    finally:
        one.stop()
        scripted.stop()


def tried(client: smtplib.SMTP) -> None:
    """One AUTH, without waiting for the reply."""
    client.ehlo()
    client.putcmd("AUTH", "PLAIN AGxvZ2luAHNlY3JldA==")


def test_the_reply_waits_and_nobody_else(policy: tuple[Sallyport, ScriptedPolicy]) -> None:
    """The answer comes when it is time; meanwhile another client is served."""
    sallyport, scripted = policy
    ada = sallyport.new_login("ada", "ada@sallyport.test")
    scripted.answers = {"login": REFUSED % 1.5}
    with sallyport.client() as slow:
        begun = time.monotonic()
        tried(slow)
        until(lambda: scripted.asked.get("login"), "policy was asked")
        scripted.answers = {}
        with sallyport.client(ada) as quick:
            assert quick.noop()[0] == 250
        assert slow.getreply()[0] == 535
        assert time.monotonic() - begun >= 1.5


def test_the_deadline_of_strangers_holds(policy: tuple[Sallyport, ScriptedPolicy]) -> None:
    """Who is delayed beyond it hears neither a yes nor a no."""
    sallyport, scripted = policy
    scripted.answers = {"login": REFUSED % 15}
    with sallyport.client() as client:
        tried(client)
        assert client.getreply() == (421, b"4.4.2 Timeout, closing the connection")
        client.close()


def test_a_gateway_that_stops_does_not_wait(policy: tuple[Sallyport, ScriptedPolicy]) -> None:
    """A client in the tarpit is told at once."""
    sallyport, scripted = policy
    scripted.answers = {"login": REFUSED % 15}
    with sallyport.client() as client:
        tried(client)
        until(lambda: scripted.asked.get("login"), "policy was asked")
        sallyport.gateway.send(signal.SIGTERM)
        assert client.getreply() == (421, b"4.3.2 Service is restarting, try again in a moment")
        client.close()
    assert sallyport.gateway.ended() == 0


def test_the_reply_to_a_message_waits_and_nobody_else(policy: tuple[Sallyport, ScriptedPolicy], sink: Sink) -> None:
    """A login that is slowed down: its yes comes later, its message too; others are served meanwhile."""
    sallyport, scripted = policy
    ada = sallyport.new_login("ada", "ada@sallyport.test")
    scripted.answers = {"message": '{"action": "accept", "reservation": "r", "delay_s": 1.5}'}
    with sallyport.client(ada) as slow:
        slow.mail("ada@sallyport.test")
        slow.rcpt("slow@elsewhere.example")
        slow.docmd("DATA")
        begun = time.monotonic()
        slow.send(b"From: ada@sallyport.test\r\n\r\n.\r\n")
        until(lambda: scripted.asked.get("message"), "policy was asked")
        with sallyport.client(ada) as quick:
            assert quick.noop()[0] == 250
        has_come = bool(sink.messages("recipient=slow@elsewhere.example"))
        assert not has_come or time.monotonic() - begun >= 1.5
        assert slow.getreply()[0] == 250
        assert time.monotonic() - begun >= 1.5
        assert sink.messages("recipient=slow@elsewhere.example")
