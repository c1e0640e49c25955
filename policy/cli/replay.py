"""`sallyport replay`: what a policy would have done to the mail of the past."""

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from maillog.files import LogUnreadable, Reading
from policy.cli.arguments import past, refuse_what_is_no_log
from policy.cli.output import JSON
from policy.cli.replayed import plain_report, print_report
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.geo.atlas import Atlas
from policy.geo.opened import atlas_at
from policy.location import named_location, open_existing
from policy.marks import Marks
from policy.opening import digest_key, open_store
from policy.replay.page import render
from policy.replay.people import People
from policy.replay.recorded import INTERNAL, RecordedMarks, RecordUnreadable
from policy.replay.report import Report, report_on
from policy.replay.running import Plan, Replay
from policy.replay.sources import LEARNT_DAYS, Opened, judged_from, open_files
from policy.replay.stored import stored_people
from policy.rulebook import PolicyFileError, load, shipped
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore
from service.settings import load as load_settings
from service.spans import DAY_S, HOUR_S

_GRAIN = 500  # happenings between two looks at how far it is


def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Logs of Postfix, or recorded decisions; - is standard input.", show_default=False
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy file; the one that is in force unless said.")
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
    now, rulebook = time.time(), _rulebook(policy)
    kinds, begin = _kinds(profiles or (), rulebook), past(since) if since else None
    plan = Plan(
        learn_s=(LEARNT_DAYS if learn_from_first is None else learn_from_first) * DAY_S,
        end=past(to) if to else float("inf"),
        taken_back_after_s=_hours(take_back_after),
    )
    with _told(), contextlib.closing(open_files(files, Reading(now=now, year=year))) as opened:
        plan = dataclasses.replace(plan, learn_until=judged_from(opened.span, learn_from_first, begin))
        around = _around(opened, kinds, domains or ())
        running = around.replay(rulebook, plan)
        _run(running, opened)
        source = opened.source()
        refuse_what_is_no_log(files, source.lines, source.unreadable)
        report = report_on(running, rulebook, source, top=top, has_origins=around.has_origins)
    _show(report, html, now, as_json=as_json)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What an installation knows beside the log, where there is one."""

    people: People
    domains: Sequence[str]
    origin_of: Callable[[str], Origin]
    has_origins: bool
    marks: Marks

    def replay(self, rulebook: Rulebook, plan: Plan) -> Replay:
        return Replay(rulebook, plan, self.people, domains=self.domains, origin_of=self.origin_of, marks=self.marks)


def _around(opened: Opened, kinds: Mapping[str, str], domains: Sequence[str]) -> _Around:
    settings = load_settings(Settings)
    atlas = _atlas(settings)
    origins = opened.origins if opened.origins and not atlas.editions else None
    store = _store(settings)
    own = [*domains] or ([*settings.domains] if store else [])
    key = digest_key(settings) if store else os.urandom(32)
    return _Around(
        people=People(stored_people(store) if store else (), kinds),
        domains=[*own, INTERNAL] if opened.is_recorded else own,
        origin_of=origins.origin_of if origins else atlas.origin,
        has_origins=bool(atlas.editions) or opened.is_recorded,
        marks=RecordedMarks(key) if opened.is_recorded else Marks(key),
    )


def _atlas(settings: Settings) -> Atlas:
    atlas = atlas_at(settings.geo_country_db, settings.geo_asn_db)
    for path, fault in atlas.faults:
        print(f"note: {path} is not used: {fault}", file=sys.stderr)
    return atlas


def _store(settings: Settings) -> IdentityStore | None:
    """None where there is none: a log can be replayed on a machine that has nothing else of Sallyport."""
    where = named_location(settings)
    if isinstance(where, Path) and not os.access(where, os.R_OK):
        print(f"note: there is no identity store in {where.parent}: each login is a person of its own", file=sys.stderr)
        return None
    return open_store(settings, open_existing(settings))


def _rulebook(policy: Path | None) -> Rulebook:
    """The one of the settings, where there is one, or the shipped policy."""
    own = load_settings(Settings).policy_file
    chosen = policy or (own if os.access(own, os.R_OK) else None)
    try:
        return load(chosen) if chosen else shipped()
    except PolicyFileError as error:
        raise StoreError(f"the policy is not as it should be:\n{error}") from None


def _hours(text: str) -> float | None:
    if text == "never":
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours < float("inf"):
        raise typer.BadParameter(f"{text!r} is no number of hours, and not never", param_hint="--take-back-after")
    return hours * HOUR_S


def _kinds(given: Sequence[str], rulebook: Rulebook) -> dict[str, str]:
    """By login; a login may have an = of its own."""
    kinds = dict[str, str]()
    for one in given:
        login, _, kind = one.rpartition("=")
        if not login or kind not in rulebook.limits:
            known = ", ".join(sorted(rulebook.limits))
            raise typer.BadParameter(
                f"{one!r} is not LOGIN=PROFILE with a profile of the policy ({known})", param_hint="--profile"
            )
        kinds[login] = kind
    return kinds


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a file, in a sentence."""
    try:
        yield
    except (LogUnreadable, RecordUnreadable) as error:
        raise StoreError(str(error)) from None


def _run(running: Replay, opened: Opened) -> None:
    with _progress(opened) as tell:
        for number, happening in enumerate(opened.happenings):
            running.take(happening)
            if number % _GRAIN == 0:
                tell()


@contextlib.contextmanager
def _progress(opened: Opened) -> Iterator[Callable[[], None]]:
    """A bar on the terminal of whoever watches, with lines a second."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("{task.fields[speed]}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    begin = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=opened.octets, speed="")

        def tell() -> None:
            lines = opened.lines()
            per_second = lines / max(time.monotonic() - begin, 0.001)
            bar.update(task, completed=opened.octets_read(), speed=f"{lines:,} lines, {per_second:,.0f}/s")

        yield tell


def _show(report: Report, html: Path | None, now: float, *, as_json: bool) -> None:
    if html:
        try:
            html.write_text(render(report, now), encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{html} cannot be written ({error.strerror})") from None
    if as_json:
        print(json.dumps(plain_report(report)))
    else:
        print_report(report)
    if not report.judged:
        print(
            "note: nothing was judged; --learn-from-first DAYS or --from DATE begin earlier"
            if report.learnt
            else "note: no message of anybody who had logged in was found",
            file=sys.stderr,
        )
