"""What policy hears of a client before there is a message, and what the gateway makes of its answers."""

import json
import os
import re
import signal
import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import HOSTNAME, Sallyport, Sink, free_port, until
from scripted import ScriptedPolicy
from wire import Wire

PLAIN = "AGhlcm9uAHNlY3JldA=="  # the scripted policy does not look
GRANTED = json.dumps(
    {
        "outcome": "granted",
        "grants": {
            "credential": 7,
            "login": "heron",
            "identity": "ada",
            "owned": {"addresses": ["ada@sallyport.test"]},
            "recipients_per_message": 5,
            "sessions": 3,
        },
    }
)
JA4 = re.compile(r"t13[di]\d{4}00_[0-9a-f]{12}_[0-9a-f]{12}")

Scripted = tuple[Sallyport, ScriptedPolicy]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Scripted]:
    """A policy that says what a test wants, in front of a real one."""
    one = Sallyport(tmp_path_factory.mktemp("sallyport"), sink.smtp_port)
    policy = ScriptedPolicy(one.policy_port).start()
    one.gateway.environment["GATEWAY_POLICY_URL"] = f"http://127.0.0.1:{policy.port}"
    try:
        one.cli("init")
        one.start_policy()
        yield one, policy
    finally:
        one.stop()
        policy.stop()


@pytest.fixture
def scripted(home: Scripted) -> Iterator[Scripted]:
    """With a gateway of two workers that the test starts, and that is its own."""
    sallyport, policy = home
    policy.answers = {}
    policy.asked.clear()
    environment = dict(sallyport.gateway.environment)
    yield home
    sallyport.gateway.stop()
    sallyport.gateway.environment = environment


def logged_in(sallyport: Sallyport) -> smtplib.SMTP | None:
    """A session that was let in, if one more is."""
    client = sallyport.client()
    client.ehlo()
    code, text = client.docmd("AUTH", f"PLAIN {PLAIN}")
    if code == 235:
        return client
    assert (code, text[:23]) == (454, b"4.7.0 Too many sessions")
    client.close()
    return None


@pytest.mark.parametrize("implicit_tls", [False, True], ids=["STARTTLS", "TLS"])
def test_policy_hears_what_a_client_looks_like(scripted: Scripted, implicit_tls: bool) -> None:
    """The name in EHLO, under TLS the newest one, and the fingerprint of its TLS: the same each time."""
    sallyport, policy = scripted
    sallyport.start_gateway()
    policy.answers = {"login": '{"outcome": "refused"}'}
    steps = []
    for name in ("first.test", "second.test"):
        with sallyport.client(implicit_tls=implicit_tls) as client:
            client.ehlo(name)
            assert client.docmd("AUTH", f"PLAIN {PLAIN}")[0] == 535
        steps.append(json.loads(policy.bodies["login"]))
    assert [step["client_name"] for step in steps] == ["first.test", "second.test"]
    assert JA4.fullmatch(steps[0]["tls_fingerprint"])
    assert steps[0]["tls_fingerprint"] == steps[1]["tls_fingerprint"]


def test_policy_hears_of_the_client_and_not_of_its_proxy(scripted: Scripted) -> None:
    """Listener, gate and address, before a word was said; once for each address, as long as the answer holds."""
    sallyport, policy = scripted
    port = free_port()
    listener = {"name": "behind", "port": port, "tls": "starttls", "addresses": ["127.0.0.1"], "gate": "travel"}
    sallyport.gateway.environment |= {
        "GATEWAY_WORKERS": "1",
        "GATEWAY_LISTENERS": json.dumps([listener | {"proxy_from": ["127.0.0.0/8"]}]),
    }
    policy.answers = {"connect": '{"outcome": "accepted", "seconds": 60}'}
    sallyport.gateway.start()
    until(lambda: sallyport.status("health/live"), f"gateway answers\n{sallyport.gateway.text()}")
    for _ in range(3):
        with Wire(port) as client:
            client.say(b"PROXY TCP6 2001:db8::7 ::1 50000 587\r\n")
            assert client.line() == f"220 {HOSTNAME} ESMTP Sallyport"
    assert json.loads(policy.bodies["connect"]) == {
        "listener": "behind",
        "gate": "travel",
        "client_address": "2001:db8::7",
    }
    assert policy.asked["connect"] == 1
    told = sallyport.status("metrics")
    assert 'sallyport_gateway_admissions_total{outcome="accepted"} 3.0' in told


def test_a_silent_policy_keeps_no_client_waiting(scripted: Scripted) -> None:
    """The greeting comes a second later; who is let in so can do nothing until policy is back."""
    sallyport, _ = scripted
    sallyport.gateway.environment["GATEWAY_POLICY_TIMEOUT_S"] = "20"
    sallyport.gateway.environment["GATEWAY_POLICY_URL"] = f"http://127.0.0.1:{sallyport.policy_port}"
    sallyport.start_gateway()
    sallyport.policy.send(signal.SIGSTOP)
    begun = time.monotonic()
    with Wire(sallyport.submission_port) as client:
        assert client.line().startswith("220 ")
    assert time.monotonic() - begun < 15
    sallyport.policy.send(signal.SIGCONT)
    assert 'sallyport_gateway_admissions_total{outcome="unanswered"}' in sallyport.status("metrics")


def test_the_sessions_of_an_identity_are_counted_over_all_workers(scripted: Scripted) -> None:
    """One more is refused, whichever worker it meets; one that ends, or whose worker is killed, makes room."""
    sallyport, policy = scripted
    sallyport.start_gateway()
    policy.answers = {"login": GRANTED}
    with ExitStack() as clients:
        inside = [logged_in(sallyport) for _ in range(3)]
        assert all(inside)
        assert not any(logged_in(sallyport) for _ in range(6))
        first = inside[0]
        assert first
        first.quit()
        again = until(lambda: logged_in(sallyport), "the session that ended is counted no more")
        for client in (*inside[1:], again):
            assert client
            clients.callback(client.close)
        for worker in workers_of(sallyport):
            os.kill(worker, signal.SIGKILL)
        more = until(lambda: logged_in(sallyport), "what the workers held is given back")
        clients.callback(more.close)
        assert 'sallyport_gateway_logins_total{outcome="deferred"}' in sallyport.status("metrics")


def workers_of(sallyport: Sallyport) -> list[int]:
    assert sallyport.gateway.running
    children = Path(f"/proc/{sallyport.gateway.running.pid}/task/{sallyport.gateway.running.pid}/children")
    return [int(number) for number in children.read_text().split()]
