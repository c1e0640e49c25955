"""The ports of services, bound before anything is served."""

import errno
import re
import socket
from typing import Any

from service.settings import SettingError

_NOTHING_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listening(socket.socket):
    """Where a process has no descriptor left, asyncio says so and pauses for a second, as often as the backlog is long.

    Its loop over the backlog goes on behind the failure (asyncio/selector_events.py, _accept_connection): thousands of
    entries in the log each second, and a processor that does nothing else. After a failure nobody seems to wait.
    """

    _has_failed = False

    def accept(self) -> tuple[socket.socket, Any]:
        if self._has_failed:
            self._has_failed = False
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as error:
            self._has_failed = error.errno in _NOTHING_LEFT
            raise


def listen(setting: str, address: str, port: int) -> socket.socket:
    """SettingError, which names `setting`, where it cannot be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With its protocol named: only then does asyncio set TCP_NODELAY, without which half of an answer waits 40 ms.
    listening = Listening(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except (OSError, TypeError) as error:  # TypeError: of a name that is none, such as ä..b
        listening.close()
        problem = f"{address}:{port} cannot be bound ({getattr(error, 'strerror', 'no name of a host')})"
        if isinstance(error, socket.gaierror | TypeError) or error.errno == errno.EADDRNOTAVAIL:
            setting = re.sub("_PORT$", "_BIND", setting)
            raise SettingError(setting, problem, "choose an address of this machine") from None
        raise SettingError(setting, problem, "choose another port, or stop what holds it") from None
    return listening
