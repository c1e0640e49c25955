"""`sallyport migrate-state`: the whole store into another database, and budgets into Valkey or out of it."""

import json as documents
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from policy.budgets.location import server_of
from policy.cli.output import JSON
from policy.cli.store import actor
from policy.location import location
from policy.migrating.moving import Move, Moved, Where
from policy.settings import Settings
from policy.store.database import Location
from policy.store.errors import StoreError
from service.settings import SettingError, load

_TOLD_EVERY_S = 5.0


def migrate_state(
    to_database: Annotated[
        str | None, typer.Option(metavar="URL", help="As POLICY_DATABASE_URL; it must be empty.", show_default=False)
    ] = None,
    to_database_password_file: Annotated[
        Path | None, typer.Option(help="Of that database.", show_default=False)
    ] = None,
    to_budgets: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="As POLICY_BUDGETS_URL; without it they are in the database.", show_default=False
        ),
    ] = None,
    to_budgets_password_file: Annotated[Path | None, typer.Option(help="Of that server.", show_default=False)] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Do not go on with what an attempt before has left.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at everything, and change nothing.")] = False,
    json: JSON = False,
) -> None:
    """Move the whole store to another database, and its budgets to Valkey or back; what was cut off goes on.

    The store that the settings name is the source. It is not changed, and nobody may have it open meanwhile. The target
    is a store once all of it was compared, and not before.

    Example: sallyport migrate-state --to-database postgresql://sallyport@db.example.org/sallyport --to-budgets valkey://10.0.0.7
    """
    settings = load(Settings)
    source = Where(_existing(settings), server_of(settings.budgets_url, settings.budgets_password_file))
    if to_database is None and to_budgets is None:
        raise typer.BadParameter("say where to: --to-database, --to-budgets or both")
    with _options_named():
        given = {"database_url": to_database, "database_password_file": to_database_password_file}
        database = source.database if to_database is None else location(settings.model_copy(update=given))
        target = Where(database, server_of(to_budgets or "", to_budgets_password_file))
    move = Move(source=source, target=target, actor=actor(), now=time.time(), say=_teller(), is_anew=anew)
    moved = move.plan() if dry_run else move.run()
    _show(moved, dry_run, json)


def _existing(settings: Settings) -> Location:
    where = location(settings)
    if isinstance(where, Path) and not where.exists():
        raise StoreError(f"there is no database {where}: POLICY_DATABASE_URL and POLICY_STATE_DIR name the source")
    return where


@contextmanager
def _options_named() -> Iterator[None]:
    """What is wrong with an option is said of the option, and not of the setting of the same form."""
    try:
        yield
    except SettingError as error:
        said = str(error).replace("POLICY_DATABASE_", "--to-database_").replace("POLICY_BUDGETS_", "--to-budgets_")
        for name in ("--to-database", "--to-budgets"):
            said = said.replace(f"{name}_URL", name).replace(f"{name}_PASSWORD_FILE", f"{name}-password-file")
        raise StoreError(said) from None


def _teller() -> Callable[[str, int], None]:
    """How far it is: on a terminal each step, elsewhere now and then, on standard error."""
    told_at = 0.0

    def tell(what: str, number: int) -> None:
        nonlocal told_at
        if sys.stderr.isatty() or time.monotonic() - told_at >= _TOLD_EVERY_S:
            told_at = time.monotonic()
            print(f"{what}: {number:,}", file=sys.stderr)

    return tell


def _show(moved: Moved, is_plan: bool, as_json: bool) -> None:
    rows = sum(one.rows for one in moved.tables.values())
    if as_json:
        tables = {
            name: {"rows": one.rows} | ({} if is_plan else {"sum": one.digest}) for name, one in moved.tables.items()
        }
        told = {"rows": rows, "tables": tables, "budgets": moved.budgets and asdict(moved.budgets)}
        print(documents.dumps({"is_plan": is_plan, "went_on": moved.went_on} | told))
        return
    on = ", going on where it was cut off" if moved.went_on else ""
    if is_plan:
        print(f"would move {rows:,} rows of {len(moved.tables)} tables{on}; the target can be used")
        return
    print(f"moved {rows:,} rows of {len(moved.tables)} tables{on}; read back, and the same")
    if held := moved.budgets:
        print(f"budgets: {held.counters:,} counters and {held.sets:,} sets, none of which has more left than before")
    print(
        "Now name the new place in the settings (POLICY_DATABASE_URL, POLICY_BUDGETS_URL), and start policy and the "
        "console. The old one is as it was; keep it until you are sure, and start nothing on it.",
        file=sys.stderr,
    )
