"""The folder of the keys. policy alone writes it, rspamd reads it, nobody else does.

    DOMAIN.SELECTOR.key   a private key
    keys.map              a line for each domain that is signed for: DOMAIN SELECTOR:FILE SELECTOR:FILE
    state.json            the public side of every pair that there was

rspamd looks at the map every few seconds. Each file appears whole or not at all; keys before the map that names them.
A folder with the setgid bit belongs to rspamd's group (the plain-process way): its files can be read by that group.
"""

import dataclasses
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import idna

from policy.dkim.keys import Algorithm, NewKey
from policy.dkim.rotation import Pair, Pairs, State, of_domain
from service.settings import SettingError

_MAP, _STATE, _LOCK = "keys.map", "state.json", ".lock"


class KeyFolder:
    """What is in it, and changes of it, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pairs(self) -> Pairs:
        """Of all domains. None where the folder was never used."""
        try:
            stored = json.loads((self._path / _STATE).read_text())
            return tuple(Pair(**one | {"state": State(one["state"])}) for one in stored)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._fault(f"cannot be read ({error.strerror})") from None
        except (ValueError, TypeError, KeyError):
            raise self._fault(f"holds a broken {_STATE}") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes it meanwhile."""
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._path / _LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._fault(f"cannot be written ({error.strerror})") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise self._fault(f"cannot be written ({error.strerror})") from None
        finally:
            os.close(lock)

    def write(self, pairs: Pairs, new: Mapping[str, NewKey] | None = None) -> None:
        """Keys that are new (by file), the state, the map; then the keys that are of no use any more go."""
        for name, key in (new or {}).items():
            self._put(name, key.private)
        state = [dataclasses.asdict(one) for one in pairs]
        self._put(_STATE, json.dumps(state, indent=1).encode() + b"\n")
        self._put(_MAP, "".join(f"{line}\n" for line in map_lines(pairs)).encode())
        kept = {key_file(one, kind) for one in pairs if one.state is not State.RETIRED for kind in Algorithm}
        for path in self._path.glob("*.key"):
            if path.name not in kept:
                path.unlink()

    def _put(self, name: str, content: bytes) -> None:
        """Nothing where it is there already: rspamd would read it again."""
        path = self._path / name
        if path.exists() and path.read_bytes() == content:
            return
        draft = self._path / f".{name}.new"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o640 if self._path.stat().st_mode & stat.S_ISGID else 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def _fault(self, what: str) -> SettingError:
        return SettingError("POLICY_DKIM_DIR", f"{self._path} {what}", "check the folder and its owner")


def key_file(pair: Pair, algorithm: Algorithm) -> str:
    return f"{pair.domain}.{pair.selector(algorithm)}.key"


def map_lines(pairs: Pairs) -> Iterator[str]:
    """For each domain that is signed for. A domain outside of ASCII is there in both its forms (RFC 8616)."""
    for domain in dict.fromkeys(one.domain for one in pairs):
        signing = [
            f"{pair.selector(kind)}:{key_file(pair, kind)}"
            for pair in of_domain(pairs, domain, State.ACTIVE)
            for kind in Algorithm
        ]
        if signing:
            for spelling in dict.fromkeys((domain, _unicode(domain))):
                yield " ".join([spelling, *signing])


def _unicode(domain: str) -> str:
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain
