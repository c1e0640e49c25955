"""The databases and lists of the first day: that they are there, and know what everybody knows."""

from ipaddress import ip_network

import pytest
from harness import ROOT

from policy.geo.kinds import HOSTING, MOBILE, shipped_asns, shipped_pools
from policy.geo.make_shipped import networks_of
from policy.geo.opened import open_atlas

ATLAS = open_atlas("", "")

PLACES = [
    # whose, an address, country, ASN
    ("Deutsche Telekom", "91.0.0.1", "DE", 3320),
    ("Hetzner", "5.9.0.1", "DE", 24940),
    ("Hetzner over IPv6", "2a01:4f8::1", "DE", 24940),
    ("T-Mobile USA", "172.56.1.1", "US", 21928),
    ("KazakhTelecom", "2.132.0.1", "KZ", 9198),
    ("Google's DNS", "8.8.8.8", "US", 15169),
]


@pytest.mark.parametrize(("address", "country", "asn"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_well_known_places(address: str, country: str, asn: int) -> None:
    origin = ATLAS.origin(address)
    assert (origin.country, origin.asn) == (country, asn)


def test_who_gives_one_address_to_many() -> None:
    """A satellite's customers share them as telephones do; those of a line do not."""
    starlink = ATLAS.origin("98.97.24.1")
    assert (starlink.asn, starlink.is_mobile, starlink.source) == (14593, True, "AS14593")
    assert not ATLAS.origin("91.0.0.1").is_mobile


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1", "192.0.2.1", "240.0.0.1"]
)
def test_nobodys_addresses(address: str) -> None:
    """Every one of them counts as a place of its own."""
    origin = ATLAS.origin(address)
    assert (origin.country, origin.asn, origin.is_hosting) == ("??", 0, False)


def test_editions_say_what_they_are() -> None:
    """Date and licence, which doctor shows; docs/gates.md says the same."""
    page = (ROOT / "docs" / "gates.md").read_text()
    assert [edition.kind for edition in ATLAS.editions] == ["Sallyport-Country", "Sallyport-ASN"]
    for edition in ATLAS.editions:
        assert "CC BY" in edition.description
        assert edition.description.rpartition(", ")[2] in page
        assert edition.built_at > 1_780_000_000


def test_pools_are_their_owners() -> None:
    """The shipped database of systems says the same of each network, so that a slip of the pen is seen."""
    owners = {"google": {15169, 396982, 19527}, "microsoft": {8075}, "yahoo": {26101, 34010, 36646, 36647, 36088}}
    for name, network in shipped_pools():
        first = str(ip_network(network)[1])
        assert ATLAS.origin(first).asn in owners[name] | {0}, (name, network)
        assert ATLAS.origin(first).pool == name


def test_lists_of_systems() -> None:
    """Those that everybody knows are on them, and large access providers are not."""
    asns = shipped_asns()
    assert {16509, 24940, 14061, 16276, 8075} <= asns[HOSTING]
    assert {21928, 55836, 51207} <= asns[MOBILE]
    access = {3320, 3209, 7922, 3215, 2856, 12322, 4134, 4837, 701, 7018}
    assert not access & (asns[HOSTING] | asns[MOBILE])
    head = (ROOT / "policy" / "geo" / "asns.csv").read_text().partition("\n174")[0]
    assert "put down by hand" in head
    assert "CC BY 4.0" in head


RANGES = [
    # what it shows, ranges with eight bits of host, the networks of them
    ("whole ones", [(0, 511, "DE"), (512, 767, "FR")], [(0, 1, "DE"), (2, 2, "FR")]),
    ("neighbours are joined", [(0, 255, "DE"), (256, 511, "DE")], [(0, 1, "DE")]),
    ("a gap stays one", [(0, 255, "DE"), (512, 767, "DE")], [(0, 0, "DE"), (2, 2, "DE")]),
    ("the largest part wins", [(0, 99, "DE"), (100, 255, "FR")], [(0, 0, "FR")]),
    ("in three parts", [(0, 99, "DE"), (100, 109, "FR"), (110, 255, "DE")], [(0, 0, "DE")]),
    ("a range that ends within", [(0, 300, "DE"), (301, 511, "FR")], [(0, 0, "DE"), (1, 1, "FR")]),
    ("one that begins within", [(10, 700, "DE")], [(0, 2, "DE")]),
    ("a small one alone", [(7, 7, "DE")], [(0, 0, "DE")]),
    ("none", [], []),
]


@pytest.mark.parametrize(("ranges", "networks"), [row[1:] for row in RANGES], ids=[row[0] for row in RANGES])
def test_networks_of_ranges(ranges: list[tuple[int, int, str]], networks: list[tuple[int, int, str]]) -> None:
    assert list(networks_of(ranges, 8)) == networks
