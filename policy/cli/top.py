"""`sallyport top`: what goes on, on a terminal, until q; once, where there is none.

It reads the store and nothing else, so that it runs beside policy and while policy is away. frame.py has what is shown.
"""

import contextlib
import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from policy.cli.frame import SPANS, View, frame
from policy.cli.status import expected_parts
from policy.location import open_existing
from policy.opening import open_store
from policy.part_status import part_statuses
from policy.settings import Settings
from policy.store.health_reports import health_reports
from policy.store.identities import IdentityStore
from policy.store.incident_notes import State
from policy.store.records import newest_submissions
from policy.store.tallies import sums_since
from service.settings import load

_PERIOD_S = 2.0
_READ = 60  # decisions: more than a terminal has lines
_INCIDENTS_READ = 4
_ENDS = ("q", "Q", "\x03", "\x04", "")  # the last one: nobody is at the terminal any more
_PLAIN_SIZE = (80, 24)
_AWAY = "the database does not answer; this is how it was"


def top(once: Annotated[bool, typer.Option("--once", help="Print one picture, and end.")] = False) -> None:
    """Watch what goes on: rates, open incidents, newest decisions, queue, health.

    Without a terminal it is printed once. q or Ctrl-C ends it.

    Example: sallyport top
    """
    settings = load(Settings)
    engine = open_existing(settings)
    store = open_store(settings, engine)
    view = _view(settings, engine, store)
    if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        for line in frame(replace(view, how_it_ends=""), *shutil.get_terminal_size(_PLAIN_SIZE)):
            print(line.text)
        return
    with contextlib.suppress(KeyboardInterrupt), _keys():
        _watch(settings, engine, store, view)


def _watch(settings: Settings, engine: Engine, store: IdentityStore, view: View) -> None:
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_drawn(view, console), refresh=True)
            if _pressed() in _ENDS:
                return
            try:
                view = _view(settings, engine, store)
            except SQLAlchemyError:
                view = replace(view, problem=_AWAY)


def _view(settings: Settings, engine: Engine, store: IdentityStore) -> View:
    now = time.time()
    return View(
        now=now,
        name=settings.hostname,
        sums=tuple(sums_since(engine, now - seconds) for seconds, _ in SPANS),
        parts=part_statuses(health_reports(engine), expected_parts(settings), now),
        incidents=store.incidents(state=State.OPEN, limit=_INCIDENTS_READ),
        decisions=newest_submissions(engine, None, _READ),
    )


def _drawn(view: View, console: Console) -> Text:
    """As large as the terminal is now."""
    lines = frame(view, console.width, console.height)
    return Text("\n", no_wrap=True, overflow="crop").join(Text(one.text, style=one.style) for one in lines)


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """Each key is heard when it is pressed, and not shown."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _pressed() -> str:
    """The key, or nothing for a while: another picture is due."""
    ready, _, _ = select.select([sys.stdin], [], [], _PERIOD_S)
    return os.read(sys.stdin.fileno(), 1).decode("latin-1") if ready else " "
