"""What the parts say of themselves: written by policy, told by the gateway, bounded, and forgotten."""

import asyncio
import json
from dataclasses import dataclass
from typing import cast

import httpx
import pytest
from sqlalchemy import Engine, text

from policy.app import App, Tokens
from policy.brain import Brain
from policy.condition import BUDGETS_AWAY, STORE_AWAY, Condition
from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.geo.atlas import Atlas
from policy.neighbours import Mailboxes, Neighbours, is_looked_up, sessions_of
from policy.queue_contract import QueueName, Statistics
from policy.reporting import Means, Reporting
from policy.store.database import Location
from policy.store.health_reports import (
    KEPT_S,
    SILENT_S,
    HealthNotes,
    HealthReport,
    Service,
    health_reports,
    reports_of,
)
from policy.store.migrating import newest_revision
from policy.store.reader import open_reader
from policy.store.transactions import Transactions
from policy.store.writer import Writer
from service.ailments import Ailment
from service.health import Health
from service.shared_token import SharedToken

NOW = 1_764_000_000.0

REPLACED = [
    # what it shows; of each gateway when it came and when it was heard of last, in seconds ago; who is told of
    ("an update", {"old": (9000, 38), "new": (28, 6)}, {"new"}),
    ("one that came while the other was there", {"old": (9000, 38), "new": (60, 6)}, {"old", "new"}),
    ("one that is a little late", {"old": (9000, 18), "new": (12, 6)}, {"old", "new"}),
    ("two that are gone, and one came", {"a": (9000, 300), "b": (9000, 200), "new": (100, 6)}, {"b", "new"}),
    ("two updates", {"a": (9000, 300), "b": (290, 100), "c": (90, 6)}, {"c"}),
    ("one that came too early for the second", {"a": (9000, 300), "b": (9000, 100), "new": (200, 6)}, {"b", "new"}),
    ("nobody came", {"a": (9000, 300), "b": (9000, 6)}, {"a", "b"}),
    ("nobody is heard of", {"a": (9000, 300), "b": (9000, 290)}, {"a", "b"}),
]


async def _fine() -> None:
    """Whoever is asked answers."""


async def _silent() -> None:
    raise ConnectionRefusedError("secret://host")


@dataclass
class Agent:
    """Beside the queue; away where `says` is None."""

    says: Health | None
    runs: bool = True

    async def health(self) -> Health:
        if self.says is None:
            raise QueueUnavailable("the queue agent does not answer (TimeoutError)")
        return self.says

    async def statistics(self, *, timeout_s: float = 60.0) -> Statistics:
        assert timeout_s < 60.0, "it waits shorter than who has time"
        messages = {QueueName.DEFERRED: 7, QueueName.HOLD: 2}
        return Statistics(
            messages=messages, octets=900, oldest_at=NOW - 60, log_at=None, unreported=3, is_running=self.runs
        )

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Dovecot:
    """With so many sessions; None is away. Without logins nobody can be looked up."""

    open: int | None
    has_logins: bool = True

    async def sessions(self) -> int | None:
        return self.open

    async def looks_up(self) -> bool:
        return self.has_logins


def neighbours(agent: Agent | None, dovecot: Dovecot | None) -> Neighbours:
    queues = {"queue": cast("QueueClient", agent)} if agent else {}
    return Neighbours(queues, cast("Mailboxes | None", dovecot))


async def test_neighbours_who_answer() -> None:
    """The agent for itself and for Postfix; Dovecot."""
    one = neighbours(Agent(Health(warnings=("behind",))), Dovecot(5))
    postfix, agent, dovecot = await one.look(NOW)
    assert (postfix.service, postfix.faults) == (Service.POSTFIX, ())
    assert postfix.figures == {"deferred": 7, "hold": 2, "octets": 900, "oldest_s": 60}
    assert (agent.service, agent.warnings, agent.figures) == (Service.QUEUE_AGENT, ("behind",), {"unreported": 3})
    assert (dovecot.service, dovecot.figures) == (Service.DOVECOT, {"sessions": 5})
    assert one.away == set()


async def test_a_full_queue_is_a_fault_of_postfix() -> None:
    """It takes no message; the agent, who says so, goes on."""
    full = Ailment.SPOOL_FULL.of()
    postfix, agent = await neighbours(Agent(Health(warnings=("behind", full))), None).look(NOW)
    assert (postfix.faults, agent.faults, agent.warnings) == ((full,), (), ("behind",))


async def test_neighbours_who_do_not() -> None:
    """Of Postfix nobody knows; the others are told of, and in policy's own health."""
    one = neighbours(Agent(None), Dovecot(None))
    found = await one.look(NOW)
    assert [(report.service, bool(report.faults)) for report in found] == [
        (Service.QUEUE_AGENT, True),
        (Service.DOVECOT, True),
    ]
    condition = Condition(
        ask_store=_fine, ask_budgets=None, policy_file_fault=lambda: 0, atlas=Atlas(None, None), away=one.away
    )
    assert [sentence.partition(":")[0] for sentence in (await condition.look()).warnings] == [
        "the queue agent does not answer",
        "Dovecot does not answer",
    ]
    one = neighbours(Agent(Health(), runs=False), None)
    assert (await one.look(NOW))[0].faults == ("Postfix does not run: nothing is taken and nothing leaves",)


async def test_a_dovecot_that_lets_nobody_in() -> None:
    """It lists sessions all the same, and ends them."""
    one = neighbours(None, Dovecot(5, has_logins=False))
    (dovecot,) = await one.look(NOW)
    assert (dovecot.faults, dovecot.figures) == ((Ailment.LOGINS_SILENT.of(),), {"sessions": 5})
    assert one.away == set()


LOOKED_UP = [
    # what it shows, doveadm's answer, whether it has looked somebody up
    ("somebody", b'[["doveadmResponse",{"nobody":{"uid":"mail"}},"user"]]', True),
    ("nobody of that name", b'[["error",{"type":"exitCode","exitCode":67},"user"]]', True),
    ("policy could not be asked", b'[["error",{"type":"exitCode","exitCode":75},"user"]]', False),
]


@pytest.mark.parametrize(("answer", "is_well"), [row[1:] for row in LOOKED_UP], ids=[row[0] for row in LOOKED_UP])
def test_whether_dovecot_has_looked_somebody_up(answer: bytes, is_well: bool) -> None:
    assert is_looked_up(answer) is is_well


@pytest.mark.parametrize("answer", [b"", b"[]", b'[["error",{},"user"]]', b'[["error",7,"user"]]', b"[" * 100_000])
def test_what_doveadm_does_not_say(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are nobody's business
        is_looked_up(answer)


async def test_what_keeps_policy_from_its_work() -> None:
    """Without a word of the error."""
    condition = Condition(ask_store=_silent, ask_budgets=_silent, policy_file_fault=lambda: 3, atlas=Atlas(None, None))
    health = await condition.look()
    assert health.faults == (STORE_AWAY, BUDGETS_AWAY)
    assert health.warnings == (Ailment.POLICY_FILE_REFUSED.of(line=3),)
    assert b"secret" not in health.body


async def test_servers_that_hang_are_told_of_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks has five seconds of patience; nothing more is asked of a store that has not answered."""
    monkeypatch.setattr("policy.condition._PATIENCE_S", 0.01)
    answers = asyncio.Event()

    async def hangs() -> None:
        await answers.wait()

    async def ask_schema() -> str:
        raise AssertionError

    condition = Condition(
        ask_store=hangs,
        ask_budgets=hangs,
        policy_file_fault=lambda: 0,
        atlas=Atlas(None, None),
        ask_schema=ask_schema,
    )
    assert (await condition.look()).faults == (STORE_AWAY, BUDGETS_AWAY)
    answers.set()
    condition.ask_schema = None
    assert (await condition.look()).is_ready


SCHEMAS = [
    # what it shows, the schema that the database has, whether it is told
    ("ours", "0007", False),
    ("a newer one", "0008", True),
    ("one before ours", "0006", False),
    ("no schema at all: it is being moved", "moving", False),
]


@pytest.mark.parametrize(("found", "is_told"), [case[1:] for case in SCHEMAS], ids=[case[0] for case in SCHEMAS])
async def test_a_database_of_a_newer_version_is_told(found: str, is_told: bool) -> None:
    """And policy goes on: while a version is rolled out, the schema has more than the older ones know."""

    async def ask_schema() -> str:
        return found

    condition = Condition(
        ask_store=_fine,
        ask_budgets=None,
        policy_file_fault=lambda: 0,
        atlas=Atlas(None, None),
        ask_schema=ask_schema,
        schema="0007",
    )
    health = await condition.look()
    assert health.is_ready
    assert health.warnings == ((Ailment.SCHEMA_NEWER.of(found=found, ours="0007"),) if is_told else ())


async def test_the_schema_of_the_database_is_asked_for(brain: Brain, engine: Engine) -> None:
    """By policy's own health, on the database as it is."""
    assert (await brain.health()).warnings == ()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    said = (await brain.health()).warnings
    assert said == (Ailment.SCHEMA_NEWER.of(found="9999", ours=newest_revision()),)


WHO = [
    (b'[["doveadmResponse",[],"who"]]', 0),
    (b'[["doveadmResponse",[{"username":"ada","connections":"2"},{"username":"b","connections":"1"}],"who"]]', 3),
]


@pytest.mark.parametrize(("answer", "number"), WHO)
def test_sessions_of_dovecot(answer: bytes, number: int) -> None:
    assert sessions_of(answer) == number


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'[["error",{"type":"x"},"who"]]', b'[["doveadmResponse",[{}],"who"]]', b'{"a": 1}']
)
def test_what_is_no_answer_of_doveadm(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are nobody's business
        sessions_of(answer)


def test_a_report_is_kept_until_the_next_one(engine: Engine, statements: Transactions) -> None:
    """Of each instance; in the order in which a message meets them; old ones are forgotten, or leave."""
    notes = HealthNotes(statements)
    report = HealthReport(Service.POLICY, "a", NOW, "1", ("f",), ("w",), {"n": 1.5})
    notes.put(HealthReport(Service.CONSOLE, "c", NOW - KEPT_S - 1))
    notes.put(HealthReport(Service.POLICY, "a", NOW - 10))
    notes.put(report)
    notes.put(HealthReport(Service.GATEWAY, "g", NOW))
    assert [one.service.value for one in health_reports(engine)] == ["gateway", "policy", "console"]
    assert health_reports(engine)[1] == report
    notes.forget(NOW)
    notes.leave(Service.GATEWAY, "g")
    notes.leave(Service.GATEWAY, "nobody")
    assert health_reports(engine) == [report]


def test_names_without_end_fill_nothing(engine: Engine, statements: Transactions) -> None:
    """A gateway that was broken into may call itself anything; those who were there are still heard."""
    notes = HealthNotes(statements)
    for number in range(80):
        notes.put(HealthReport(Service.GATEWAY, f"g{number}", NOW))
    assert len(health_reports(engine)) == 50
    notes.put(HealthReport(Service.GATEWAY, "g0", NOW + 10))
    notes.put(HealthReport(Service.POLICY, "p", NOW))
    assert len(health_reports(engine)) == 51
    assert health_reports(engine)[0].at == NOW + 10


async def test_policy_reports(database: Location, engine: Engine, statements: Transactions) -> None:
    """Itself and its neighbours, in one transaction; its own row goes with it."""
    writer, reader = Writer(statements, patience_s=0), open_reader(database)
    condition = Condition(ask_store=_fine, ask_budgets=None, policy_file_fault=lambda: 0, atlas=Atlas(None, None))
    reporting = Reporting(
        Means(
            instance="p1",
            condition=condition,
            neighbours=neighbours(Agent(Health()), Dovecot(1)),
            notes=HealthNotes(statements),
            writer=writer,
            clock=lambda: NOW,
            ticks=lambda: 0.0,
        )
    )
    await reporting.round()
    assert [one.service.value for one in health_reports(engine)] == ["policy", "postfix", "queue-agent", "dovecot"]
    assert [one.instance for one in await reports_of(reader, Service.POLICY)] == ["p1"]
    await reporting.close()
    assert [one.service.value for one in health_reports(engine)] == ["postfix", "queue-agent", "dovecot"]
    await reader.close()


@pytest.fixture
def app(brain: Brain) -> App:
    return App(brain, Tokens(gateway=SharedToken("g"), dovecot=SharedToken("d"), queue=SharedToken("q")))


TOLD = {
    "instance": "gw",
    "version": "1.0\x1b[31m",
    "faults": ["next hop\x1b[2J away"],
    "figures": {"sessions": 4},
    "scanner": {"figures": {"scans": 9}},
}


async def test_a_gateway_tells_how_it_is(app: App, brain: Brain, engine: Engine) -> None:
    """For itself and for its scanner; what it says does nothing to a terminal; both rows go when it leaves."""
    headers = {"Authorization": "Bearer g"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p", headers=headers) as gateway:
        assert (await gateway.post("/v1/health", json=TOLD)).status_code == 204
        await _written(brain)
        told, scanner = health_reports(engine)
        assert (told.service, told.instance, told.version) == (Service.GATEWAY, "gw", "1.0\\u001b[31m")
        assert (told.faults, told.figures) == (("next hop\\u001b[2J away",), {"sessions": 4})
        assert (scanner.service, scanner.instance, scanner.figures) == (Service.SCANNER, "gw", {"scans": 9})
        leaving = {"instance": "gw", "version": "1", "is_leaving": True}
        assert (await gateway.post("/v1/health", json=leaving)).status_code == 204
        await _written(brain)
    assert health_reports(engine) == []


BAD = [
    ("a name with more than a name has", {"instance": "a b"}),
    ("no name", {"instance": ""}),
    ("sentences without end", {"faults": ["x"] * 21}),
    ("a sentence without end", {"warnings": ["x" * 401]}),
    ("figures without end", {"figures": {f"a{number}": 1 for number in range(41)}}),
    ("a figure with any name", {"figures": {"<script>": 1}}),
    ("a figure that is none", {"figures": {"a": "NaN"}}),
    ("what nobody knows", {"is_admin": True}),
]


@pytest.mark.parametrize("changed", [case[1] for case in BAD], ids=[case[0] for case in BAD])
async def test_what_a_gateway_says_has_bounds(app: App, engine: Engine, changed: dict[str, object]) -> None:
    headers = {"Authorization": "Bearer g"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://p", headers=headers) as gateway:
        answer = await gateway.post("/v1/health", content=json.dumps(TOLD | changed))
    assert answer.status_code == 422
    assert health_reports(engine) == []


async def _written(brain: Brain) -> None:
    """What nobody waits for is on disk as soon as what somebody waits for behind it is."""
    await asyncio.wait_for(brain.writer.make(lambda: None), 60)


def test_who_is_not_heard_of_makes_room(engine: Engine, statements: Transactions) -> None:
    """Gateways are replaced, and their names never come back; one that dies says no goodbye."""
    notes = HealthNotes(statements)
    for number in range(50):
        notes.put(HealthReport(Service.GATEWAY, f"old{number}", NOW if number else NOW - SILENT_S - 1))
    notes.put(HealthReport(Service.POLICY, "p", NOW - SILENT_S - 1))
    notes.put(HealthReport(Service.GATEWAY, "new", NOW))
    heard = {one.instance for one in health_reports(engine)}
    assert len(heard) == 51
    assert "new" in heard
    assert "old0" not in heard
    assert "p" in heard, "of another kind"


RUNS = [
    # what it shows, how long it had run with each report (None: it took leave), with which one it had fallen
    ("it goes on", (5, 15, 25), 0),
    ("it was killed", (25, 5, 15), 2),
    ("it was killed twice", (25, 5, 15, 3), 4),
    ("it was restarted", (25, None, 5, 15), 0),
]


@pytest.mark.parametrize(("ups", "fell"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS])
def test_who_has_fallen(engine: Engine, statements: Transactions, ups: tuple[int | None, ...], fell: int) -> None:
    """One that is there again without having taken leave."""
    notes = HealthNotes(statements)
    for number, up_s in enumerate(ups, 1):
        if up_s is None:
            notes.leave(Service.GATEWAY, "gw")
        else:
            notes.put(HealthReport(Service.GATEWAY, "gw", NOW + number, figures={"up_s": up_s}))
    (report,) = health_reports(engine)
    assert report.fell_at == (NOW + fell if fell else 0.0)


@pytest.mark.parametrize(("heard", "told"), [row[1:] for row in REPLACED], ids=[row[0] for row in REPLACED])
def test_whose_place_another_has_is_not_missed(
    engine: Engine, statements: Transactions, heard: dict[str, tuple[int, int]], told: set[str]
) -> None:
    """One for one: a gateway that died, and for which none came, is still told of."""
    notes = HealthNotes(statements)
    for instance, ago in heard.items():
        for seconds in ago:
            notes.put(HealthReport(Service.GATEWAY, instance, NOW - seconds))
            notes.put(HealthReport(Service.SCANNER, instance, NOW - seconds))
    reports = health_reports(engine)
    assert {one.instance for one in reports if one.service is Service.GATEWAY} == told
    assert {one.instance for one in reports if one.service is Service.SCANNER} == told
