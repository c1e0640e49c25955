"""Where identities stand on the ladder: listed, shown, taken back."""

import pytest
from sqlalchemy import Engine, select

from policy.engine.ladder import Signal, SignalKind, Standing, Step
from policy.store.audit import Wanted, newest
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore, NewCredential
from policy.store.ladder_book import LISTED_FOR_S
from policy.store.models import Identities, Standings
from policy.store.standings import Cause, StandingBook
from policy.store.transactions import Transactions

T = 1_000_000.0  # any moment
DAY_S = 86400.0
CAUSE = Cause(1, "3f9c0a7d52e14b68", "203.0.113.9")
SPREAD = Signal(kind=SignalKind.SPREAD, at=T, evidence="networks: 7 in an hour, 6 are allowed")
TRAP = Signal(kind=SignalKind.TRAP, at=T + 5, at_home=True, evidence="a recipient that only harvesters have")
VOLUME = Signal(kind=SignalKind.VOLUME, at=T, evidence="20 new recipients today")


def number_of(engine: Engine, name: str) -> int:
    with engine.connect() as connection:
        return connection.scalars(select(Identities.id).where(Identities.name == name)).one()


@pytest.fixture
def locked(store: IdentityStore, engine: Engine, statements: Transactions, ada: NewCredential) -> str:
    """ada, after two signals; bob did more than usual, and eve nothing."""
    for name in ("bob", "eve"):
        store.add_identity(name, (), T)
    book = StandingBook(statements)
    number = number_of(engine, "ada")
    book.note(number, Standing(Step.RESTRICT, Step.FREE, T), [SPREAD], CAUSE)
    book.note(number, Standing(Step.LOCK, Step.RESTRICT, T + 5), [TRAP], CAUSE)
    book.note_likelihood(number, 5.0, T)
    book.note(number_of(engine, "bob"), Standing(), [VOLUME], Cause())
    return "ada"


def test_who_is_on_the_ladder(store: IdentityStore, locked: str) -> None:
    """The highest first; whoever is free is listed for a week after what was said of him."""
    first, second = store.standings(T + 10)
    assert (first.identity, first.step, first.at_home, first.since_at) == ("ada", "lock", "restrict", T + 5)
    assert [(one.kind, one.at_home, one.submission, one.client_address) for one in first.signals] == [
        ("trap", True, "3f9c0a7d52e14b68", "203.0.113.9"),
        ("spread", False, "3f9c0a7d52e14b68", "203.0.113.9"),
    ]
    assert (second.identity, second.step, second.since_at) == ("bob", "free", None)
    assert [one.identity for one in store.standings(T + LISTED_FOR_S + 1)] == ["ada"]


def test_taking_it_back(store: IdentityStore, engine: Engine, locked: str) -> None:
    """The signals stay, as what was taken back; the sequential test begins anew; who did it is in the audit log."""
    cleared = store.clear_standing("ada", "her newsletter", T + 100)
    assert (cleared.step, cleared.at_home, cleared.since_at) == ("free", "free", None)
    assert [one.cleared_at for one in cleared.signals] == [T + 100, T + 100]
    assert store.standing("ada") == cleared
    assert [one.identity for one in store.standings(T + 100)] == ["bob"]
    with engine.connect() as connection:
        assert connection.scalars(select(Standings.likelihood)).all() == [0.0, 0.0]
    act = newest(engine, Wanted(subject="ada"), 1)[0]
    assert (act.action, act.before, act.after) == (
        "standing-cleared",
        {"step": "lock", "signals": ["spread", "trap"]},
        {"step": "free", "note": "her newsletter"},
    )


def test_what_comes_after_it_counts_anew(
    store: IdentityStore, engine: Engine, statements: Transactions, locked: str
) -> None:
    store.clear_standing("ada", "", T + 100)
    again = Signal(kind=SignalKind.LINKED, at=T + 200)
    StandingBook(statements).note(number_of(engine, "ada"), Standing(Step.HOLD, Step.FREE, T + 200), [again], CAUSE)
    found = store.standing("ada")
    assert (found.step, [one.kind for one in found.signals if one.cleared_at is None]) == ("hold", ["linked"])


def test_what_cannot_be_taken_back(store: IdentityStore, engine: Engine, locked: str) -> None:
    """Nothing is written then."""
    acts = len(newest(engine, Wanted(), 100))
    with pytest.raises(StoreError, match="nothing speaks against 'eve': it is free"):
        store.clear_standing("eve", "", T)
    with pytest.raises(StoreError, match="no identity 'nobody'"):
        store.clear_standing("nobody", "", T)
    with pytest.raises(StoreError, match="no identity 'nobody'"):
        store.standing("nobody")
    with pytest.raises(StoreError, match="a note is at most 200"):
        store.clear_standing("ada", "x" * 201, T)
    assert len(newest(engine, Wanted(), 100)) == acts
    assert store.standing("ada").step == "lock"


def test_an_identity_that_is_removed_takes_it_along(store: IdentityStore, locked: str) -> None:
    store.release_incident(1, "", T)
    store.remove_identity("ada", T)
    assert [one.identity for one in store.standings(T)] == ["bob"]
