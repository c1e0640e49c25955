"""Recipient history for commands: batches, counts, questions, and forgetting; on both databases."""

from collections import Counter

import pytest
from sqlalchemy import Engine, func, select

from policy.learning.found import Broken, Found, PassedOver
from policy.learning.learner import Learner, Terms
from policy.learning.owners import Owners
from policy.store import history as history_module
from policy.store.audit import Actor, Wanted, newest
from policy.store.errors import Unknown
from policy.store.history import Acquaintance, RecipientHistory
from policy.store.identities import IdentityStore, Profile
from policy.store.models import KnownRecipients
from policy.store.recipients import KEPT_DAYS
from service.spans import DAY_S

DAY = float(DAY_S)
T = 20_000 * DAY + 1.0  # early on some day


@pytest.fixture
def history(engine: Engine, key: bytes, store: IdentityStore) -> RecipientHistory:
    """With ada, whose address has subaddresses, and bob."""
    store.add_identity("ada", ("ada@example.org",), T)
    store.change_address("ada@example.org", True, T)
    store.add_identity("bob", ("bob@example.org",), T)
    return RecipientHistory(engine, key, Actor("cli:test", "localhost"))


def terms(**more: object) -> Terms:
    return Terms(**{"subject": "everybody", "source": {"source": "test"}} | more)  # type: ignore[arg-type]


def learnt(history: RecipientHistory, *items: Found | PassedOver | Broken, now: float = T, **more: object) -> Learner:
    """A whole run."""
    learner = Learner(history, Owners(history.engine, {}), terms(**more), now)
    for item in items:
        learner.take(item)
    learner.write()
    learner.end()
    return learner


def knows(history: RecipientHistory, now: float = T) -> dict[str, int]:
    return {one.identity: one.known for one in history.acquaintances(now) if one.known}


def actions(engine: Engine) -> list[str]:
    return [act.action for act in newest(engine, Wanted()) if act.action.startswith(("learning", "recipients"))]


def test_a_run(history: RecipientHistory, engine: Engine) -> None:
    """What is learnt, what is not and why; the audit log says that it began and what came of it, without an address."""
    summary = learnt(
        history,
        Found("ada", ("x@x.example", "y@x.example"), T - DAY),
        Found("ada@example.org", ("X@X.example",), T),
        Found("bob", ("x@x.example",), T - (KEPT_DAYS + 1) * DAY),
        Found("carol", ("x@x.example",), T),
        PassedOver("spam"),
        Broken("here", "why"),
    ).summary
    assert (summary.messages, summary.recipients, summary.too_old, summary.known) == (4, 4, 1, 0)
    assert (summary.new, summary.unknown, summary.passed_over) == (
        Counter({"ada": 2}),
        Counter({"carol": 1}),
        Counter({"spam": 1}),
    )
    assert (summary.broken, summary.first_broken) == (1, [Broken("here", "why")])
    assert history.acquaintance("ada", T) == Acquaintance("ada", 2, 20_000 * DAY)
    assert history.ask("ada", "Y@x.EXAMPLE", T).last_used_at == 19_999 * DAY
    ended, begun = newest(engine, Wanted())[:2]
    assert (begun.action, begun.subject, begun.after) == ("learning-begun", "everybody", {"source": "test"})
    assert (ended.action, ended.after["new"], ended.after["broken"]) == ("learning-ended", 2, 1)


def test_the_same_once_more_changes_nothing(history: RecipientHistory) -> None:
    """Whoever is interrupted begins again."""
    items = [Found("ada", tuple(f"u{number}@x.example" for number in range(30)), T)]
    assert learnt(history, *items).summary.new.total() == 30
    again = learnt(history, *items).summary
    assert (again.new.total(), again.known) == (0, 30)
    assert knows(history) == {"ada": 30}


def test_a_rehearsal_says_the_same_and_changes_nothing(history: RecipientHistory, engine: Engine) -> None:
    """In batches, too: what one of them would have learnt the next one finds."""
    items = [Found("ada", (f"u{number % 7}@x.example",), T) for number in range(30)]
    first = Learner(history, Owners(history.engine, {}), terms(is_rehearsal=True), T)
    for item in items:
        first.take(item)
        first.write()
    first.end()
    assert first.summary.new == Counter({"ada": 7})
    assert (knows(history), actions(engine)) == ({}, [])
    assert learnt(history, *items).summary.new == first.summary.new


def test_batches(history: RecipientHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is short, however much is learnt; what is gathered is bounded."""
    monkeypatch.setattr("policy.learning.learner.GATHERED", 20)
    monkeypatch.setattr("policy.learning.learner.BATCH", 6)
    sizes: list[int] = []
    learn = RecipientHistory.learn

    def counted(self: RecipientHistory, days: dict[tuple[int, int], int], *more: object) -> None:
        sizes.append(len(days))
        learn(self, days, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(RecipientHistory, "learn", counted)
    learnt(history, *(Found("ada", (f"u{number}@x.example",), T) for number in range(50)))
    assert sizes == [6, 6, 6, 2, 6, 6, 6, 2, 6, 4]
    assert knows(history) == {"ada": 50}


def test_what_was_written_stays_and_is_told_of(history: RecipientHistory, engine: Engine) -> None:
    """A run that ends before its time has learnt what it has learnt, and the audit log knows it."""
    learner = Learner(history, Owners(history.engine, {}), terms(), T)
    learner.take(Found("ada", ("x@x.example",), T))
    learner.write()
    learner.take(Found("ada", ("y@x.example",), T))
    learner.end()
    assert knows(history) == {"ada": 1}
    assert newest(engine, Wanted())[0].after["new"] == 1


def test_the_newest_use_counts(history: RecipientHistory) -> None:
    """Whatever the order in which old mail is read."""
    learnt(history, Found("ada", ("x@x.example",), T - 5 * DAY), Found("ada", ("x@x.example",), T - 300 * DAY))
    learnt(history, Found("ada", ("x@x.example",), T - 200 * DAY))
    assert history.ask("ada", "x@x.example", T).last_used_at == 19_995 * DAY


def test_nothing_is_learnt_of_the_future(history: RecipientHistory) -> None:
    """A clock that was wrong would make somebody known for years."""
    learnt(history, Found("ada", ("x@x.example",), T + 300 * DAY))
    assert history.ask("ada", "x@x.example", T).last_used_at == 20_000 * DAY


def test_since(history: RecipientHistory) -> None:
    """To the second, and never longer ago than what is known."""
    items = [Found("ada", (f"u{number}@x.example",), T - number * DAY) for number in range(10)]
    assert learnt(history, *items, since=T - 4 * DAY).summary.too_old == 5
    assert knows(history) == {"ada": 5}


def test_the_longest_ago(history: RecipientHistory) -> None:
    """What would be forgotten the same day is not learnt."""
    assert learnt(history, Found("ada", ("x@x.example",), T - KEPT_DAYS * DAY)).summary.too_old == 0
    assert learnt(history, Found("ada", ("y@x.example",), T - (KEPT_DAYS + 1) * DAY)).summary.too_old == 1
    assert knows(history) == {"ada": 1}


def test_most(history: RecipientHistory) -> None:
    """New ones of each identity in one run, those that came first; who is known does not count."""
    learnt(history, Found("ada", ("u0@x.example",), T))
    people = tuple(f"u{number}@x.example" for number in range(10))
    summary = learnt(history, Found("ada", people, T), Found("bob", people[:2], T), most=3).summary
    assert (summary.new, summary.known, summary.too_many) == (Counter({"ada": 3, "bob": 2}), 1, 6)
    assert [history.ask("ada", one, T).is_known for one in people] == [True] * 4 + [False] * 6


def test_most_holds_over_batches(history: RecipientHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy.learning.learner.BATCH", 2)
    items = [Found("ada", tuple(f"u{number}@x.example" for number in range(10)), T)]
    assert learnt(history, *items, most=5).summary.new == Counter({"ada": 5})


OWNERS = [
    ("a name", "ada", "ada"),
    ("in capitals, with blanks", " ADA ", "ada"),
    ("an address", "Ada@Example.org", "ada"),
    ("a subaddress", "ada+list@example.org", "ada"),
    ("a subaddress where there are none", "bob+list@example.org", None),
    ("an address in a whole domain", "anything@shop.example", "shop"),
    ("an address of somebody's in it", "eve@shop.example", "bob"),
    ("a domain alone", "shop.example", None),
    ("nobody", "carol", None),
    ("nothing", "", None),
    ("what no database has", "a\0b", None),
    ("what is no text", "a\udce4", None),
]


@pytest.mark.parametrize(("given", "whose"), [case[1:] for case in OWNERS], ids=[case[0] for case in OWNERS])
def test_whose_it_is(history: RecipientHistory, store: IdentityStore, given: str, whose: str | None) -> None:
    store.add_identity("shop", ("shop@example.org",), T, profile=Profile.APP)
    store.add_address("shop", "@shop.example", T)
    store.add_address("bob", "eve@shop.example", T)
    owner = Owners(history.engine, {}).owner(given)
    assert (owner.name if owner else None) == whose


def test_whose_a_login_is(history: RecipientHistory, store: IdentityStore) -> None:
    """Also of a device that was revoked since; and what the administrator says goes first."""
    made = store.add_credential("ada", "laptop", T)
    store.revoke(made.login, T)
    for given in (made.login, made.login.upper()):
        owner = Owners(history.engine, {}).owner(given)
        assert owner is not None
        assert owner.name == "ada"
    owners = Owners(history.engine, {"Old-Ada": "ada@example.org", "bob": "ada", "x": "nobody"})
    assert [owner.name if (owner := owners.owner(given)) else None for given in ("old-ada", "bob", "x")] == [
        "ada",
        "ada",
        None,
    ]


def test_forget(history: RecipientHistory, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since a day, or all; of one identity, a short transaction at a time, each with its row in the audit log."""
    monkeypatch.setattr(history_module, "_FORGOTTEN_AT_ONCE", 4)
    people = [Found(whose, (f"u{n}@x.example",), T - n * DAY) for whose in ("ada", "bob") for n in range(10)]
    learnt(history, *people)
    assert history.forget("ada", T - 5 * DAY, T) == 6
    assert knows(history) == {"ada": 4, "bob": 10}
    assert [history.ask("ada", f"u{n}@x.example", T).is_known for n in (4, 5, 6)] == [False, False, True]
    assert actions(engine)[:2] == ["recipients-forgotten"] * 2
    assert history.forget("ada", None, T) == 4
    assert history.forget("ada", None, T) == 0
    assert knows(history) == {"bob": 10}
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(KnownRecipients)) == 10


def test_lists(history: RecipientHistory) -> None:
    """By name, a page at a time; who knows nobody is there, too, and what is too old is not counted."""
    learnt(history, Found("ada", ("x@x.example",), T), Found("ada", ("y@x.example",), T - 300 * DAY))
    assert [one.identity for one in history.acquaintances(T, limit=1)] == ["ada"]
    assert [one.identity for one in history.acquaintances(T, after="ada")] == ["bob"]
    assert history.acquaintances(T + 300 * DAY)[0] == Acquaintance("ada", 1, 20_000 * DAY)
    assert history.acquaintances(T)[1] == Acquaintance("bob", 0, None)
    with pytest.raises(Unknown):
        history.acquaintance("carol", T)


def test_ask(history: RecipientHistory) -> None:
    """To the day: the last one on which it is known is the day before it is forgotten."""
    learnt(history, Found("ada", ("x@x.example",), T))
    answer = history.ask("ada", "x@x.example", T)
    assert (answer.is_known, answer.last_used_at, answer.forgotten_at) == (True, 20_000 * DAY, 20_401 * DAY)
    assert history.ask("ada", "x@x.example", 20_401 * DAY - 1).is_known
    assert history.ask("ada", "x@x.example", 20_401 * DAY) == history.ask("ada", "x@x.example", 20_500 * DAY)
    assert not history.ask("bob", "x@x.example", T).is_known
    with pytest.raises(Unknown):
        history.ask("carol", "x@x.example", T)


def test_a_batch_takes_some_of_what_is_too_old_with_it(history: RecipientHistory, engine: Engine) -> None:
    """As in the hot path: what is learnt leaves no more behind than it brings."""
    people = [f"u{number}@x.example" for number in range(40)]
    learnt(history, Found("ada", tuple(people), T))
    later = T + (KEPT_DAYS + 1) * DAY
    for number in range(40):
        learnt(history, Found("ada", (f"v{number}@x.example",), later), now=later)
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(KnownRecipients)) < 40 + 20
