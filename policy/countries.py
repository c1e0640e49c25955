"""Countries by their two letters, as administrators write them in the policy file and in commands."""

from collections.abc import Mapping
from typing import Final

from policy.engine.sources import UNKNOWN_COUNTRY

# ISO 3166-1 alpha-2, and XK, which it leaves to its users: databases of addresses have it for Kosovo.
_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA
CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA
GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS
MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW
TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_CODES.split())
_OFTEN_MEANT: Final[Mapping[str, str]] = {"UK": "GB", "EL": "GR"}


class NoCountry(ValueError):
    """str(self) goes on where what was given ends: `is no country; did you mean "DE"?` `meant` is that, or empty."""

    def __init__(self, why: str, meant: str = "") -> None:
        super().__init__(why)
        self.meant = meant


def checked_country(given: object) -> str:
    """The same; NoCountry where it is none."""
    if not isinstance(given, str):
        raise NoCountry('is no country; write two letters in quotes, such as "DE"')
    if given in COUNTRIES or given == UNKNOWN_COUNTRY:
        return given
    meant = _OFTEN_MEANT.get(given.upper(), given.upper())
    if meant in COUNTRIES:
        raise NoCountry(f'is no country; did you mean "{meant}"?', meant)
    raise NoCountry('is no country; write one of ISO 3166-1 such as "DE", or "??" for an unknown one')
