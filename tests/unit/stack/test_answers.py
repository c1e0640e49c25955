"""When a service of plain processes answers: only where it is ours that listens."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness import ROOT, answers, free_port, until

# Policy's answer, from a process below this one or below a shell of its own.
_SERVE = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@contextmanager
def serving(*before: str) -> Iterator[int]:
    """Somebody who says that it is ready; the port."""
    port = free_port()
    command = [*before, sys.executable, "-c", _SERVE, str(port)]
    with subprocess.Popen(command, start_new_session=True) as running:
        try:
            until(lambda: answers(port), "it listens")
            yield port
        finally:
            os.killpg(running.pid, 9)


def silent(above: int, port: int) -> tuple[int, str]:
    """Exit code, and the names of those that do not answer."""
    command = [sys.executable, str(ROOT / "stack" / "answers.py"), str(above), "policy", f"http://127.0.0.1:{port}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("before", [(), ("sh", "-c", '"$@"; exit', "sh")], ids=["a child", "a grandchild"])
def test_ours_answers(before: tuple[str, ...]) -> None:
    with serving(*before) as port:
        assert silent(os.getpid(), port) == (0, "")


def test_somebody_elses_answer_is_none() -> None:
    """Who took the port meanwhile would be asked, and be shown the gateway's token."""
    with serving() as port, subprocess.Popen(["sleep", "60"]) as supervisord:
        assert silent(supervisord.pid, port) == (1, "policy")
        supervisord.kill()


def test_where_nobody_listens_nobody_answers() -> None:
    assert silent(os.getpid(), free_port()) == (1, "policy")
