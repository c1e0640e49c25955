"""`sallyport doctor`: what is wrong with this installation."""

import sys
import time

import typer

from policy.checkup import examine
from policy.cli.output import JSON, print_rows
from policy.finding import Finding, State
from policy.settings import Settings
from service.settings import load


def doctor(as_json: JSON = False) -> None:
    """Say what is wrong with this installation, and what to do. Exit code 1 when something is.

    Example: sallyport doctor
    """
    found = list(examine(load(Settings), time.time()))
    print_rows(found, ("state", "what", "says", "to do"), _line, as_json)
    wrong = sum(one.state is State.WRONG for one in found)
    if wrong:
        print(f"sallyport: {wrong} of {len(found)} findings say that something is wrong", file=sys.stderr)
        raise typer.Exit(1)


def _line(one: Finding) -> tuple[str, str, str, str]:
    return one.state.value, one.what, one.says, one.todo
