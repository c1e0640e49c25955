"""What the version before has left behind, opened: store-0005.tar.gz and what that version said of it."""

import json
from pathlib import Path
from typing import Any

from policy.store.archive import reading
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.restore import restore

FOLDER = Path(__file__).parent
BACKUP = FOLDER / "store-0005.tar.gz"
KNOWN: dict[str, Any] = json.loads((FOLDER / "store-0005.json").read_text())
NOW = 1_790_000_000.0  # as in make.py
SPANS_S = (600.0, 3600.0, 86400.0, 7 * 86400.0, 31 * 86400.0)  # the same


def restored(where: Location, state_dir: Path) -> Location:
    """It, by today's code."""
    state_dir.mkdir(exist_ok=True)
    engine = open_database(where)
    with BACKUP.open("rb") as file, reading(file) as archive:
        restore(engine, state_dir, archive, Actor("cli:test", "localhost"), NOW, lambda _table, _rows: None)
    engine.dispose()
    return where
