"""Recipient history on both databases: what was learnt is known for 400 days, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select

from policy.contract import canonical_address
from policy.marks import Marks
from policy.store.database import Location
from policy.store.identities import IdentityStore
from policy.store.models import Identities, KnownRecipients
from policy.store.reader import Values, open_reader
from policy.store.recipients import KEPT_DAYS, LOOKED_AT, RecipientBook, day_of
from policy.store.recipients import KnownRecipients as Known
from policy.store.statements import Prepared
from policy.store.transactions import Answer, Transactions
from service.spans import DAY_S

DAY = float(DAY_S)
T = 20_000 * DAY + 1.0  # early on some day
ADA, BOB = 1, 2
EDGES = (-(2**63), -1, 0, 1, 2**63 - 1)


@pytest.fixture
def people(engine: Engine) -> Engine:
    """ada and bob, by their rows."""
    rows = [{"id": ADA, "name": "ada", "created_at": 0.0}, {"id": BOB, "name": "bob", "created_at": 0.0}]
    with engine.begin() as connection:
        connection.execute(insert(Identities), rows)
    return engine


@pytest.fixture
async def known(database: Location, people: Engine) -> AsyncIterator[Known]:
    """What the hot path asks."""
    reader = open_reader(database)
    yield Known(reader)
    await reader.close()


@pytest.fixture
def book(statements: Transactions, people: Engine) -> RecipientBook:
    return RecipientBook(statements)


def rows(engine: Engine) -> list[tuple[int, int, int]]:
    """All that is stored."""
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(select(KnownRecipients.__table__).order_by("mark"))]


async def test_what_was_learnt_is_known_to_who_learnt_it(known: Known, book: RecipientBook) -> None:
    """Only of what is asked, in any order, with numbers at both ends of 64 bits."""
    book.learn(ADA, [*EDGES, 17], T)
    assert await known.known(ADA, [17, 18, 2**63 - 1, -(2**63)], T) == {17, 2**63 - 1, -(2**63)}
    assert await known.known(ADA, EDGES, T) == set(EDGES)
    assert await known.known(BOB, EDGES, T) == set()
    assert await known.known(ADA, [], T) == set()


@pytest.mark.parametrize("count", [1, 2, 499, 500])
async def test_any_number_of_recipients(known: Known, book: RecipientBook, count: int) -> None:
    """A message has up to 500; half of them are known."""
    asked = [number * 2**48 - 2**56 for number in range(count)]
    book.learn(ADA, asked[::2], T)
    assert await known.known(ADA, asked, T) == set(asked[::2])


async def test_known_for_400_days_after_the_last_use(known: Known, book: RecipientBook) -> None:
    """To the day; each use begins them anew, and an older one does not end them sooner."""
    book.learn(ADA, [1], T)
    book.learn(ADA, [1], T - 100 * DAY)
    assert await known.known(ADA, [1], T + KEPT_DAYS * DAY) == {1}
    assert await known.known(ADA, [1], T + (KEPT_DAYS + 1) * DAY) == set()
    book.learn(ADA, [1], T + KEPT_DAYS * DAY)
    assert await known.known(ADA, [1], T + 2 * KEPT_DAYS * DAY) == {1}


class Counting:
    """Statements, and how many rows each of them has changed."""

    def __init__(self, statements: Transactions) -> None:
        self._statements = statements
        self.changed: list[int] = []

    def execute(self, statement: Prepared, values: Values) -> Answer:
        answer = self._statements.execute(statement, values)
        self.changed.append(answer.rowcount)
        return answer


def test_the_same_day_costs_no_write(people: Engine, statements: Transactions) -> None:
    """Whoever writes to the same people all day writes to the disk once."""
    counting = Counting(statements)
    book = RecipientBook(counting)
    book.learn(ADA, [1, 2, 2, 1], T)
    assert rows(people) == [(ADA, 1, day_of(T)), (ADA, 2, day_of(T))]
    book.learn(ADA, [1, 2], T + 3600.0)
    book.learn(ADA, [2, 3], T + DAY)
    assert counting.changed == [2, 0, 0, 2, 0]  # what is learnt looks at others, what is not does nothing


def test_nothing_to_learn_is_fine(people: Engine, book: RecipientBook) -> None:
    book.learn(ADA, [], T)
    assert rows(people) == []


def test_what_is_too_old_goes_bit_by_bit(people: Engine, book: RecipientBook) -> None:
    """With each mark that is learnt a few rows behind it are looked at; what is in use stays."""
    book.learn(ADA, range(0, 100, 2), T)
    book.learn(ADA, range(1, 100, 2), T + KEPT_DAYS * DAY)
    later = T + (KEPT_DAYS + 1) * DAY
    book.learn(ADA, [-1], later)
    assert len(rows(people)) == 101 - LOOKED_AT // 2
    assert {day for _, mark, day in rows(people) if mark in (1, 3)} == {day_of(T) + KEPT_DAYS}


def test_rows_that_are_too_old_are_never_the_most(people: Engine, book: RecipientBook) -> None:
    """Somebody who writes to other people each day for three years: a bound of what is kept, as the module says."""
    marks = Marks(bytes(32))
    learnt_a_day, most = 5, 0
    for day in range(3 * KEPT_DAYS):
        book.learn(ADA, [marks.text(f"{day} {number}") for number in range(learnt_a_day)], T + day * DAY)
        if day % 100 == 0:
            most = max(most, len(rows(people)))
    assert most <= learnt_a_day * (KEPT_DAYS + 1) * 1.5


def test_who_is_removed_leaves_no_history(people: Engine, book: RecipientBook, store: IdentityStore) -> None:
    """And the next identity that gets the row's number knows nobody."""
    book.learn(ADA, [1], T)
    book.learn(BOB, [2], T)
    store.remove_identity("ada", T)
    assert rows(people) == [(BOB, 2, day_of(T))]


PEOPLE = ["bob@example.org", "carol@bücher.example", "dave@example.net", "groß@example.org", "gross@example.org"]
SPELLED = st.sampled_from(PEOPLE).flatmap(
    lambda address: st.sampled_from([address, address.upper().replace("SS", "ss"), f"{address}.", address.title()])
)
Use = tuple[int, int, list[str]]
USES = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from([ADA, BOB]), st.lists(SPELLED, max_size=4)), min_size=1, max_size=12
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(uses=USES, wait=st.integers(0, 500))
def test_the_promise(database: Location, people: Engine, book: RecipientBook, uses: list[Use], wait: int) -> None:
    """What was learnt is known until 400 days after its last use, whatever the spelling; and nothing else is."""
    with people.begin() as connection:
        connection.execute(delete(KnownRecipients))
    marks, last, day = Marks(bytes(32)), dict[tuple[int, str], int](), 0
    for gap, identity, addresses in uses:
        day += gap
        book.learn(identity, [marks.recipient(address) for address in addresses], T + day * DAY)
        last |= {(identity, canonical_address(address)): day for address in addresses}
    day += wait
    asyncio.run(_compare(database, marks, last, day))


async def _compare(database: Location, marks: Marks, last: dict[tuple[int, str], int], day: int) -> None:
    reader = open_reader(database)
    for identity in (ADA, BOB):
        found = await Known(reader).known(identity, [marks.recipient(one) for one in PEOPLE], T + day * DAY)
        expected = {one for one in PEOPLE if day - last.get((identity, canonical_address(one)), -1000) <= KEPT_DAYS}
        assert found == {marks.recipient(one) for one in expected}
    await reader.close()
