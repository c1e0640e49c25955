"""How the tests of stack/ run its scripts: in the checkout, with an environment without the tester's settings."""

import os
import subprocess
from pathlib import Path

import pytest
from stack_scripts import CHECKOUT, Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script of the checkout; keyword arguments are variables of its environment.

    As from a terminal: what a shell starts in the background ignores interrupts.
    """

    def run_script(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SALLYPORT_RUN_DIR": str(tmp_path / "run")}
        return subprocess.run(
            ["env", "--default-signal=INT", str(CHECKOUT / command[0]), *map(str, command[1:])],
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_script
