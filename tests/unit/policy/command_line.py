"""`sallyport` for tests: as a process, and without one, which is quicker."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from harness import ROOT

from policy.cli import main
from tests import forked
from tests.migrated import migrated

PROGRAM = "import sys; sys.argv[0] = 'sallyport'; from policy.cli import main; main()"


@dataclass(frozen=True)
class CommandLine:
    """`sallyport` on a store in a folder of its own, as a process."""

    folder: Path

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return forked.run(arguments, clean_environment() | self.environment | settings)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "POLICY_STATE_DIR": str(self.folder / "state"),
            "POLICY_GATEWAY_TOKEN_FILE": str(self.folder / "gateway.token"),
            "POLICY_DOVECOT_TOKEN_FILE": str(self.folder / "dovecot.token"),
            "POLICY_TLS_CERT": str(self.folder / "cert.pem"),
            "POLICY_TLS_KEY": str(self.folder / "key.pem"),
        }

    def json(self, *arguments: str, **settings: str) -> Any:
        """What a command prints with --json: one document on standard output."""
        done = self(*arguments, "--json", **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Started(CommandLine):
    """The same, started as people start it."""

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            env=clean_environment() | self.environment | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )


class InProcess(CommandLine):
    """The same without a process."""

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        said, printed = io.StringIO(), io.StringIO()
        code: int | str | None = None
        with (
            patch.dict(os.environ, clean_environment() | self.environment | settings, clear=True),
            patch.object(sys, "argv", ["sallyport", *arguments]),
            patch.object(sys, "stdin", io.StringIO()),
            redirect_stdout(printed),
            redirect_stderr(said),
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code
        assert isinstance(code, int), code
        return subprocess.CompletedProcess(arguments, code, printed.getvalue(), said.getvalue())


def clean_environment() -> dict[str, str]:
    """Without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("POLICY_", "SALLYPORT_"))}


def prepared(kind: Callable[[Path], CommandLine], folder: Path) -> CommandLine:
    """A store with what `init` makes; its schema is there before, which is quicker."""
    migrated(folder / "state" / "sallyport.db")
    command_line = kind(folder)
    done = command_line("init")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("made: digest key, ")
    return command_line


def is_one_sentence(text: str) -> bool:
    """One line that says who speaks; no traceback."""
    return text.startswith("sallyport: ") and text.count("\n") == 1 and text.endswith("\n")
