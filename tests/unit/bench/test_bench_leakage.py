"""The models of other servers count what their documentation says, and the comparison finds what they let out."""

from collections.abc import Sequence

import pytest

from bench import leakage, others
from bench.leakage import OURS, as_text, compared, read_options
from bench.others import SERVERS, Door
from policy.contract import Action
from policy.simulation.doors import Client, Person, Session
from policy.simulation.scenarios import named

BY_NAME = {server.name: server for server in SERVERS}
SESSION = Session(identity="ada", address="192.0.2.1", client=Client(), is_thief=True)
HOUR, DAY = 3600.0, 86400.0


def people(first: int, number: int, domain: str = "example.net") -> list[str]:
    return [f"r{one}@{domain}" for one in range(first, first + number)]


def accepted(door: Door, messages: Sequence[tuple[float, list[str]]]) -> list[bool]:
    return [door.hand_in(SESSION, recipients, 1000, at).action is Action.ACCEPT for at, recipients in messages]


CASES = [
    # server, messages at moments, which are accepted
    ("mox", [(0, people(0, 200)), (1, people(200, 1)), (2, people(0, 200)), (DAY + 1, people(201, 1))], "YNYY"),
    ("mox", [(0, people(0, 200)), *((at, people(0, 200)) for at in range(1, 6))], "YYYYYN"),
    ("Mailu", [*((at, people(at, 1)) for at in range(201))], "Y" * 200 + "N"),
    ("WildDuck", [(0, people(0, 1000)), (1, people(0, 1000)), (2, people(0, 1)), (DAY, people(0, 1))], "YYNY"),
    ("mailcow", [(at, people(1000 * at, 1000)) for at in range(20)], "Y" * 20),
    ("policyd-rate-limit", [(0, people(0, 10)), (59, people(0, 1)), (60, people(0, 10)), (61, people(0, 1))], "YNYN"),
    ("Exchange Online, CIS", [(0, people(0, 500)), (1, people(0, 1)), (2 * HOUR, people(0, 1))], "YNN"),
    ("Exchange Online, CIS", [(0, people(0, 500, "example.org")), (1, people(500, 400))], "YY"),
    ("Google Workspace", [(0, people(0, 101)), (1, people(0, 100))], "NY"),
    (
        "Google Workspace",
        [*((at, people(100 * at, 100)) for at in range(21)), (DAY + 30, people(0, 1))],
        "Y" * 20 + "NY",
    ),
]


@pytest.mark.parametrize(("name", "messages", "expected"), CASES, ids=[f"{c[0]} {c[2][-4:]}" for c in CASES])
def test_limits(name: str, messages: list[tuple[float, list[str]]], expected: str) -> None:
    assert "".join("Y" if one else "N" for one in accepted(Door(BY_NAME[name]), messages)) == expected


def test_contacts_are_no_first_time_recipients() -> None:
    door = Door(BY_NAME["mox"])
    door.admit(Person(name="ada", contacts=tuple(people(0, 300))), 0.0)
    assert accepted(door, [(0, people(0, 300)), (1, people(300, 200)), (2, people(500, 1))]) == [True, True, False]


def test_unknown_recipients_block_for_good() -> None:
    door = Door(BY_NAME["BlockCracking"])
    answer = door.hand_in(SESSION, people(0, 100), 1000, 0.0)
    door.deliver(answer.submission, people(0, 100), set(people(0, 100)), 1.0)
    assert accepted(door, [(2, people(0, 1))]) == [True]
    door.deliver(answer.submission, people(0, 1), set(people(0, 1)), 3.0)
    assert accepted(door, [(4, people(0, 1)), (30 * DAY, people(0, 1))]) == [False, False]


def test_who_looks_before_he_writes_is_overrun() -> None:
    messages = [people(one, 1) for one in range(50)]
    racy = Door(BY_NAME["policyd-rate-limit"]).hand_in_together(SESSION, messages, 1000, 0.0)
    assert sum(len(answer.accepted) for answer in racy) == 50
    exact = Door(
        others.Server(name="", limits=BY_NAME["policyd-rate-limit"].limits, recipients_per_message=9, source="")
    )
    assert sum(len(answer.accepted) for answer in exact.hand_in_together(SESSION, messages, 1000, 0.0)) == 10


def test_the_comparison() -> None:
    leaks = {leak.server: leak for leak in compared(named("A6a")[0], seeds=1)}
    assert leaks[OURS].in_a_day == 10
    assert leaks["mailcow"].in_a_day > 300
    assert leaks["mox"].in_a_day == 200
    legitimate = {leak.server: leak for leak in compared(named("L1")[0], seeds=1)}
    assert legitimate[OURS].refused == legitimate[OURS].held == 0
    assert legitimate["policyd-rate-limit"].refused == 30
    text = as_text([*leaks.values(), *legitimate.values()])
    assert "reached in 1 h / 24 h" in text
    assert "recipients refused" in text
    assert all(server.source in text for server in SERVERS)


def test_a_scenario_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--scenario", "A99"])
    assert "no scenario 'A99'" in capsys.readouterr().err


def test_guesses_are_not_compared() -> None:
    assert all(named(name) for name in leakage.NOT_COMPARED)


def test_a_thief_who_reads_along_is_counted_from_when_he_writes() -> None:
    """In his first day at all of them he reaches nobody."""
    (scenario,) = named("A21")
    leaks = {leak.server: leak for leak in compared(scenario, 1)}
    assert (leaks[OURS].in_an_hour, leaks[OURS].in_a_day) == (10, 10)
    assert (leaks["mox"].in_an_hour, leaks["mox"].in_a_day) == (59, 200)
