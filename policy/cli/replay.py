"""`sallyport replay`: what a policy would have done to the mail of the past."""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError

from policy.cli.arguments import past
from policy.cli.output import JSON
from policy.cli.replayed import print_report
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.geo.atlas import Atlas
from policy.geo.opened import open_atlas
from policy.location import open_existing
from policy.maillog.files import LogUnreadable, Reading
from policy.marks import Marks
from policy.replay.page import render
from policy.replay.people import People
from policy.replay.recorded import INTERNAL, RecordedMarks, RecordUnreadable
from policy.replay.report import Report, report_on
from policy.replay.running import Plan, Replay
from policy.replay.sources import DAY_S, LEARNT_DAYS, Opened, judged_from, open_files
from policy.replay.stored import stored_people
from policy.rulebook import PolicyFileError, load, shipped
from policy.settings import Settings
from policy.setup import open_store
from policy.store.errors import StoreError
from service.settings import SettingError
from service.settings import load as load_settings

_GRAIN = 500  # happenings between two looks at how far it is
_HOUR_S = 3600.0


def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Logs of Postfix, or recorded decisions; - is standard input.", show_default=False
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy file; the shipped policy unless said.")
    ] = None,
    since: Annotated[
        str, typer.Option("--from", metavar="DATE", help="Judge from here on; learn from what is before.")
    ] = "",
    to: Annotated[str, typer.Option(metavar="DATE", help="Judge until here.")] = "",
    learn_from_first: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS", min=0, help=f"Only learn from so many days: {LEARNT_DAYS}, or a third of a shorter log."
        ),
    ] = None,
    domains: Annotated[
        list[str] | None,
        typer.Option("--domain", help="A domain of this server: its recipients are never new; repeat for more."),
    ] = None,
    profiles: Annotated[
        list[str] | None,
        typer.Option("--profile", metavar="LOGIN=PROFILE", help="By whose limits a login is measured; repeat."),
    ] = None,
    take_back_after: Annotated[
        str, typer.Option(metavar="HOURS", help="When somebody takes a step of the ladder back; never is possible.")
    ] = "24",
    year: Annotated[int | None, typer.Option(help="Of the first line, where the log does not say.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with charts, too.")] = None,
    top: Annotated[int, typer.Option(help="At most so many identities.", min=1)] = 20,
    as_json: JSON = False,
) -> None:
    """Run a policy over a log of Postfix, or over recorded decisions: whom would it slow, hold or refuse?

    Nothing is changed. The first days only teach who writes to whom, from where.

    Example: sallyport replay /var/log/mail.log.1 /var/log/mail.log --html replay.html
    """
    now = time.time()
    rulebook, taken_back_after_s = _rulebook(policy), _hours(take_back_after)
    with _told():
        opened = open_files(files, Reading(now=now, year=year))
        begin = judged_from(opened.span, learn_from_first, past(since) if since else None)
        plan = Plan(
            learn_until=begin,
            learn_s=(LEARNT_DAYS if learn_from_first is None else learn_from_first) * DAY_S,
            end=past(to) if to else float("inf"),
            taken_back_after_s=taken_back_after_s,
        )
        around = _Around.found(opened, _kinds(profiles or (), rulebook), domains or ())
        running = Replay(
            rulebook,
            plan,
            around.people,
            domains=around.domains,
            origin_of=around.origin_of,
            marks=around.marks,
        )
        _run(running, opened)
    report = report_on(running, rulebook, opened.source(), top=top, has_origins=around.has_origins)
    _show(report, html, now, as_json=as_json)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What an installation knows beside the log, where there is one."""

    people: People
    domains: Sequence[str]
    origin_of: Callable[[str], Origin]
    has_origins: bool
    marks: Marks

    @classmethod
    def found(cls, opened: Opened, kinds: dict[str, str], domains: Sequence[str]) -> "_Around":
        settings = load_settings(Settings)
        atlas = open_atlas(settings.geo_country_db, settings.geo_asn_db)
        origins = opened.origins if opened.origins and not atlas.editions else None
        people, is_stored = _people(settings, kinds)
        own = [*domains] or ([*settings.domains] if is_stored else [])
        key = settings.digest_key_file.read_bytes() if settings.digest_key_file.exists() else os.urandom(32)
        return cls(
            people=people,
            domains=[*own, INTERNAL] if opened.is_recorded else own,
            origin_of=origins.origin_of if origins else atlas.origin,
            has_origins=bool(atlas.editions) or opened.is_recorded,
            marks=RecordedMarks(key) if opened.is_recorded else Marks(key),
        )
