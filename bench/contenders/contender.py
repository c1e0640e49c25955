"""The common shape of everything that is measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.processes import Groups
from tests.harness import Process, answers, until

USERS = 200
ADDRESS = "u{}@example.test"
LOGIN, SECRET = "user{}", "secret{}"


@dataclass(frozen=True, slots=True)
class Contender:
    """One submission service on loopback."""

    name: str
    submission_port: int  # STARTTLS
    submissions_port: int  # implicit TLS
    credentials: Path  # for smtpload: login, secret and address in each line
    groups: Groups  # the process groups that do its work


def write_credentials(path: Path) -> Path:
    """user1 with secret1 owns u1@example.test, and so on: for all but Sallyport, whose logins are random."""
    numbers = range(1, USERS + 1)
    path.write_text("".join(f"{LOGIN.format(n)} {SECRET.format(n)} {ADDRESS.format(n)}\n" for n in numbers))
    return path


def started(process: Process, name: str, listens: Callable[[], bool]) -> int:
    """Start a process and wait until it listens; its id."""
    process.start()
    try:
        until(listens, name)
    except AssertionError:
        raise BenchError(f"{name} did not start; it said: {process.text().strip() or 'nothing'}") from None
    if process.running is None:
        raise BenchError(f"{name} did not start")
    return process.running.pid


def all_answer(*ports: int) -> bool:
    return all(answers(port) for port in ports)
