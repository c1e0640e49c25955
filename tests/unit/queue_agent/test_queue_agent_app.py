"""HTTP of the queue agent, on commands that are played: who may ask, what is refused, what is said of failures."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from policy.queue_contract import QUEUE_IDS_LIMIT, QueueName
from queue_agent.app import BODY_LIMIT, App
from queue_agent.commands import PostfixFailed
from queue_agent.condition import Condition
from queue_agent.ledger import Ledger
from queue_agent.outside import Outside
from queue_agent.queue import Queue, queued_of
from queue_agent.spool import arrived_at, listing_of
from queue_agent.trail import Trail
from service.ailments import Ailment
from service.shared_token import SharedToken
from service.steadiness import LASTING_S

TOKEN = "token-of-the-queue-agent"
IDS = ["4jbCvX3bs2zJB60", "4jbCvX3f0czJB61", "4jbCvX3jPxzJB5r"]


@dataclass
class PlayedPostfix:
    """Files in queues; `fails` is a command that comes to nothing."""

    files: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fails: str = ""
    fails_after: int = 0  # lines of a listing
    runs: bool = True
    room: bool = True

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails:
            raise PostfixFailed(f"{name} says /secret/path")

    def has_room(self) -> bool:
        return self.room

    def is_running(self) -> bool:
        return self.runs

    async def postsuper(self, option: str, queue_ids: Iterable[str], *queues: str) -> list[str]:
        self._call(f"postsuper {option}")
        for one in queue_ids:
            if option == "-d" and self.files.get(one) in queues:
                del self.files[one]
            elif option in ("-h", "-H") and one in self.files:
                self.files[one] = "hold" if option == "-h" else "deferred"
            elif option == "-r" and one in self.files:
                self.files[one] = "maildrop"
        return [f"postsuper: {one}: requeued" for one in queue_ids if option == "-r"]

    async def kick(self, service: str, request: str) -> None:
        self._call(f"kick {service} {request}")

    async def touch(self, folder: str, queue_ids: Iterable[str]) -> None:  # noqa: ARG002
        self._call(f"touch {folder}")

    async def list_files(self, queues: Sequence[str], printed: str) -> str:  # noqa: ARG002
        self._call("find")
        return "".join(f"{queue} {one} 1000\n" for one, queue in self.files.items())

    async def part_of(self, part: str, queue_id: str, limit: int) -> bytes:  # noqa: ARG002
        self._call("postcat")
        return {"-h": b"Subject: \xff\n", "-b": b"\nhello\n"}[part]

    async def queue_lines(self) -> AsyncGenerator[bytes, None]:
        for number, (one, queue) in enumerate(self.files.items()):
            if self.fails_after and number >= self.fails_after:
                raise PostfixFailed("postqueue ended with 69")
            yield listed(one, queue)
        self._call("postqueue")


def listed(queue_id: str, queue: str, **changed: object) -> bytes:
    """A line of `postqueue -j`."""
    recipients = [{"address": "a@b.example"}, {"address": "c@b.example", "delay_reason": "later"}]
    told = {"queue_name": queue, "queue_id": queue_id, "arrival_time": 1795736373, "message_size": 387}
    told |= {"forced_expire": False, "sender": "ada@sallyport.test", "recipients": recipients}
    return json.dumps(told | changed).encode() + b"\n"


@pytest.fixture
def postfix() -> PlayedPostfix:
    return PlayedPostfix(dict(zip(IDS, ("deferred", "hold", "active"), strict=True)))


@pytest.fixture
def ticks() -> list[float]:
    """The agent's clock, which the test moves."""
    return [0.0]


@pytest.fixture
async def asker(postfix: PlayedPostfix, tmp_path: Path, ticks: list[float]) -> AsyncIterator[httpx.AsyncClient]:
    """Policy, with its token."""
    ledger = Ledger(tmp_path / "queue.db", 0.0)
    queue = Queue(commands=postfix, ledger=ledger)  # type: ignore[arg-type]  # stands in for the commands
    condition = Condition(ticks=lambda: ticks[0])
    app = App(queue, Outside(time_server=""), Trail(tmp_path / "postfix.log"), SharedToken(TOKEN), condition)
    network = httpx.ASGITransport(app, raise_app_exceptions=True)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=network, base_url="http://queue.test", headers=headers) as client:
        yield client
    await ledger.close()


async def changed(asker: httpx.AsyncClient, what: str, *queue_ids: str) -> list[str]:
    answer = await asker.post(f"/v1/{what}", json={"queue_ids": queue_ids})
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["queue_ids"]
    return found


QUESTIONS = [
    ("POST", "/v1/hold"), ("POST", "/v1/release"), ("POST", "/v1/requeue"), ("POST", "/v1/delete"),
    ("POST", "/v1/outside"), ("POST", "/v1/trail"), ("GET", "/v1/queue"), ("GET", f"/v1/queue/{IDS[0]}"),
    ("GET", "/v1/statistics"), ("GET", "/v1/nothing"), ("GET", "/"),
]  # fmt: skip
HEADERS = [
    "",
    "Bearer wrong",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    TOKEN,
    f"Basic {TOKEN}",
    "Bearer ",
    "Bearer äÿ",
]


@pytest.mark.parametrize(("method", "path"), QUESTIONS)
@pytest.mark.parametrize("header", HEADERS)
async def test_without_the_token_nothing_is_answered(
    asker: httpx.AsyncClient, postfix: PlayedPostfix, method: str, path: str, header: str
) -> None:
    """Nor done, nor looked at."""
    headers = {b"Authorization": header.encode("latin-1")}
    answer = await asker.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert (answer.status_code, answer.json()) == (401, {"error": "token"})
    assert postfix.calls == []


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health(asker: httpx.AsyncClient, postfix: PlayedPostfix, ticks: list[float], path: str) -> None:
    """Anybody may ask. Ready is who can read the queue; not to read it once turns nothing."""
    del asker.headers["Authorization"]
    answer = await asker.get(path)
    assert answer.status_code == 200
    assert answer.json() == ({"live": True} if path.endswith("live") else {"ready": True, "faults": [], "warnings": []})
    postfix.fails = "find"
    assert (await asker.get(path)).status_code == 200
    ticks[0] = LASTING_S
    assert (await asker.get(path)).status_code == (503 if path.endswith("ready") else 200)


async def test_a_full_queue_is_told(asker: httpx.AsyncClient, postfix: PlayedPostfix, ticks: list[float]) -> None:
    """And keeps the agent from nothing: by it room is made, so that it starts, and `make up` with it."""
    postfix.room = False
    for ticks[0] in (0.0, LASTING_S):
        answer = await asker.get("/health/ready")
        assert (answer.status_code, answer.json()["warnings"]) == (200, [Ailment.SPOOL_FULL.of()])


async def test_an_order_that_failed_is_told_until_one_is_carried_out(
    asker: httpx.AsyncClient, postfix: PlayedPostfix
) -> None:
    """Without a word of what Postfix said."""
    postfix.fails = "postsuper -h"
    assert (await asker.post("/v1/hold", json={"queue_ids": IDS})).status_code == 503
    answer = await asker.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["faults"] == ["the last order (hold) could not be carried out; the log has postfix-failed"]
    postfix.fails = ""
    assert await changed(asker, "hold", *IDS) == IDS
    assert (await asker.get("/health/ready")).status_code == 200


BAD = [
    ("no JSON", b"{"),
    ("no list", b'{"queue_ids": "4jbCvX3bs2zJB60"}'),
    ("an option", b'{"queue_ids": ["-dALLALL"]}'),
    ("every message", b'{"queue_ids": ["ALL"]}'),
    ("standard input", b'{"queue_ids": ["-"]}'),
    ("two lines", b'{"queue_ids": ["AAAAAAAA\\nBBBBBBBB"]}'),
    ("a line end", b'{"queue_ids": ["AAAAAAAA\\n"]}'),
    ("a path", b'{"queue_ids": ["../../etc/passwd"]}'),
    ("no ASCII", b'{"queue_ids": ["AAAAAAA\\u0391"]}'),
    ("an unknown member", b'{"queue_ids": [], "all": true}'),
    ("too many", json.dumps({"queue_ids": ["AAAAAAAA"] * (QUEUE_IDS_LIMIT + 1)}).encode()),
]


@pytest.mark.parametrize("body", [case[1] for case in BAD], ids=[case[0] for case in BAD])
async def test_what_is_no_question_is_not_asked(asker: httpx.AsyncClient, postfix: PlayedPostfix, body: bytes) -> None:
    """Least of all of postsuper, to which ALL means all."""
    answer = await asker.post("/v1/delete", content=body)
    assert (answer.status_code, answer.json()) == (422, {"error": "not a question"})
    assert postfix.calls == []


async def test_a_body_has_a_bound(asker: httpx.AsyncClient) -> None:
    """And what the contract allows is within it."""
    assert (await asker.post("/v1/hold", content=b"x" * (BODY_LIMIT + 1))).status_code == 413
    assert await changed(asker, "hold", *(f"{number:030}" for number in range(QUEUE_IDS_LIMIT))) == []


async def test_hold(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """Those that are there; asked again, nothing happens."""
    assert await changed(asker, "hold", *IDS, "4jbCvX3jPxzJB5s") == IDS
    postfix.calls.clear()
    assert await changed(asker, "hold", *IDS, "4jbCvX3jPxzJB5s") == IDS
    assert postfix.calls == ["find"]


async def test_release(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """What is on hold; its time has come, and the queue manager looks."""
    assert await changed(asker, "release", *IDS, "4jbCvX3jPxzJB5s") == IDS
    assert postfix.calls == ["find", "touch hold", "postsuper -H", "find", "kick qmgr DF"]


async def test_what_was_released_half_is_kicked_again(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """The agent may have died between the two."""
    assert await changed(asker, "release", IDS[0]) == [IDS[0]]
    assert postfix.calls[-1] == "kick qmgr DF"


async def test_delete_takes_only_what_is_on_hold(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """And says of ids that are nowhere that they are gone."""
    assert await changed(asker, "delete", *IDS, "4jbCvX3jPxzJB5s") == [IDS[1], "4jbCvX3jPxzJB5s"]
    assert sorted(postfix.files) == sorted([IDS[0], IDS[2]])


async def test_requeue(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """Once: what waits for pickup(8) is not touched again."""
    assert await changed(asker, "requeue", IDS[1], "4jbCvX3jPxzJB5s") == [IDS[1]]
    assert await changed(asker, "requeue", IDS[1]) == [IDS[1]]
    assert postfix.calls.count("postsuper -r") == 1
    assert postfix.calls[-1] == "kick pickup W"


async def test_the_queue(asker: httpx.AsyncClient) -> None:
    told = (await asker.get("/v1/queue")).json()["messages"]
    assert [one["queue_id"] for one in told] == IDS
    assert told[0] | {"at": 0} == {
        "queue_id": IDS[0],
        "queue": "deferred",
        "submission": "",
        "at": 0,
        "message_bytes": 387,
        "reverse_path": "ada@sallyport.test",
        "recipients": ["a@b.example", "c@b.example"],
        "reason": "later",
    }
    held = (await asker.get("/v1/queue?queue=hold")).json()["messages"]
    assert [one["queue_id"] for one in held] == [IDS[1]]
    assert (await asker.get("/v1/queue?queue=corrupt")).status_code == 422


async def test_an_empty_queue(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    postfix.files.clear()
    assert (await asker.get("/v1/queue")).json() == {"messages": []}


async def test_a_listing_that_breaks_off_is_no_answer(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """Before its first octet it is a 503; behind that the connection ends before the body does."""
    postfix.files = {f"{number:08}": "hold" for number in range(5000)}
    postfix.fails_after = 1
    answer = await asker.get("/v1/queue")
    assert (answer.status_code, answer.json()) == (503, {"error": "postfix"})
    postfix.fails_after = 4000
    with pytest.raises(PostfixFailed):
        await asker.get("/v1/queue")


async def test_one_message(asker: httpx.AsyncClient) -> None:
    told = (await asker.get(f"/v1/queue/{IDS[1]}")).json()
    assert (told["queued"]["queue"], told["head"], told["start"]) == ("hold", "Subject: \ufffd\n", "hello\n")


@pytest.mark.parametrize("path", ["4jbCvX3jPxzJB5s", "ALL", "-", "..%2f..%2fetc", "x" * 100])
async def test_no_such_message(asker: httpx.AsyncClient, postfix: PlayedPostfix, path: str) -> None:
    assert (await asker.get(f"/v1/queue/{path}")).status_code == 404
    assert "postcat" not in postfix.calls


@pytest.mark.parametrize("path", [f"/v2/queue/{IDS[0]}", "/v2/queue", "/v0/statistics"])
async def test_another_contract_is_refused(asker: httpx.AsyncClient, postfix: PlayedPostfix, path: str) -> None:
    """Not 404, which policy takes for "the message is gone"."""
    answer = await asker.get(path)
    assert (answer.status_code, answer.json()) == (501, {"error": "contract", "spoken": [1]})
    assert "postcat" not in postfix.calls


async def test_statistics(asker: httpx.AsyncClient) -> None:
    told = (await asker.get("/v1/statistics")).json()
    counts = {"hold": 1, "deferred": 1, "active": 1, "incoming": 0, "maildrop": 0}
    numbers = {"octets": 3000, "oldest_at": 1795736984.0, "log_at": None, "unreported": 0}
    assert told == {"messages": counts, **numbers, "is_running": True}


async def test_a_failure_is_not_told_to_the_asker(asker: httpx.AsyncClient, postfix: PlayedPostfix) -> None:
    """Its text is for the log."""
    postfix.fails = "postsuper -h"
    with capture_logs() as events:
        answer = await asker.post("/v1/hold", json={"queue_ids": IDS})
    assert (answer.status_code, answer.json()) == (503, {"error": "postfix"})
    assert events[-1]["event"] == "postfix-failed"


NOT_LISTED: list[tuple[str, bytes]] = [
    ("no JSON", b"{"),
    ("no object", b"[]"),
    ("no recipients", b'{"queue_id": "AAAAAAAA"}'),
    ("a queue that is none", listed("AAAAAAAA", "corrupt")),
    ("recipients that are none", listed("AAAAAAAA", "hold", recipients=[1])),
]


@pytest.mark.parametrize("line", [case[1] for case in NOT_LISTED], ids=[case[0] for case in NOT_LISTED])
def test_a_line_that_is_no_message_is_left_out(line: bytes) -> None:
    assert queued_of(line) is None


def test_octets_that_are_no_text_hide_no_message() -> None:
    """What is on hold and not in the listing counts as gone."""
    found = queued_of(listed("AAAAAAAA", "hold").replace(b"a@b.example", b"a\xff@b.example"))
    assert found is not None
    assert found.recipients == ("a\ufffd@b.example", "c@b.example")


def test_the_null_reverse_path() -> None:
    """Postfix calls it so; an address that begins like that is another one."""
    for sender, reverse_path in (("MAILER-DAEMON", ""), ("MAILER-DAEMON@b.example", "MAILER-DAEMON@b.example")):
        found = queued_of(listed("AAAAAAAA", "hold", sender=sender))
        assert found
        assert found.reverse_path == reverse_path


def test_a_listing_has_each_message_once() -> None:
    """One that moves meanwhile is seen twice, and is where it was seen last."""
    found = listing_of(
        ["active 4jbCvX3bs2zJB60 10", "deferred 4jbCvX3bs2zJB60 10", "hold short 1", "pid master.pid 1", "x"]
    )
    assert found.queue_of == {"4jbCvX3bs2zJB60": QueueName.DEFERRED}
    assert found.octets == 10


@pytest.mark.parametrize(("queue_id", "at"), [("4jbCvX3bs2zJB60", 1795736984.0), ("A1B2C3D4E5", None), ("x", None)])
def test_a_long_id_says_when_it_came(queue_id: str, at: float | None) -> None:
    assert arrived_at(queue_id) == at
