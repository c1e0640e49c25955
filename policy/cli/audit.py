"""`sallyport audit`: who changed what, and when."""

import json as documents
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer
from sqlalchemy import Engine

from policy.cli.arguments import past
from policy.cli.output import plain, print_rows, when
from policy.location import open_existing
from policy.settings import Settings
from policy.store.audit import Act, Wanted, newest
from service.settings import load

audit = typer.Typer(help="Who changed what, when and from where.", no_args_is_help=True)

_PAGE = 1000


@audit.command("list")
def audit_list(
    subject: Annotated[
        str, typer.Option(help="Only acts on this identity (with its logins), login, address or other name.")
    ] = "",
    actor: Annotated[str, typer.Option(help="Only acts of this one, for example cli:root.")] = "",
    since: Annotated[str | None, typer.Option(help="Only from then on: 2026-01-31 (UTC) or 30d.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many; 0 is all.", min=0)] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines: one document for each act.")] = False,
) -> None:
    """List administrative acts, newest first. Nothing can change or remove them.

    Example: sallyport audit list --subject ada --since 30d
    """
    wanted = Wanted(subject, actor, past(since) if since else None)
    acts = _acts(open_existing(load(Settings)), wanted, limit)
    if json:
        for act in acts:
            print(documents.dumps(plain(act), ensure_ascii=False))
        return
    print_rows(
        acts,
        ("at", "actor", "from", "action", "subject", "before", "after"),
        lambda act: (
            when(act.at), act.actor, act.source, act.action, act.subject, _told(act.before), _told(act.after),
        ),
        as_json=False,
    )  # fmt: skip


def _acts(engine: Engine, wanted: Wanted, limit: int) -> Iterator[Act]:
    """A page at a time: the log is as long as the life of the installation."""
    left = limit
    while True:
        page = newest(engine, wanted, min(left, _PAGE) if limit else _PAGE)
        yield from page
        left -= len(page)
        if len(page) < _PAGE or (limit and not left):
            return
        wanted = replace(wanted, before_id=page[-1].id)


def _told(values: dict[str, object]) -> str:
    return "\n".join(f"{name}: {_text(value)}" for name, value in values.items())


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return "none" if value in (None, "") else str(value)
