"""Waiting until policy and the queue have done what a command wrote down, with a bar for whoever watches.

A command is done when it is in the database: what is left is done by policy, also after a restart of anything. So a
limit that is met is no fault; it is said what is left.
"""

import sys
import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

import typer

from policy.cli.progress import progress

Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", help="At most so long, until it is done.", min=0, max=3600)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait: it is done all the same.")]
WAIT_S = 60.0
_PAUSE_S = 0.2


class Left(NamedTuple):
    """What is left to be done: messages that move, and in words whatever it is."""

    messages: int
    what: tuple[str, ...]


def wait_until_done(read: Callable[[], Left], limit_s: float) -> Left:
    """What is left in the end; nothing, where all is done."""
    until, left = time.monotonic() + limit_s, read()
    with progress("the queue", left.messages or None) as tell:
        total = left.messages
        while left.what and time.monotonic() < until:
            time.sleep(min(_PAUSE_S, max(until - time.monotonic(), 0.0)))
            left = read()
            tell(max(total - left.messages, 0))
    return left


def tell_what_is_left(left: Left, where_to_look: str) -> None:
    """On standard error, where something is."""
    if left.what:
        print(
            f"note: not done yet: {'; '.join(left.what)}. Policy does it by itself as soon as it can, also after a "
            f"restart; {where_to_look} shows how far it is",
            file=sys.stderr,
        )
