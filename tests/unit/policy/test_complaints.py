"""Complaints on both databases: written down once, weighed once, and what follows for whoever sent the message."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from test_complaint_reports import HOST, LETTER, arf
from test_judge import HOME, T, facts, people

from policy.brain import Brain
from policy.complaints.desk import ComplaintDesk
from policy.complaints.mailbox import ComplaintMailbox
from policy.complaints.report import Complaint
from policy.contract import Action, Outcome, Outcomes, RelayOutcome
from policy.doveadm import Doveadm
from policy.engine.rulebook import Rulebook
from policy.marks import Marks
from policy.rulebook import shipped
from policy.store.complaints import KEPT_OF_ONE, ComplaintNotes
from policy.store.identities import IdentityStore, NewCredential
from policy.store.transactions import Transactions
from service.shared_token import SharedToken


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy: the third complaint in a day is a signal."""
    return shipped()


@dataclass
class Scene:
    """A submission of Ada's that five people got."""

    brain: Brain
    store: IdentityStore
    desk: ComplaintDesk
    notes: ComplaintNotes
    now: float = T

    def complain(self, *recipients: str, submission: str = "00112233445566aa") -> int:
        told = Complaint(submission=submission, reporter="example.com", kind="abuse", recipients=recipients)
        return self.store.note_complaint(told, self.now)

    def signals(self) -> list[str]:
        return [one.kind for one in self.store.standing("ada").signals]


@pytest.fixture
async def scene(brain: Brain, store: IdentityStore, ada: NewCredential, statements: Transactions) -> Scene:
    verdict = await brain.judge(facts("00112233445566aa", people(0, 5), HOME))
    assert verdict.action is Action.ACCEPT
    outcome = Outcome(reservation=verdict.reservation, outcome=RelayOutcome.RELAYED, queue_id="4Q1")
    await brain.end(Outcomes(outcomes=(outcome,)))
    notes = ComplaintNotes(statements, Marks(bytes(range(32))))
    (desk,) = (one for one in brain.beside if isinstance(one, ComplaintDesk))
    return Scene(brain, store, replace(desk, clock=lambda: T), notes)


async def test_the_third_complaint_is_a_signal(scene: Scene) -> None:
    assert scene.complain(*people(0, 2)) == 2
    await scene.desk.round()
    assert "complaints" not in scene.signals()
    assert scene.complain(*people(2, 1)) == 1
    await scene.desk.round()
    standing = scene.store.standing("ada")
    assert (standing.step, standing.signals[0].kind) == ("hold", "complaints")
    assert standing.signals[0].evidence == "complaints: 3 in a day, 2 are allowed"
    (incident,) = scene.store.incidents()
    assert incident.identity == "ada"


async def test_the_same_complaint_counts_once(scene: Scene) -> None:
    """Providers repeat themselves, and so do people."""
    assert [scene.complain("p1@example.net") for _ in range(4)] == [1, 0, 0, 0]
    await scene.desk.round()
    await scene.desk.round()
    assert "complaints" not in scene.signals()


async def test_reports_that_hide_the_recipient_are_one(scene: Scene) -> None:
    assert [scene.complain() for _ in range(3)] == [1, 0, 0]


async def test_whom_it_never_went_to_does_not_count(scene: Scene) -> None:
    """Or whoever has one message of ours could make up as many as he likes."""
    assert scene.complain("stranger@example.com", "other@example.com") == 1
    assert [one.recipient for one in scene.store.complaints()] == [""]


async def test_there_is_an_end_to_complaints_about_one_message(scene: Scene) -> None:
    assert sum(scene.complain(*people(0, 5)) for _ in range(KEPT_OF_ONE)) == 5


async def test_a_submission_that_nobody_knows_is_nothing(scene: Scene) -> None:
    assert scene.complain(submission="ffffffffffffffff") == 0
    assert scene.store.complaints("ada") == []


@pytest.fixture
async def dovecot() -> AsyncIterator[TestServer]:
    """Speaks doveadm's HTTP API for one mailbox; stack tests have the real one."""
    letters = {"1": arf(), "2": "From: x@example.net\n\nbuy", "3": LETTER}
    looked_at: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"X-Dovecot-API {b64encode(b'key').decode()}"
        ((command, asked, tag),) = json.loads(await request.text())
        assert asked["user"] == "abuse"
        if command == "flagsAdd":
            looked_at.update(asked["query"][-1].split(","))
            return web.json_response([["doveadmResponse", [], tag]])
        if asked["field"] == ["uid"]:
            found = [{"uid": uid} for uid in letters if uid not in looked_at]
        else:
            found = [{"text": letters[uid]} for uid in asked["query"][-1].split(",")]
        return web.json_response([["doveadmResponse", found, tag]])

    app = web.Application()
    app.router.add_post("/doveadm/v1", answer)
    async with TestServer(app) as server:
        yield server


async def test_a_mailbox_is_read_once(scene: Scene, dovecot: TestServer) -> None:
    """A report, a letter of somebody who wants to sell something, and a letter with the message attached."""
    mailbox = ComplaintMailbox(
        doveadm=Doveadm(str(dovecot.make_url("")), SharedToken("key")),
        mailbox="abuse",
        hostname=HOST,
        notes=scene.notes,
        writer=scene.brain.writer,
        clock=lambda: T,
    )
    async with ClientSession() as http:
        assert await mailbox.read(http) == 3
        assert await mailbox.read(http) == 0
    assert sorted((one.kind, one.recipient) for one in scene.store.complaints()) == [("abuse", "")]
