"""A stack in containers for tests: a Compose project with a name and ports of its own, removed at the end."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any, Self

from harness import ROOT, Login, free_port


@dataclass
class Compose:
    """`project` gets an ending; `test` adds the overlay with the mail sink; `overlays` are further files."""

    project: str
    test: bool
    settings: dict[str, str] = field(default_factory=dict)
    overlays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.project = of_this_checkout(self.project)
        self.submission_port, self.submissions_port, self.imaps_port = free_port(), free_port(), free_port()
        self.sink_port, self.console_port = free_port(), free_port()
        self.environment = os.environ | {
            "SALLYPORT_BIND": "127.0.0.1",
            "SALLYPORT_SUBMISSION_PORT": str(self.submission_port),
            "SALLYPORT_SUBMISSIONS_PORT": str(self.submissions_port),
            "SALLYPORT_IMAPS_PORT": str(self.imaps_port),
            "SALLYPORT_SINK_PORT": str(self.sink_port),
            "SALLYPORT_CONSOLE_PORT": str(self.console_port),
        }
        self.environment |= self.settings

    def start(self) -> Self:
        self.run("down", "--volumes", "--timeout", "1")
        self.run("up", "--build", "--wait", "--quiet-pull")
        return self

    def stop(self) -> None:
        self.run("down", "--volumes", "--timeout", "1")

    def run(self, *arguments: str, check: bool = True) -> str:
        """`docker compose ...`; what it printed."""
        names = ("compose.yaml", *(["compose.test.yaml"] if self.test else []), *self.overlays)
        files = [part for name in names for part in ("-f", name)]
        command = ["docker", "compose", "-p", self.project, *files, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def container(self, service: str) -> str:
        """Of the one that runs; asked of the engine, for `docker compose` reads all its files each time."""
        of_compose = {"project": self.project, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in of_compose.items()]
        return _docker("ps", "--quiet", "--no-trunc", *filters).strip()

    def logs(self, service: str) -> str:
        command = ["docker", "logs", self.container(service)]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout

    def inspect(self, service: str) -> dict[str, Any]:
        (found,) = json.loads(_docker("inspect", self.container(service)))
        assert isinstance(found, dict)
        return found

    def inside(self, service: str, *command: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the image in a running container."""
        options = ["--user", user] if user else []
        return subprocess.run(
            ["docker", "exec", *options, self.container(service), *command], capture_output=True, text=True, check=False
        )

    def in_network_of(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the network namespace of a container; needs root."""
        pid = str(self.inspect(service)["State"]["Pid"])
        return subprocess.run(["nsenter", "-t", pid, "-n", *command], capture_output=True, text=True, check=False)

    def cli(self, *arguments: str) -> str:
        done = self.inside("policy", "sallyport", *arguments)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def new_login(self, name: str, address: str) -> Login:
        self.cli("identity", "add", name, "--address", address)
        made = json.loads(self.cli("credential", "add", name, "--label", "test", "--json"))
        return Login(made["login"], made["secret"])


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def of_this_checkout(project: str) -> str:
    """Tests of two checkouts on one engine are in nobody's way: each removes what has the name of its project."""
    return f"{project}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]}"


def engine_answers() -> bool:
    """Whether a container engine with Compose is there."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return False
        except FileNotFoundError:
            return False
    return True
