"""Real parts for tests: policy, gateway, sink and Postfix as processes with ports and folders of their own.

Every wait is on a condition with a deadline; every process is ended by its own handle.
"""

import asyncio
import fcntl
import itertools
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, make_url, text

from policy.rulebook.toml import written
from policy.store.database import open_database
from tests import forked, preloaded
from tests.migrated import migrated

ROOT = Path(__file__).parent.parent
HOSTNAME = "mail.sallyport.test"

# A profile that none of these tests comes to the end of.
PLENTY: Mapping[str, object] = {
    "recipients": "100000/day",
    "messages": "100000/day",
    "bytes": "none",
    "new-recipients": "100000/day",
    "probation-new-recipients": "100000/day",
    "probation-recipients": "100000/day",
    "unknown-recipients": "none",
    "spam-refusals": "none",
    "complaints": "none",
    "held-messages": "100000/day",
    "held-bytes": "none",
    "sessions": 1000,
}

_PORTS = range(15_000, 32_000)  # below those that the kernel gives to whoever asks for none

Value = TypeVar("Value")


def until(condition: Callable[[], Value], what: str, deadline_s: float = 60.0, pause_s: float = 0.02) -> Value:
    """The first true value of `condition`; a failure that says what was waited for. `pause_s` between two looks."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(pause_s)


async def turning(condition: Callable[[], bool]) -> None:
    """Until `condition` holds; each turn of the event loop is a chance for it."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


def free_port() -> int:
    """A port of loopback. All tests of this machine, which may run side by side, take turns at handing them out."""
    with (Path(tempfile.gettempdir()) / f"sallyport-ports-{os.getuid()}").open("a+") as turns:
        fcntl.flock(turns, fcntl.LOCK_EX)
        turns.seek(0)
        last = int(turns.read() or _PORTS.start)
        port = next(one for one in itertools.chain(range(last + 1, _PORTS.stop), _PORTS) if _is_free(one))
        turns.truncate(0)
        turns.write(str(port))
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def policy_file(folder: Path, lines: str = "", **profiles: Mapping[str, object]) -> dict[str, str]:
    """Write a policy file of these lines, in which these profiles differ from the shipped ones; the setting for it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy.toml"
    path.write_text(f"{lines}\n{written({'profiles': profiles}) if profiles else ''}")
    return {"POLICY_FILE": str(path)}


@dataclass
class Process:
    """One service: command, environment, log file. `is_fresh`: a Python of its own, where that is looked at."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    is_fresh: bool = False
    running: subprocess.Popen[bytes] | preloaded.Forked | None = None

    def start(self) -> Self:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("POLICY_", "GATEWAY_"))}
        environment = clean | self.environment
        if not self.is_fresh and self.command[:2] == [sys.executable, "-m"] and len(self.command) == 3:
            self.running = preloaded.start(self.command[2], environment, self.log)
            if self.running:
                return self
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )
        return self

    def send(self, number: signal.Signals) -> None:
        assert self.running
        self.running.send_signal(number)

    def ended(self, deadline_s: float = 60.0) -> int:
        """Wait for the end; the exit code."""
        assert self.running
        return self.running.wait(deadline_s)

    def stop(self) -> None:
        if self.running and self.running.poll() is None:
            os.killpg(self.running.pid, signal.SIGCONT)
            os.killpg(self.running.pid, signal.SIGKILL)  # with its workers, so that its ports are free at once
            self.running.wait()

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def postgresql_url() -> str:
    """A new database on the server of this run: SALLYPORT_TEST_DATABASE=postgresql runs every Sallyport on one."""
    from postgresql import cluster  # noqa: PLC0415 - it stands on this module

    return cluster().create_empty().render_as_string()


@dataclass
class Login:
    """A credential that the command line made."""

    login: str
    secret: str


@dataclass
class Sallyport:
    """Gateway and policy as processes, in front of a next hop on loopback."""

    folder: Path
    next_hop: int
    policy_settings: dict[str, str] = field(default_factory=dict)
    gateway_settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.policy_port, self.status_port = free_port(), free_port()
        self.submission_port, self.submissions_port = free_port(), free_port()
        self.policy_environment = {
            "POLICY_STATE_DIR": str(self.folder / "state"),
            "POLICY_UNWALLED_NETWORKS": "127.0.0.0/8",  # every client of every test comes from there
            "POLICY_PORT": str(self.policy_port),
            "POLICY_GATEWAY_TOKEN_FILE": str(self.folder / "gateway.token"),
            "POLICY_DOVECOT_TOKEN_FILE": str(self.folder / "dovecot.token"),
            "POLICY_TLS_CERT": str(self.folder / "cert.pem"),
            "POLICY_TLS_KEY": str(self.folder / "key.pem"),
        } | self.policy_settings
        if os.environ.get("SALLYPORT_TEST_DATABASE") == "postgresql":
            self.policy_environment.setdefault("POLICY_DATABASE_URL", postgresql_url())
        database = self.folder / "state" / "sallyport.db"
        if "POLICY_DATABASE_URL" not in self.policy_environment and not database.exists():
            migrated(database)  # `init` has less to do
        self.gateway_environment = {
            "GATEWAY_BIND": "127.0.0.1",
            "GATEWAY_SUBMISSION_PORT": str(self.submission_port),
            "GATEWAY_SUBMISSIONS_PORT": str(self.submissions_port),
            "GATEWAY_STATUS_PORT": str(self.status_port),
            "GATEWAY_WORKERS": "2",
            "GATEWAY_SHED_LAG_S": "10",  # other tests keep the machine busy
            "GATEWAY_SPOOL_DIR": str(self.folder),
            "GATEWAY_TLS_CERT": str(self.folder / "cert.pem"),
            "GATEWAY_TLS_KEY": str(self.folder / "key.pem"),
            "GATEWAY_POLICY_URL": f"http://127.0.0.1:{self.policy_port}",
            "GATEWAY_POLICY_TOKEN_FILE": str(self.folder / "gateway.token"),
            "GATEWAY_RELAY": f"127.0.0.1:{self.next_hop}",
        } | self.gateway_settings
        python = sys.executable
        self.policy = Process([python, "-m", "policy"], self.policy_environment, self.folder / "policy.log")
        self.gateway = Process([python, "-m", "gateway"], self.gateway_environment, self.folder / "gateway.log")

    def start(self) -> Self:
        self.cli("init")
        self.start_policy()
        self.start_gateway()
        return self

    def start_policy(self) -> None:
        self.policy.start()
        until(lambda: answers(self.policy_port), f"policy answers\n{self.policy.text()}")

    def start_gateway(self) -> None:
        self.gateway.start()
        until(
            lambda: answers(self.submission_port) and answers(self.submissions_port) and self.status("health/live"),
            f"gateway answers\n{self.gateway.text()}",
        )

    def status(self, path: str) -> str:
        """What the gateway's status port says; empty as long as it says nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/{path}", timeout=20) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def stop(self) -> None:
        self.gateway.stop()
        self.policy.stop()

    def cli(self, *arguments: str) -> str:
        """Run `sallyport`; what it printed."""
        done = forked.run(arguments, os.environ | self.policy_environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_login(self, name: str, *addresses: str) -> Login:
        """A new identity with one credential."""
        self.cli("identity", "add", name, *[part for one in addresses for part in ("--address", one)])
        made = json.loads(self.cli("credential", "add", name, "--label", "test", "--json"))
        return Login(made["login"], made["secret"])

    def tls(self) -> ssl.SSLContext:
        """Trusts exactly the certificate that init made, and checks the name."""
        return ssl.create_default_context(cafile=str(self.folder / "cert.pem"))

    def client(self, login: Login | None = None, *, implicit_tls: bool = False, timeout: float = 30) -> smtplib.SMTP:
        """A connected client under TLS, logged in where a login is given."""
        client: smtplib.SMTP
        if implicit_tls:
            client = smtplib.SMTP_SSL(
                "localhost", self.submissions_port, "client.test", context=self.tls(), timeout=timeout
            )
        else:
            client = smtplib.SMTP("localhost", self.submission_port, "client.test", timeout=timeout)
            client.starttls(context=self.tls())
        if login:
            try:
                client.login(login.login, login.secret)
            except smtplib.SMTPException:
                client.close()
                raise
        return client

    def spent(self, name: str) -> int:
        """What is counted on the recipients budget of an identity, in any window."""
        with self.store() as connection:
            total = connection.execute(
                text("SELECT sum(cost) FROM charge WHERE key = :key"), {"key": f"{name}:recipients"}
            )
            return int(total.scalar() or 0)

    @contextmanager
    def store(self) -> Iterator[Connection]:
        """A transaction of a test's own in the store, of whichever database it is in."""
        url = self.policy_environment.get("POLICY_DATABASE_URL")
        engine = open_database(make_url(url) if url else self.folder / "state" / "sallyport.db")
        with engine.begin() as connection:
            yield connection
        engine.dispose()


@dataclass
class Sink:
    """The mail sink as a process."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.smtp_port, self.http_port = free_port(), free_port()
        environment = {
            "SINK_BIND": "127.0.0.1",
            "SINK_SMTP_PORT": str(self.smtp_port),
            "SINK_HTTP_PORT": str(self.http_port),
        }
        self.process = Process([sys.executable, "-m", "sink"], environment, self.folder / "sink.log")

    def start(self) -> Self:
        self.process.start()
        until(lambda: answers(self.smtp_port) and answers(self.http_port), f"sink answers\n{self.process.text()}")
        return self

    def stop(self) -> None:
        self.process.stop()

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/messages?{query}") as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def raw(self, number: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/messages/{number}/raw") as answer:
            octets: bytes = answer.read()
            return octets


@dataclass
class Postfix:
    """A private instance of the machine's own Postfix; needs root. `next_hop` is a loopback port of a sink."""

    folder: Path
    next_hop: int
    queue: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.hold_port = free_port(), free_port()
        self.queue = self.queue or self.folder / "queue"
        self.environment = {
            "POSTFIX_HOSTNAME": HOSTNAME,
            "POSTFIX_DOMAINS": "sallyport.test",
            "POSTFIX_LISTEN": f"127.0.0.1:{self.port}",
            "POSTFIX_HOLD_LISTEN": f"127.0.0.1:{self.hold_port}",
            "POSTFIX_CLIENTS": "127.0.0.0/8",
            "POSTFIX_LMTP": "inet:127.0.0.1:1",
            "POSTFIX_NEXTHOP": f"[127.0.0.1]:{self.next_hop}",
            "POSTFIX_MESSAGE_BYTES": "26214400",
            "POSTFIX_QUEUE_DIR": str(self.queue),
            "POSTFIX_DATA_DIR": str(self.folder / "data"),
            "POSTFIX_LOG": str(self.folder / "postfix.log"),
        }
        self.config = self.folder / "config"
        self.process = Process(
            ["postfix", "-c", str(self.config), "start-fg"], self.environment, self.folder / "postfix.out"
        )

    def start(self) -> Self:
        for parent in (self.folder, *self.folder.parents):
            if parent in (Path("/"), Path("/tmp")):
                break
            parent.chmod(parent.stat().st_mode | 0o055)  # Postfix's daemons run as their own user
        subprocess.run(
            [str(ROOT / "postfix" / "render"), str(self.config)], env=os.environ | self.environment, check=True
        )
        self.process.start()
        until(lambda: answers(self.port) and answers(self.hold_port), f"Postfix answers\n{self.process.text()}")
        return self

    def kill(self) -> None:
        """At once. Postfix's master and its daemons are a session of their own, which ours does not end."""
        assert self.queue
        os.killpg(int((self.queue / "pid" / "master.pid").read_text()), signal.SIGKILL)
        self.process.ended()

    def stop(self) -> None:
        if self.process.running and self.process.running.poll() is None:
            subprocess.run(["postfix", "-c", str(self.config), "stop"], check=False, capture_output=True)
            self.process.ended()

    def log(self) -> str:
        path = self.folder / "postfix.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @staticmethod
    def is_possible() -> bool:
        return os.geteuid() == 0 and shutil.which("postfix") is not None
