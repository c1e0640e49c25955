"""Makes country.mmdb.xz and asn.mmdb.xz anew.

    python -m policy.geo.make_shipped COUNTRIES4 COUNTRIES6 ASNS4 ASNS6 DATE DATE

COUNTRIES are tables `first,last,DE` (numbers or addresses), ASNS tables `first,last,3320,name`, all of them sorted; the
dates, such as 2026-10-28, are those of the two kinds. docs/gates.md says which tables the shipped files are made of.
Needs mmdb-writer, which is among the requirements of development alone.

What is smaller than a network of ours (IPv4 /24, IPv6 /48) is left out: such a network has the country, and the system,
that most of its addresses have. So the files are half as large, and nothing asks for more.
"""

import csv
import lzma
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet, iprange_to_cidrs  # type: ignore[import-untyped]  # it has no types of its own

from policy.geo.opened import SHIPPED_ASNS, SHIPPED_COUNTRIES

_COUNTRY_NOTE = "Countries of the IPFire Location database, CC BY-SA 4.0"
_ASN_NOTE = "ASNs of ip-location-db: RouteViews, NRO, DB-IP (db-ip.com), CC BY 4.0"
_HOST_BITS = {4: 8, 6: 80}  # of a network of ours
_BITS = {4: 32, 6: 128}

Range = tuple[int, int, str]


class _Dated(MMDBWriter):
    """As old as what it is made of, and not as the file."""

    def __init__(self, kind: str, note: str, built_at: int) -> None:
        super().__init__(6, kind, languages=["en"], description=note, ipv4_compatible=True, int_type="u32")
        self._built_at = built_at

    def _build_meta(self) -> dict[str, Any]:
        return super()._build_meta() | {"build_epoch": self._built_at}


def main(given: list[str]) -> None:
    """Write both files, and say how large they are."""
    *tables, countries_at, asns_at = given
    countries4, countries6, asns4, asns6 = (Path(one) for one in tables)
    countries = _Dated("Sallyport-Country", _COUNTRY_NOTE, _epoch(countries_at))
    asns = _Dated("Sallyport-ASN", _ASN_NOTE, _epoch(asns_at))
    for version, table in ((4, countries4), (6, countries6)):
        _insert(countries, version, table, lambda value: {"country": {"iso_code": value}})
    for version, table in ((4, asns4), (6, asns6)):
        _insert(asns, version, table, lambda value: {"autonomous_system_number": int(value)})
    for writer, path in ((countries, SHIPPED_COUNTRIES), (asns, SHIPPED_ASNS)):
        with tempfile.NamedTemporaryFile() as written:
            writer.to_db_file(written.name)
            path.write_bytes(lzma.compress(Path(written.name).read_bytes(), preset=9 | lzma.PRESET_EXTREME))
        print(f"{path.name}: {path.stat().st_size} octets")


def networks_of(ranges: Iterable[Range], host_bits: int) -> Iterator[Range]:
    """Ranges as numbers of whole networks, neighbours of one value joined; of a shared one its largest part wins."""
    joined: Range | None = None
    for first, last, value in _whole(ranges, host_bits):
        if joined and joined[2] == value and joined[1] + 1 == first:
            joined = (joined[0], last, value)
            continue
        if joined:
            yield joined
        joined = (first, last, value)
    if joined:
        yield joined


def _whole(ranges: Iterable[Range], host_bits: int) -> Iterator[Range]:
    shared: Counter[str] = Counter()  # of one network that has no end yet: how many of its addresses each value has
    network = -1
    for first, last, value in ranges:
        begin, end = first >> host_bits, last >> host_bits
        if begin != network and shared:
            yield network, network, shared.most_common(1)[0][0]
            shared.clear()
        if begin == end:
            network = begin
            shared[value] += last - first + 1
            continue
        shared[value] += ((begin + 1) << host_bits) - first
        yield begin, begin, shared.most_common(1)[0][0]
        if begin + 1 < end:
            yield begin + 1, end - 1, value
        shared.clear()
        shared[value], network = last - (end << host_bits) + 1, end
    if shared:
        yield network, network, shared.most_common(1)[0][0]


def _insert(writer: MMDBWriter, version: int, table: Path, record: Callable[[str], dict[str, Any]]) -> None:
    host_bits = _HOST_BITS[version]
    for first, last, value in networks_of(_ranges_in(table), host_bits):
        begin, end = first << host_bits, ((last + 1) << host_bits) - 1
        writer.insert_network(IPSet(iprange_to_cidrs(_address(begin, version), _address(end, version))), record(value))


def _ranges_in(table: Path) -> Iterator[Range]:
    with table.open(newline="", encoding="utf-8") as lines:
        for first, last, value, *_ in csv.reader(line for line in lines if not line.startswith("#")):
            yield _number(first), _number(last), value


def _number(given: str) -> int:
    return int(given) if given.isdigit() else int(ip_address(given))


def _address(number: int, version: int) -> str:
    """In full, so that a small IPv6 number is not taken for IPv4."""
    return str(ip_address(number.to_bytes(_BITS[version] // 8)))


def _epoch(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


if __name__ == "__main__":
    main(sys.argv[1:])
