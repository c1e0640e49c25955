"""The stack that clients are tried against, and the lines at the end that say what they were and what they showed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clients import Account, Client
from harness import PLENTY, Login, Sallyport, Sink, policy_file
from letters import SENDER

_NOTES = pytest.StashKey[dict[str, dict[str, str]]]()

Note = Callable[[str, str, str], None]


@dataclass
class Desk:
    """A running stack, and somebody who has a login on it."""

    stack: Sallyport
    login: Login

    def account(self, *, implicit_tls: bool, secret: str = "", mechanism: str = "", trusts: bool = True) -> Account:
        stack = self.stack
        return Account(
            port=stack.submissions_port if implicit_tls else stack.submission_port,
            implicit_tls=implicit_tls,
            login=self.login.login,
            secret=secret or self.login.secret,
            certificate=stack.folder / "cert.pem" if trusts else None,
            mechanism=mechanism,
        )

    def logins(self) -> list[tuple[str, str]]:
        """Mechanism and code of each AUTH so far."""
        lines = [line for line in self.stack.gateway.text().splitlines() if "login-answered" in line]
        fields = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return [(one["mechanism"], one["code"]) for one in fields]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Desk]:
    """In front of the sink."""
    folder = tmp_path_factory.mktemp("desk")
    stack = Sallyport(folder, sink.smtp_port, policy_file(folder, person=PLENTY))
    try:
        stack.start()
        yield Desk(stack, stack.new_login("ada", SENDER))
    finally:
        stack.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder without any configuration."""
    return tmp_path


@pytest.fixture(params=[False, True], ids=["starttls", "tls"])
def implicit_tls(request: pytest.FixtureRequest) -> bool:
    """Port 587, then port 465."""
    chosen: bool = request.param
    return chosen


def installed_or_skip(client: Client) -> None:
    if not client.version():
        pytest.skip(f"{client.name} is not installed here; it comes with {client.package}")


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Note:
    """Keep a line for the end: of which client, under which heading."""
    notes = pytestconfig.stash.setdefault(_NOTES, {})

    def keep(client: str, heading: str, words: str) -> None:
        notes.setdefault(client, {})[heading] = words

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    notes = config.stash.get(_NOTES, {})
    if notes:
        terminalreporter.section("interop")
    for client, headings in notes.items():
        for heading, words in headings.items():
            terminalreporter.write_line(f"{client} {heading}: {words}")
