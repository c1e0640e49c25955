"""`sallyport top`: what goes on, on a terminal, until q; once, where there is none; as JSON for programs.

It reads the store and nothing else, so that it runs beside policy and while policy is away. frame.py has what is shown.
"""

import contextlib
import json as documents
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from policy.cli.frame import SPANS, View, frame
from policy.cli.incident_text import plain_incident
from policy.cli.output import JSON, plain, when
from policy.cli.status import parts_found, why_refused
from policy.location import open_existing
from policy.opening import open_store
from policy.settings import Settings
from policy.store.health_reports import PERIOD_S
from policy.store.identities import IdentityStore
from policy.store.incident_notes import State
from policy.store.records import newest_submissions
from policy.store.tallies import Figure, sums_since
from service.settings import load

_PERIOD_S = 2.0
# Of so many pictures one asks whether the database takes changes: as often as a part says how it is.
_TRIED_EVERY = int(PERIOD_S / _PERIOD_S)
_READ = 60  # decisions: more than a terminal has lines
_INCIDENTS_READ = 4
_ENDS = ("q", "Q", "\x03", "\x04", "")  # the last one: nobody is at the terminal any more
_RESIZED = "resized"
_PLAIN_SIZE = (80, 24)
_AWAY = "the database does not answer; this is how it was"
_NO_TERMINAL = "sallyport: no terminal that can show it live, so this is one picture (--once); --json is for programs"


def top(
    once: Annotated[bool, typer.Option("--once", help="Print one picture, and end.")] = False, json: JSON = False
) -> None:
    """Watch what goes on: rates, open incidents, newest decisions, queue, health.

    q or Ctrl-C ends it. Without a terminal it is printed once. JSON is one document, of this moment.

    Example: sallyport top
    """
    settings = load(Settings)
    engine = open_existing(settings)
    store = open_store(settings, engine)
    view = _view(settings, engine, store, is_full=bool(why_refused(engine)))
    if json:
        print(documents.dumps(_document(view)))
    elif once or not _is_live():
        _print(view)
        if not once:
            print(_NO_TERMINAL, file=sys.stderr)
    else:
        with contextlib.suppress(KeyboardInterrupt), _keys(), _resizes() as resized:
            _watch(settings, engine, store, view, resized)


def _is_live() -> bool:
    """Whether somebody is there to press q, and sees a picture that is drawn over the one before."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not Console().is_dumb_terminal


def _print(view: View) -> None:
    for line in frame(replace(view, how_it_ends=""), *shutil.get_terminal_size(_PLAIN_SIZE)):
        print(line.text)


def _document(view: View) -> dict[str, Any]:  # JSON has no narrower type
    """Each part of it as the command has it that lists it: `status`, `incidents`, `submission list`."""
    return {
        "at": when(view.now),
        "name": view.name,
        "spans": [
            {"seconds": int(seconds), "figures": _plain_figures(sums)}
            for (seconds, _), sums in zip(SPANS, view.sums, strict=True)
        ],
        "parts": [plain(one) for one in view.parts],
        "incidents": [plain_incident(one) for one in view.incidents],
        "decisions": [plain(one) for one in view.decisions],
    }


def _plain_figures(sums: Sequence[Figure]) -> list[dict[str, str | int | None]]:
    return [
        {
            "stage": one.what.stage.value,
            "outcome": one.what.outcome,
            "reason": one.what.reason or None,
            "number": one.number,
            "recipients": one.recipients,
        }
        for one in sums
    ]


def _watch(settings: Settings, engine: Engine, store: IdentityStore, view: View, resized: int) -> None:
    console = Console(highlight=False)
    pictures, is_full = 0, False
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_drawn(view, console), refresh=True)
            key = _pressed(resized)
            if key in _ENDS:
                return
            if key == _RESIZED:  # a window that is dragged would ask the database a hundred times a second
                continue
            if pictures % _TRIED_EVERY == 0:
                is_full = bool(why_refused(engine))
            pictures += 1
            view = _next_view(settings, engine, store, view, is_full=is_full)


def _next_view(settings: Settings, engine: Engine, store: IdentityStore, view: View, *, is_full: bool) -> View:
    try:
        return _view(settings, engine, store, is_full=is_full)
    except SQLAlchemyError:
        return replace(view, problem=_AWAY)


def _view(settings: Settings, engine: Engine, store: IdentityStore, *, is_full: bool) -> View:
    now = time.time()
    return View(
        now=now,
        name=settings.hostname,
        sums=tuple(sums_since(engine, now - seconds) for seconds, _ in SPANS),
        parts=parts_found(settings, engine, now, is_full=is_full),
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


@contextlib.contextmanager
def _resizes() -> Iterator[int]:
    """A descriptor that can be read when the window has another size: a picture of the old one is torn."""
    heard, told = os.pipe2(os.O_NONBLOCK)
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    woken = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield heard
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGWINCH, before)
        os.close(heard)
        os.close(told)


def _pressed(resized: int) -> str:
    """The key, or nothing for a while, or that the window has another size: another picture is due."""
    ready, _, _ = select.select([sys.stdin, resized], [], [], _PERIOD_S)
    if sys.stdin in ready:
        return os.read(sys.stdin.fileno(), 1).decode("latin-1")
    if resized in ready:
        os.read(resized, 4096)
        return _RESIZED
    return " "
