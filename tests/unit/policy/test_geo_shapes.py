"""Where the records of each maker's database have country and ASN, also after a way through a real file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mmdb import write_mmdb

from policy.geo.atlas import Atlas
from policy.geo.shapes import asn_in, country_in

RECORDS = [
    # whose, record, country, ASN
    ("GeoLite2 Country", {"country": {"geoname_id": 1, "iso_code": "DE"}, "continent": {"code": "EU"}}, "DE", 0),
    ("GeoLite2, a moving one", {"registered_country": {"iso_code": "FR"}}, "FR", 0),
    ("GeoLite2, where and whence", {"country": {"iso_code": "DE"}, "registered_country": {"iso_code": "FR"}}, "DE", 0),
    ("GeoLite2 ASN", {"autonomous_system_number": 3320, "autonomous_system_organization": "DTAG"}, "??", 3320),
    ("GeoIP2 Enterprise", {"country": {"iso_code": "DE"}, "traits": {"autonomous_system_number": 3320}}, "DE", 3320),
    ("DB-IP Lite", {"continent": {"code": "EU"}, "country": {"iso_code": "AT", "is_in_eu": True}}, "AT", 0),
    ("DB-IP, nobody knows", {"country": {"iso_code": "ZZ"}}, "??", 0),
    ("IP2Location", {"country": {"iso_code": "CH", "names": {"en": "Switzerland"}}}, "CH", 0),
    ("IP2Location, private", {"country": {"iso_code": "-"}}, "??", 0),
    ("IPinfo Lite", {"country": "Germany", "country_code": "DE", "asn": "AS3320", "as_name": "DTAG"}, "DE", 3320),
    ("IPinfo Country and ASN", {"country": "DE", "country_name": "Germany", "asn": "AS3320"}, "DE", 3320),
    ("IPinfo without ASN", {"country": "DE", "asn": ""}, "DE", 0),
    ("IPinfo Core", {"geo": {"country_code": "DE"}, "as": {"asn": "AS3320"}}, "DE", 3320),
    ("IPtoASN", {"country_code": "US"}, "US", 0),
    ("IPtoASN, not routed", {"country_code": "None"}, "??", 0),
    ("IPtoASN of ASNs", {"asn": 13335, "as_name": "CLOUDFLARENET"}, "??", 13335),
    ("another one", {"as_number": 64500, "country_code": "nl"}, "NL", 64500),
    ("a satellite provider", {"country_code": "A2"}, "??", 0),
    ("a continent", {"country_code": "EU"}, "??", 0),
    ("nothing of it", {"city": "Berlin"}, "??", 0),
    ("rubbish", {"country": {"iso_code": 7}, "asn": "ASx", "country_code": "D3"}, "??", 0),
    ("no ASN", {"asn": 0, "autonomous_system_number": -1}, "??", 0),
    ("too large an ASN", {"asn": 2**32}, "??", 0),
    ("yes is no number", {"asn": True}, "??", 0),
]


@pytest.mark.parametrize(("record", "country", "asn"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_shapes(record: Mapping[str, Any], country: str, asn: int) -> None:
    """The same record in a table and in a file."""
    assert (country_in(record), asn_in(record)) == (country, asn)


@pytest.mark.parametrize("record", [None, "DE", 3320, [], {"country": None}])
def test_what_is_no_record(record: object) -> None:
    assert (country_in(record), asn_in(record)) == ("??", 0)


def _flat(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in record.items() if not isinstance(value, dict)}


def test_shapes_out_of_a_file(tmp_path: Path) -> None:
    """All of them in one database."""
    # The writer knows no negative numbers, and yes and no are numbers to it.
    fit = [row for row in RECORDS if not {"autonomous_system_number": -1, "asn": True}.items() & _flat(row[1]).items()]
    networks = {f"198.51.{number}.0/24": row[1] for number, row in enumerate(fit)}
    file = write_mmdb(tmp_path / "all.mmdb", networks)
    atlas = Atlas(file, file)
    origins = [atlas.origin(network.replace("0/24", "77")) for network in networks]
    assert [(one.country, one.asn) for one in origins] == [row[2:] for row in fit]
