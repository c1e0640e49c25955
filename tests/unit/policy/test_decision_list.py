"""Decisions looked through and budgets looked at, on both databases: with the index that is meant for it."""

from collections.abc import Iterable

import pytest
from sqlalchemy import Engine, insert, text

from policy.budgets.looking import budgets_now
from policy.budgets.stored import StoredBudgets
from policy.engine.budget import Distinct, Sum, Take
from policy.engine.ladder import Step
from policy.engine.rulebook import Rulebook
from policy.people.roles import Role
from policy.store.audit import Actor
from policy.store.decision_list import Mark, Sought, decisions
from policy.store.identities import IdentityStore, NewCredential
from policy.store.identity_seen import State, days_of, listed, sign_in_of, steps_of
from policy.store.models import Days, Submissions
from policy.store.people import People
from policy.store.transactions import Transactions

T = 1_000_000.0  # any moment
ACTOR = Actor("cli:test", "localhost")


def add(engine: Engine, rows: Iterable[dict[str, object]]) -> None:
    filled = {
        "session": "", "identity": "ada", "login": "", "listener": "submission", "client_address": "198.51.100.7",
        "client_name": "", "reverse_path": "", "recipients": 1, "message_bytes": 1, "action": "accept", "reason": "",
        "outcome": "", "queue_id": "",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(Submissions), [filled | row for row in rows])


def walked(engine: Engine, sought: Sought, **limits: int) -> list[list[str]]:
    """The ids of all pages."""
    pages, mark = list[list[str]](), None
    while True:
        found = decisions(engine, sought, before=mark, **limits)
        pages.append([one.id for one in found.rows])
        mark = found.last
        if mark is None:
            return pages


def test_pages_have_each_once(engine: Engine) -> None:
    """Also where many came at the same moment, and where a page ends among them."""
    add(engine, [{"id": f"{number:03}", "at": T + number // 7} for number in range(50)])
    for limit in (1, 7, 10, 50, 51):
        pages = walked(engine, Sought(), limit=limit)
        assert [one for page in pages for one in page] == [f"{number:03}" for number in reversed(range(50))]
        assert max(map(len, pages)) == min(limit, 50)


def test_a_page_ends_after_so_many_whether_or_not_there_is_one(engine: Engine) -> None:
    add(engine, [{"id": f"{number:04}", "at": T + number} for number in range(2500)])
    add(engine, [{"id": "first", "at": T - 1, "client_address": "192.0.2.1"}])
    sought = Sought(network="192.0.2.0/24")
    assert walked(engine, sought, most=1000) == [[], [], ["first"]]
    assert decisions(engine, sought, most=1000).last == Mark(T + 1500, "1500")


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("", "ix_submission_at"),
        ("identity = 'ada' AND", "ix_submission_identity_at"),
        ("reason <> '' AND", "ix_submission_stopped_at"),
    ],
)
def test_an_index_has_them_in_order(engine: Engine, condition: str, index: str) -> None:
    """A page costs what it looks through, and not what there is."""
    add(engine, [{"id": f"{number:04}", "at": T + number, "identity": f"i{number % 9}"} for number in range(3000)])
    question = (
        f"SELECT id, at FROM submission WHERE {condition} (at, id) < (1e9, 'x') ORDER BY at DESC, id DESC LIMIT 9"  # noqa: S608
    )
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {question}")).all())
        else:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("ANALYZE submission"))
            plan = str(connection.execute(text(f"EXPLAIN {question}")).all())
    assert f"{index} " in plan or f"{index}'" in plan, plan


def test_where_budgets_stand(engine: Engine, statements: Transactions, rulebook: Rulebook, ada: NewCredential) -> None:
    """What was charged, in each of its windows; what has left a window is gone from it."""
    person = rulebook.limits_of("person")
    budgets = StoredBudgets(statements)
    for number, at in ((3, T - 7200.0), (2, T - 5.0)):
        charges = (
            Sum("recipients", "recipients:ada", number, person.recipients),
            Distinct("networks", "networks:ada", (number,), person.networks),
        )
        assert budgets.reserve(f"r{number}", Take(charges), at).fits
    stand = {
        (one.rule, one.seconds): one.after
        for one in budgets_now(engine, "ada", rulebook, T)
        if one.key.endswith(":ada") and not one.key.startswith("elsewhere-")
    }
    assert stand[("recipients", 3600.0)] == 2
    assert {one for (rule, _), one in stand.items() if rule == "recipients"} == {2}
    assert max(one for (rule, _), one in stand.items() if rule == "networks") == 2
    assert stand[("held-messages", 86400.0)] == 0
    assert all(one.before == one.after for one in budgets_now(engine, "ada", rulebook, T))


def test_identities_by_state(engine: Engine, store: IdentityStore, key: bytes) -> None:
    for name in ("ada", "ben", "cyd"):
        store.add_identity(name, (), T)
    store.set_role("cyd", Role.HELP_DESK, T)
    store.suspend("ben", T)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO standing (identity_id, step, home_step, since, likelihood)"
                 " SELECT id, CASE name WHEN 'ada' THEN 4 ELSE 1 END, 0, :now, 0 FROM identity WHERE name <> 'ben'"),
            {"now": T},
        )  # fmt: skip

    def names(**wanted: object) -> list[str]:
        return [one.name for one in listed(engine, after="", limit=10, **wanted)]  # type: ignore[arg-type]  # a test

    assert names() == ["ada", "ben", "cyd"]
    assert names(state=State.SUSPENDED) == ["ben"]
    assert names(state=State.STOPPED) == ["ada"]
    assert names(state=State.NOT_ENROLLED, search="c") == ["cyd"]
    assert names(role=Role.HELP_DESK) == ["cyd"]
    assert [one.name for one in listed(engine, after="ada", limit=1)] == ["ben"]
    assert steps_of(engine, ["ada", "ben", "cyd"], T + 10) == {"ada": Step.LOCK, "cyd": Step.SLOW}
    assert steps_of(engine, ["ada", "cyd"], T + 90_000) == {"ada": Step.LOCK}  # who was slowed is free after a day
    invite = People(engine, key, ACTOR).invite("ada", 1, T).invite
    state = sign_in_of(engine, "ada", T)
    assert (state.password_since, state.factors, state.codes_left, state.sessions) == (None, 0, 0, 0)
    assert (state.invite, state.invite_until) == (invite.id, T + 86400.0)
    assert sign_in_of(engine, "ada", T + 86400.0).invite is None
    assert sign_in_of(engine, "nobody", T).invite is None


def test_days_without_anything_are_days_too(engine: Engine, ada: NewCredential) -> None:
    done = {"messages": 3, "recipients": 5, "new_recipients": 1, "held": 2, "refused": 4, "unknown_recipients": 6}
    with engine.begin() as connection:
        whose = connection.execute(text("SELECT id FROM identity WHERE name = 'ada'")).scalar_one()
        connection.execute(insert(Days), [{"identity_id": whose, "day": day, **done} for day in (9, 11, 14)])
    found = days_of(engine, "ada", 10, 13)
    assert [(one.day, one.messages, one.unknown) for one in found] == [(10, 0, 0), (11, 3, 6), (12, 0, 0), (13, 0, 0)]


def test_a_role_takes_open_invitations_back(store: IdentityStore, engine: Engine, key: bytes) -> None:
    """Whoever made the link may know it, and got no such role."""
    store.add_identity("ada", (), T)
    people = People(engine, key, ACTOR)
    people.invite("ada", 7, T)
    store.set_role("ada", Role.ADMINISTRATOR, T + 1)
    assert [one.revoked_at for one in people.invites()] == [T + 1]
