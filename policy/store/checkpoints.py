"""SQLite's write-ahead log goes into the database file beside the commits, and not within one of them.

The commit that makes the log longer than its limit has to carry all of it over (SQLite documentation, "Write-Ahead
Logging", section 3), and each message of that commit waits some milliseconds longer. With SQLite's own limit of 1,000
pages that would be one commit in a dozen under load; with LOG_PAGES it is one in hundreds. Meanwhile another
connection does it, in a thread, some thousand rows at a time: that commit then finds little left to do. A page that
many messages change is written once for all of them.
"""

import contextlib
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor

LOG_PAGES = 16000  # 64 MB on disk
# Changed ones that are worth a checkpoint: some four hundred messages, 3,500 to 5,500 pages. Where it cannot carry
# over all, because commits go on meanwhile, the log is half full when the next one comes.
_ROWS = 4096


class Checkpoints:
    """`connection` is its own, and to the database of whoever tells it of commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._running: Future[None] | None = None
        self._carried = 0

    def committed(self, changed: int) -> None:
        """`changed` rows, since the writer's connection was opened."""
        is_running = self._running is not None and not self._running.done()
        if changed - self._carried >= _ROWS and not is_running:
            self._carried = changed
            self._running = self._thread.submit(self._carry_over)

    def close(self) -> None:
        """When what runs has ended."""
        self._thread.shutdown()
        self._connection.close()

    def _carry_over(self) -> None:
        """PASSIVE waits for nobody, and nobody for it. What it cannot do now, or never (a full disk), a commit will."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
