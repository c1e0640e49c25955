"""The shape of log lines: one line for one event, whatever a stranger puts into a value."""

import json
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import pytest

from service.log import _as_text

ROOT = Path(__file__).parent.parent.parent.parent


class Colour(StrEnum):
    """Any closed list."""

    RED = "red"


def line(**values: object) -> str:
    """An event with these values as text, without its head."""
    event = {"event": "seen", **values, "timestamp": "2026-01-02T03:04:05Z", "level": "info"}
    head = "2026-01-02T03:04:05Z [info     ] seen"
    text = _as_text(None, "info", event)
    assert text.startswith(head)
    return text.removeprefix(head)


VALUES = [
    # what it shows, value, as it is written
    ("a word", "submission", "submission"),
    ("an address", "2001:db8::1", "2001:db8::1"),
    ("a number", 7, "7"),
    ("nothing", "", ""),
    ("a member of a closed list", Colour.RED, "red"),
    ("a blank", "two words", "'two words'"),
    ("another field", "x action=accept", "'x action=accept'"),
    ("an equals sign alone", "a=b", "'a=b'"),
    ("a quote", 'a"b', "'a\"b'"),
    ("another line", "x\n2026-01-02T03:04:05Z [info     ] seen", r"'x\n2026-01-02T03:04:05Z [info     ] seen'"),
    ("a terminal's escape", "\x1b[2J", r"'\x1b[2J'"),
    ("a line end beyond ASCII", "x\u2028y", r"'x\u2028y'"),
    ("letters beyond ASCII", "büro", "'büro'"),
]


@pytest.mark.parametrize(("value", "written"), [c[1:] for c in VALUES], ids=[c[0] for c in VALUES])
def test_a_value_is_only_a_value(value: object, written: str) -> None:
    """What is not plain is quoted: nothing looks like a field, a line or a command to the terminal."""
    assert line(name=value) == f" name={written}"


def test_fields_keep_their_order() -> None:
    """The vocabulary decides what is read first."""
    assert line(zulu=1, alpha=2) == " zulu=1 alpha=2"


def test_a_trace_follows_its_line() -> None:
    """It has lines of its own anyway."""
    assert line(name=1, exception="Traceback ...\nKeyError") == " name=1\nTraceback ...\nKeyError"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_process_logs_in_the_format_that_was_asked_for(log_format: str) -> None:
    """As a service starts: time, level, event and fields, at once and not when a buffer is full."""
    script = (
        f"from service.log import configure; configure('{log_format}'); import structlog, os; "
        "structlog.get_logger().warning('seen', name='two words', count=2); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    if log_format == "json":
        said = json.loads(done.stdout)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", said.pop("timestamp"))
        assert said == {"level": "warning", "event": "seen", "name": "two words", "count": 2}
    else:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\S*Z \[warning  \] seen name='two words' count=2\n", done.stdout)


ERRORS = """
import asyncio, gc, logging, sys
import structlog
from service.log import configure

def ask(secret):
    try:
        raise KeyError(secret)
    except KeyError as error:
        raise ExceptionGroup(secret, [ValueError(secret)]) from error

async def fail():
    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()

async def wait():
    ask(sys.argv[1] + "-of-a-task")

configure("{log_format}")
try:
    ask(sys.argv[1])  # from Python 3.13 on the lines of a program that is an argument are in its tracebacks
except ExceptionGroup as error:
    structlog.get_logger().error("failed", exc_info=error)
    logging.getLogger("library").error("it failed: %s", "at once", exc_info=error)
asyncio.run(fail())
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_error_is_told_by_its_place_and_not_by_its_words(log_format: str) -> None:
    """What an exception says may be what a client sent: ours, that of a library, and one that nobody has waited for."""
    script = ERRORS.replace("{log_format}", log_format)
    done = subprocess.run(
        [sys.executable, "-c", script, "s3cret"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "s3cret" not in done.stdout + done.stderr
    assert done.stdout.count("in ask") >= 6
    for name in (
        "ExceptionGroup",
        "ValueError",
        "KeyError",
        "it failed: at once",
        "Task exception was never retrieved",
    ):
        assert name in done.stdout
