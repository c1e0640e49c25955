"""Addresses to warn: few, and not for long."""

import pytest
from sqlalchemy import Engine, func, select

from policy.engine.ladder import Step
from policy.store import reached
from policy.store.incident_models import ReachedRecipients
from policy.store.incident_notes import IncidentNotes
from policy.store.reached import KEPT_S, ReachedBook
from policy.store.transactions import Transactions

T = 1_000_000.0


@pytest.fixture
def book(statements: Transactions) -> ReachedBook:
    return ReachedBook(statements)


def kept(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(ReachedRecipients.recipient).order_by(ReachedRecipients.id)))


def test_each_of_a_submission_once(book: ReachedBook, engine: Engine) -> None:
    for _ in range(3):
        book.note("ada", "m1", ["a@example.net", "b@example.net"], T)
    book.note("ada", "m2", ["a@example.net"], T)
    assert kept(engine) == ["a@example.net", "b@example.net", "a@example.net"]


def test_they_go_with_age(book: ReachedBook, engine: Engine) -> None:
    book.note("ada", "m1", ["a@example.net"], T)
    book.note("bob", "m2", ["b@example.net"], T + KEPT_S)
    assert kept(engine) == ["a@example.net", "b@example.net"]
    book.note("bob", "m3", ["c@example.net"], T + KEPT_S + 1)
    assert kept(engine) == ["b@example.net", "c@example.net"]


def test_not_while_an_incident_is_open(book: ReachedBook, statements: Transactions, engine: Engine) -> None:
    """Whoever looks into it needs them then."""
    book.note("ada", "m1", ["a@example.net"], T)
    IncidentNotes(statements).open("ada", Step.HOLD, T, since=T)
    book.note("bob", "m2", ["b@example.net"], T + 2 * KEPT_S)
    assert kept(engine) == ["a@example.net", "b@example.net"]


def test_of_one_identity_the_newest_are_kept(
    book: ReachedBook, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a newsletter reaches; nobody else's are fewer for it."""
    monkeypatch.setattr(reached, "KEPT", 3)
    book.note("bob", "m0", ["b@example.net"], T)
    for second in range(6):
        book.note("ada", f"m{second}", [f"a{second}@example.net"], T + second)
    assert kept(engine) == ["b@example.net", "a3@example.net", "a4@example.net", "a5@example.net"]


def test_an_address_is_cut(book: ReachedBook, engine: Engine) -> None:
    """It comes from a log, which strangers write into."""
    book.note("ada", "m1", ["x" * 1_000_000], T)
    with engine.connect() as connection:
        assert connection.scalar(select(func.length(ReachedRecipients.recipient))) == 320
