"""MMDB files for tests, as small as they can be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

Records = Mapping[str, Mapping[str, Any]]


class _Dated(MMDBWriter):
    built_at = 1_000_000

    def _build_meta(self) -> dict[str, Any]:
        return super()._build_meta() | {"build_epoch": self.built_at}


def write_mmdb(path: Path, records: Records, built_at: int = 1_000_000, version: int = 6) -> Path:
    """A file that has these records for these networks."""
    writer = _Dated(version, "Test", languages=["en"], description="for tests", ipv4_compatible=version == 6)
    writer.built_at = built_at
    for network, record in records.items():
        writer.insert_network(IPSet([network]), dict(record))
    draft = path.with_suffix(".draft")
    writer.to_db_file(str(draft))
    return draft.rename(path)


def country(code: str) -> Mapping[str, Any]:
    """A record as GeoLite2 has it."""
    return {"country": {"iso_code": code}}


def system(asn: int) -> Mapping[str, Any]:
    """The same of an autonomous system."""
    return {"autonomous_system_number": asn}
