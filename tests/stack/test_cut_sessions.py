"""Connections that are cut in every phase, by an end or by a reset: the worker keeps nothing of them.

What is looked at is the process: the sockets of its clients, the files of their messages, its count of sessions, the
slots of its caps, its log. And floods from one place, which take no more than that place has.
"""

import contextlib
import json
import re
import socket
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import PLENTY, Login, Sallyport, Sink, policy_file, until
from test_protocol import ENVELOPE, HEAD, plain
from wire import Wire

_TIMES = 20
_ROOMY = {"GATEWAY_WORKERS": "1", "GATEWAY_MAX_SESSIONS_PER_ADDRESS": "900", "GATEWAY_MAX_SESSIONS_PER_NETWORK": "900"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST
_LISTEN = "0A"  # proc(5), tcp: the one state in which a socket is no client's
_HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)  # of 512 octets


class Client(Wire):
    """Goes as a client that has crashed does."""

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()


@dataclass(frozen=True)
class Gateway:
    """One worker, so that it is known which process is looked at."""

    stack: Sallyport
    login: Login

    def clear(self) -> Client:
        client = Client(self.stack.submission_port)
        assert client.line().startswith("220 ")
        return client

    def greeted(self) -> Client:
        client = self.clear()
        client.ask("EHLO client.example")
        return client

    def under_tls(self) -> Client:
        client = Client(self.stack.submissions_port)
        client.start_tls(self.stack.tls())
        assert client.line().startswith("220 ")
        client.ask("EHLO client.example")
        return client

    def logged_in(self) -> Client:
        client = self.under_tls()
        assert client.ask(f"AUTH PLAIN {plain(self.login.login, self.login.secret)}").startswith("235 ")
        return client

    def worker(self) -> int:
        assert self.stack.gateway.running
        told = subprocess.run(
            ["pgrep", "-P", str(self.stack.gateway.running.pid)], capture_output=True, text=True, check=True
        )
        return int(told.stdout.split()[0])

    def kept(self) -> list[str]:
        """Descriptors of clients' connections, and of files without a name."""
        worker = self.worker()
        ports = {f"{port:04X}" for port in (self.stack.submission_port, self.stack.submissions_port)}
        of_clients = set()
        for line in Path(f"/proc/{worker}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].rpartition(":")[2] in ports and fields[3] != _LISTEN:
                of_clients.add(f"socket:[{fields[9]}]")
        links = []
        for one in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                links.append(str(one.readlink()))
        return [link for link in links if link in of_clients or (link.endswith("(deleted)") and "memfd" not in link)]

    def sessions(self) -> int:
        found = re.search(r"^sallyport_gateway_sessions_open (\d+)", self.stack.status("metrics"), re.MULTILINE)
        return int(found[1]) if found else -1


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("stack")
    one = Sallyport(folder, sink.smtp_port, policy_file(folder, person=PLENTY), _ROOMY)
    try:
        one.start()
        yield Gateway(one, one.new_login("ada", "ada@sallyport.test"))
    finally:
        one.stop()


def _said(client: Client, octets: bytes) -> Client:
    client.say(octets)
    return client


def _starting_tls(gateway: Gateway) -> Client:
    client = gateway.greeted()
    assert client.ask("STARTTLS").startswith("220 ")
    return _said(client, _HALF_HELLO)


def _in_data(gateway: Gateway) -> Client:
    client = _said(gateway.logged_in(), ENVELOPE + b"DATA\r\n")
    assert [client.line()[:3] for _ in range(3)] == ["250", "250", "354"]
    return _said(client, HEAD + b"half of a li")


def _in_a_file(gateway: Gateway) -> Client:
    """What exceeds 256 KiB is in a file; the cut comes when it is there."""
    client = _said(gateway.logged_in(), ENVELOPE + b"BDAT 900000\r\n" + b"line\r\n" * 100_000)
    until(lambda: any("(deleted)" in link for link in gateway.kept()), "the message is in a file")
    return client


# How far a client comes before it is cut.
PHASES: dict[str, Callable[[Gateway], Client]] = {
    "before the greeting": lambda gateway: Client(gateway.stack.submission_port),
    "in a command": lambda gateway: _said(gateway.greeted(), b"NOOP\r\nNO"),
    "behind STARTTLS": lambda gateway: _said(gateway.greeted(), b"STARTTLS\r\n"),
    "in a ClientHello behind STARTTLS": _starting_tls,
    "in a ClientHello": lambda gateway: _said(Client(gateway.stack.submissions_port), _HALF_HELLO),
    "under TLS": lambda gateway: _said(gateway.under_tls(), b"NOOP\r\nNO"),
    "in AUTH": lambda gateway: _said(gateway.under_tls(), b"AUTH LOGIN\r\n"),
    "logged in": Gateway.logged_in,
    "in a transaction": lambda gateway: _said(gateway.logged_in(), ENVELOPE),
    "in DATA": _in_data,
    "in a chunk": lambda gateway: _said(gateway.logged_in(), ENVELOPE + b"BDAT 5000\r\nhalf"),
    "between chunks": lambda gateway: _said(gateway.logged_in(), ENVELOPE + b"BDAT 4\r\nhalf"),
    "in a file": _in_a_file,
    "behind a message": lambda gateway: _said(
        gateway.logged_in(), ENVELOPE + b"BDAT %d LAST\r\n%b" % (len(HEAD), HEAD)
    ),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_session_that_is_cut_leaves_nothing(gateway: Gateway, phase: str) -> None:
    """Twenty by an end and twenty by a reset."""
    times = _TIMES if phase != "in a file" else 3
    for _ in range(times):
        PHASES[phase](gateway).close()
        PHASES[phase](gateway).reset()
    until(lambda: gateway.sessions() == 0, "no session is open")
    until(lambda: not gateway.kept(), "nothing is kept of them")
    assert "session-failed" not in gateway.stack.gateway.text()
    with gateway.logged_in() as client:
        assert client.ask("NOOP") == "250 2.0.0 Ok"


def _floods(stack: Sallyport, port: int, sources: list[str], opened: ExitStack) -> Counter[str]:
    """What each of these clients, of whom a proxy tells, hears first."""
    heard = Counter[str]()
    for source in sources:
        client = opened.enter_context(Wire(port))
        client.say(f"PROXY TCP6 {source} 2001:db8:ffff::1 40000 587\r\n".encode())
        heard[client.line()[:9]] += 1
    return heard


def test_a_flood_takes_no_more_than_its_place(tmp_path: Path, sink: Sink) -> None:
    """Of IPv6 a /64 is one customer, and a /48 one network; everybody else is still served, up to the cap of all."""
    caps = {"PER_ADDRESS": "3", "PER_NETWORK": "5"}
    settings = {f"GATEWAY_MAX_SESSIONS_{name}": value for name, value in caps.items()} | {"GATEWAY_MAX_SESSIONS": "8"}
    stack = Sallyport(tmp_path, sink.smtp_port, {}, settings)
    listener = {"name": "submission", "port": stack.submission_port, "tls": "starttls", "addresses": ["127.0.0.1"]}
    others = {"name": "submissions", "port": stack.submissions_port, "tls": "implicit", "addresses": ["127.0.0.1"]}
    stack.gateway.environment["GATEWAY_LISTENERS"] = json.dumps([listener | {"proxy_from": ["127.0.0.0/8"]}, others])
    with ExitStack() as started:
        started.callback(stack.stop)
        stack.start()
        for _ in range(2):  # what a flood took is given back
            with ExitStack() as opened:
                of_a_64 = [f"2001:db8:1:1::{n:x}" for n in range(1, 8)]
                assert _floods(stack, stack.submission_port, of_a_64, opened) == {"220 mail.": 3, "421 4.7.0": 4}
                of_a_48 = [f"2001:db8:1:{n:x}::1" for n in range(2, 8)]
                assert _floods(stack, stack.submission_port, of_a_48, opened) == {"220 mail.": 2, "421 4.7.0": 4}
                of_many = [f"2001:db8:{n:x}::1" for n in range(2, 8)]
                assert _floods(stack, stack.submission_port, of_many, opened) == {"220 mail.": 3, "421 4.7.0": 3}
            until(lambda: "sessions_open 0" in stack.status("metrics"), "all have gone")
