"""`sallyport standing`: who is on the ladder, why, and taking it back."""

import time
from typing import Annotated

import typer

from policy.cli.arguments import Name
from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import open_identities
from policy.store.ladder_book import StoredStanding

standing = typer.Typer(help="Who is slowed, held, restricted or locked, and why.", no_args_is_help=True)


@standing.command("list")
def standing_list(json: JSON = False) -> None:
    """List who is on the ladder, or was suspicious in the last week; the highest first.

    Example: sallyport standing list
    """
    now = time.time()
    print_rows(
        open_identities().standings(now),
        ("identity", "step", "where", "since", "signals", "newest"),
        lambda one: (
            one.identity, one.step, _where(one), when(one.since_at), _kinds(one),
            one.signals[0].evidence if one.signals else "",
        ),
        json,
    )  # fmt: skip


@standing.command("show")
def standing_show(name: Name, json: JSON = False) -> None:
    """Show where an identity stands, and what spoke against it, the newest first.

    Example: sallyport standing show ada
    """
    _show(open_identities().standing(name), json)


@standing.command("clear")
def standing_clear(
    name: Name,
    note: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "",
    json: JSON = False,
) -> None:
    """Say that it was nothing: all signals are taken back, and the identity is free.

    What is held stays held. A secret that was stolen is as good as before: revoke its credential.

    Example: sallyport standing clear ada --note "it was her newsletter"
    """
    _show(open_identities().clear_standing(name, note, time.time()), json)


def _show(one: StoredStanding, as_json: bool) -> None:
    if as_json:
        print_values(one, as_json)
        return
    since = f" since {when(one.since_at)}, {_where(one)}" if one.since_at else ""
    print(f"{one.identity}: {one.step}{since}")
    if one.signals:
        print_rows(
            one.signals,
            ("at", "signal", "from", "at home", "submission", "taken back", "evidence"),
            lambda signal: (
                when(signal.at), signal.kind, signal.client_address, "yes" if signal.at_home else "",
                signal.submission, when(signal.cleared_at), signal.evidence,
            ),
            as_json=False,
        )  # fmt: skip


def _where(one: StoredStanding) -> str:
    """At home only what came from home holds."""
    if not one.since_at:
        return ""
    return f"at home {one.at_home}"


def _kinds(one: StoredStanding) -> str:
    return ", ".join(sorted({signal.kind for signal in one.signals}))
