"""The areas from which an identity logs in, and what a day in doubt takes back. engine/places.py says what it means."""

from policy.engine.places import History, day_of
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.spans import DAY_S

_FORGOTTEN_AFTER_S = 400 * DAY_S
_KEPT = 200  # areas of one identity; whoever is locked out after a few adds no more

_ALL = prepared(
    "SELECT area, first_used_at, last_used_at, days, confirmed_at, doubted_day FROM area WHERE identity_id = :identity"
)
_NOTE = prepared(
    "INSERT INTO area (identity_id, area, first_used_at, last_used_at, days, confirmed_at)"
    " VALUES (:identity, :area, :now, :now, 1, :confirmed)"
    " ON CONFLICT (identity_id, area) DO UPDATE SET"
    " days = CASE WHEN area.last_used_at < :forgotten AND area.confirmed_at IS NULL THEN 1"
    " ELSE area.days + CASE WHEN area.last_used_at < :today THEN 1 ELSE 0 END END,"
    " first_used_at = CASE WHEN area.last_used_at < :forgotten AND area.confirmed_at IS NULL THEN :now"
    " ELSE area.first_used_at END, last_used_at = :now,"
    " confirmed_at = COALESCE(area.confirmed_at, :confirmed)"
    " WHERE area.last_used_at < :now"
)
_FORGET_OLD = prepared(
    "DELETE FROM area WHERE identity_id = :identity AND last_used_at < :edge AND confirmed_at IS NULL"
)
_FORGET_MANY = prepared(
    "DELETE FROM area WHERE id IN (SELECT id FROM area WHERE identity_id = :identity AND confirmed_at IS NULL"
    " ORDER BY days DESC, last_used_at DESC LIMIT 1000 OFFSET :kept)"
)
_DOUBT_AREA = prepared(
    "UPDATE area SET doubted_day = :day, days = CASE WHEN days > 0 THEN days - 1 ELSE 0 END"
    " WHERE identity_id = :identity AND area = :area AND (doubted_day IS NULL OR doubted_day <> :day)"
)
_DOUBT_NETWORK = prepared(
    "UPDATE network SET doubted_day = :day, days = CASE WHEN days > 0 THEN days - 1 ELSE 0 END"
    " WHERE identity_id = :identity AND network = :network AND (doubted_day IS NULL OR doubted_day <> :day)"
)


def beside_network(area: str) -> str:
    """What an area says that its network does not: `AS3320 DE`; the country alone where no system is known."""
    return area if area.startswith("AS") else area.rpartition(" ")[2]


class Areas:
    """Asks; `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def of(self, identity: int) -> dict[str, History]:
        """All of one identity (its row)."""
        rows = await self._reader.rows(_ALL, {"identity": identity})
        return {area: History(*history) for area, *history in rows}


class AreaBook:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def note(self, identity: int, area: str, now: float, *, forgotten: float, is_vouched: bool) -> None:
        """A login from there. `days` counts the days (UTC) on which it was used; anew where that was not since
        `forgotten`."""
        self._statements.execute(_FORGET_OLD, {"identity": identity, "edge": now - _FORGOTTEN_AFTER_S})
        values = {"identity": identity, "area": area, "now": now, "today": now - now % DAY_S, "forgotten": forgotten}
        self._statements.execute(_NOTE, values | {"confirmed": now if is_vouched else None})
        self._statements.execute(_FORGET_MANY, {"identity": identity, "kept": _KEPT})

    def doubt(self, identity: int, area: str, network: str, now: float) -> None:
        """Today does not count towards the end of probation, neither for the area nor for the network."""
        values = {"identity": identity, "day": day_of(now)}
        self._statements.execute(_DOUBT_AREA, values | {"area": area})
        self._statements.execute(_DOUBT_NETWORK, values | {"network": network})
