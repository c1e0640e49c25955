"""The token that two services share: one file, which may be replaced while both run.

The file has one line, or two while it is rotated: the newest first, the one before behind it. Whoever is asked takes
each of them. Whoever asks shows the first, and the next one when he hears 401. So it does not matter who reads a new
file first, and nobody is restarted (docs/operating.md says how one is rotated).

A file is looked at once in a second, and at once where a token does not fit. What was replaced is seen by its inode and
its times, which are those of the file behind a symbolic link: Kubernetes swaps one. A new file that cannot be used is
said once, and what was there before stays in use.
"""

import hmac
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

from service.settings import SettingError, read_secret

SHORTEST = 20  # characters; those that are made here have 64
_LOOK_EVERY_S = 1.0
_REFUSED_FOR_S = 5.0  # so long a token that somebody did not know is shown last
_VISIBLE = re.compile(r"[!-~]+")  # what may stand in a header without quotes

_Seen = tuple[int, ...]


class Told(Protocol):
    """A service's log."""

    def token_read(self, setting: str, lines: int) -> None: ...
    def token_refused(self, failure: str) -> None: ...


class SharedToken:
    """`lines` are tokens, the newest first; those of a file come from `from_file`."""

    def __init__(self, *lines: str) -> None:
        self._hold(lines)
        self._setting = ""
        self._path: Path | None = None
        self._told: Told | None = None
        self._ticks: Callable[[], float] = time.monotonic
        self._seen: _Seen = ()
        self._failure = ""
        self._look_at = 0.0
        self._refused_at = dict[str, float]()

    @classmethod
    def from_file(
        cls, setting: str, path: Path, told: Told | None = None, ticks: Callable[[], float] = time.monotonic
    ) -> Self:
        """SettingError, which names `setting`, where there is no such file or it holds no tokens."""
        seen = _seen(path)  # before it is read: what is written meanwhile is seen the next time
        made = cls(*read_tokens(setting, path))
        made._setting, made._path, made._told, made._ticks, made._seen = setting, path, told, ticks, seen
        made._look_at = ticks() + _LOOK_EVERY_S
        return made

    def is_bearer(self, authorization: bytes) -> bool:
        """Whether the value of an Authorization field shows one of them (RFC 6750 section 2.1)."""
        self._look_if_due()
        return self._is_one_of(authorization, self._bearers) or (
            self._look() and self._is_one_of(authorization, self._bearers)
        )

    def is_shown(self, octets: bytes) -> bool:
        """The same for a bare one."""
        self._look_if_due()
        return self._is_one_of(octets, self._octets) or (self._look() and self._is_one_of(octets, self._octets))

    def to_show(self) -> Iterator[str]:
        """One after the other, as long as the asked one says that he does not know it.

        Whoever wants the next one says thereby that the one before was refused.
        """
        self._look_if_due()
        tried = set[str]()
        for one in self._in_order():
            tried.add(one)
            yield one
            self._refused_at[one] = self._ticks()
        self._look()
        yield from (one for one in self._lines if one not in tried)  # whoever it was who saw them first

    def _in_order(self) -> Sequence[str]:
        if not self._refused_at:
            return self._lines
        now = self._ticks()
        self._refused_at = {
            one: at for one, at in self._refused_at.items() if one in self._lines and now - at < _REFUSED_FOR_S
        }
        return sorted(self._lines, key=self._refused_at.__contains__)

    def _hold(self, lines: Sequence[str]) -> None:
        self._lines = tuple(lines)
        self._octets = tuple(one.encode() for one in lines)
        self._bearers = tuple(b"Bearer " + one for one in self._octets)

    @staticmethod
    def _is_one_of(shown: bytes, ours: tuple[bytes, ...]) -> bool:
        """In a time that says nothing of which one, nor of how much of it fits."""
        return sum(hmac.compare_digest(shown, one) for one in ours) > 0

    def _look_if_due(self) -> None:
        if self._path and (now := self._ticks()) >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._look()

    def _look(self) -> bool:
        """Whether there are other tokens than a moment ago."""
        if not self._path or (seen := _seen(self._path)) == self._seen:
            return False
        self._seen = seen
        before = self._lines
        try:
            self._hold(read_tokens(self._setting, self._path))
        except SettingError as error:
            self._fail(f"{error}; what was there before stays in use")
            return False
        if self._told and (self._lines != before or self._failure):
            self._told.token_read(self._setting, len(self._lines))
        self._failure = ""
        return self._lines != before

    def _fail(self, failure: str) -> None:
        if self._told and failure != self._failure:
            self._told.token_refused(failure)
        self._failure = failure


def read_tokens(setting: str, path: Path) -> tuple[str, ...]:
    """Those of a file, the newest first; SettingError says in a sentence what is wrong with it."""
    lines = [line.strip() for line in read_secret(setting, path).splitlines() if line.strip()]
    if len(lines) > 2:  # noqa: PLR2004 - a new one and an old one
        raise SettingError(
            setting,
            f"{path} has {len(lines)} lines",
            "leave the newest token in the first one, the one before it in the second, and remove the others",
        )
    for number, one in enumerate(lines, 1):
        if not _VISIBLE.fullmatch(one):
            raise SettingError(
                setting, f"line {number} of {path} holds more than visible ASCII", "put one token on each line"
            )
        if len(one) < SHORTEST:
            raise SettingError(
                setting,
                f"the token in line {number} of {path} has {len(one)} characters",
                f"take one of {SHORTEST} or more by chance, for example of `openssl rand -hex 32`",
            )
    return tuple(dict.fromkeys(lines))


def _seen(path: Path) -> _Seen:
    """What changes with the file; nothing where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
