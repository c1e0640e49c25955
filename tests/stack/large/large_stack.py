"""The large topology in containers for tests, and a load of honest senders and thieves that goes through it.

What a client was told is noted for each message by its subject, and compared with what is in the sink and on hold at
the end: what was answered with 250 is there exactly once.
"""

import contextlib
import itertools
import json
import os
import smtplib
import ssl
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from botnet import ProxiedClient
from compose import Compose
from harness import Login, free_port, until

HOME = "192.0.2.7"
POSTFIXES = ("postfix", "postfix-2")
GATEWAYS = ("gateway", "gateway-2", "gateway-3")
POLICIES = ("policy", "policy-2", "policy-3")
VALKEYS = ("valkey-1", "valkey-2", "valkey-3")
IS_RUNNING = bool(os.environ.get("SALLYPORT_LARGE_RUNNING"))
_PATIENCE_S = 20.0

# Each is a command; what those with --json print, as one list.
_COMMANDS = """
import contextlib, io, json, sys
from policy.cli import app
made = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        app(words, prog_name="sallyport", standalone_mode=False)
    if "--json" in words:
        made.append(json.loads(printed.getvalue()))
print(json.dumps(made))
"""

# The shipped policy, with room for whoever is honest and fast, and one budget that a test comes to the end of.
POLICY = """
[profiles.person]
recipients = ["100000/day"]
messages = ["100000/day"]
bytes = "none"
sessions = 1000

[profiles.app]
recipients = ["100/day"]
messages = ["100000/day"]
bytes = "none"
new-recipients = "none"
sessions = 1000
"""


class Sent(NamedTuple):
    """One attempt: `answer` is the code of the reply, or what broke off and where."""

    subject: str
    sender: str
    recipient: str
    answer: str
    begun_at: float
    ended_at: float


@dataclass
class Large:
    """The stack. With SALLYPORT_LARGE_RUNNING=1 it is there already, and stays."""

    project: str
    policy_file: str
    proxied_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        settings = {
            "SALLYPORT_POLICY_FILE": self.policy_file,
            "SALLYPORT_PROXIED_PORT": str(self.proxied_port),
            "SALLYPORT_DOOR_NETWORK": f"10.213.{os.getpid() % 250}.0/27",
            "SALLYPORT_BUDGETS_PREFIX": f"10.214.{os.getpid() % 250}",
        }
        overlays = ("compose.postgresql.yaml", "compose.large.yaml", "tests/stack/large/compose.tests.yaml")
        self.stack = Compose(self.project, test=True, settings=settings, overlays=overlays)
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def start(self) -> Self:
        if IS_RUNNING:
            self.proxied_port = int(self.stack.run("port", "balancer", "5466").rpartition(":")[2])
            self.stack.sink_port = int(self.stack.run("port", "sink", "8025").rpartition(":")[2])
            return self
        self.stack.run("down", "--volumes", "--timeout", "1")
        # Where the machine does much else some part is late, and Compose gives up: the second time all are there.
        self.stack.run("up", "--build", "--wait", "--quiet-pull", check=False)
        self.stack.run("up", "--wait")
        return self

    def stop(self) -> None:
        if not IS_RUNNING:
            self.stack.stop()

    def people(self, names: Sequence[str], profile: str = "person") -> dict[str, Login]:
        """Identities with one login each, at home at HOME; in one process, for to start it takes a second."""
        lines = [
            words
            for name in names
            for words in (
                ["identity", "add", name, "--address", f"{name}@sallyport.test", "--profile", profile],
                ["network", "confirm", name, HOME],
                ["credential", "add", name, "--label", "test", "--json"],
            )
        ]
        done = self.stack.inside("policy", "python3", "-c", _COMMANDS, json.dumps(lines))
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        return {name: Login(one["login"], one["secret"]) for name, one in zip(names, made, strict=True)}

    def client(self, source: str = HOME) -> smtplib.SMTP_SSL:
        return ProxiedClient(self.proxied_port, source, self.context, timeout=_PATIENCE_S)

    def sink(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stack.sink_port}/messages") as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def queued(self) -> list[dict[str, Any]]:
        """In both Postfix."""
        return [one for postfix in POSTFIXES for one in self._queued(postfix)]

    def queued_at(self, postfix: str) -> int:
        """How many messages are on their way there."""
        return len([one for one in self._queued(postfix) if one["queue_name"] != "hold"])

    def held(self) -> Counter[str]:
        """Messages on hold, by sender."""
        return Counter(one["sender"] for one in self.queued() if one["queue_name"] == "hold")

    def wait_until_delivered(self) -> None:
        """Nothing is on its way: what is left is on hold. What has met a fault is tried again at once."""

        def is_delivered() -> bool:
            for postfix in (one for one in POSTFIXES if self.queued_at(one)):
                self.stack.inside(postfix, "postqueue", "-c", "/run/postfix", "-f")
            return not any(map(self.queued_at, POSTFIXES))

        until(is_delivered, "all that was accepted is delivered, or on hold", 120.0, 1.0)

    def kill(self, service: str) -> None:
        """At once, and it stays away."""
        self._docker("kill", "--signal", "KILL", self.stack.container(service))

    def stop_service(self, service: str) -> None:
        """In order, and it stays away."""
        self.stack.run("stop", service)

    def revive(self, service: str) -> None:
        self.stack.run("start", service)
        self.wait_until_healthy(service)

    def restart(self, service: str) -> None:
        """In order: it may finish what it has begun."""
        self.stack.run("restart", "--no-deps", service)
        self.wait_until_healthy(service)

    def wait_until_healthy(self, service: str) -> None:
        container = self.stack.container(service)
        health = "{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}"
        until(
            lambda: self._docker("inspect", "--format", health, container).strip() == "healthy",
            f"{service} is healthy",
            240.0,
            0.5,  # each look is a process
        )

    def is_up(self, service: str) -> bool:
        return bool(self.stack.container(service))

    def primary(self) -> str:
        """Which server of the budgets says that it is the primary."""
        for one in VALKEYS:
            if self._servers_say(one, "ROLE").startswith("master"):
                return one
        return ""

    def cut_store(self) -> None:
        """End every session that PostgreSQL has with policy and console, whatever they are doing."""
        self.store("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sallyport'")

    def store(self, statement: str) -> str:
        """What PostgreSQL's superuser is answered."""
        words = ("psql", "-h", "/run/sockets", "-U", "keeper", "-d", "sallyport", "-tAc", statement)
        done = self.stack.inside("postgresql", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _queued(self, postfix: str) -> list[dict[str, Any]]:
        told = self.stack.inside(postfix, "postqueue", "-c", "/run/postfix", "-j").stdout
        return [json.loads(line) for line in told.splitlines()]

    def _servers_say(self, service: str, *words: str) -> str:
        command = (
            "REDISCLI_AUTH=$(cat /secrets/servers/servers.password) exec valkey-cli -s /run/valkey/socket"
            ' --user servers --no-auth-warning "$@"'
        )
        return self.stack.inside(service, "sh", "-c", command, "sh", *words).stdout

    @staticmethod
    def _docker(*words: str) -> str:
        return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


@dataclass
class Sender:
    """One client in a thread of its own: a session, three messages, the next session; whatever breaks, it goes on."""

    large: Large
    name: str
    login: Login
    sources: Sequence[str]
    recipients: Callable[[], str]
    pause_s: float
    sent: list[Sent] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, over: threading.Event) -> None:
        for source in itertools.cycle(self.sources):
            if over.is_set():
                return
            begun = time.monotonic()
            try:
                with contextlib.closing(self.large.client(source)) as client:
                    client.login(self.login.login, self.login.secret)
                    for _ in range(3):
                        self._message(client)
                        over.wait(self.pause_s)
            except smtplib.SMTPAuthenticationError as error:
                self._note("", "", f"login {error.smtp_code}", begun)
            except smtplib.SMTPConnectError as error:
                self._note("", "", f"greeting {error.smtp_code}", begun)
            except (smtplib.SMTPException, OSError) as error:
                if not self.sent or self.sent[-1].answer != "cut off in a message":
                    self._note("", "", f"hung up between messages ({type(error).__name__})", begun)
            over.wait(self.pause_s)

    def _message(self, client: smtplib.SMTP) -> None:
        subject, recipient = f"{self.name}-{next(self.numbers)}", self.recipients()
        sender, begun = f"{self.name}@sallyport.test", time.monotonic()
        code, said = client.rset()
        if code != 250:  # a gateway that ends says 421 between two messages and hangs up: nothing was begun
            raise smtplib.SMTPServerDisconnected(said.decode())
        try:
            client.mail(sender)
            client.rcpt(recipient)
            code, _ = client.data(f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nhello\r\n".encode())
        except smtplib.SMTPDataError as error:
            code = error.smtp_code
        except (smtplib.SMTPException, OSError):
            self._note(subject, recipient, "cut off in a message", begun)
            raise
        self._note(subject, recipient, str(code), begun)

    def _note(self, subject: str, recipient: str, answer: str, begun: float) -> None:
        self.sent.append(Sent(subject, f"{self.name}@sallyport.test", recipient, answer, begun, time.monotonic()))


@dataclass
class Load:
    """Honest people who write to a few friends from home, and thieves who write to strangers from everywhere."""

    large: Large
    honest: dict[str, Login]
    bots: int = 3
    pause_s: float = 0.3
    thieves: list[str] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for name, login in self.honest.items():
            friends = itertools.cycle([f"friend{number}-of-{name}@friends.example" for number in range(3)])
            self._begin(Sender(self.large, name, login, [HOME], friends.__next__, self.pause_s))
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def steal(self, name: str, login: Login) -> None:
        """Its owner has used it at home, for the first network of a credential is known. Now thieves use it, too."""
        with contextlib.closing(self.large.client(HOME)) as client:
            client.login(login.login, login.secret)
        used = f"SELECT 1 FROM credential WHERE login = '{login.login}' AND last_used_at IS NOT NULL"  # noqa: S608 - ours
        until(lambda: self.large.store(used).strip(), "the owner's login is written down")
        self.thieves.append(name)
        victims = (f"victim{number}-of-{name}@victims.example" for number in itertools.count())
        numbers, turns = itertools.count(), threading.Lock()

        def victim() -> str:
            with turns:
                return next(victims)

        for bot in range(self.bots):
            sources = [f"198.51.{100 + bot}.{number}" for number in range(1, 200)]
            self._begin(Sender(self.large, name, login, sources, victim, self.pause_s, numbers=numbers))

    def _begin(self, sender: Sender) -> None:
        self.senders.append(sender)
        self._threads.append(threading.Thread(target=sender.run, args=(self._over,)))
        self._threads[-1].start()

    @property
    def sent(self) -> list[Sent]:
        return [one for sender in self.senders for one in tuple(sender.sent)]

    def of_honest(self, since: float) -> list[Sent]:
        senders = {f"{name}@sallyport.test" for name in self.honest}
        return [one for one in self.sent if one.ended_at >= since and one.sender in senders]

    def wait_for(self, number: int, wanted: Callable[[Sent], bool] = lambda one: one.answer == "250") -> None:
        """So many more messages of honest people are taken, or whatever else is wanted."""
        begun = time.monotonic()
        until(
            lambda: len([one for one in self.of_honest(begun) if wanted(one)]) >= number,
            f"{number} more answers to honest people",
            120.0,
        )


class Account(NamedTuple):
    """What was promised, and what came of it."""

    answered: int
    missing: list[str]  # answered with 250, and neither in the sink nor on hold
    twice: list[str]
    passed: list[str]  # in the sink, though the client heard a refusal
    reached: Counter[str]  # strangers in the sink, by thief


def account(load: Load) -> Account:
    """Once all is delivered. A thief's messages have one recipient each: what is on hold is counted."""
    large = load.large
    large.wait_until_delivered()
    arrived = Counter(one["subject"] for one in large.sink())
    held, missing, passed = large.held(), list[str](), list[str]()
    reached = Counter[str]()
    for name in (*load.honest, *load.thieves):
        mine = [one for one in load.sent if one.sender == f"{name}@sallyport.test" and one.subject]
        accepted = [one.subject for one in mine if one.answer == "250"]
        absent = [one for one in accepted if not arrived[one]]
        on_hold = held[f"{name}@sallyport.test"]
        missing += absent[on_hold:]
        refused = [one.subject for one in mine if one.answer[0] in "45"]
        passed += [one for one in refused if arrived[one]]
        if name in load.thieves:
            reached[name] = len([one for one in mine if arrived[one.subject]])
    subjects = {one.subject for one in load.sent if one.subject}
    twice = [one for one, times in arrived.items() if times > 1 and one in subjects]
    return Account(len([one for one in load.sent if one.answer == "250"]), missing, twice, passed, reached)
