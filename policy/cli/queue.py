"""`sallyport queue`: what is queued at Postfix now, and whose it is. Nothing is changed; held.py does that."""

import json as documents
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from sqlalchemy import Engine

from policy.cli.arguments import complete_login, complete_name
from policy.cli.output import JSON, TABLE_ROWS, print_rows, when
from policy.cli.store import open_identities
from policy.containment.ask_queue import ask_queue
from policy.location import open_existing
from policy.queue_contract import Queued, QueueName, Statistics
from policy.settings import Settings
from policy.store.records import Owner, owners_of
from policy.visible import visible
from service.settings import load

queue = typer.Typer(help="What is queued at Postfix, and whose it is.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Line:
    """One message. Identity and login are empty where its submission is too old, or none of ours."""

    queue_id: str
    queue: str
    at: float
    identity: str
    login: str
    submission: str
    reverse_path: str
    recipients: int
    recipient_addresses: tuple[str, ...]
    message_bytes: int
    reason: str  # of the last failure


@queue.command("list")
def queue_list(
    identity: Annotated[
        str | None, typer.Option(help="Only this identity's.", show_default=False, autocompletion=complete_name)
    ] = None,
    login: Annotated[
        str | None,
        typer.Option(help="Only what came by this login.", show_default=False, autocompletion=complete_login),
    ] = None,
    submission: Annotated[str | None, typer.Option(metavar="ID", help="Only this one.", show_default=False)] = None,
    state: Annotated[QueueName | None, typer.Option(help="Only what is there.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="At most so many rows of a table.", min=1)] = TABLE_ROWS,
    json: JSON = False,
) -> None:
    """List what is queued at this moment, the oldest first. Recipients' addresses are in --json alone.

    Who looks at one person's is in the audit log.

    Example: sallyport queue list --identity ada
    """
    settings = load(Settings)
    store = open_identities()
    if identity is not None:
        store.identity(identity)  # a misspelt name must not look like one with nothing queued
    if whose := identity or login or submission:
        store.note_queue_read(whose, time.time())
    found = ask_queue(settings, lambda agent: agent.queue(only_held=state is QueueName.HOLD)).messages
    wanted = [
        one
        for one in _lines(open_existing(settings), sorted(found, key=lambda one: one.at))
        if (identity is None or one.identity == identity)
        and (login is None or one.login == login)
        and (submission is None or one.submission == submission)
        and (state is None or one.queue == state)
    ]
    print_rows(
        wanted,
        ("queue id", "queue", "since", "identity", "login", "submission", "recipients", "octets", "last problem"),
        lambda one: (
            one.queue_id, one.queue, when(one.at), one.identity, one.login, one.submission, f"{one.recipients:,}",
            f"{one.message_bytes:,}", visible(one.reason),
        ),
        json,
        limit,
    )  # fmt: skip


@queue.command("statistics")
def queue_statistics(json: JSON = False) -> None:
    """Say how much is queued where, since when, and how far the log has been read.

    Example: sallyport queue statistics
    """
    found = ask_queue(load(Settings), lambda agent: agent.statistics())
    if json:
        values = {name: found.messages.get(name, 0) for name in QueueName}
        moments = {"oldest_at": when(found.oldest_at) or None, "log_at": when(found.log_at) or None}
        print(documents.dumps({"messages": values, "octets": found.octets, "unreported": found.unreported, **moments}))
        return
    for line in _told(found):
        print(line)


def _lines(engine: Engine, messages: Iterable[Queued]) -> Iterator[_Line]:
    messages = list(messages)
    owners = owners_of(engine, {one.submission for one in messages if one.submission})
    for one in messages:
        owner = owners.get(one.submission, Owner("", ""))
        yield _Line(
            one.queue_id,
            one.queue.value,
            one.at,
            owner.identity,
            owner.login,
            one.submission,
            one.reverse_path,
            len(one.recipients),
            one.recipients,
            one.message_bytes,
            one.reason,
        )


def _told(found: Statistics) -> Iterator[str]:
    waiting = sum(number for name, number in found.messages.items() if name is not QueueName.HOLD)
    no_moment = "not known (short queue ids)" if waiting else "nothing waits"
    for name in QueueName:
        yield f"{name.value:<12} {found.messages.get(name, 0):,}"
    yield f"octets       {found.octets:,}"
    yield f"oldest       {when(found.oldest_at) or no_moment}"
    yield f"log read to  {when(found.log_at) or 'nothing yet'}"
    yield f"unreported   {found.unreported:,} deliveries"
