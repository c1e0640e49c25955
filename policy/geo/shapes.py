"""Where the records of the known databases have what we ask of them: two tables of paths, the first that fits counts.

GeoLite2, GeoIP2, DB-IP, IP2Location   {"country": {"iso_code": "DE"}}   {"autonomous_system_number": 3320}
GeoIP2 Enterprise                      the same                          {"traits": {"autonomous_system_number": 3320}}
IPinfo Lite                            {"country": "Germany", "country_code": "DE", "asn": "AS3320"}
IPinfo Country and ASN                 {"country": "DE", "country_name": "Germany", "asn": "AS3320"}
IPinfo Core and Plus                   {"geo": {"country_code": "DE"}, "as": {"asn": "AS3320"}}
IPtoASN and others as MMDB             {"country_code": "DE"}            {"asn": 3320}, {"as_number": 3320}
"""

from policy.engine.sources import UNKNOWN_COUNTRY

Path = tuple[str, ...]

COUNTRY_AT: tuple[Path, ...] = (
    ("country", "iso_code"),
    ("country_code",),
    ("country",),
    ("geo", "country_code"),
    ("registered_country", "iso_code"),  # where an address is registered, if nobody knows where it is
)
ASN_AT: tuple[Path, ...] = (
    ("autonomous_system_number",),
    ("asn",),
    ("as_number",),
    ("as", "asn"),
    ("traits", "autonomous_system_number"),
)

_NO_COUNTRIES = frozenset({"ZZ", "XX", "AP", "EU", "A1", "A2", "O1"})  # "somewhere", in several databases' words
_ISO_LETTERS = 2
_LARGEST_ASN = 2**32 - 1


def country_in(record: object) -> str:
    """ISO 3166-1 alpha-2, or ??."""
    for path in COUNTRY_AT:
        given = _at(record, path)
        if isinstance(given, str) and len(given) == _ISO_LETTERS and given.isascii() and given.isalpha():
            country = given.upper()
            return UNKNOWN_COUNTRY if country in _NO_COUNTRIES else country
    return UNKNOWN_COUNTRY


def asn_in(record: object) -> int:
    """The number, or 0."""
    for path in ASN_AT:
        given = _at(record, path)
        if isinstance(given, str):
            digits = given.upper().removeprefix("AS")
            given = int(digits) if digits.isascii() and digits.isdigit() else None
        if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= _LARGEST_ASN:
            return given
    return 0


def _at(record: object, path: Path) -> object:
    for name in path:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record
