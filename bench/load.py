"""The load generator: compile smtpload.c, run it, read the line of JSON that it prints."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.commands import run
from bench.errors import BenchError

SOURCE = Path(__file__).parent / "smtpload.c"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow")


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations of one kind, in seconds."""

    count: int
    min: float = 0.0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run of the load generator counted and timed; the names of smtpload.c."""

    elapsed: float
    cpu: float  # seconds that the generator itself used
    sessions: int
    failed: int
    messages: int
    refused: int
    deferred: int
    turned_away: int
    error: str
    latency: dict[str, Latency] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: str) -> Self:
        """From the generator's line of JSON."""
        given: dict[str, Any] = json.loads(line)
        given["latency"] = {name: Latency(**values) for name, values in given["latency"].items()}
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Generator:
    """The compiled program."""

    program: Path

    @classmethod
    def compile(cls, folder: Path) -> Self:
        """Into `folder`, unless it is there and newer than its source."""
        program = folder / "smtpload"
        if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
            folder.mkdir(parents=True, exist_ok=True)
            command: list[str | Path] = ["gcc", "-std=c11", "-O2", *WARNINGS, "-pthread", "-o", program, SOURCE]
            run(*command, "-lssl", "-lcrypto")
        return cls(program)

    def start(self, *arguments: str | int) -> subprocess.Popen[str]:
        """Running; its result comes on stdout, and `--mode idle` ends when stdin is closed."""
        command = [str(self.program), *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program

    def run(self, *arguments: str | int, deadline_s: float = 200.0) -> Result:
        """To its end."""
        with self.start(*arguments) as running:
            try:
                return finished(running, deadline_s)
            except subprocess.TimeoutExpired:
                running.kill()
                raise BenchError(f"the load generator did not end within {deadline_s:.0f} s") from None


def finished(running: subprocess.Popen[str], deadline_s: float = 200.0) -> Result:
    """Wait for the end of a generator that was started; its result."""
    printed, _ = running.communicate(timeout=deadline_s)
    if running.returncode:
        raise BenchError("the load generator failed; its sentence stands above")
    return Result.parse(printed)
