"""Services as processes, without waiting for their imports: each is forked from a process that has loaded its modules.

A service takes two seconds of a processor to load and tests start hundreds. What runs is `python -m MODULE` in every
other respect: a session and process group of its own, its own environment, standard input, output and error, its
`__main__` run anew, the interpreter ended as ever. The modules are loaded once for each kind of service, and by
importing its `__main__`: the gateway has to name its OpenSSL configuration before OpenSSL is there.

    start      (in the test) asks the server of this module, which is started by the first who asks
    serve      (in the server) forks for each line that asks for it, and tells of those that have ended
"""

import atexit
import functools
import gc
import json
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MODULES = frozenset(("gateway", "policy", "policy.console", "queue_agent", "sink"))
_AT_START = ("LD_", "MALLOC_", "OPENSSL_", "PYTHON")  # what a process reads before any module of ours
_PERIOD_S = 0.01


class Forked:
    """What subprocess.Popen is for a process that somebody else has started."""

    def __init__(self, server: "_Server", pid: int) -> None:
        self._server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask(do="poll", pid=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(_PERIOD_S)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(15)


class _Server:
    """Ends when the tests do: there is nobody left to ask it."""

    def __init__(self, module: str) -> None:
        self._lock = threading.Lock()
        command = [sys.executable, __file__, module]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )
        atexit.register(self._process.communicate)

    def ask(self, **wanted: object) -> Any:
        with self._lock:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


_server = functools.cache(_Server)


def start(module: str, environment: Mapping[str, str], log: Path) -> Forked | None:
    """`python -m MODULE`, in this environment and no other; None where it has to be a Python of its own."""
    started = {name for name, value in environment.items() if os.environ.get(name) != value}
    if module not in MODULES or any(name.startswith(_AT_START) for name in started):
        return None
    server = _server(module)
    return Forked(server, server.ask(do="start", environment=dict(environment), log=str(log)))


def serve(module: str) -> None:
    """Return in a child alone, which goes on as the service."""
    sys.path[0] = str(ROOT)
    import_module(f"{module}.__main__")
    del sys.modules[f"{module}.__main__"]
    gc.freeze()
    for line in sys.stdin:
        wanted = json.loads(line)
        if wanted["do"] == "poll":
            ended, status = os.waitpid(wanted["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            begun, beginning = os.pipe()
            answer = os.fork()
            if answer == 0:
                _become(wanted["environment"], wanted["log"])
                os.close(beginning)
                os.close(begun)
                return
            os.close(beginning)
            os.read(begun, 1)  # its end: the child has a group of its own
            os.close(begun)
        print(json.dumps(answer), flush=True)
    os._exit(0)


def _become(environment: dict[str, str], log: str) -> None:
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, said, said)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(said)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what was read ahead is the server's


if __name__ == "__main__":
    serve(sys.argv[1])
    _module = sys.argv.pop()
    runpy.run_module(_module, run_name="__main__", alter_sys=True)
