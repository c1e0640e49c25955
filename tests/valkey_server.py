"""Private Valkey servers for tests, or Redis where the distribution has no Valkey: on sockets in folders of their own.

Where neither is installed, `is_possible` is false and the tests skip.
"""

import atexit
import functools
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import valkey
from harness import until

NOT_INSTALLED = "no Valkey or Redis is installed: apt-get install valkey-server, or redis-server"
_PROGRAMS = ("valkey-server", "redis-server")


class Server:
    """One server; it keeps its folder when it is stopped, and starts with it again."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sallyport-valkey-"))
        self.socket = self.folder / "socket"
        self._settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        options = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen([_program(), *options], stdout=log, stderr=log, cwd=self.folder)
        until(self._answers, "Valkey answers")
        return self

    def kill(self) -> None:
        """At once; what it wrote is with the kernel."""
        self._signal(signal.SIGKILL)
        if self._running:
            self._running.wait(20)
            self._running = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def order(self, *words: str) -> object:
        """What the server answers to a command."""
        password = self._settings.get("requirepass")
        with valkey.Valkey(unix_socket_path=str(self.socket), password=password, decode_responses=True) as client:
            answer: object = client.execute_command(*words)
            return answer

    def _answers(self) -> bool:
        try:
            return self.order("PING") is not None
        except valkey.ValkeyError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._running:
            self._running.send_signal(number)


def is_possible() -> bool:
    return bool(_program())


@functools.cache
def server() -> Server:
    """The server that most tests share, started when the first one asks for it."""
    one = Server()
    atexit.register(one.close)
    return one.start()


def _program() -> str:
    return next(filter(None, map(shutil.which, _PROGRAMS)), "")
