"""Exemptions: what the gates let through for one identity for a time, because it travels.

    ExemptionBook   the part of the identity store that has them: added and removed by administrators, each act audited
    Exempt          what the services ask: those of one identity, and all that are in force

The policy file may have some of its own; whoever decides takes both. A row whose time is over lets nobody through, and
goes when the next one of its identity is added.
"""

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select

from policy.countries import checked_country
from policy.engine.rulebook import Exemption
from policy.store.changes import Changes, identity_id
from policy.store.errors import StoreError, Unknown
from policy.store.models import Exemptions, Identities
from policy.store.reader import Reader
from policy.store.rows import StoredExemption
from policy.store.statements import prepared

NOTE_LIMIT = 200
_YEAR_S = 366 * 86400.0  # longer than that is no journey
_KNOWN_FOR_S = 2.0  # connections from where a gate is closed may come in floods, and each would ask

_COLUMNS = select(Identities.name, Exemptions.country, Exemptions.until).join(
    Identities, Identities.id == Exemptions.identity_id
)
_OF_ONE = prepared(_COLUMNS.where(Exemptions.identity_id == bindparam("identity"), Exemptions.until > bindparam("now")))
_ALL = prepared(_COLUMNS.where(Exemptions.until > bindparam("now")))


class Exempt:
    """Asks the store as it is now; all of them at once as they were up to two seconds ago."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._live: list[Exemption] = []
        self._asked_at: float | None = None

    async def of(self, identity: int, now: float) -> list[Exemption]:
        """Those in force of one identity, by its row."""
        rows = await self._reader.rows(_OF_ONE, {"identity": identity, "now": now})
        return [_exemption(*row) for row in rows]

    async def live(self, now: float) -> list[Exemption]:
        """Those in force of everybody."""
        if self._asked_at is None or not 0 <= now - self._asked_at < _KNOWN_FOR_S:
            self._live = [_exemption(*row) for row in await self._reader.rows(_ALL, {"now": now})]
            self._asked_at = now
        return self._live


class ExemptionBook(Changes):
    """The part of the identity store that has the exemptions."""

    def exemptions(self, name: str | None = None) -> list[StoredExemption]:
        """Of one identity or of all, those too whose time is over; the one that ends last first."""
        with self._reading.connect() as connection:
            if name is None:
                return _read(connection)
            return _read(connection, Exemptions.identity_id == identity_id(connection, name))

    def add_exemption(self, name: str, country: str, until: float, note: str, now: float) -> StoredExemption:
        """One country until a time; a second one for it replaces the first."""
        wanted = _checked(country)
        if not now < until <= now + _YEAR_S:
            raise StoreError("an exemption ends in the future, and within a year")
        if len(note) > NOTE_LIMIT or not note.isprintable():
            raise StoreError(f"a note has one line of at most {NOTE_LIMIT} characters")
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            mine = Exemptions.identity_id == number
            connection.execute(delete(Exemptions).where(mine, Exemptions.until <= now))
            before = _read(connection, mine, Exemptions.country == wanted)
            connection.execute(delete(Exemptions).where(mine, Exemptions.country == wanted))
            values = {"country": wanted, "until": until, "created_at": now, "note": note}
            connection.execute(insert(Exemptions).values(identity_id=number, **values))
            old = {"ends_at": before[0].ends_at, "note": before[0].note} if before else {}
            new = {"identity": name, "ends_at": until, "note": note}
            self._record(connection, now, "exemption-added", wanted, old, new)
            return _read(connection, mine, Exemptions.country == wanted)[0]

    def remove_exemption(self, name: str, country: str, now: float) -> StoredExemption:
        """From the next login on the gate is for this identity what it is for everybody."""
        wanted = country.strip().upper()
        with self._engine.begin() as connection:
            this = (Exemptions.identity_id == identity_id(connection, name), Exemptions.country == wanted)
            found = _read(connection, *this)
            if not found:
                raise Unknown(f"{name!r} has no exemption for {wanted}; `sallyport exemption list {name}` shows all")
            connection.execute(delete(Exemptions).where(*this))
            before = {"identity": name, "ends_at": found[0].ends_at, "note": found[0].note}
            self._record(connection, now, "exemption-removed", wanted, before, {})
            return found[0]


def _checked(given: str) -> str:
    wanted = given.strip().upper()
    try:
        return checked_country(wanted)
    except ValueError as error:
        raise StoreError(f"{wanted!r} {error}") from None


def _exemption(identity: str, country: str, until: float) -> Exemption:
    return Exemption(identity=identity, countries=frozenset({country}), until=until)


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredExemption]:
    question = (
        select(Identities.name, Exemptions.country, Exemptions.until, Exemptions.created_at, Exemptions.note)
        .join(Identities, Identities.id == Exemptions.identity_id)
        .where(*conditions)
        .order_by(Exemptions.until.desc(), Exemptions.id)
    )
    return [StoredExemption(*row) for row in connection.execute(question)]
