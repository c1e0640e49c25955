"""HTTPS: a certificate that is replaced, and clients that are slow on purpose."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from starlette.types import Receive, Scope, Send

from policy.certificate import LIFETIME, new_key, self_signed
from policy.console import serving
from policy.console.serving import BoundedProtocol, Certificate, Server
from service.ailments import Ailment

T, DAY_S = 1_700_000_000.0, 86400.0
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key."""
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    write(pair, "first.example")
    return pair


def write(files: tuple[Path, Path], name: str, at: float = T) -> None:
    key = new_key()
    for path, content in zip(files, (self_signed(name, key, at), key), strict=True):
        draft = path.with_suffix(".new")
        draft.write_bytes(content)
        draft.replace(path)


def served(context: ssl.SSLContext) -> str:
    """The name in the certificate that the next client is shown."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = x509.load_der_x509_certificate(client.getpeercert(binary_form=True) or b"")
    return certificate.subject.rfc4514_string().removeprefix("CN=")


def test_a_new_pair_is_served_to_the_next_client(files: tuple[Path, Path]) -> None:
    certificate = Certificate(*files, lambda: T)
    assert served(certificate.context) == "first.example"
    write(files, "second.example")
    certificate.look()
    assert served(certificate.context) == "second.example"


def test_a_broken_pair_leaves_the_old_one(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Half written, of another key, expired, or gone; told once, and the next good one is taken."""
    certificate = Certificate(*files, lambda: T)
    kept = [path.read_bytes() for path in files]
    for damage in (
        lambda: files[0].write_bytes(kept[0][:50]),
        lambda: files[1].write_bytes(new_key()),
        lambda: write(files, "old.example", T - LIFETIME.total_seconds()),
        files[0].unlink,
    ):
        damage()
        certificate.look()
        certificate.look()
        assert served(certificate.context) == "first.example"
        assert capsys.readouterr().out.count("console-certificate-refused") == 1
        assert certificate.warnings() == (Ailment.CONSOLE_CERTIFICATE_REFUSED.of(),)
    write(files, "third.example")
    certificate.look()
    assert served(certificate.context) == "third.example"
    assert certificate.warnings() == ()


def test_a_pair_that_may_be_read_at_last_is_taken(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has put it there, and gives it to its reader afterwards: of what is in the files nothing changes."""
    certificate = Certificate(*files, lambda: T)
    write(files, "second.example")
    with monkeypatch.context() as closed:
        closed.setattr(Certificate, "_loaded", lambda _: (_ for _ in ()).throw(PermissionError))
        certificate.look()
    assert served(certificate.context) == "first.example"
    files[1].chmod(0o640)
    certificate.look()
    assert served(certificate.context) == "second.example"


def test_a_certificate_that_ends_is_told(files: tuple[Path, Path]) -> None:
    """Two days before, as at the gateway, and after its end; a new one ends the warning."""
    now = T
    certificate = Certificate(*files, lambda: now)
    for left_s, warnings in (
        (3 * DAY_S, ()),
        (DAY_S, (Ailment.CERTIFICATE_ENDS.of(hours=24),)),
        (0.0, (Ailment.CONSOLE_CERTIFICATE_EXPIRED.of(),)),
    ):
        now = T + LIFETIME.total_seconds() - left_s
        certificate.look()
        assert certificate.warnings() == warnings
    write(files, "second.example", now)
    certificate.look()
    assert certificate.warnings() == ()


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def running() -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """The protocol on a loopback port, without TLS, which it does not see."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(hello, http=BoundedProtocol, lifespan="off", log_config=None, timeout_keep_alive=1)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listening])
    yield listening.getsockname()[1], server
    await server.shutdown([listening])


SLOW = [
    ("says nothing", b""),
    ("does not end its head", HEAD),
    ("does not end its form", FORM + b"a=1"),
    ("does not end its second request", HEAD + b"\r\n" + HEAD),
]


@pytest.mark.parametrize("octets", [case[1] for case in SLOW], ids=[case[0] for case in SLOW])
async def test_a_slow_client_is_dropped(octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REQUEST_WITHIN_S", 0.1)
    async with running() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(octets)
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):  # as good as an orderly end
                while await reader.read(1000):
                    continue
        writer.close()


async def test_a_client_that_takes_a_breath_is_served() -> None:
    """The deadline is for a request, not for a connection: between two of them there is none."""
    async with running() as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in (HEAD + b"\r\n", FORM + b"a=12345678"):
            writer.write(request)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            (protocol,) = server.server_state.connections
            assert isinstance(protocol, BoundedProtocol)
            assert protocol._deadline is None
        writer.close()


async def test_a_head_without_end_is_refused() -> None:
    async with running() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"X: " + b"a" * 100_000)
        assert (await reader.read(100)).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_streams_end_when_the_server_is_to_end() -> None:
    """It would wait for them without end."""
    ending = asyncio.Event()

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"once", "more_body": True})
        await ending.wait()
        await send({"type": "http.response.body", "body": b""})

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(stream, http=BoundedProtocol, log_config=None, lifespan="off")
        server = Server(config, ending.set)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(HEAD + b"\r\n")
        async with asyncio.timeout(60):
            await reader.readuntil(b"once")
            server.should_exit = True
            await reader.read()
            await serving
        writer.close()


async def test_it_ends_though_browsers_leave_connections_open(files: tuple[Path, Path]) -> None:
    """TLS would wait half a minute for the word of a client who says nothing; who is in a request has his answer."""
    asked, answering = asyncio.Event(), asyncio.Event()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            asked.set()
            await answering.wait()
        await hello(scope, receive, send)

    def request(path: str) -> tuple[ssl.SSLSocket, bytes]:
        """As a browser does that keeps the connection for later."""
        client = trusting.wrap_socket(socket.create_connection(address, timeout=20))
        client.sendall(HEAD.replace(b"/ ", path.encode() + b" ", 1) + b"\r\n")
        octets = b""
        while b"ok" not in octets and (more := client.recv(1000)):
            octets += more
        return client, octets

    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    context = Certificate(*files, lambda: T).context
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        config = uvicorn.Config(
            answer, http=BoundedProtocol, log_config=None, lifespan="off", ssl_context_factory=lambda *_: context
        )
        server = Server(config, answering.set)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        slow = asyncio.create_task(asyncio.to_thread(request, "/slow"))
        idle, _ = await asyncio.to_thread(request, "/")
        await asked.wait()
        server.should_exit = True
        async with asyncio.timeout(60):
            busy, octets = await slow
            assert octets.startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(60):
            await serving
        for client in (idle, busy):
            client.close()
