"""The parts of a simulation: the clock, the tally, made-up networks, thinning out, the report, the commands."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from command_line import PROGRAM
from harness import ROOT
from typer.testing import CliRunner

from policy import rulebook
from policy.budgets.memory import MemoryBudgets
from policy.cli import app
from policy.contract import Action, RelayOutcome
from policy.engine.guessing import Walls
from policy.engine.ladder import Step
from policy.engine.sources import network_of
from policy.marks import Marks
from policy.queue_contract import DeliveryOutcome
from policy.simulation import backends, report
from policy.simulation.atlas import Atlas
from policy.simulation.backends import BackEnd, NoBackEnd
from policy.simulation.bounds import From
from policy.simulation.doors import Client, Sallyport
from policy.simulation.plots import NoPlots, draw
from policy.simulation.runs import BEGINS_AT, Plan, Run, run, run_all
from policy.simulation.scenarios import SCENARIOS, named
from policy.simulation.scenarios.scenario import Expectation, Scenario
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import OUR_DOMAIN, person
from policy.simulation.tally import Tally, in_window
from policy.simulation.thieves import Thief
from policy.simulation.world import World

BOOK = rulebook.shipped()
HAS_VALKEY = any(shutil.which(name) for name in ("valkey-server", "redis-server"))
ATTACK, SENDER = named("A6a")[0], named("L3a")[0]


@pytest.fixture
def scene() -> Scene:
    """Nobody is there yet."""
    atlas = Atlas()
    world = World(BOOK, MemoryBudgets(), domains=[OUR_DOMAIN], origin_of=atlas.origin_of, marks=Marks(bytes(32)))
    random = Random(7)  # noqa: S311 - a scene that can be repeated
    return Scene(door=Sallyport(world), random=random, begins_at=BEGINS_AT, atlas=atlas, walls=Walls(bytes(32)))


# The clock


def test_actors_act_in_the_order_of_time(scene: Scene) -> None:
    seen = list[tuple[str, float]]()

    def actor(name: str, rest_s: float) -> Actor:
        for _ in range(3):
            seen.append((name, scene.now - BEGINS_AT))
            yield rest_s

    scene.start(actor("slow", 10.0))
    scene.start(actor("fast", 4.0), after_s=1.0)
    scene.play(15.0)
    assert seen == [("slow", 0), ("fast", 1), ("fast", 5), ("fast", 9), ("slow", 10)]
    scene.play(20.0)
    assert seen[-1] == ("slow", 20)


def test_an_interruption_comes_once_before_what_is_next(scene: Scene) -> None:
    seen = list[str]()

    def actor() -> Actor:
        for _ in range(3):
            seen.append("acts")
            yield 10.0

    scene.start(actor())
    scene.interrupt_after(5.0, lambda: seen.append("restart"))
    scene.play(100.0)
    assert seen == ["acts", "restart", "acts", "acts"]


# The tally

WINDOWS = [
    # what it shows, what was reached when, the most in ten seconds
    ("nothing", [], 0),
    ("all within", [(0.0, 2), (9.9, 3)], 5),
    ("the span is half open", [(0.0, 2), (10.0, 3)], 3),
    ("not only the first span counts", [(0.0, 1), (50.0, 2), (55.0, 2), (59.0, 2)], 6),
    ("it slides", [(0.0, 3), (8.0, 3), (12.0, 3), (16.0, 1)], 7),
]


@pytest.mark.parametrize(("reached", "most"), [case[1:] for case in WINDOWS], ids=[case[0] for case in WINDOWS])
def test_the_most_in_any_span(reached: list[tuple[float, int]], most: int) -> None:
    assert in_window(reached, 10.0) == most


def test_a_recipient_in_two_spellings_is_reached_once(scene: Scene) -> None:
    who = person(scene)
    session = scene.log_in(who.name, who.networks[0].address(), who.client, is_thief=True)
    assert session
    scene.new.update(("Joe@example.net", "joe@example.net"))
    scene.hand_in(session, ["Joe@example.net", "joe@example.net"])
    assert scene.tally.total_new == 1
    assert scene.tally.thief.sent[True] == 2


def test_steps_are_those_of_the_last_identity() -> None:
    tally = Tally()
    tally.note_step("ada", Step.LOCK, 5.0)
    tally.note_step("bob", Step.FREE, 1.0)
    assert tally.all_at(Step.HOLD) == math.inf
    tally.note_step("bob", Step.RESTRICT, 9.0)
    assert (tally.all_at(Step.SLOW), tally.all_at(Step.RESTRICT), tally.all_at(Step.LOCK)) == (9.0, 9.0, math.inf)


def test_owner_and_thief_are_told_apart(scene: Scene) -> None:
    who = person(scene)
    abroad = scene.atlas.network("BR", 64500)
    for network, is_thief in ((who.networks[0], False), (abroad, True)):
        session = scene.log_in(who.name, network.address(), who.client, is_thief=is_thief)
        assert session
        scene.hand_in(session, scene.strangers(11))
    assert scene.tally.owner.sent[True] == 11
    assert (scene.tally.thief.sent[True], scene.tally.thief.held) == (0, 11)


# Networks


@pytest.mark.parametrize("is_ipv6", [False, True])
def test_addresses_of_a_network_are_in_it_and_nowhere_else(is_ipv6: bool) -> None:
    atlas = Atlas()
    one, other = (atlas.network(country, asn, is_ipv6=is_ipv6) for country, asn in (("DE", 1), ("FR", 2)))
    for host in (1, 2, 254, 255, 700):
        assert network_of(one.address(host)) == one.origin.network
        assert atlas.origin_of(one.address(host)) == one.origin
        assert atlas.origin_of(other.address(host)).country == "FR"
    assert atlas.origin_of("192.0.2.1").country == "??"


# The thief


def test_attempts_are_left_out_only_where_nothing_gets_through(scene: Scene) -> None:
    person(scene)
    thief = Thief(scene, "ada")
    assert [thief.rest(10.0) for _ in range(3)] == [10.0] * 3
    thief.fruitless = 10_000
    assert 10.0 < thief.rest(10.0) <= 900.0
    assert scene.tally.thinned > 0
    assert thief.rest(3600.0) == 3600.0
    network = scene.atlas.network("BR", 64500)
    session = thief.log_in(network)
    assert session
    thief.send(session, scene.strangers(1))
    assert thief.fruitless == 0


# The world


def test_what_failed_at_the_next_hop_was_not_spent_and_taught_nothing(scene: Scene) -> None:
    who = person(scene)
    session = scene.log_in(who.name, scene.atlas.network("BR", 64500).address(), Client(), is_thief=True)
    assert session
    recipients = scene.strangers(10)
    scene.break_off(session, recipients)
    assert len(scene.hand_in(session, recipients).accepted) == 10  # all of them new, and the hour's ten are there
    assert len(scene.hand_in(session, scene.strangers(1)).held) == 1


def test_a_report_counts_once_and_only_for_recipients_that_were_new(scene: Scene) -> None:
    who = person(scene)
    assert isinstance(scene.door, Sallyport)
    world = scene.door.world
    session = scene.log_in(who.name, who.networks[0].address(), who.client)
    assert session
    new = scene.strangers(1)
    answer = scene.hand_in(session, [who.contacts[0], *new])
    for recipient in (who.contacts[0], new[0], new[0], "nobody@example.net"):
        world.deliver(answer.submission, recipient, DeliveryOutcome.UNKNOWN_RECIPIENT, scene.now)
    assert world.identities[who.name].day(scene.now).unknown_recipients == 1


def test_whom_one_has_written_to_is_known_for_400_days(scene: Scene) -> None:
    who = person(scene)
    session = scene.log_in(who.name, who.networks[0].address(), who.client)
    assert session
    assert isinstance(scene.door, Sallyport)
    new = scene.strangers(1)
    facts = scene.door._facts(session, new, 1000)
    day_s = 86400.0
    assert scene.door.world.profile(facts, scene.now).recipients[0].is_new
    scene.hand_in(session, new)
    for days, is_new in ((0, False), (400, False), (401, True)):
        assert scene.door.world.profile(facts, scene.now + days * day_s).recipients[0].is_new is is_new


def test_a_failed_reservation_is_nothing_to_report_on(scene: Scene) -> None:
    who = person(scene)
    assert isinstance(scene.door, Sallyport)
    world, network = scene.door.world, who.networks[0]
    session = scene.log_in(who.name, network.address(), who.client)
    assert session
    facts = scene.door._facts(session, scene.strangers(1), 1000)
    judged = world.hand_in(facts, scene.now)
    assert judged.decision.action is Action.ACCEPT
    world.end(judged.reservation, RelayOutcome.FAILED, scene.now)
    gone = DeliveryOutcome.UNKNOWN_RECIPIENT
    assert world.deliver(facts.submission, facts.recipients[0], gone, scene.now) is None
    assert world.identities[who.name].day(scene.now).unknown_recipients == 0


# Reports


def expected(measure: float, **bounds: Any) -> Expectation:
    return Expectation(text="so many", measure=lambda _: measure, **bounds)


def made(seed: int, *checks: float, scenario: str = "A1", steps: tuple[float, ...] = (1.0, 2.0, 3.0, math.inf)) -> Run:
    return Run(
        scenario=scenario,
        seed=seed,
        checks=checks,
        new_in_an_hour=seed,
        new_in_a_day=seed,
        all_in_an_hour=seed,
        steps=steps,
        held=0,
        refused=0,
        owner_known=(3, 4),
        owner_new=(0, 0),
        owner_logins_refused=0,
        thinned=0,
        curve=((0.0, seed),),
    )


def test_a_check_is_met_by_every_run_or_by_the_median() -> None:
    every, median = expected(0, most=10), replace(expected(0, most=10), of_median=True)
    scenario = Scenario(name="A1", title="", cast=lambda _: None, lasts_s=1.0, expected=(every, median))
    (row,) = report.rows([scenario], [made(0, 3, 3), made(1, 9, 9), made(2, 30, 30)])
    assert [(check.is_met, check.worst) for check in row.checks] == [(False, 30), (True, 9)]
    assert report.missed(row) == ["A1: expected so many; found 30"]
    assert not row.is_met


def test_what_never_came_is_null_and_a_dash() -> None:
    late = expected(0, most=60)
    scenario = Scenario(name="A1", title="flood | with a bar", cast=lambda _: None, lasts_s=1.0, expected=(late,))
    runs = [made(0, math.inf), made(1, math.inf)]
    (row,) = report.rows([scenario], runs)
    assert (row.lock_s.median, row.lock_s.max, row.checks[0].worst) == (None, None, None)
    assert report.cells(row)[7] == "-"
    assert report.missed(row) == ["A1: expected so many; found never"]
    assert row.owner_known == 0.75
    assert row.owner_new is None
    json.dumps([check.worst for check in row.checks], allow_nan=False)


@pytest.mark.parametrize(
    ("name", "found"), [("A5", {"A5a", "A5b", "A5c"}), ("a5b", {"A5b"}), ("A1", {"A1"}), ("B", set())]
)
def test_scenarios_by_name(name: str, found: set[str]) -> None:
    assert {one.name for one in named(name)} == found


def test_all_of_a_kind() -> None:
    assert {*named("A"), *named("l")} == set(SCENARIOS)


# The commands


def sallyport(*words: str) -> Any:
    return CliRunner().invoke(app, words)


def test_simulate_prints_a_table_and_ends_well() -> None:
    done = sallyport("simulate", "--scenario", "A6a", "--scenario", "L3", "--seeds", "2", "--jobs", "1")
    assert done.exit_code == 0
    assert {line.split()[0] for line in done.stdout.splitlines()[1:-1]} == {"A6a", "L3a", "L3b", "L3c"}
    assert f"A6a  {named('A6a')[0].title}\n" in done.stdout
    assert "2 runs of each" in done.stdout


def test_simulate_says_what_is_not_as_expected(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[profiles.person]\nprobation-new-recipients = "none"\nprobation-recipients = "none"')
    done = sallyport("simulate", "--scenario", "A6a", "--seeds", "1", "--jobs", "1", "--policy", str(policy), "--json")
    assert done.exit_code == 1
    assert "A6a: expected new recipients reached: at most 10; found" in done.stderr
    (row,) = json.loads(done.stdout)
    assert row["is_met"] is False
    assert row["new_in_an_hour"]["max"] > 10


def test_simulate_over_processes_is_the_same() -> None:
    scenarios = (ATTACK, SENDER)
    told = list[float]()
    runs = run_all(Plan(scenarios=scenarios, seeds=6, jobs=2), told.append)
    assert runs == [run(one, seed, BOOK, BackEnd.MEMORY) for one in scenarios for seed in range(6)]
    assert told[-1] == 12


def test_simulate_as_markdown() -> None:
    done = sallyport("simulate", "--scenario", "L3a", "--seeds", "1", "--jobs", "1", "--markdown")
    assert done.stdout.splitlines()[2].startswith("| L3a | event invitation")


def test_simulate_refuses_what_there_is_not(tmp_path: Path) -> None:
    done = sallyport("simulate", "--scenario", "A99")
    assert "there is no scenario 'A99'" in str(done.exception)
    (tmp_path / "policy.toml").write_text("[profiles.person]\nrecipients = 3")
    done = sallyport("simulate", "--policy", str(tmp_path / "policy.toml"))
    assert "policy.toml:2" in str(done.exception)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_charts(tmp_path: Path, suffix: str) -> None:
    runs = [run(ATTACK, seed, BOOK, BackEnd.MEMORY) for seed in range(3)]
    draw([ATTACK, SENDER], runs, tmp_path / f"reached.{suffix}")
    assert (tmp_path / f"reached.{suffix}").stat().st_size > 1000


def test_charts_that_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run(ATTACK, 0, BOOK, BackEnd.MEMORY)]
    with pytest.raises(NoPlots, match="cannot be written"):
        draw([ATTACK], runs, tmp_path / "reached.txt2")
    with pytest.raises(NoPlots, match="nothing to draw"):
        draw([SENDER], runs, tmp_path / "reached.svg")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NoPlots, match=r"pip install 'sallyport\[plots\]'"):
        draw([ATTACK], runs, tmp_path / "reached.svg")


def test_a_chart_that_cannot_be_drawn_takes_the_table_not_along() -> None:
    """It is known at the end of what may be minutes."""
    done = sallyport("simulate", "--scenario", "L1", "--seeds", "1", "--jobs", "1", "--plot", "/nowhere/reached.svg")
    assert done.stdout.endswith("- is never.\n")
    assert str(done.exception) in {
        "there is nothing to draw: none of the scenarios is an attack",
        "charts need matplotlib, which is not installed: pip install 'sallyport[plots]'",
    }


def test_a_server_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.shutil, "which", lambda _name: None)
    done = sallyport("simulate", "--scenario", "L1", "--seeds", "1", "--jobs", "1", "--budgets", "valkey")
    assert "there is no valkey-server or redis-server here" in str(done.exception)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_server_that_does_not_start_ends_all(tmp_path: Path, jobs: str) -> None:
    """With a sentence, and the thousand tasks that wait are not begun."""
    program = tmp_path / "valkey-server"
    program.write_text(f"#!/bin/sh\necho started >>{tmp_path}/starts\nexit 1\n")
    program.chmod(0o755)
    options = ("--scenario", "L1", "--seeds", "5000", "--jobs", jobs, "--budgets", "valkey")
    command = [sys.executable, "-c", PROGRAM, "simulate", *options]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{program} was started for the budgets, and does not answer: does it run by itself?\n")
    assert "Traceback" not in done.stderr
    assert 0 < len((tmp_path / "starts").read_text().splitlines()) < 1000


@pytest.mark.skipif(not HAS_VALKEY, reason="neither valkey-server nor redis-server is installed")
def test_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_PATIENCE_S", 0.05)
    with backends.opened(BackEnd.VALKEY) as kept:
        server = kept._server  # type: ignore[attr-defined]  # of Valkey alone
        server.send_signal(signal.SIGSTOP)
        with pytest.raises(NoBackEnd, match=r"does not answer \(TimeoutError\)"):
            kept.budgets.peek((), BEGINS_AT)
        server.send_signal(signal.SIGCONT)


@pytest.mark.skipif(not HAS_VALKEY, reason="neither valkey-server nor redis-server is installed")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_nothing_but_the_answer_is_printed(jobs: str) -> None:
    """A new server knows no budgets, which policy would say in its log."""
    options = ("--scenario", "L1", "--seeds", "6", "--jobs", jobs, "--budgets", "valkey", "--json")
    command = [sys.executable, "-c", PROGRAM, "simulate", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[0]["runs"] == 6


def test_bound_states_the_worst() -> None:
    done = sallyport("bound", "--tries", "6", "--json")
    rows = {
        (row["start"], row["recipients"], row["seconds"]): row for row in json.loads(done.stdout) if not row["unknown"]
    }
    strange = rows["networks the owner never used", "new recipients", 3600.0]
    assert (strange["most"], strange["rule"], strange["found"]) == (10, "probation-new-recipients", 10)
    assert all(row["found"] <= row["most"] for row in rows.values())


def test_where_nothing_is_limited_nothing_is_searched_for(tmp_path: Path) -> None:
    """A number would look like a bound."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[modes]\nnew-recipients = "observe"\nrecipients = "off"\nhost-new-recipients = "off"\n')
    done = sallyport("bound", "--tries", "1", "--policy", str(policy), "--json")
    home = [row for row in json.loads(done.stdout) if row["start"] == From.OWN.value]
    assert {(row["most"], row["found"]) for row in home} == {(None, None)}


def test_bound_of_a_profile_that_there_is_not() -> None:
    assert "no profile 'robot'" in str(sallyport("bound", "--profile", "robot").exception)


# The page


def test_the_page_has_every_scenario_with_its_title() -> None:
    page = (ROOT / "docs" / "simulation.md").read_text()
    told = page.split("| scenario | what |")[1].split("\n\n")[0]
    assert dict(re.findall(r"^\| (\S+) \| (.+?) \| ", told, re.MULTILINE)) == {one.name: one.title for one in SCENARIOS}
