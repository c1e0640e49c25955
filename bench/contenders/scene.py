"""Everything that one run measures, started in the order of its dependencies and stopped in the reverse one."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.contenders import sallyport as ours
from bench.contenders.contender import Contender, write_credentials
from bench.contenders.dovecot import Dovecot
from bench.contenders.haraka import Haraka
from bench.contenders.policyd import Policyd
from bench.contenders.postfix import Postfix
from bench.errors import BenchError
from tests.harness import Process

NAMES = ("direct", "gates", "haraka", "sallyport")


class Scene:
    """`contenders` by name, in the order in which a round visits them. `build` keeps what is installed between runs."""

    def __init__(self, wanted: tuple[str, ...], build: Path, workers: int | None = None) -> None:
        self._wanted = [name for name in NAMES if name in wanted]
        self._build = build
        self._workers = workers
        self._ending = ExitStack()
        self.contenders: dict[str, Contender] = {}

    def __enter__(self) -> Self:
        with self._ending as ending:  # whatever was started ends if a later part does not start
            self.folder = Path(tempfile.mkdtemp(prefix="sallyport-bench-"))
            ending.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.folder.chmod(0o755)  # Postfix's daemons run as their own user
            self._start(ending)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.close()

    def _start(self, ending: ExitStack) -> None:
        tls = self.folder / "sallyport"
        policyd = Policyd(self.folder / "policyd")
        asked = policyd.socket if "gates" in self._wanted else None
        self.postfix = Postfix(self.folder / "postfix", tls / "cert.pem", tls / "key.pem", asked)
        self.sallyport = ours.prepared(tls, self.postfix.ports["relay"], self._workers)
        self.users = write_credentials(self.folder / "credentials")
        self.postfix.render()
        dovecot = Dovecot(self.folder / "dovecot", self.postfix.sasl)
        self._groups = {"dovecot": _started(dovecot.start, dovecot.stop, ending)}
        if asked:
            self._groups["policyd"] = _started(policyd.start, policyd.stop, ending)
        self._groups["postfix"] = _started(self.postfix.start, self.postfix.stop, ending)
        starters = {
            "direct": self._submission,
            "gates": self._submission,
            "haraka": self._start_haraka,
            "sallyport": self._start_sallyport,
        }
        for name in self._wanted:
            starters[name](name, ending)

    def _submission(self, name: str, _: ExitStack) -> None:
        ports = self.postfix.ports
        parts = ("postfix", "dovecot", *(["policyd"] if name == "gates" else []))
        groups = {part: self._groups[part] for part in parts}
        self.contenders[name] = Contender(name, ports[name], ports[f"{name}-tls"], self.users, groups)

    def _start_haraka(self, name: str, ending: ExitStack) -> None:
        pair = (self.postfix.certificate, self.postfix.key)
        haraka = Haraka(self._build / "haraka", self.folder / "haraka", self.postfix.ports["relay"], *pair)
        groups = {"haraka": _started(haraka.start, haraka.stop, ending), "postfix": self._groups["postfix"]}
        self.contenders[name] = Contender(name, haraka.port, haraka.tls_port, self.users, groups)

    def _start_sallyport(self, _: str, ending: ExitStack) -> None:
        ending.callback(self.sallyport.stop)
        _serving(self.sallyport.start_policy, self.sallyport.policy)
        self.start_gateway()

    def start_gateway(self, **settings: int) -> None:
        """Start the gateway, or replace it by a fresh one; settings such as max_sessions are for this one alone."""
        self.sallyport.gateway.stop()
        extra = {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
        self.sallyport.gateway.environment = self.sallyport.gateway_environment | extra
        _serving(self.sallyport.start_gateway, self.sallyport.gateway)
        policy, gateway = self.sallyport.policy.running, self.sallyport.gateway.running
        if policy is None or gateway is None:
            raise BenchError("Sallyport did not start")
        self.contenders["sallyport"] = Contender(
            "sallyport",
            self.sallyport.submission_port,
            self.sallyport.submissions_port,
            self.sallyport.folder / "credentials",
            {"gateway": gateway.pid, "policy": policy.pid, "postfix": self._groups["postfix"]},
        )


def _serving(start: Callable[[], None], process: Process) -> None:
    """The harness asserts; what the process said last is what a reader needs."""
    try:
        start()
    except AssertionError:
        last = process.text().strip().rpartition("\n")[2] or "nothing"
        raise BenchError(f"{' '.join(process.command[1:])} does not answer; the last that it said: {last}") from None


def _started(start: Callable[[], int], stop: Callable[[], None], ending: ExitStack) -> int:
    ending.callback(stop)  # first: a start that fails half-way leaves a process, too
    return start()
