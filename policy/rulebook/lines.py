"""On which line of a TOML file a key stands.

    [profiles.person]                      ("profiles", "person")
    recipients = ["2/hour",                ("profiles", "person", "recipients")
                  "many"]                  the same; `value` says which line of it

tomllib has said that the file is well formed, so this only has to look where statements begin and end.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

Path = tuple[str | int, ...]

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*|\n|[\[\]{}=]|[^\"'\#\n\[\]{}=]+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A header, or a key with its value, from its first line to its last one, without comments."""

    line: int
    key: str  # with the brackets of a header
    lines: tuple[str, ...]


def line_of(text: str, path: Path, value: object = None) -> int:
    """The line of the longest part of `path` that the text has a key for; where it shows `value`, that line."""
    best, depth = 1, 0
    for found, statement in _all_places(text):
        common = _common(found, path)
        # A header's own key is nearer than a longer one that only begins with it.
        if common > depth and common == min(len(found), len(path)):
            best, depth = statement.line + _offset(statement, value), common
    return best


def _common(found: Path, path: Path) -> int:
    for number, (one, other) in enumerate(zip(found, path, strict=False)):
        if one != other:
            return number
    return min(len(found), len(path))


def _offset(statement: _Statement, value: object) -> int:
    if not isinstance(value, str | int):
        return 0
    wanted = re.compile(rf"(?<![\w.-]){re.escape(str(value))}(?![\w.-])")
    return next((number for number, line in enumerate(statement.lines) if wanted.search(line)), 0)


@lru_cache(maxsize=1)  # of a text that has many faults
def _all_places(text: str) -> tuple[tuple[Path, _Statement], ...]:
    return tuple(_places(text))


def _places(text: str) -> Iterator[tuple[Path, _Statement]]:
    header: Path = ()
    counts: dict[Path, int] = {}
    for statement in _statements(text):
        if statement.key.startswith("[["):
            array = _keys(statement.key[2:-2])
            counts[array] = counts.get(array, -1) + 1
            header = (*array, counts[array])
            yield header, statement
        elif statement.key.startswith("["):
            header = _keys(statement.key[1:-1])
            yield header, statement
        else:
            yield (*header, *_keys(statement.key)), statement


def _keys(dotted: str) -> Path:
    """`a."b.c"` as TOML reads it."""
    found: list[str] = []
    table = tomllib.loads(f"{dotted.strip()} = 0")
    while isinstance(table, dict):
        [(name, table)] = table.items()
        found.append(name)
    return tuple(found)


def _statements(text: str) -> Iterator[_Statement]:
    line, begin, depth, is_value = 1, 1, 0, False
    key, whole = "", ""
    for match in _PIECE.finditer(f"{text}\n"):
        piece = match[0]
        if piece == "\n" and depth == 0:
            if key.strip():
                yield _Statement(begin, key.strip(), tuple(whole.split("\n")))
            key, whole, is_value, begin = "", "", False, line + 1
        elif not piece.startswith("#"):
            depth += (piece in "[{") - (piece in "]}")
            is_value = is_value or piece == "="
            key += "" if is_value else piece
            whole += piece
        line += piece.count("\n")
