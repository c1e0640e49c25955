"""`sallyport import`: a whole organisation from a file, and the end of a migration.

A file is imported whole or not at all: every bad line is told, with its number, and then nothing is changed.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer

from policy.cli.output import JSON, all_pages, print_rows, when
from policy.cli.progress import progress
from policy.cli.sheets import SheetArchive, SheetFolder, drawn
from policy.cli.store import actor, open_identities
from policy.enrolment import Language, Servers
from policy.enrolment.migration import Migrants, last_moment, pending, read_mailcow, read_passwd_file
from policy.enrolment.table import MAX_FILE_OCTETS, BadLine, FileRefused
from policy.enrolment.users import read_users
from policy.location import open_existing
from policy.opening import digest_key
from policy.setting_names import set_as
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.organisation import Enrolled, organisation
from policy.store.people import MOST_DAYS
from service.settings import load
from service.spans import DAY_S

imports = typer.Typer(help="A whole organisation from a file.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="UTF-8; - is standard input.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Try every line, tell what is wrong, change nothing.")]
Until = Annotated[str, typer.Option(metavar="DATE", help="The last day (UTC) of old passwords.", show_default=False)]


@imports.command("users")
def import_users(
    file: File,
    sheets: Annotated[
        Path | None,
        typer.Option(help="A folder for a sheet per person; - is a tar on standard output.", show_default=False),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="LABEL", help="Make a device for each, in place of an invitation.")
    ] = "",
    days: Annotated[int, typer.Option(help="How long an invitation is good.", min=1, max=MOST_DAYS)] = 14,
    language: Annotated[Language, typer.Option(help="Of the sheets.")] = Language.EN,
    dry_run: DryRun = False,
    as_json: JSON = False,
) -> None:
    """Enrol people from a CSV file: name,address and, if you like, owner,profile,device,language,notice-address.

    Example: sallyport import users staff.csv --sheets staff-sheets
    """
    settings, now = load(Settings), time.time()
    sink = _sink(sheets, now, dry_run=dry_run, as_json=as_json)
    with _told():
        users, bad = read_users(_content(file), device=device, language=language)
    with organisation(open_existing(settings), digest_key(settings), actor()) as work:
        with progress("lines", len(users)) as tell:
            work.enrol(users, days, now, tell)
        _end_if_bad([*bad, *work.bad])
        new = [one for one in work.enrolled if one.is_new]
        if not dry_run:
            with sink.reserved([one.name for one in new]) if sink else nullcontext():
                work.commit()
    if sink:
        with progress("sheets", len(new)) as tell:
            for done, (name, sheet) in enumerate(drawn(users, new, settings, now + days * DAY_S), 1):
                sink.fill(name, sheet)
                tell(done)
        sink.close()
    _tell_where_mail_goes([address for user in users for address in user.addresses], settings)
    if as_json:
        print(json.dumps([_shown(one, settings, dry_run) for one in work.enrolled]))
        return
    _summary(work.enrolled, dry_run, sys.stderr if str(sheets) == "-" else sys.stdout)
    if sink and new:
        print("give each person their sheet, then remove the sheets", file=sys.stderr)


@imports.command("dovecot-passwd")
def import_dovecot(
    file: File,
    until: Until,
    domain: Annotated[str, typer.Option(help="For users without one; the first of ours by default.")] = "",
    dry_run: DryRun = False,
    as_json: JSON = False,
) -> None:
    """Keep the logins and passwords of a Dovecot passwd-file working until a day.

    Example: sallyport import dovecot-passwd /etc/dovecot/users --until 2026-12-31
    """
    with _told():
        found = read_passwd_file(_content(file), domain or load(Settings).domains[0])
    _migrate(found, until, dry_run=dry_run, as_json=as_json)


@imports.command("mailcow")
def import_mailcow(file: File, until: Until, dry_run: DryRun = False, as_json: JSON = False) -> None:
    """Keep the logins and passwords of a mailcow server working until a day. CSV of its table `mailbox`.

    Example: sallyport import mailcow mailbox.csv --until 2026-12-31
    """
    with _told():
        found = read_mailcow(_content(file))
    _migrate(found, until, dry_run=dry_run, as_json=as_json)


@imports.command("pending")
def import_pending(as_json: JSON = False) -> None:
    """List who still depends on the password of the old server: has no other device, or used it since.

    Example: sallyport import pending
    """
    identities = open_identities()
    everything = all_pages(
        lambda after, limit: identities.credentials(after=after, limit=limit), lambda one: one.login, "", None
    )
    print_rows(
        pending(everything, time.time()),
        ("identity", "old login", "last used", "until", "other device"),
        lambda one: (
            one.identity,
            one.login,
            when(one.last_used_at),
            when(one.expires_at),
            "yes" if one.has_device else "no",
        ),
        as_json,
    )


def _migrate(found: Migrants, until: str, *, dry_run: bool, as_json: bool) -> None:
    settings, now = load(Settings), time.time()
    try:
        end = last_moment(until, now)
    except ValueError as reason:
        raise StoreError(str(reason)) from None
    with organisation(open_existing(settings), digest_key(settings), actor()) as work:
        with progress("lines", len(found.migrants)) as tell:
            work.migrate(found.migrants, end, now, tell)
        _end_if_bad([*found.bad, *work.bad])
        if not dry_run:
            work.commit()
    for line in found.skipped:
        print(f"line {line.number}: {line.why}: passed over", file=sys.stderr)
    _tell_where_mail_goes([one.address for one in found.migrants], settings)
    if as_json:
        print(json.dumps([{"line": one.line, "name": one.name, "is_new": one.is_new} for one in work.enrolled]))
    else:
        _summary(work.enrolled, dry_run, sys.stdout)


def _content(file: Path) -> bytes:
    """One octet more than is allowed is enough to see that it is too much."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_FILE_OCTETS + 1)
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        is_elsewhere = isinstance(error, FileNotFoundError | PermissionError)
        hint = "; in containers, and after make up: - < FILE" if is_elsewhere else ""
        raise StoreError(f"{file} cannot be read ({error.strerror}){hint}") from None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except FileRefused as reason:
        raise StoreError(str(reason)) from None


def _end_if_bad(bad: Sequence[BadLine]) -> None:
    for line in sorted(bad, key=lambda one: one.number):
        print(f"line {line.number}: {line.why}", file=sys.stderr)
    if bad:
        lines = "line is" if len(bad) == 1 else "lines are"
        raise StoreError(f"{len(bad)} {lines} wrong; nothing was imported")


def _sink(sheets: Path | None, now: float, *, dry_run: bool, as_json: bool) -> SheetFolder | SheetArchive | None:
    """Where the sheets go; whatever is told once has to go somewhere."""
    if sheets and str(sheets) == "-":
        if as_json:
            raise typer.BadParameter("standard output cannot be the sheets and JSON at once")
        if sys.stdout.isatty() and not dry_run:
            raise StoreError("an archive is nothing for a terminal; name a folder, or send standard output to a file")
    if dry_run:
        return None
    if not (sheets or as_json):
        raise StoreError("say --sheets FOLDER or --json: links, logins and secrets are told this once")
    if not sheets:
        return None
    return SheetArchive(sys.stdout.buffer, now) if str(sheets) == "-" else SheetFolder(sheets)


def _shown(one: Enrolled, settings: Settings, dry_run: bool) -> dict[str, object]:
    shown: dict[str, object] = {"line": one.line, "name": one.name, "is_new": one.is_new}
    if dry_run:
        return shown
    if one.credential:
        shown |= dataclasses.asdict(one.credential)
    if one.token:
        shown["url"] = settings.invite_url(one.token)
    return shown


def _summary(enrolled: Sequence[Enrolled], dry_run: bool, where: TextIO) -> None:
    new = sum(one.is_new for one in enrolled)
    words = "would be imported, nothing was changed" if dry_run else "imported"
    print(f"{new} {words}; {len(enrolled) - new} were there already", file=where)


def _tell_where_mail_goes(addresses: Sequence[str], settings: Settings) -> None:
    """One line for all of them: an address of a domain that is not kept here can send, and does not receive here."""
    servers = Servers.of(settings)
    if elsewhere := sorted({one.rpartition("@")[2].lower() for one in addresses if not servers.serve(one)}):
        print(
            f"note: mail TO addresses of {', '.join(elsewhere)} is delivered elsewhere ({set_as('DOMAINS')})",
            file=sys.stderr,
        )
