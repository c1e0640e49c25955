"""`sallyport status`: all parts of the installation, and what they say of themselves."""

import sys
import time
from collections.abc import Collection
from dataclasses import replace

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from policy.cli.output import JSON, print_rows, when
from policy.location import open_existing
from policy.part_status import PartStatus, part_statuses
from policy.settings import Settings
from policy.store.health_reports import Service, health_reports, try_to_write
from policy.visible import visible
from service.ailments import Ailment
from service.settings import load

_HOUR_S, _MINUTE_S = 3600, 60


def status(as_json: JSON = False) -> None:
    """Show all parts of the installation and what they say of themselves. Exit code 1 when something is wrong.

    Example: sallyport status
    """
    settings, now = load(Settings), time.time()
    engine = open_existing(settings)
    refused = why_refused(engine)
    found = parts_found(settings, engine, now, is_full=bool(refused))
    print_rows(
        found,
        ("part", "instance", "state", "heard", "version", "says"),
        lambda one: (
            one.part.value, visible(one.instance), one.state.value, heard(one, now), one.version,
            visible("; ".join(one.sentences)),
        ),
        as_json,
    )  # fmt: skip
    if refused:
        raise refused
    wrong = sum(one.is_wrong for one in found)
    if wrong:
        does = "does not work as it should" if wrong == 1 else "do not work as they should"
        print(f"sallyport: {wrong} of {len(found)} parts {does}", file=sys.stderr)
        raise typer.Exit(1)


def parts_found(settings: Settings, engine: Engine, now: float, *, is_full: bool) -> list[PartStatus]:
    """The worst first. `is_full`: the database takes no changes, which policy cannot write down of itself."""
    reports = health_reports(engine)
    if is_full:
        full = Ailment.STORE_FULL.of()
        reports = [
            replace(one, faults=(full, *one.faults)) if one.service is Service.POLICY else one for one in reports
        ]
    return part_statuses(reports, expected_parts(settings), now)


def why_refused(engine: Engine) -> SQLAlchemyError | None:
    """Why the database takes no changes; the parts cannot say so any more."""
    try:
        try_to_write(engine)
    except SQLAlchemyError as error:
        return error
    return None


def expected_parts(settings: Settings) -> Collection[Service]:
    """Those without which nothing goes on, and those that the settings name."""
    expected = [Service.GATEWAY, Service.POLICY]
    if settings.queue_url:
        expected += [Service.POSTFIX, Service.QUEUE_AGENT]
    if settings.doveadm_url:
        expected.append(Service.DOVECOT)
    return expected


def heard(one: PartStatus, now: float) -> str:
    """How long ago, in words; a moment where that is long."""
    if one.heard_at is None:
        return "never"
    age_s = max(0, round(now - one.heard_at))
    if age_s >= _HOUR_S:
        return when(one.heard_at)
    return f"{age_s} s ago" if age_s < 2 * _MINUTE_S else f"{age_s // _MINUTE_S} min ago"
