"""One MMDB file: opened, opened again when it has changed, and kept as it was where the new one is broken.

The file is read into memory, unpacked where its name ends in .xz: whoever writes over it in place, instead of putting a
new one beside it and renaming, can break the next reading and nothing that is open.
"""

import ipaddress
import lzma
import os
from dataclasses import dataclass
from pathlib import Path

import maxminddb

from policy.geo.shapes import asn_in, country_in
from service.ailments import Ailment
from service.sentence import Sentence

_PROBES = ("8.8.8.8", "2001:4860:4860::8888", "192.0.2.1")  # whatever the answer is: a broken file gives none

_MISSING = Ailment.GEO_MISSING.of()

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What a file says of itself."""

    path: Path
    kind: str  # GeoLite2-Country
    description: str  # with its licence, where the maker put it there
    built_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a look at a file has brought: a new edition, or a fault."""

    path: Path
    edition: Edition | None  # in use now, the new one or still the old one
    fault: str  # empty where `edition` is what the file has

    @property
    def is_loaded(self) -> bool:
        return not self.fault


class Database:
    """`path` may be missing, now or later: then nothing is known, or what was read last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.edition: Edition | None = None
        self.fault = _MISSING  # why the file as it is now is not in use; empty where it is
        self._reader: maxminddb.Reader | None = None
        self._knows_up_to = 0  # this version of IP
        self._seen: Stamp | None = None  # the file that was looked at last
        self._told: tuple[Stamp | None, str] | None = None

    def refresh(self) -> News | None:
        """Look at the file again, and read it if it is another one; None where nothing is new."""
        stamp = _stamp_of(self.path)
        if stamp != self._seen:
            self._read()
            self._seen = stamp
        state = (self._seen, self.fault)
        if state == self._told:
            return None
        self._told = state
        return News(path=self.path, edition=self.edition, fault=self.fault)

    def _read(self) -> None:
        try:
            self._reader, self.edition = _opened(self.path)
            self._knows_up_to = self._reader.metadata().ip_version
        except FileNotFoundError:
            self.fault = _MISSING
        except Exception as error:  # noqa: BLE001 - somebody else's file: whatever is wrong with it, it is not used
            self.fault = Ailment.GEO_UNREADABLE.of(error=type(error).__name__)
        else:
            self.fault = Sentence()

    def country(self, address: Address) -> str:
        """ISO code, or ??."""
        return country_in(self._record(address))

    def asn(self, address: Address) -> int:
        """The number, or 0."""
        return asn_in(self._record(address))

    def _record(self, address: Address) -> object:
        reader = self._reader
        if reader is None or address.version > self._knows_up_to:
            return None
        try:
            return reader.get(address)
        except Exception as error:  # noqa: BLE001 - a damaged file must not keep anybody out: nothing is known
            self.fault = Ailment.GEO_DAMAGED.of(error=type(error).__name__)
            return None


def _stamp_of(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _opened(path: Path) -> tuple[maxminddb.Reader, Edition]:
    octets = path.read_bytes()
    reader = _reader_of(lzma.decompress(octets) if path.suffix == ".xz" else octets)
    about = reader.metadata()
    for probe in _PROBES:
        if about.ip_version == 6 or ":" not in probe:  # noqa: PLR2004 - of IP
            reader.get(probe)
    description = about.description.get("en", "") if about.description else ""
    return reader, Edition(
        path=path, kind=about.database_type, description=description, built_at=float(about.build_epoch)
    )


def _reader_of(octets: bytes) -> maxminddb.Reader:
    """The library in C is twenty times as fast as the one in Python, and reads files alone: this one is in memory."""
    with os.fdopen(os.memfd_create("mmdb"), "wb") as file:
        file.write(octets)
        file.flush()
        return maxminddb.open_database(f"/proc/self/fd/{file.fileno()}")
