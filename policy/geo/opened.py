"""The atlas of an installation: the databases that the settings name: the shipped ones, or others."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from policy import log
from policy.geo.atlas import Atlas
from policy.geo.database import News
from policy.rounds import Rounds
from service.settings import SettingError

NO_DATABASE = "none"
SHIPPED_COUNTRIES = Path(__file__).with_name("country.mmdb.xz")
SHIPPED_ASNS = Path(__file__).with_name("asn.mmdb.xz")

_LOOKED_AT_S = 10.0  # how late a new file is seen


def require_database(setting: str, given: str) -> None:
    """A file that is named has to be there at a start, or gates would know no place; later it may go, and is told."""
    path = _path(given, SHIPPED_COUNTRIES)
    try:
        if path:
            path.open("rb").close()
    except OSError as error:
        todo = "put a database there, correct the path, or leave it empty for the shipped one"
        raise SettingError(setting, f"{path} cannot be read ({error.strerror})", todo) from None


def open_atlas(country_db: str, asn_db: str) -> Atlas:
    """Each is a path, `none`, or nothing for the shipped one. Says in the log where there is nothing to look into."""
    atlas = atlas_at(country_db, asn_db)
    _tell(atlas.first_news)
    if not atlas.editions:
        log.geo_database_missing()
    return atlas


def atlas_at(country_db: str, asn_db: str) -> Atlas:
    """The same, and says nothing."""
    return Atlas(_path(country_db, SHIPPED_COUNTRIES), _path(asn_db, SHIPPED_ASNS))


def _tell(news: Iterable[News]) -> None:
    for one in news:
        if one.edition and one.is_loaded:
            log.geo_database_loaded(str(one.path), one.edition.kind, one.edition.built_at)
        else:
            log.geo_database_refused(str(one.path), one.fault, keeps_old=one.edition is not None)


def _path(given: str, shipped: Path) -> Path | None:
    if given == NO_DATABASE:
        return None
    return Path(given) if given else shipped


class Watch(Rounds):
    """Looks at the files of an atlas now and then, and reads those that are new in a thread."""

    def __init__(self, atlas: Atlas, period_s: float = _LOOKED_AT_S) -> None:
        self._atlas = atlas
        self.period_s = period_s

    async def round(self) -> None:
        _tell(await asyncio.to_thread(self._atlas.refresh))

    def failed(self, error: Exception) -> None:
        """No thread, no memory: the next look may have both."""
        log.question_failed("databases of addresses", error)
