"""What commands print: tables for people, JSON for programs. One JSON document on standard output, nothing else."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from policy.finding import Finding, State
from policy.visible import visible

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int | None, typer.Option(help="At most so many.", min=1, show_default=False)]
TABLE_ROWS = 1000  # of a table for people, unless they say how many; JSON goes on to the end

_PAGE = 1000
_LEAST_WIDTH = 14  # of the names of values
_PIPE_COLUMNS = 200  # a pipe has no width: logins must not be cut there
_NULL_IF_EMPTY = ("reason", "outcome", "queue_id")

Row = TypeVar("Row", bound="DataclassInstance")


def all_pages(
    page: Callable[[str, int], list[Row]], key: Callable[[Row], str], after: str, limit: int | None
) -> Iterator[Row]:
    """The rows after `after`, fetched a page at a time: there may be more of them than fit into memory."""
    left = limit
    while True:
        most = _PAGE if left is None else min(left, _PAGE)
        rows = page(after, most)
        yield from rows
        if left is not None:
            left -= len(rows)
        if len(rows) < most or left == 0:
            return
        after = key(rows[-1])


def print_rows(
    rows: Iterable[Row],
    columns: Sequence[str],
    line: Callable[[Row], Sequence[str]],
    as_json: bool,
    most: int | None = None,
) -> None:
    """A JSON array as long as it takes, or a table of at most `most` rows and a note that there are more.

    What a stranger chose does nothing in either.
    """
    if as_json:
        _print_array(rows)
        return
    remaining = iter(rows)
    table = Table(*columns, box=None, pad_edge=False)
    for row in islice(remaining, most):
        table.add_row(*map(_harmless, line(row)))
    Console(width=printed_width(), emoji=False).print(table, markup=False, highlight=False)
    if most is not None and next(remaining, None) is not None:
        print(f"note: these are the first {most}; --limit or --json shows more", file=sys.stderr)


def print_findings(found: Sequence[Finding], as_json: bool) -> None:
    """What was looked at, and how it is; ends the command with exit code 1 where something is wrong."""
    columns = ("state", "what", "says", "to do")
    print_rows(found, columns, lambda one: (one.state.value, one.what, one.says, one.todo), as_json)
    if wrong := sum(one.state is State.WRONG for one in found):
        print(f"sallyport: {wrong} of {len(found)} findings say that something is wrong", file=sys.stderr)
        raise typer.Exit(1)


def _harmless(cell: str) -> str:
    """Its lines stay: a cell may have several."""
    return "\n".join(map(visible, cell.split("\n")))


def print_values(row: "DataclassInstance", as_json: bool, text: str | None = None, **more: object) -> None:
    """One row: as JSON, in the words of `text`, or a line for each of its values."""
    values = plain(row) | more
    if as_json:
        print(json.dumps(values))
    elif text is not None:
        print(text)
    else:
        width = max(_LEAST_WIDTH, *map(len, values))
        for name, value in values.items():
            shown = ", ".join(value) if isinstance(value, list) else "" if value is None else value
            print(f"{name.replace('_', ' '):<{width}} {shown}".rstrip())


def plain(row: "DataclassInstance") -> dict[str, Any]:  # JSON has no narrower type
    """A row as JSON: times in ISO 8601, UTC; null for what is not there (an empty reverse-path is there)."""
    return _plain(dataclasses.asdict(row))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if name == "at" or name.endswith("_at"):
            values[name] = when(value) or None
        elif isinstance(value, tuple):
            values[name] = [_plain(one) if isinstance(one, dict) else one for one in value]
        elif name in _NULL_IF_EMPTY:
            values[name] = value or None
    return values


def printed_width() -> int | None:
    """Of a table: the terminal's, or wide."""
    return None if sys.stdout.isatty() else _PIPE_COLUMNS


def when(seconds: float | None) -> str:
    """A moment as people and programs read it; empty where there was none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_array(rows: Iterable["DataclassInstance"]) -> None:
    """Row by row, so that the first is there while the last is still in the database."""
    separator = "["
    for row in rows:
        print(separator, json.dumps(plain(row)), sep="", end="")
        separator = ",\n"
    print("[]" if separator == "[" else "]")
