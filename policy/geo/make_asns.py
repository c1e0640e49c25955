"""Makes asns.csv anew from tables of autonomous systems with their names: python -m policy.geo.make_asns TABLE...

A table has lines `first address,last address,ASN,name`, as the ones that docs/gates.md names. A name says what a
network sells, which is not always what it is; the words and the lists below are where to put that right.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from policy.geo.kinds import ASNS, HOSTING, MOBILE

_WORDS = {
    HOSTING: re.compile(
        r"\b(web ?host\w*|hosting|host(er|ers|inger|papa|key|sailor|winds)?|vps|clouds?|data ?cent(er|re)s?|servers?|"
        r"colo|colocation|dedicated|bare ?metal)\b",
        re.IGNORECASE,
    ),
    # Not "wireless", which is a fixed line over the air as often.
    MOBILE: re.compile(r"\b(mobiles?|mobil|m[oó]vil(es)?|cellular|celular|gsm)\b", re.IGNORECASE),
}
# Well-known ones whose names do not say it.
_NAMED = {
    HOSTING: frozenset(
        {14618, 16509}  # Amazon
        | {396982}  # Google Cloud
        | {8075}  # Microsoft, Azure
        | {31898}  # Oracle
        | {
            14061,
            16276,
            24940,
            20473,
            63949,
            51167,
            40021,
            197540,
            12876,
        }  # DigitalOcean, OVH, Hetzner, Vultr, ...
        | {37963, 45102, 45090, 132203, 136907}  # Alibaba, Tencent, Huawei
        | {9009, 60068, 212238, 62240, 60781, 49981, 53667, 46562, 21859, 35916, 40065}  # M247, Datacamp, Leaseweb, ...
        | {8560, 26496, 46606, 32475, 24961, 9370, 9371}  # IONOS, GoDaddy, Unified Layer, SingleHop, myLoc, Sakura
        | {202425, 3214}  # IP Volume, xTom
    ),
    MOBILE: frozenset(
        {20057, 6167, 22394}  # AT&T Mobility, Verizon Wireless
        | {206067, 25135, 35228}  # Three, Vodafone and O2 in the United Kingdom
        | {55836, 45271}  # Jio, Vodafone Idea
        | {31133, 9605}  # MegaFon, NTT DOCOMO
        | {14593}  # Starlink: its customers share addresses, as telephones do
    ),
}
# What the words find and what is not.
_NOT = {
    HOSTING: frozenset({13335, 14789, 209242} | {41012}),  # Cloudflare: people behind its WARP; The Cloud: hotspots
    MOBILE: frozenset(
        {1766}  # Exxon Mobil
        | {9808, 24400, 24444, 24445, 24547, 38019, 132510, 132525, 134810, 139080}  # China Mobile has fixed lines, too
        | set(range(56040, 56049))
    ),
}

_HEAD = """\
# Networks of rented machines (hosting) and of mobile carriers (mobile): ASN, kind, name.
#
# Made by policy/geo/make_asns.py: every system whose name has a word such as "hosting", "cloud" or "mobile", and a few
# dozen well-known ones that were put down by hand. So it is a rough list: a provider whose name does not say what it
# sells is missing, and an access provider that calls itself a cloud is on it. Table [sources] of the policy puts that
# right.
#
# Numbers and names: the ASN database of ip-location-db, 17 June 2026, which is made of those of RouteViews, the NRO and
# DB-IP (db-ip.com), under CC BY 4.0; changed: a selection.
"""


def main(given: list[str]) -> None:
    """Write the file anew, and say how much is in it."""
    names = dict(line for name in given for line in _names_in(Path(name)))
    rows = sorted((asn, kind, names[asn]) for kind in (HOSTING, MOBILE) for asn in _of_kind(kind, names))
    with ASNS.open("w", newline="", encoding="utf-8") as file:
        file.write(_HEAD)
        csv.writer(file, lineterminator="\n").writerows(rows)
    print(f"{len(rows)} systems, {ASNS.stat().st_size} octets")


def _of_kind(kind: str, names: dict[int, str]) -> set[int]:
    by_word = {asn for asn, name in names.items() if _WORDS[kind].search(name)}
    return (by_word - _NOT[kind]) | (_NAMED[kind] & names.keys())


def _names_in(table: Path) -> Iterator[tuple[int, str]]:
    with table.open(newline="", encoding="utf-8") as lines:
        for _first, _last, asn, name in csv.reader(lines):
            yield int(asn), name.replace("\n", " ")


if __name__ == "__main__":
    main(sys.argv[1:])
