"""`sallyport complaint`: what people who got a message said of it."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import open_identities
from policy.complaints.report import complaint_in
from policy.settings import Settings
from policy.store.errors import StoreError
from service.settings import load


@dataclass(frozen=True, slots=True)
class Read:
    """What came of it."""

    letters: int
    complaints: int
    new: int


complaint = typer.Typer(help="What people who got a message said of it.", no_args_is_help=True)


@complaint.command("list")
def complaint_list(
    identity: Annotated[str | None, typer.Option(help="Only about what this identity sent.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    json: JSON = False,
) -> None:
    """List complaints, the newest first.

    Example: sallyport complaint list --identity ada
    """
    store = open_identities()
    found = store.complaints(identity, limit)
    if identity is not None and not found:
        store.identity(identity)  # a misspelt name must not look like one that nobody complained of
    print_rows(
        found,
        ("at", "identity", "submission", "kind", "recipient", "reporter"),
        lambda one: (when(one.at), one.identity, one.submission, one.kind, one.recipient, one.reporter),
        json,
    )


@complaint.command("read")
def complaint_read(
    files: Annotated[list[Path], typer.Argument(help="Letters, one in each file; - is standard input.")],
    json: JSON = False,
) -> None:
    """Read complaints: feedback reports (ARF), or letters with the message attached.

    For whoever has his abuse@ on another server, from a filter there. Reading one again changes nothing.

    Example: sallyport complaint read report.eml
    """
    hostname, store, now = load(Settings).hostname, open_identities(), time.time()
    found, new = 0, 0
    for path in files:
        if one := complaint_in(_octets_of(path), hostname):
            found += 1
            new += store.note_complaint(one, now)
    print_values(Read(len(files), found, new), json)


def _octets_of(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from None
