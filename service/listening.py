"""The port of a service, bound before anything is served: policy's own, the console's and the queue agent's."""

import errno
import re
import socket

from service.settings import SettingError


def listen(setting: str, address: str, port: int) -> socket.socket:
    """SettingError, which names `setting`, where it cannot be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With its protocol named: only then does asyncio set TCP_NODELAY, without which half of an answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
