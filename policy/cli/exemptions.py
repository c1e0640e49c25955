"""`sallyport exemption`: what the gates let through for one identity, because it travels."""

import time
from datetime import date
from typing import Annotated

import typer

from policy.cli.arguments import Name, complete_name, future
from policy.cli.output import JSON, print_rows, when
from policy.cli.store import open_identities
from policy.rulebook.words import end_of
from policy.store.rows import StoredExemption

exemption = typer.Typer(help="What the gates let through for one identity, because it travels.", no_args_is_help=True)

Country = Annotated[str, typer.Option(help="ISO 3166-1, for example KZ; ?? is none that is known.", show_default=False)]


def _last_moment(text: str) -> float:
    """A day counts to its end (UTC)."""
    try:
        return end_of(date.fromisoformat(text))
    except ValueError:
        moment = future(text)
    if moment is None:
        raise typer.BadParameter("an exemption has an end: a day, a moment, or 14d")
    return moment


@exemption.command("add")
def exemption_add(
    name: Name,
    country: Country,
    until: Annotated[
        str, typer.Option(help="The last day, or a moment (UTC), or 14d: days from now.", show_default=False)
    ],
    note: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "",
    json: JSON = False,
) -> None:
    """Let an identity in from a country that a gate is closed to.

    Example: sallyport exemption add ada --country KZ --until 2026-12-14 --note "conference in Almaty"
    """
    ends_at = _last_moment(until)
    _show([open_identities().add_exemption(name, country, ends_at, note, time.time())], json)


@exemption.command("list")
def exemption_list(
    name: Annotated[
        str | None,
        typer.Argument(help="The identity's name; without one, all.", show_default=False, autocompletion=complete_name),
    ] = None,
    json: JSON = False,
) -> None:
    """List exemptions, the one that ends last first. Those of the policy file are in `sallyport policy show`.

    Example: sallyport exemption list ada
    """
    _show(open_identities().exemptions(name), json)


@exemption.command("remove")
def exemption_remove(name: Name, country: Country, json: JSON = False) -> None:
    """Take one back: the gates are for this identity what they are for everybody.

    Example: sallyport exemption remove ada --country KZ
    """
    _show([open_identities().remove_exemption(name, country, time.time())], json)


def _show(exemptions: list[StoredExemption], as_json: bool) -> None:
    now = time.time()
    print_rows(
        exemptions,
        ("identity", "country", "until", "", "note"),
        lambda one: (one.identity, one.country, when(one.ends_at), "over" if one.ends_at <= now else "", one.note),
        as_json,
    )
