"""`sallyport held`: single messages on hold: listed, shown, let go, deleted. incidents.py has those of an incident."""

import json as documents
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated

import typer

from policy.cli.arguments import Yes, complete_name, confirm, past
from policy.cli.output import JSON, plain, print_rows, when
from policy.cli.store import open_identities
from policy.cli.waiting import WAIT_S, Left, NoWait, Wait, tell_what_is_left, wait_until_done
from policy.containment.ask_queue import ask_queue
from policy.queue_contract import QueuedMessage
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.held import MOVING, HeldState
from policy.store.held_book import LISTED, StoredHeld
from policy.store.identities import IdentityStore
from policy.store.incident_advice import in_words
from policy.store.incidents import Counted
from policy.visible import visible
from service.settings import load

held = typer.Typer(help="Messages on hold: list, look, release, delete.", no_args_is_help=True)

_MOST = 100_000

QueueIds = Annotated[
    list[str], typer.Argument(metavar="QUEUE-ID...", help="As `sallyport held list` shows them.", show_default=False)
]


@held.command("list")
def held_list(
    identity: Annotated[
        str | None, typer.Option(help="Only this identity's.", show_default=False, autocompletion=complete_name)
    ] = None,
    incident: Annotated[
        int | None, typer.Option(help="Only those of this incident.", show_default=False, min=1)
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(metavar="DATE", help="Only what was held before: 2027-01-31 (UTC), or 2d.", show_default=False),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Those too that were released or deleted.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=_MOST)] = LISTED,
    json: JSON = False,
) -> None:
    """List messages that are on hold, the oldest first.

    Example: sallyport held list --identity ada
    """
    store = open_identities()
    state = None if everything else HeldState.HELD
    found = store.held(identity=identity, incident=incident, state=state, limit=limit)
    if identity is not None and not found:
        store.identity(identity)  # a misspelt name must not look like one that has nothing on hold
    if older_than:
        edge = past(older_than)
        found = [one for one in found if one.at < edge]
    print_rows(
        found,
        ("queue id", "held at", "identity", "login", "incident", "why", "recipients", "octets", "state", "goes at"),
        lambda one: (
            one.queue_id, when(one.at), one.identity, one.login, str(one.incident or ""), one.reason,
            str(one.recipients), f"{one.message_bytes:,}", one.state, when(one.release_at),
        ),
        json,
    )  # fmt: skip


@held.command("show")
def held_show(
    queue_id: Annotated[str, typer.Argument(metavar="QUEUE-ID", help="As `held list` shows it.", show_default=False)],
    json: JSON = False,
) -> None:
    """Show one message: its recipients, header section and first lines. That you looked is in the audit log.

    Example: sallyport held show 4fXyZ21kNzwt
    """
    settings = load(Settings)
    one = open_identities().note_look(queue_id, time.time())
    message = _message(settings, queue_id)
    if json:
        print(documents.dumps(plain(one) | _plain_message(message)))
        return
    for line in _shown(one, message):
        print(visible(line.expandtabs()))


@held.command("release")
def held_release(queue_ids: QueueIds, wait: Wait = WAIT_S, no_wait: NoWait = False, json: JSON = False) -> None:
    """Let messages go on their way. An incident stays open: `sallyport release` ends one as a whole.

    Example: sallyport held release 4fXyZ21kNzwt
    """
    store = open_identities()
    _not_over(store, queue_ids, HeldState.RELEASING)
    _move(store, queue_ids, HeldState.RELEASING, 0 if no_wait else wait, as_json=json)


@held.command("purge")
def held_purge(
    queue_ids: QueueIds, yes: Yes = False, wait: Wait = WAIT_S, no_wait: NoWait = False, json: JSON = False
) -> None:
    """Delete messages: nobody gets them, and nobody is told.

    Example: sallyport held purge 4fXyZ21kNzwt
    """
    store = open_identities()
    there = [one for one in _not_over(store, queue_ids, HeldState.PURGING) if one.state == HeldState.HELD]
    if there:
        confirm(f"Delete {in_words(Counted(len(there), sum(one.recipients for one in there)))} for ever?", yes)
    _move(store, queue_ids, HeldState.PURGING, 0 if no_wait else wait, as_json=json)


def _not_over(store: IdentityStore, queue_ids: Sequence[str], to: HeldState) -> Sequence[StoredHeld]:
    """A script learns that nothing happened. What moves still is waited for again."""
    there, done = [store.held_message(queue_id) for queue_id in dict.fromkeys(queue_ids)], MOVING[to].value
    if all(one.state == done for one in there):
        raise StoreError(f"nothing of it is on hold: {', '.join(one.queue_id for one in there)} was {done} already")
    return there


def _move(store: IdentityStore, queue_ids: Sequence[str], to: HeldState, wait_s: float, *, as_json: bool) -> None:
    moves: dict[HeldState, Callable[[Sequence[str], float], Sequence[StoredHeld]]] = {
        HeldState.RELEASING: store.release_held,
        HeldState.PURGING: store.purge_held,
    }
    wanted = [one.queue_id for one in moves[to](queue_ids, time.time())]
    left = wait_until_done(partial(_left, store, frozenset(wanted), to), wait_s)
    tell_what_is_left(left, "`sallyport held list --all`")
    print_rows(
        [store.held_message(queue_id) for queue_id in wanted],
        ("queue id", "identity", "recipients", "state"),
        lambda one: (one.queue_id, one.identity, str(one.recipients), one.state),
        as_json,
    )


def _left(store: IdentityStore, wanted: frozenset[str], to: HeldState) -> Left:
    number = sum(one.queue_id in wanted for one in store.held(state=to, limit=_MOST))
    return Left(number, (f"{number:,} messages are still {to.value}",) if number else ())


def _message(settings: Settings, queue_id: str) -> QueuedMessage:
    found = ask_queue(settings, lambda queue: queue.message(queue_id))
    if found is None:
        raise StoreError(f"{queue_id} is not in the queue any more; `sallyport held list --all` says what became of it")
    return found


def _plain_message(message: QueuedMessage) -> dict[str, object]:
    queued = message.queued
    return {
        "reverse_path": queued.reverse_path,
        "recipient_addresses": list(queued.recipients),
        "queue": queued.queue.value,
        "head": message.head,
        "start": message.start,
    }


def _shown(one: StoredHeld, message: QueuedMessage) -> Iterator[str]:
    yield f"{one.queue_id}: on hold since {when(one.at)} ({one.reason}), now {one.state}"
    yield f"{one.identity}, login {one.login}, submission {one.submission}, {one.message_bytes:,} octets"
    if one.incident:
        yield f"incident {one.incident}: sallyport incident {one.incident}"
    yield f"reverse-path <{message.queued.reverse_path}>"
    yield from (f"recipient    <{recipient}>" for recipient in message.queued.recipients)
    for text in (message.head, message.start):
        yield ""
        yield from (f"    {line}" for line in text.splitlines())
