"""One MMDB file: opened, opened again when it has changed, and kept as it was where the new one is broken.

The file is read into memory, unpacked where its name ends in .xz: whoever writes over it in place, instead of putting a
new one beside it and renaming, can break the next reading and nothing that is open.
"""

import io
import ipaddress
import lzma
from dataclasses import dataclass
from pathlib import Path

import maxminddb

from policy import log
from policy.geo.shapes import asn_in, country_in

_PROBES = ("8.8.8.8", "2001:4860:4860::8888", "192.0.2.1")  # whatever the answer is: a broken file gives none

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What a file says of itself."""

    path: Path
    kind: str  # GeoLite2-Country
    description: str  # with its licence, where the maker put it there
    built_at: float


class Database:
    """`path` may be missing, now or later: then nothing is known, or what was read last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.edition: Edition | None = None
        self.fault = ""  # why the file that is there now is not in use; empty where it is
        self._reader: maxminddb.Reader | None = None
        self._seen: Stamp | None = None
        self._is_damaged = False
        self.refresh()

    def refresh(self) -> bool:
        """Look at the file again; whether there is a new edition. A fault is logged once for each file."""
        try:
            stamp = _stamp_of(self.path)
            if stamp == self._seen:
                return False
            reader, edition = _opened(self.path)
        except FileNotFoundError:
            stamp, fault = None, "it is not there"
        except Exception as error:  # noqa: BLE001 - somebody else's file: whatever is wrong with it, it is not used
            fault = f"it is no readable MMDB file ({type(error).__name__})"
        else:
            self._reader, self.edition, self.fault, self._is_damaged = reader, edition, "", False
            self._seen = stamp
            log.geo_database_loaded(str(self.path), edition.kind, edition.built_at)
            return True
        if fault != self.fault or stamp != self._seen:
            log.geo_database_refused(str(self.path), fault, keeps_old=self._reader is not None)
        self.fault, self._seen = fault, stamp
        return False

    def country(self, address: Address) -> str:
        """ISO code, or ??."""
        return country_in(self._record(address))

    def asn(self, address: Address) -> int:
        """The number, or 0."""
        return asn_in(self._record(address))

    def _record(self, address: Address) -> object:
        reader = self._reader
        if reader is None or (address.version == 6 and reader.metadata().ip_version == 4):  # noqa: PLR2004 - of IP
            return None
        try:
            return reader.get(address)
        except Exception as error:  # noqa: BLE001 - a damaged file must not keep anybody out: nothing is known
            if not self._is_damaged:
                self._is_damaged = True
                log.geo_database_refused(str(self.path), f"it is damaged ({type(error).__name__})", keeps_old=True)
            return None


def _stamp_of(path: Path) -> Stamp:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _opened(path: Path) -> tuple[maxminddb.Reader, Edition]:
    octets = path.read_bytes()
    file = io.BytesIO(lzma.decompress(octets) if path.suffix == ".xz" else octets)
    reader = maxminddb.open_database(file, maxminddb.MODE_FD)
    about = reader.metadata()
    for probe in _PROBES:
        if about.ip_version == 6 or ":" not in probe:  # noqa: PLR2004 - of IP
            reader.get(probe)
    description = about.description.get("en", "") if about.description else ""
    return reader, Edition(
        path=path, kind=about.database_type, description=description, built_at=float(about.build_epoch)
    )
