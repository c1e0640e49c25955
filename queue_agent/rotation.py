"""When Postfix's log begins anew, and which old ones go: only when all of it is read, so that nothing is lost.

The agent moves the file away, under a name as `postfix logrotate` gives one. Whoever runs Postfix sees that the file is
gone and reloads Postfix (postfix/show-log), which goes on writing into the old one until then. `postfix logrotate`
itself sends a signal by process id, which is another process's in the agent's container.
"""

import time
from pathlib import Path

from queue_agent import log
from queue_agent.following import Log
from queue_agent.store import Position

_SUFFIX = "%Y%m%d-%H%M%S"  # maillog_file_rotate_suffix


def rotate(followed: Log, position: Position, limit: int, now: float) -> bool:
    """Whether it was moved away. `position` is at its end."""
    path = followed.path
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    if status.st_ino != position.inode or status.st_size < limit:
        return False
    old = path.with_name(f"{path.name}.{time.strftime(_SUFFIX, time.gmtime(now))}")
    if old.exists():
        return False
    path.rename(old)
    log.log_rotated(status.st_size)
    return True


def remove_old(followed: Log, position: Position, kept: int) -> list[Path]:
    """Those that were read to their end, but for the newest ones of them."""
    gone = followed.older(position)[:-kept]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
