"""`sallyport alert`: what people are told, by which channels, and whether it arrives."""

import json as documents
import secrets
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from sqlalchemy import Engine

from policy.alerting.opened import make_secret
from policy.cli.arguments import past
from policy.cli.output import JSON, plain, print_rows, when
from policy.location import open_existing
from policy.settings import Settings
from policy.store.notice_list import ChannelOutcome, add_test, forget_channel, listed, outcome_of_test, replay
from service.settings import load

alert = typer.Typer(help="What people are told, by which channels, and whether it arrives.", no_args_is_help=True)

_LOOK_S = 0.2
Channel = Annotated[
    str | None, typer.Option(help="Only this one: administrator, owner:NAME, webhook:NAME, apprise:NAME.")
]


@alert.command("test")
def alert_test(
    channel: Channel = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for an answer of each.", min=0, max=600)] = 30.0,
    json: JSON = False,
) -> None:
    """Send a test by every channel, and say which took it. Exit code 1 when one did not.

    The test goes the way of every alert: policy, or the sender, takes it from the store.

    Example: sallyport alert test
    """
    engine = open_existing(load(Settings))
    thread = f"test:{secrets.token_hex(4)}"
    add_test(engine, thread, channel, time.time())
    found = _awaited(engine, thread, wait)
    if json:
        print(documents.dumps([plain(one) for one in found]))
    else:
        for one in found:
            print(f"{one.channel:<30} {_in_words(one)}")
    engine.dispose()
    if not all(one.is_taken for one in found):
        raise typer.Exit(1)


@alert.command("list")
def alert_list(
    channel: Channel = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 20,
    json: JSON = False,
) -> None:
    """List what people were told and are to be told, newest first, and what became of it.

    Example: sallyport alert list --channel administrator
    """
    print_rows(
        listed(open_existing(load(Settings)), channel, limit),
        ("at", "kind", "thread", "channel", "count", "state", "subject"),
        lambda one: (
            when(one.at), one.kind, one.thread, one.channel, str(one.count), one.state, one.subject
        ),
        json,
    )  # fmt: skip


@alert.command("replay")
def alert_replay(
    since: Annotated[
        str, typer.Option(metavar="DATE", help="From when on: 2026-05-01 or 2026-05-01T12:00 (UTC), or 2d.")
    ],
    channel: Annotated[str, typer.Option(help="By which channel: webhook, or one of them: webhook:NAME.")] = "webhook",
) -> None:
    """Send again what a channel was sent, or was not: each notice with the webhook-id that it had.

    For a receiver that lost something.

    Example: sallyport alert replay --since 2026-05-01
    """
    engine = open_existing(load(Settings))
    number = replay(engine, channel, past(since), time.time())
    engine.dispose()
    print(f"{number} notices are sent again")


@alert.command("forget")
def alert_forget(
    channel: Annotated[str, typer.Argument(help="As `alert list` shows it: webhook:NAME or apprise:NAME.")],
) -> None:
    """Forget a channel that was taken out of the settings: what waits for it is given up.

    Without this it is tried for a week. Where somebody still sends by it, it is there again a moment later.

    Example: sallyport alert forget webhook:old.example.org
    """
    engine = open_existing(load(Settings))
    number = forget_channel(engine, channel, time.time())
    engine.dispose()
    print(f"{channel} is forgotten; {number} notices are given up")


@alert.command("secret")
def alert_secret() -> None:
    """Print the secret that webhooks are signed with; it is made if there is none yet.

    The receiver needs it.

    Example: sallyport alert secret
    """
    path = load(Settings).alert_webhook_secret
    make_secret(path)
    print(path.read_text().strip())


def _awaited(engine: Engine, thread: str, wait_s: float) -> Sequence[ChannelOutcome]:
    end = time.monotonic() + wait_s
    while True:
        found = outcome_of_test(engine, thread)
        if all(one.is_taken or one.problem for one in found) or time.monotonic() >= end:
            return found
        time.sleep(_LOOK_S)


def _in_words(one: ChannelOutcome) -> str:
    if one.is_taken:
        return "taken"
    return f"not taken: {one.problem or 'nobody has tried; is policy running, or the sender of that channel?'}"
