"""Files with one line for each person, as administrators have them: read whole, and every bad line told at once.

CSV comes from spreadsheets: with commas, semicolons or tabs, with or without a byte order mark. The first line names
the columns.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_FILE_OCTETS = 32 * 1024 * 1024
_DELIMITERS = ",;\t"


class FileRefused(Exception):
    """Nothing of the file can be read; str(self) says why."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with one line. Never holds a secret or a hash."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number in the file, and its values by the names of the columns, without blanks around them."""

    number: int
    values: Mapping[str, str]


def text_of(content: bytes) -> str:
    """FileRefused for what is not UTF-8."""
    if len(content) > MAX_FILE_OCTETS:
        raise FileRefused(f"the file is larger than {MAX_FILE_OCTETS // 1024 // 1024} MiB; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FileRefused(
            f"line {line} is not UTF-8; save the file as UTF-8 (spreadsheets call it «CSV UTF-8»)"
        ) from None


def read_table(
    content: bytes, required: Sequence[str], optional: Sequence[str], *, ignore_others: bool = False
) -> tuple[list[Line], list[BadLine]]:
    """The lines that can be read, and those that cannot. Empty lines are passed over."""
    text = text_of(content)
    if "\0" in text:
        raise FileRefused("there is a NUL in the file; this is no CSV")
    header, _, _ = text.lstrip("\r\n").partition("\n")
    delimiter = max(_DELIMITERS, key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    lines: list[Line] = []
    bad: list[BadLine] = []
    columns: list[str] = []
    try:
        for row in rows:
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if not columns:
                columns = _columns(values, required, optional, ignore_others)
            elif why := _wrong_values(values, columns, required):
                bad.append(BadLine(rows.line_num, why))
            else:
                lines.append(Line(rows.line_num, dict(zip(columns, values, strict=False))))
    except csv.Error as error:
        raise FileRefused(f"line {rows.line_num} is no CSV ({error})") from None
    if not columns:
        raise FileRefused(f"the file is empty; its first line names the columns: {', '.join(required)}")
    return lines, bad


def _columns(given: Sequence[str], required: Sequence[str], optional: Sequence[str], ignore_others: bool) -> list[str]:
    columns = [name.casefold() for name in given]
    if missing := [name for name in required if name not in columns]:
        raise FileRefused(f"the first line must name the columns; missing: {', '.join(missing)}")
    known = (*required, *optional)
    if unknown := [name for name in columns if name not in known and not ignore_others]:
        raise FileRefused(f"unknown columns: {', '.join(map(repr, unknown))}; known are {', '.join(known)}")
    if twice := [name for name in known if columns.count(name) > 1]:
        raise FileRefused(f"columns that come twice: {', '.join(twice)}")
    return columns


def _wrong_values(values: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> str:
    if len(values) > len(columns):
        return f"has {len(values)} values for {len(columns)} columns; put values with a delimiter in quotes"
    found = dict(zip(columns, values, strict=False))
    missing = [name for name in required if not found.get(name)]
    return f"has no {' and no '.join(missing)}" if missing else ""
