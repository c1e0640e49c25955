"""A live gateway against clients that know TLS and mean no good: records that nobody sends, heads cut anywhere.

What one connection makes of them is tried in tests/unit/gateway/test_wire.py and by fuzz/wire.py. Here it is a process:
it logs no failure of its own, is not kept busy, and serves everybody else.
"""

import json
import os
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from harness import PLENTY, Sallyport, Sink, free_port, policy_file, until

from fuzz.records import ALERT, CLOSE_NOTIFY, HANDSHAKE, KEY_UPDATE, KEY_UPDATE_REQUESTED, KeyLog, Records

_LISTENERS = {"submission": "starttls", "submissions": "implicit", "proxied": "starttls", "proxied-tls": "implicit"}
_ROOMY = {"GATEWAY_WORKERS": "1", "GATEWAY_MAX_SESSIONS_PER_ADDRESS": "900", "GATEWAY_MAX_SESSIONS_PER_NETWORK": "900"}
_V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 465\r\n"
_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x9c\x40\x01\xd1"


@dataclass(frozen=True)
class Gateway:
    """One worker, so that it is known which process is looked at."""

    stack: Sallyport
    ports: dict[str, int]

    def sessions(self) -> int:
        found = re.search(r"^sallyport_gateway_sessions_open (\d+)", self.stack.status("metrics"), re.MULTILINE)
        return int(found[1]) if found else -1

    def cpu_s(self) -> float:
        """Of the worker so far, proc(5)."""
        assert self.stack.gateway.running
        told = subprocess.run(
            ["pgrep", "-P", str(self.stack.gateway.running.pid)], capture_output=True, text=True, check=True
        )
        fields = Path(f"/proc/{told.stdout.split()[0]}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("stack")
    one = Sallyport(folder, sink.smtp_port, policy_file(folder, person=PLENTY), _ROOMY)
    ports = {"submission": one.submission_port, "submissions": one.submissions_port}
    ports |= {name: free_port() for name in _LISTENERS if name not in ports}
    listeners = [
        {"name": name, "port": ports[name], "addresses": ["127.0.0.1"], "tls": tls}
        | ({"proxy_from": ["127.0.0.0/8"]} if name.startswith("proxied") else {})
        for name, tls in _LISTENERS.items()
    ]
    one.gateway.environment["GATEWAY_LISTENERS"] = json.dumps(listeners)
    try:
        yield Gateway(one.start(), ports)
    finally:
        one.stop()


class Client:
    """Shakes hands as OpenSSL does, and from then on writes its own records."""

    _terms = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _terms.check_hostname, _terms.verify_mode = False, ssl.CERT_NONE
    _keys = KeyLog(_terms)

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._terms.wrap_bio(self._incoming, self._outgoing)

    def first(self) -> bytes:
        """The ClientHello."""
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def start_tls(self) -> Self:
        for said in (b"", b"EHLO client.example\r\n", b"STARTTLS\r\n"):
            self.socket.sendall(said)
            while not re.search(rb"^[0-9]{3} .*\r\n\Z", self.socket.recv(4096), re.MULTILINE):
                pass
        return self

    def shake_hands(self) -> Records:
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self._hear()
        self.socket.sendall(self._outgoing.read())
        suite = self._tls.cipher()
        assert suite
        return Records(self._keys.secret(), suite[0])

    def line(self) -> bytes:
        """What comes up to a line's end."""
        octets = b""
        while not octets.endswith(b"\n"):
            try:
                octets += self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._hear()
        return octets

    def end(self) -> str:
        """How the connection ends: close_notify, OpenSSL's word for the alert, or nothing but the end."""
        while True:
            try:
                if not self._tls.read(65536):
                    return "close_notify"
            except ssl.SSLWantReadError:
                self._hear()
            except ssl.SSLEOFError:
                return "nothing"
            except ssl.SSLError as error:
                return str(error.reason)

    def _hear(self) -> None:
        octets = self.socket.recv(65536)
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def _clear(kind: int, length: int, content: bytes = b"", version: int = 0x0303) -> bytes:
    return struct.pack(">BHH", kind, version, length) + content


# What follows the handshake, and what the client hears.
RECORDS: dict[str, tuple[Callable[[Records], bytes], str]] = {
    "a command in clear": (lambda _: b"QUIT\r\n", "TLSV1_ALERT_PROTOCOL_VERSION"),
    "HTTP in clear": (lambda _: b"GET / HTTP/1.1\r\n\r\n", "TLSV1_ALERT_PROTOCOL_VERSION"),
    "an empty record": (lambda _: _clear(23, 0), "SSLV3_ALERT_BAD_RECORD_MAC"),
    "a forged record": (lambda _: _clear(23, 32, bytes(32)), "SSLV3_ALERT_BAD_RECORD_MAC"),
    "another version": (lambda _: _clear(23, 32, bytes(32), 0x0202), "TLSV1_ALERT_PROTOCOL_VERSION"),
    "a record too long": (lambda _: _clear(23, 16641, bytes(16641)), "TLSV1_ALERT_RECORD_OVERFLOW"),
    "only the head of one too long": (lambda _: _clear(23, 65535), "TLSV1_ALERT_RECORD_OVERFLOW"),
    "a late change_cipher_spec": (lambda _: _clear(20, 1, b"\1"), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "a goodbye in clear": (lambda _: _clear(21, 2, CLOSE_NOTIFY), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "a fatal alert in clear": (lambda _: _clear(21, 2, b"\2\x28"), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "a handshake in clear": (lambda _: _clear(22, 512, bytes(512)), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "a goodbye": (lambda own: own.seal(CLOSE_NOTIFY, ALERT), "close_notify"),
    "a fatal alert": (lambda own: own.seal(b"\2\x28", ALERT), "nothing"),
    "half an alert": (lambda own: own.seal(b"\1", ALERT), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "warnings without end": (
        lambda own: b"".join(own.seal(b"\1\x5a", ALERT) for _ in range(100)),
        "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    ),
    "empty ones without end": (
        lambda own: b"".join(own.seal(b"") for _ in range(100)),
        "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    ),
    "more than a record holds": (lambda own: own.seal(bytes(16385)), "TLSV1_ALERT_RECORD_OVERFLOW"),
    "no kind": (lambda own: own.seal(b"x", 0), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "a heartbeat": (lambda own: own.seal(b"\1\0\3abc", 24), "SSLV3_ALERT_UNEXPECTED_MESSAGE"),
    "another ClientHello": (
        lambda own: own.seal(b"\1\0\0\x26\3\3" + bytes(36), HANDSHAKE),
        "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    ),
    "a command within a key update": (
        lambda own: own.seal(KEY_UPDATE[:3], HANDSHAKE) + own.seal(b"NOOP\r\n"),
        "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    ),
    "key updates, and a command": (
        lambda own: b"".join(own.update_key(KEY_UPDATE_REQUESTED) for _ in range(500)) + own.seal(b"QUIT\r\n"),
        "close_notify",
    ),
    "a command in a padded record": (lambda own: own.seal(b"QUIT\r\n", padding=16000), "close_notify"),
    "a command in records of one octet": (
        lambda own: b"".join(own.seal(bytes((o,))) for o in b"QUIT\r\n"),
        "close_notify",
    ),
}


@pytest.mark.parametrize("listener", ["submission", "submissions"])
def test_records_that_nobody_sends(gateway: Gateway, listener: str) -> None:
    """Each ends its session in the way that TLS has for it, and nobody else's."""
    with Client(gateway.ports["submissions"]) as other:
        theirs = other.shake_hands()
        assert other.line().startswith(b"220 ")
        heard = {}
        for name, (written, _) in RECORDS.items():
            with Client(gateway.ports[listener]) as client:
                records = (client.start_tls() if listener == "submission" else client).shake_hands()
                if listener == "submissions":
                    assert client.line().startswith(b"220 ")
                client.socket.sendall(written(records))
                heard[name] = client.end()
            other.socket.sendall(theirs.seal(b"RSET\r\n"))
            assert other.line() == b"250 2.0.0 Ok\r\n", name
        assert heard == {name: expected for name, (_, expected) in RECORDS.items()}
        until(lambda: gateway.sessions() == 1, "the others are over")
    assert "session-failed" not in gateway.stack.gateway.text()


def test_half_of_something_keeps_nobody_busy(gateway: Gateway) -> None:
    """Half a handshake, half a record, half a message, and a client that does not read: all of them wait."""
    written: list[Callable[[Records], bytes]] = [
        lambda own: own.seal(b"NOOP\r\n")[:9],
        lambda own: own.seal(KEY_UPDATE[:3], HANDSHAKE),
        lambda own: b"".join(own.seal(b"NOOP\r\n" * 10) for _ in range(4)),
    ]
    with ExitStack() as opened:
        first, *others = (opened.enter_context(Client(gateway.ports["submissions"])) for _ in range(4))
        first.socket.sendall(first.first()[:100])
        for client, half in zip(others, written, strict=True):
            records = client.shake_hands()
            assert client.line().startswith(b"220 ")
            client.socket.sendall(half(records))
        assert gateway.sessions() == 1 + len(others)
        before = gateway.cpu_s()
        first.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            first.socket.recv(1)
        assert gateway.cpu_s() - before < 0.3
    until(lambda: gateway.sessions() == 0, "all are over")


@pytest.mark.parametrize("head", [b"", _V1, _V2], ids=["no head", "version 1", "version 2"])
def test_a_head_and_a_client_hello_in_two_segments(gateway: Gateway, head: bytes) -> None:
    """Cut at every octet of the head and of where the ClientHello begins, and at some of what follows."""
    port = gateway.ports["proxied-tls" if head else "submissions"]
    with Client(port) as one:
        size = len(head + one.first())
    cuts = [*range(1, len(head) + 48), *range(len(head) + 48, size, 17), size]
    for some in (cuts[begin : begin + 20] for begin in range(0, len(cuts), 20)):
        with ExitStack() as opened:
            clients = [opened.enter_context(Client(port)) for _ in some]
            said = [head + client.first() for client in clients]
            for client, octets, cut in zip(clients, said, some, strict=True):
                client.socket.sendall(octets[:cut])
            assert gateway.stack.status("health/live")  # the same process: it has had its turn
            for client, octets, cut in zip(clients, said, some, strict=True):
                client.socket.sendall(octets[cut:])
            for client in clients:
                client.shake_hands()
                assert client.line().startswith(b"220 ")
    until(lambda: gateway.sessions() == 0, "all are over")
