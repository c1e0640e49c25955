"""How far a long command is: a bar on the terminal of whoever watches, and nothing where nobody does."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Tell = Callable[[float], None]  # how much of the total is done


@contextmanager
def progress(what: str, total: float | None) -> Iterator[Tell]:
    """A bar on standard error. `total` is in any unit; None where nobody knows it."""
    if not sys.stderr.isatty():
        yield _nobody_watches
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _nobody_watches(_done: float) -> None:
    """Nothing to show."""
