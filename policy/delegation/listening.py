"""Where Postfix reaches us: POLICY_DELEGATION_LISTEN, bound before anything is served.

unix:/run/sallyport/policy    a socket of mode 0660: of the folder's group, if that is set-group-ID (2750)
127.0.0.1:10040, [::1]:10040  TCP, for whoever can reach it
"""

import re
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from service.listening import Listening, listen
from service.settings import SettingError

_SETTING = "POLICY_DELEGATION_LISTEN"
_TCP = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/]+)):([0-9]{1,5})")
BACKLOG = 256
_PATH_LIMIT = 107  # octets, sun_path of Linux without the NUL behind it
_PORT_LIMIT = 65535


def check(places: Sequence[str]) -> None:
    """SettingError where one is no place to listen; nothing is bound."""
    for place in places:
        _path(place) if place.startswith("unix:") else _host_and_port(place)


def bind_all(places: Sequence[str]) -> list[socket.socket]:
    """A listening socket for each; SettingError where one cannot be."""
    check(places)
    bound = [
        _unix(_path(place)) if place.startswith("unix:") else listen(_SETTING, *_host_and_port(place))
        for place in places
    ]
    for one in bound:
        one.listen(BACKLOG)  # who connects before we serve waits
    return bound


def _path(place: str) -> Path:
    path = Path(place.removeprefix("unix:"))
    if not path.is_absolute() or len(bytes(path)) > _PATH_LIMIT:
        raise SettingError(_SETTING, f"{path} is no path from / of at most {_PATH_LIMIT} octets", "choose another one")
    return path


def _unix(path: Path) -> socket.socket:
    """A socket that another start left behind makes room; anything else stays what it is."""
    listening = Listening(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        listening.bind(str(path))
        path.chmod(0o660)
    except OSError as error:
        listening.close()
        raise SettingError(
            _SETTING, f"{path} cannot be bound ({error.strerror})", "check the folder and its owner"
        ) from None
    return listening


def _host_and_port(place: str) -> tuple[str, int]:
    found = _TCP.fullmatch(place)
    if not found or not 0 < int(found[3]) <= _PORT_LIMIT:
        raise SettingError(_SETTING, f"{place!r} is no place to listen", "say unix:/PATH, HOST:PORT or [ADDRESS]:PORT")
    return found[1] or found[2], int(found[3])
