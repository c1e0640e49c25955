"""An SQLite file with the schema and nothing in it: made once in a process, then copied.

To run every migration takes a quarter of a second, which is more than most tests do with a store.
"""

import functools
import tempfile
from pathlib import Path

from policy.store.database import open_database
from policy.store.migrating import migrate


def migrated(path: Path) -> Path:
    """A new one at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_template())
    return path


@functools.cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sallyport.db")
        engine = open_database(path)
        migrate(engine)
        engine.dispose()
        return path.read_bytes()
