"""Health checks are served and counted nowhere: our own, and those of a load balancer for itself (LOCAL)."""

import json
import os
import re
import smtplib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from harness import ROOT, Sallyport, Sink, free_port, until

# HAProxy's `check-send-proxy`: version 2, LOCAL, without an address.
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
COUNTED = re.compile(
    r"^(sallyport_(?:gateway_(?:connections|admissions|handshakes)|policy_connects)_total\S*) (\S+)$", re.MULTILINE
)


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Sallyport]:
    """With a listener behind a load balancer, and one of TLS there."""
    one = Sallyport(tmp_path_factory.mktemp("probed"), sink.smtp_port)
    listeners = [
        {"name": "submission", "tls": "starttls", "port": one.submission_port, "addresses": ["127.0.0.1"]},
        {"name": "submissions", "tls": "implicit", "port": one.submissions_port, "addresses": ["127.0.0.1"]},
    ]
    for name, tls in (("balanced", "starttls"), ("balanced-tls", "implicit")):
        own = {"name": name, "tls": tls, "port": free_port(), "addresses": ["127.0.0.1"]}
        listeners.append(own | {"proxy_from": ["127.0.0.0/8"]})
    one.gateway.environment["GATEWAY_LISTENERS"] = json.dumps(listeners)
    try:
        yield one.start()
    finally:
        one.stop()


def counted(sallyport: Sallyport) -> dict[str, str]:
    """All that counts connections, at the gateway and at policy."""
    with urllib.request.urlopen(f"http://127.0.0.1:{sallyport.policy_port}/metrics", timeout=5) as answer:
        of_policy = answer.read().decode()
    return dict(COUNTED.findall(sallyport.status("metrics") + of_policy))


def port_of(sallyport: Sallyport, name: str) -> int:
    listeners = json.loads(sallyport.gateway.environment["GATEWAY_LISTENERS"])
    return next(int(one["port"]) for one in listeners if one["name"] == name)


def settled(sallyport: Sallyport) -> dict[str, str]:
    """When nobody is connected any more, and policy has said of each who he is: what ended late has been counted."""

    def is_settled() -> bool:
        told = counted(sallyport)
        admitted = sum(float(told[name]) for name in told if name.startswith("sallyport_gateway_admissions_total"))
        is_answered = admitted == float(told['sallyport_gateway_connections_total{outcome="accepted"}'])
        return is_answered and "sallyport_gateway_sessions_open 0.0" in sallyport.status("metrics")

    until(is_settled, "nobody is connected")
    return counted(sallyport)


def own_health_check(sallyport: Sallyport) -> None:
    environment = os.environ | sallyport.gateway.environment
    command = [sys.executable, "-m", "gateway.health"]
    assert not subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def balancers_check(sallyport: Sallyport) -> None:
    with socket.create_connection(("127.0.0.1", port_of(sallyport, "balanced")), timeout=10) as connection:
        connection.sendall(LOCAL)
        assert connection.recv(100).startswith(b"220 ")


def balancers_check_with_tls(sallyport: Sallyport) -> None:
    with socket.create_connection(("127.0.0.1", port_of(sallyport, "balanced-tls")), timeout=10) as plain:
        plain.sendall(LOCAL)
        with sallyport.tls().wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.recv(100).startswith(b"220 ")


def balancers_check_that_only_connects(sallyport: Sallyport) -> None:
    """Without a handshake."""
    with socket.create_connection(("127.0.0.1", port_of(sallyport, "balanced-tls")), timeout=10) as connection:
        connection.sendall(LOCAL)
        until(lambda: "sallyport_gateway_sessions_open 1.0" in sallyport.status("metrics"), "it is there")


PROBES = [own_health_check, balancers_check, balancers_check_with_tls, balancers_check_that_only_connects]


@pytest.mark.parametrize("probe", PROBES, ids=[one.__name__ for one in PROBES])
def test_a_health_check_is_counted_nowhere(probed: Sallyport, probe: object) -> None:
    before = settled(probed)
    assert len(before) == 14
    assert callable(probe)
    probe(probed)
    assert settled(probed) == before


def test_somebody_elses_connection_is_counted(probed: Sallyport) -> None:
    """From loopback, too: a webmail server may stand on the same machine."""
    before = settled(probed)
    nobodys = ("127.0.0.9", 0)  # of which the gateway has not asked yet
    with smtplib.SMTP("127.0.0.1", probed.submission_port, "client.test", 10, nobodys) as client:
        client.noop()
    after = settled(probed)
    changed = {name for name in after if after[name] != before[name]}
    assert {name.partition("_total")[0] for name in changed} == {
        "sallyport_gateway_connections",
        "sallyport_gateway_admissions",
        "sallyport_policy_connects",
    }
