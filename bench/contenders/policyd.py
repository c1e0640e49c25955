"""policyd-rate-limit, the policy daemon of "gates": Debian's package, its own SQLite file, limits for each login.

It counts each recipient of each message in three windows, as Sallyport does, and nothing more. What makes it slower
than it needs to be is turned off: its debug log, reports, the nightly cleanup. The limits never bite.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.contenders.contender import started
from tests.harness import Process

USER = "policyd-rate-limit"  # made by Debian's package
NEVER = 1_000_000


@dataclass
class Policyd:
    """Its socket is in a folder of its own, where Postfix finds it."""

    folder: Path

    def __post_init__(self) -> None:
        self.config = self.folder / "policyd.yaml"
        self.process = Process([USER, "--file", str(self.config)], {}, self.folder / "policyd.log")

    @property
    def socket(self) -> Path:
        return self.folder / "socket" / "policy"

    def start(self) -> int:
        """The process id of the daemon."""
        for path in (self.folder / "run", self.folder / "store", self.socket.parent):
            path.mkdir(parents=True)
            shutil.chown(path, USER, USER)
        self.config.write_text(json.dumps(self._settings()))  # JSON is YAML
        return started(self.process, USER, self._listens)

    def stop(self) -> None:
        self.process.stop()

    def _listens(self) -> bool:
        return self.socket.exists() and bool(self.socket.stat().st_mode & 0o006)

    def _settings(self) -> dict[str, object]:
        return {
            "debug": False,
            "user": USER,
            "group": USER,
            "pidfile": str(self.folder / "run" / "pid"),
            "sqlite_config": {"database": str(self.folder / "store" / "db.sqlite3")},
            "backend": 0,
            "SOCKET": os.fspath(self.socket),
            "socket_permission": 0o666,
            "limits": [[NEVER, 600], [NEVER, 3600], [NEVER, 86400]],
            "limits_by_id": {},
            "limit_by_sasl": True,
            "limit_by_sender": False,
            "limit_by_ip": False,
            "limited_networks": [],
            "success_action": "dunno",
            "fail_action": "defer_if_permit Rate limit reached",
            "db_error_action": "defer_if_permit Policy daemon failed",  # a failure must not look like speed
            "report": False,
            "delay_to_close": 300,
        }
