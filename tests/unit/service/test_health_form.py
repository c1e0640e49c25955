"""What every service says of its health: the form, and the question of those who watch over containers."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import service.health
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


@pytest.fixture
def answering() -> Iterator[tuple[str, list[Health]]]:
    """A service; it says the last of these."""
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
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", said
    server.shutdown()
    server.server_close()


def test_the_check_of_a_container(answering: tuple[str, list[Health]]) -> None:
    """As compose.yaml runs it: exit code, and the sentences for the health log."""
    url, said = answering

    def check(where: str = url) -> tuple[int, str]:
        command = [sys.executable, "-P", str(Path(service.health.__file__)), where]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert check() == (0, "")
    said.append(Health(warnings=("look at it",)))
    assert check() == (0, "look at it\n")
    said.append(Health(("it is broken",), ("look at it",)))
    assert check() == (1, "it is broken\nlook at it\n")
    assert check("http://127.0.0.1:1") == (1, "it does not answer (ConnectionRefusedError)\n")
