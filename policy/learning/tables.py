"""Recipient history as CSV: identity,address and, if you like, date. Read a line at a time, however many there are.

The first line names the columns; commas, semicolons or tabs stand between values. A value in quotes ends on its line,
so that one quotation mark too many breaks its own line and no other.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from maillog.packed import BROKEN, PackedFile
from policy.learning.fields import is_address
from policy.learning.found import Broken, Found, Item
from policy.store.errors import StoreError

_LINE_LIMIT = 16 * 1024
_DELIMITERS = ",;\t"

Row = tuple[str, Mapping[str, str]]  # where it stands, and its values by the names of the columns


class Table:
    """One file that may be packed."""

    def __init__(self, path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        """LogUnreadable where it cannot be opened; StoreError where its first line does not name the columns."""
        self._path = path
        self._required = required
        self.file = PackedFile(path)
        try:
            first = next(_lines(self.file.stream), None) or b""
        except BROKEN as error:
            self.file.close()
            raise StoreError(f"{path} cannot be read ({_reason(error)})") from None
        text = first.decode("utf-8-sig", "replace").strip()
        self._delimiter = max(_DELIMITERS, key=text.count)
        self._columns = [name.strip().strip('"').casefold() for name in text.split(self._delimiter)]
        if missing := [name for name in required if name not in self._columns]:
            self.file.close()
            raise StoreError(
                f"{path} is no CSV of {', '.join((*required, *optional))}: its first line must name the columns, and "
                f"lacks {' and '.join(missing)} (spreadsheets save what is read here as «CSV UTF-8»)"
            )

    def rows(self) -> Iterator[Row | Broken]:
        """Of each line its values; what is wrong breaks one line."""
        number = 1
        try:
            with self.file as stream:
                for number, line in enumerate(_lines(stream), 2):
                    if line is None or line.strip():
                        yield self._row(f"{self._path}, line {number}", line)
        except BROKEN as error:
            yield Broken(f"{self._path}, behind line {number}", _reason(error))

    def octets_read(self) -> int:
        """Of the file as it is, packed or not."""
        return self.file.octets_read

    def _row(self, where: str, line: bytes | None) -> Row | Broken:
        if line is None:
            return Broken(where, f"it is longer than {_LINE_LIMIT} octets")
        try:
            text = line.decode("utf-8")
            values = next(csv.reader([text], delimiter=self._delimiter, skipinitialspace=True, strict=True))
        except UnicodeDecodeError:
            return Broken(where, "it is not UTF-8")
        except csv.Error as error:
            return Broken(where, f"it is no CSV ({error})")
        found = {name: value.strip() for name, value in zip(self._columns, values, strict=False)}
        if missing := [name for name in self._required if not found.get(name)]:
            return Broken(where, f"it has no {' and no '.join(missing)}")
        return where, found


def contacts(table: Table, now: float) -> Iterator[Item]:
    """What the lines of a table of identity, address and date say."""
    for row in table.rows():
        if isinstance(row, Broken):
            yield row
            continue
        where, values = row
        at = _moment(values.get("date", ""), now)
        if not is_address(values["address"]):
            yield Broken(where, f"{values['address'][:100]!r} is no address")
        elif at is None:
            yield Broken(where, f"{values['date'][:100]!r} is no date such as 2026-01-31, or is yet to come")
        else:
            yield Found(values["identity"], (values["address"],), at)


def _moment(text: str, now: float) -> float | None:
    """ISO 8601, in UTC where it says nothing else, or seconds since the epoch; none at all is now."""
    if not text:
        return now
    try:
        if text.isascii() and text.isdigit():
            at = float(text)
        else:
            given = datetime.fromisoformat(text)
            at = (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if at <= now else None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Whole lines; None in place of one that is too long."""
    while line := stream.readline(_LINE_LIMIT):
        is_whole = line.endswith(b"\n") or len(line) < _LINE_LIMIT
        yield line if is_whole else None
        while not is_whole:
            rest = stream.readline(_LINE_LIMIT)
            is_whole = rest.endswith(b"\n") or not rest
