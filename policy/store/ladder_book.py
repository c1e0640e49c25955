"""Where identities stand on the ladder, for administrators; and taking it back. standings.py is the hot path's."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select, update

from policy.engine.ladder import Step
from policy.store.changes import Changes, identity_id
from policy.store.errors import StoreError
from policy.store.models import Identities, Signals, Standings
from service.sentence import unpacked

NOTE_LIMIT = 200
LISTED_FOR_S = 7 * 86400.0
_SIGNALS_SHOWN = 100  # of one identity, the newest

_STANDINGS = select(Identities.id, Identities.name, Standings.step, Standings.home_step, Standings.since).outerjoin(
    Standings, Standings.identity_id == Identities.id
)


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """What speaks against an identity. `cleared_at`: somebody took it back then."""

    kind: str
    at: float
    at_home: bool
    evidence: str
    submission: str
    client_address: str
    cleared_at: float | None


@dataclass(frozen=True, slots=True)
class StoredStanding:
    """Where one identity stands, with its signals, the newest first."""

    identity: str
    step: str  # free, slow, hold, restrict, lock
    at_home: str  # the same at home
    since_at: float | None
    signals: tuple[StoredSignal, ...]


class LadderBook(Changes):
    """The part of the identity store that has the ladder."""

    def standings(self, now: float) -> list[StoredStanding]:
        """Of all who are on it, or against whom something has spoken in the last week; the highest first."""
        live = select(Signals.identity_id).where(Signals.cleared_at.is_(None), Signals.at > now - LISTED_FOR_S)
        wanted = _STANDINGS.where((Standings.step > Step.FREE) | Identities.id.in_(live)).order_by(
            func.coalesce(Standings.step, 0).desc(), Identities.name
        )
        with self._reading.connect() as connection:
            return [_standing(connection, *row) for row in connection.execute(wanted).all()]

    def standing(self, name: str) -> StoredStanding:
        """Of one identity; its signals, those too that were taken back."""
        with self._reading.connect() as connection:
            return _read(connection, identity_id(connection, name), is_all=True)

    def clear_standing(self, name: str, note: str, now: float) -> StoredStanding:
        """It was nothing: all signals are taken back, and the identity is free."""
        if len(note) > NOTE_LIMIT or not note.isprintable():
            raise StoreError(f"a note is at most {NOTE_LIMIT} printable characters")
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            # Locks its row, where there is one, before it is read: a message may raise the step at this moment.
            connection.execute(update(Standings).where(Standings.identity_id == number).values(likelihood=0.0))
            before = _read(connection, number, is_all=False)
            if before.step == Step.FREE.name.lower() and not before.signals:
                raise StoreError(f"nothing speaks against {name!r}: it is free")
            connection.execute(
                update(Signals)
                .where(Signals.identity_id == number, Signals.cleared_at.is_(None))
                .values(cleared_at=now)
            )
            connection.execute(
                update(Standings)
                .where(Standings.identity_id == number)
                .values(step=Step.FREE.value, home_step=Step.FREE.value, since=now)
            )
            was = {"step": before.step, "signals": sorted({one.kind for one in before.signals})}
            self._record(connection, now, "standing-cleared", name, was, {"step": "free", "note": note})
            return _read(connection, number, is_all=True)


def _read(connection: Connection, number: int, *, is_all: bool) -> StoredStanding:
    row = connection.execute(_STANDINGS.where(Identities.id == number)).one()
    return _standing(connection, *row, is_all=is_all)


def _standing(
    connection: Connection,
    number: int,
    name: str,
    step: int | None,
    home: int | None,
    since: float | None,
    *,
    is_all: bool = False,
) -> StoredStanding:
    """Without a row an identity is free."""
    stands = Step(step or 0)
    return StoredStanding(
        identity=name,
        step=stands.name.lower(),
        at_home=Step(home or 0).name.lower(),
        since_at=since if stands > Step.FREE else None,
        signals=tuple(_signals(connection, number, is_all=is_all)),
    )


def _signals(connection: Connection, number: int, *, is_all: bool) -> Iterable[StoredSignal]:
    wanted = (
        select(
            Signals.kind,
            Signals.at,
            Signals.at_home,
            Signals.evidence,
            Signals.submission,
            Signals.client_address,
            Signals.cleared_at,
        )
        .where(Signals.identity_id == number)
        .order_by(Signals.at.desc(), Signals.id.desc())
        .limit(_SIGNALS_SHOWN)
    )
    if not is_all:
        wanted = wanted.where(Signals.cleared_at.is_(None))
    found = connection.execute(wanted)
    return [replace(one, evidence=unpacked(one.evidence)) for one in (StoredSignal(*row) for row in found)]
