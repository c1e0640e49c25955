"""Tables written as TOML: what a policy file needs of it (the standard library only reads)."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(tables: dict[str, Any]) -> str:
    """A document that tomllib reads back as `tables`."""
    return "\n".join(_lines(tables, ())).lstrip("\n") + "\n"


def value(given: object) -> str:
    """One value, on one line."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, datetime | date):
        return given.isoformat()
    if isinstance(given, list):
        return f"[{', '.join(value(one) for one in given)}]"
    if isinstance(given, dict):
        return f"{{{', '.join(f'{_key(key)} = {value(one)}' for key, one in given.items())}}}"
    if isinstance(given, str):
        return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(given)


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, one in table.items():
        if not _is_table(one) and not _is_array_of_tables(one):
            yield f"{_key(key)} = {value(one)}"
    for key, one in table.items():
        name = (*path, _key(key))
        if _is_table(one):
            if not one or not all(_is_table(inner) for inner in one.values()):
                yield from ("", f"[{'.'.join(name)}]")
            yield from _lines(one, name)
        elif _is_array_of_tables(one):
            for inner in one:
                yield from ("", f"[[{'.'.join(name)}]]")
                yield from _lines(inner, name)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else value(key)


def _is_table(one: object) -> bool:
    return isinstance(one, dict)


def _is_array_of_tables(one: object) -> bool:
    return isinstance(one, list) and bool(one) and all(isinstance(inner, dict) for inner in one)
