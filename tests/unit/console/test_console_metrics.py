"""Metrics of the console: on a port of their own alone, with no path and no method that a stranger made up."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from console_app import Console
from starlette.types import Message, Receive, Scope, Send

from policy.certificate import new_key, self_signed
from policy.console.metrics import Metrics

T = 1_700_000_000.0


@contextmanager
def bound() -> Iterator[tuple[socket.socket, str]]:
    """A port, and how it is asked."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


async def page(scope: Scope, _: Receive, send: Send) -> None:
    status = HTTPStatus.NOT_FOUND if scope["path"] == "/secret-token" else HTTPStatus.OK
    await send({"type": "http.response.start", "status": int(status), "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def asked(metrics: Metrics, method: str, path: str) -> list[Message]:
    """What is sent to a client that asks so."""
    sent: list[Message] = []

    async def take(message: Message) -> None:
        sent.append(message)

    async def nothing() -> Message:
        return {"type": "http.request"}

    await metrics.around(page)({"type": "http", "method": method, "path": path}, nothing, take)
    return sent


async def test_requests_are_counted_and_paths_are_not(tmp_path: Path) -> None:
    """By method and code; the time until the answer begins; when the certificate ends."""
    certificate = tmp_path / "cert.pem"
    certificate.write_bytes(self_signed("mail.example.org", new_key(), T))
    times = iter((1.0, 1.2, 5.0, 5.02, 9.0, 9.0))
    metrics = Metrics(certificate, lambda: next(times))
    for method, path in (("GET", "/devices"), ("GET", "/secret-token"), ("BREW", "/devices")):
        assert len(await asked(metrics, method, path)) == 2
    with bound() as (listening, url):
        async with metrics.served(listening), httpx.AsyncClient() as client:
            text = (await client.get(f"{url}/metrics")).text
            assert (await client.get(f"{url}/devices")).status_code == 404
    assert 'sallyport_console_requests_total{code="200",method="GET"} 1.0' in text
    assert 'sallyport_console_requests_total{code="404",method="GET"} 1.0' in text
    assert 'sallyport_console_requests_total{code="200",method="other"} 1.0' in text
    assert 'sallyport_console_request_duration_seconds_bucket{le="0.025"} 2.0' in text
    assert "sallyport_console_request_duration_seconds_count 3.0" in text
    assert "sallyport_console_certificate_expires_timestamp_seconds 1.763072e+09" in text
    assert "secret-token" not in text
    assert "BREW" not in text


def test_a_certificate_that_cannot_be_read() -> None:
    text = Metrics(Path("/nonexistent"), lambda: 0.0).written().decode()
    assert "sallyport_console_certificate_expires_timestamp_seconds 0.0" in text


async def test_nobody_finds_them_where_people_are(console: Console) -> None:
    """The console's own port has no such page, for nobody."""
    assert (await console.browser().get("/metrics")).status_code == 404


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_no_request_passes(kind: str) -> None:
    """It reaches the application, and is no number."""
    seen = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def never(*_: object) -> Message:
        raise AssertionError

    metrics = Metrics(Path("/nonexistent"), lambda: 0.0)
    await metrics.around(app)({"type": kind}, never, never)  # type: ignore[arg-type]
    assert seen == [kind]
    assert "requests_total{" not in metrics.written().decode()
