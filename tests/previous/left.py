"""What the versions before have left behind, opened: a backup of each schema, and what that version said of it.

0005   the version before the last (f5e2621)
0006   the last one (7b6e607)
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.store.archive import reading
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.restore import restore

FOLDER = Path(__file__).parent
NOW = 1_790_000_000.0  # as in make.py
SPANS_S = (600.0, 3600.0, 86400.0, 7 * 86400.0, 31 * 86400.0)  # the same


@dataclass(frozen=True, slots=True)
class Left:
    """A store, as a file and in figures."""

    backup: Path
    known: dict[str, Any]


def _left(revision: str) -> Left:
    known = json.loads((FOLDER / f"store-{revision}.json").read_text())
    return Left(FOLDER / f"store-{revision}.tar.gz", known)


EVERY = {revision: _left(revision) for revision in ("0005", "0006")}
LAST = EVERY["0006"]
KNOWN = LAST.known


def restored(where: Location, state_dir: Path, left: Left = LAST) -> Location:
    """It, by today's code."""
    state_dir.mkdir(exist_ok=True)
    engine = open_database(where)
    with left.backup.open("rb") as file, reading(file) as archive:
        restore(engine, state_dir, archive, Actor("cli:test", "localhost"), NOW, lambda _table, _rows: None)
    engine.dispose()
    return where
