"""An address in, its Origin out; files that come, go, change and break while the service runs."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from harness import turning
from mmdb import Records, country, system, write_mmdb
from structlog.testing import capture_logs

from policy.engine.sources import NOWHERE, Sources
from policy.geo.atlas import Atlas
from policy.geo.database import News
from policy.geo.kinds import Kinds
from policy.geo.opened import Watch, open_atlas, require_database
from service.settings import SettingError

COUNTRIES: Records = {
    "5.9.0.0/16": country("DE"),
    "8.8.8.0/24": country("US"),
    "2a01:4f8::/32": country("DE"),
    "10.20.0.0/16": country("CH"),
}
SYSTEMS: Records = {"5.9.0.0/16": system(24940), "2a01:4f8::/32": system(24940), "172.56.0.0/16": system(21928)}


@pytest.fixture
def countries(tmp_path: Path) -> Path:
    return write_mmdb(tmp_path / "country.mmdb", COUNTRIES)


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    return write_mmdb(tmp_path / "asn.mmdb", SYSTEMS, built_at=900_000)


ADDRESSES = [
    # what it shows, address, network, country, ASN
    ("IPv4", "5.9.1.2", "5.9.1.0/24", "DE", 24940),
    ("IPv6", "2a01:4f8:1:2::3", "2a01:4f8:1::/48", "DE", 24940),
    ("IPv4 in an IPv6 socket's clothes", "::ffff:5.9.1.2", "5.9.1.0/24", "DE", 24940),
    ("country alone", "8.8.8.8", "8.8.8.0/24", "US", 0),
    ("system alone", "172.56.1.1", "172.56.1.0/24", "??", 21928),
    ("in no database", "9.9.9.9", "9.9.9.0/24", "??", 0),
    ("private", "192.168.1.1", "192.168.1.0/24", "??", 0),
    ("private, and a database of one's own knows it", "10.20.1.1", "10.20.1.0/24", "CH", 0),
    ("loopback", "127.0.0.1", "127.0.0.0/24", "??", 0),
    ("loopback of IPv6", "::1", "::/48", "??", 0),
    ("link-local with its zone", "fe80::1%eth0", "fe80::/48", "??", 0),
    ("malformed", "5.9.1", NOWHERE, "??", 0),
    ("with a port", "5.9.1.2:25", NOWHERE, "??", 0),
    ("empty", "", NOWHERE, "??", 0),
    ("not of this world", "\0\ud800", NOWHERE, "??", 0),
]


@pytest.mark.parametrize(
    ("address", "network", "land", "asn"), [row[1:] for row in ADDRESSES], ids=[row[0] for row in ADDRESSES]
)
def test_origins(countries: Path, systems: Path, address: str, network: str, land: str, asn: int) -> None:
    """From two files. Twice, because the second answer comes from the table."""
    atlas = Atlas(countries, systems)
    for _ in range(2):
        origin = atlas.origin(address)
        assert (origin.network, origin.country, origin.asn) == (network, land, asn)


def test_without_any_database(tmp_path: Path) -> None:
    """Everything is unknown, each network for itself, and the log says so."""
    with capture_logs() as lines:
        atlas = open_atlas("none", "none")
    assert [line["event"] for line in lines] == ["geo-database-missing"]
    assert atlas.origin("5.9.1.2").area == "5.9.1.0/24 ??"
    assert atlas.editions == []
    assert atlas.built_at() is None
    assert atlas.faults == []


def test_one_file_for_both_is_opened_once(tmp_path: Path) -> None:
    file = write_mmdb(tmp_path / "both.mmdb", {"5.9.0.0/16": {"country_code": "DE", "asn": "AS24940"}})
    atlas = Atlas(file, file)
    assert len(atlas.editions) == 1
    assert (atlas.origin("5.9.1.2").country, atlas.origin("5.9.1.2").asn) == ("DE", 24940)


def test_a_database_of_ipv4_alone(tmp_path: Path) -> None:
    file = write_mmdb(tmp_path / "four.mmdb", {"5.9.0.0/16": country("DE")}, version=4)
    atlas = Atlas(file, None)
    assert atlas.origin("5.9.1.2").country == "DE"
    assert atlas.origin("2a01:4f8::1").country == "??"


def test_a_new_file_is_in_use_at_once(countries: Path, systems: Path) -> None:
    """What was answered before is forgotten with the old one."""
    atlas = Atlas(countries, systems)
    assert atlas.origin("5.9.1.2").country == "DE"
    assert atlas.built_at() == 900_000
    write_mmdb(countries, {"5.9.0.0/16": country("AT")}, built_at=2_000_000)
    assert atlas.origin("5.9.1.2").country == "DE"
    atlas.refresh()
    assert atlas.origin("5.9.1.2").country == "AT"
    assert [edition.built_at for edition in atlas.editions] == [2_000_000, 900_000]


BROKEN = [
    ("empty", b""),
    ("rubbish", b"no database" * 1000),
    ("cut off", None),
]


@pytest.mark.parametrize("content", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_refused_and_the_old_one_kept(countries: Path, content: bytes | None) -> None:
    """Said once; the next good file is taken."""
    atlas = Atlas(countries, None)
    whole = countries.read_bytes()
    countries.write_bytes(whole[: len(whole) // 2] if content is None else content)
    (news,) = atlas.refresh()
    assert (news.path, news.is_loaded, news.edition) == (countries, False, atlas.editions[0])
    assert atlas.refresh() == []
    assert atlas.origin("5.9.1.2").country == "DE"
    assert atlas.origin("5.9.99.1").country == "DE"  # the old file is asked, and not only what was asked before
    assert [path for path, _ in atlas.faults] == [countries]
    write_mmdb(countries, {"5.9.0.0/16": country("AT")})
    atlas.refresh()
    assert atlas.origin("5.9.1.2").country == "AT"
    assert atlas.faults == []


def test_a_file_that_comes_later(tmp_path: Path) -> None:
    """And one that goes: what it said is kept."""
    path = tmp_path / "later.mmdb"
    atlas = Atlas(path, None)
    assert [(one.fault, one.edition) for one in atlas.first_news] == [("it is not there", None)]
    assert atlas.refresh() == []
    assert atlas.origin("5.9.1.2").country == "??"
    write_mmdb(path, COUNTRIES)
    atlas.refresh()
    assert atlas.origin("5.9.1.2").country == "DE"
    path.unlink()
    atlas.refresh()
    assert atlas.origin("5.9.1.2").country == "DE"
    assert atlas.faults == [(path, "it is not there")]


def test_a_start_wants_the_file_that_is_named(tmp_path: Path, countries: Path) -> None:
    """Afterwards the path is watched, and a file that goes is told: see above."""
    for given in ("", "none", str(countries)):
        require_database("POLICY_GEO_ASN_DB", given)
    with pytest.raises(SettingError, match=r"POLICY_GEO_ASN_DB: .*/gone\.mmdb cannot be read \(No such file.*; put a"):
        require_database("POLICY_GEO_ASN_DB", str(tmp_path / "gone.mmdb"))


def test_a_damaged_tree_keeps_nobody_out(countries: Path) -> None:
    """The end of the file, by which it is recognised, is whole; what points into it is not."""
    octets = countries.read_bytes()
    countries.write_bytes(b"\xff" * 600 + octets[600:])
    atlas = Atlas(countries, None)
    assert {atlas.origin(f"{first}.9.1.2").country for first in range(1, 224)} == {"??"}
    assert atlas.faults


def test_one_damaged_record(countries: Path) -> None:
    """It is found when it is looked up, and the next look at the file tells."""
    octets = countries.read_bytes()
    assert octets.count(b"\x42CH") == 1
    countries.write_bytes(octets.replace(b"\x42CH", b"\x3fCH"))  # no text of two letters, but a pointer to nowhere
    atlas = Atlas(countries, None)
    assert atlas.faults == []
    assert atlas.origin("5.9.1.2").country == "DE"
    assert atlas.origin("10.20.1.1").country == "??"
    assert [one.fault.startswith("it is damaged") for one in atlas.refresh()] == [True]
    assert atlas.refresh() == []


def test_the_table_of_origins_is_bounded(countries: Path) -> None:
    """Whoever comes from ever new addresses fills no memory."""
    atlas = Atlas(countries, None)
    for number in range(40_000):
        atlas.origin(f"2001:db8::{number:x}")
    kept = atlas._cached.cache_info()  # type: ignore[attr-defined]  # functools' own
    assert kept.currsize == kept.maxsize < 40_000


def test_coverage_counts_what_a_database_could_know(countries: Path) -> None:
    """Each question, also the same again; private addresses are none that one could answer."""
    atlas = Atlas(countries, None)
    assert atlas.coverage.share == 1.0
    for address in ("5.9.1.2", "5.9.1.2", "9.9.9.9", "127.0.0.1", "rubbish", "8.8.8.8"):
        atlas.origin(address)
    assert (atlas.coverage.asked, atlas.coverage.found) == (4, 3)
    assert atlas.coverage.share == 0.75


async def test_the_watch_reads_what_has_changed(countries: Path) -> None:
    atlas = Atlas(countries, None)
    watch = Watch(atlas, period_s=0.001)
    with capture_logs() as lines:
        watch.start()
        write_mmdb(countries, {"5.9.0.0/16": country("AT")})
        await turning(lambda: bool(lines))
        await watch.close()
    assert [line["event"] for line in lines] == ["geo-database-loaded"]
    assert atlas.origin("5.9.1.2").country == "AT"


async def test_the_watch_goes_on_where_a_look_failed(countries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread, no memory: the next look may have both. And whatever else there is to close is closed."""
    atlas, looks = Atlas(countries, None), list[str]()

    def fail() -> list[News]:
        looks.append("")
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(atlas, "refresh", fail)
    watch = Watch(atlas, period_s=0.001)
    with capture_logs() as lines:
        watch.start()
        await turning(lambda: len(looks) >= 3)
        await watch.close()
    assert {line["event"] for line in lines} == {"question-failed"}


def test_what_is_opened_is_in_the_log(countries: Path, tmp_path: Path) -> None:
    """Its date and its kind; or why it is not in use."""
    with capture_logs() as lines:
        open_atlas(str(countries), str(tmp_path / "none.mmdb"))
    loaded, refused = lines
    assert (loaded["event"], loaded["kind"], loaded["built_at"]) == ("geo-database-loaded", "Test", 1_000_000)
    assert (refused["event"], refused["why"]) == ("geo-database-refused", "it is not there")


KINDS = [
    # what it shows, address, hosting, mobile, pool
    ("hosting", "5.9.1.2", True, False, ""),
    ("mobile", "172.56.1.1", False, True, ""),
    ("nothing known", "9.9.9.9", False, False, ""),
    ("a pool", "209.85.220.41", False, False, "google"),
    ("a pool of IPv6", "2a00:1450:4000:1::5", False, False, "google"),
    ("beside the pool", "209.86.0.1", False, False, ""),
]


@pytest.mark.parametrize(
    ("address", "hosting", "mobile", "pool"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS]
)
def test_kinds(systems: Path, address: str, hosting: bool, mobile: bool, pool: str) -> None:
    origin = Atlas(None, systems).origin(address)
    assert (origin.is_hosting, origin.is_mobile, origin.pool) == (hosting, mobile, pool)


def test_the_policy_extends_the_lists(systems: Path) -> None:
    """Each of its members, at once; and a policy without them takes that back."""
    atlas = Atlas(None, systems)
    before = [atlas.origin(one) for one in ("5.9.1.2", "172.56.1.1", "192.0.2.1")]
    atlas.extend(
        Sources(
            hosting_asns=frozenset({21928}),
            mobile_asns=frozenset({24940}),
            ordinary_asns=frozenset({24940}),
            pools=(("mail.example", ip_network("192.0.2.0/25")),),
        )
    )
    after = [atlas.origin(one) for one in ("5.9.1.2", "172.56.1.1", "192.0.2.1")]
    assert [(one.is_hosting, one.is_mobile, one.pool) for one in after] == [
        (False, False, ""),
        (True, True, ""),
        (False, False, "mail.example"),
    ]
    assert atlas.origin("192.0.2.129").pool == ""
    atlas.extend(Sources())
    assert [atlas.origin(one) for one in ("5.9.1.2", "172.56.1.1", "192.0.2.1")] == before


def test_the_smallest_pool_decides() -> None:
    """A provider inside of another one's network."""
    kinds = Kinds(Sources(pools=(("large", ip_network("192.0.2.0/24")), ("small", ip_network("192.0.2.64/26")))))
    assert [kinds.pool(ip_address(f"192.0.2.{last}")) for last in (1, 65, 128)] == ["large", "small", "large"]


def test_a_pool_is_no_hosting(tmp_path: Path) -> None:
    """Google and Microsoft rent out machines, and their mail servers are none of those."""
    file = write_mmdb(tmp_path / "asn.mmdb", {"40.92.0.0/15": system(8075), "20.0.0.0/8": system(8075)})
    atlas = Atlas(None, file)
    assert atlas.origin("20.1.1.1").is_hosting
    assert not atlas.origin("40.92.1.1").is_hosting
