"""What every service says of its health: the form, and the question of those who watch over containers."""

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import service.health
from policy.certificate import new_key, self_signed
from service.health import Health, read

FORMS = [
    ("all is well", Health(), 200, {"ready": True, "faults": [], "warnings": []}),
    ("somebody should look", Health(warnings=("w",)), 200, {"ready": True, "faults": [], "warnings": ["w"]}),
    ("it cannot work", Health(("f",), ("w",)), 503, {"ready": False, "faults": ["f"], "warnings": ["w"]}),
]


@pytest.mark.parametrize(("health", "status", "said"), [case[1:] for case in FORMS], ids=[case[0] for case in FORMS])
def test_the_form(health: Health, status: int, said: object) -> None:
    """And that it is read back."""
    assert (health.status, json.loads(health.body)) == (status, said)
    assert read(health.body) == health


@pytest.mark.parametrize("octets", [b"", b"{", b"[]", b"{}", b'{"faults": "x", "warnings": []}', b'"live"', b"null"])
def test_what_is_no_health_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a health answer|Expecting"):
        read(octets)


@pytest.fixture(params=["http", "https"])
def answering(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, list[Health]]]:
    """A service, and with TLS the console; it says the last of these."""
    said = [Health()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/health/ready"
            self.send_response(said[-1].status)
            self.send_header("Content-Length", str(len(said[-1].body)))
            self.end_headers()
            self.wfile.write(said[-1].body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if request.param == "https":
        key, pair = new_key(), tmp_path / "pair.pem"
        pair.write_bytes(self_signed("console.example", key, time.time()) + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"{request.param}://127.0.0.1:{server.server_address[1]}", said
    server.shutdown()
    server.server_close()


CHECK = Path(service.health.__file__).with_name("is-well")


def checked(url: str) -> tuple[int, str]:
    """As compose.yaml runs it: exit code, and the sentences for the health log."""
    done = subprocess.run([CHECK, url], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_check_of_a_container(answering: tuple[str, list[Health]]) -> None:
    url, said = answering
    assert checked(url) == (0, "")
    said.append(Health(warnings=("look at it",)))
    assert checked(url) == (0, "look at it\n")
    said.append(Health(("it is broken",), ("look at it",)))
    assert checked(url) == (1, "it is broken\nlook at it\n")
    assert checked("http://127.0.0.1:1") == (1, "it does not answer (ConnectionRefusedError)\n")


def test_the_check_starts_no_python_where_all_is_well(
    answering: tuple[str, list[Health]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs every five seconds, and a Python costs more than the service does."""
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexec echo a Python was started\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    url, said = answering
    assert checked(url) == (0, "")
    said.append(Health(warnings=("look at it",)))
    assert checked(url) == (0, "a Python was started\n")
