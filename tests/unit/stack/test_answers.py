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


def silent(above: int, port: int, *before: str) -> tuple[int, str]:
    """Exit code, and the names of those that do not answer."""
    script = str(ROOT / "stack" / "answers.py")
    command = [*before, sys.executable, script, str(above), "policy", f"http://127.0.0.1:{port}/"]
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


# Root as in a container, as its engine starts it.
WITHOUT_SIGHT = ("setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace")


def as_user(number: int) -> tuple[str, ...]:
    return ("setpriv", "--reuid", str(number), "--regid", str(number), "--clear-groups")


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes other users")
def test_ours_answers_where_root_may_not_look_into_processes_of_others() -> None:
    with serving(*as_user(4711)) as port:
        assert silent(os.getpid(), port, *WITHOUT_SIGHT) == (0, "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes other users")
def test_another_users_answer_is_none_there() -> None:
    """Ours is of one user, and who listens is of another."""
    with (
        serving(*as_user(4712)) as port,
        subprocess.Popen(
            ["sh", "-c", '"$@"; exit', "sh", *as_user(4711), "sleep", "60"], start_new_session=True
        ) as ours,
    ):
        try:
            assert silent(ours.pid, port, *WITHOUT_SIGHT) == (1, "policy")
        finally:
            os.killpg(ours.pid, 9)


def test_where_nobody_listens_nobody_answers() -> None:
    assert silent(os.getpid(), free_port()) == (1, "policy")
