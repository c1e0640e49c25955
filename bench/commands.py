"""Run a program to its end: its output, or one sentence."""

import os
import subprocess
from pathlib import Path

from bench.errors import BenchError


def run(*command: str | Path, folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What it printed; BenchError with what it complained about where it failed."""
    done = subprocess.run(  # noqa: S603 - no shell, and no argument from outside
        command, cwd=folder, env=os.environ | (environment or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, command))} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
