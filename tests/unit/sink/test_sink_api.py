"""The HTTP API, over a socket."""

import asyncio
from typing import Any, NoReturn

import pytest
from sink_clients import Running

from sink.query import Filter
from sink.store import Store


async def test_a_message_as_it_is_listed(running: Running) -> None:
    await running.submit(
        "Bob@x.test", b"Message-ID: <1@x>\r\nSubject: =?utf-8?q?=C3=A9?=\r\n\r\nbody\r\n", "ada@x.test"
    )
    assert await running.get("/messages") == [
        {
            "id": "1",
            "received_at": "2023-11-14T22:13:20.250+00:00",
            "envelope": {"mail_from": "ada@x.test", "recipients": ["Bob@x.test"]},
            "subject": "é",
            "message_id": "<1@x>",
            "size": 56,
            "headers": [["Message-ID", "<1@x>"], ["Subject", "é"]],
        }
    ]


async def test_one_message_has_a_body_in_addition(running: Running) -> None:
    await running.submit(content=b"Subject: a\r\n\r\nGuten Tag\r\n")
    (listed,) = await running.get("/messages")
    assert await running.get("/messages/1") == listed | {"text": "Guten Tag\r\n", "html": None}


async def test_raw_is_what_was_received(running: Running) -> None:
    content = b"Subject: \xff\r\n\r\n.\r\n\x80\r\n"
    await running.submit(content=content)
    async with running.http.get(f"http://127.0.0.1:{running.sink.http_port}/messages/1/raw") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "message/rfc822", content)


async def test_filters(running: Running) -> None:
    for recipient in ("a@x.test", "b@x.test", "c+d@x.test"):
        await running.submit(recipient)
    assert [one["id"] for one in await running.get("/messages?recipient=B@x.test")] == ["2"]
    assert [one["id"] for one in await running.get("/messages?recipient=c%2Bd@x.test")] == ["3"]
    assert await running.get("/messages?recipient=nobody@x.test") == []


async def test_delete_what_matches(running: Running, store: Store) -> None:
    for recipient in ("a@x.test", "b@x.test", "a@x.test"):
        await running.submit(recipient)
    assert await running.ask("DELETE", "/messages?recipient=a@x.test") == {"deleted": 2}
    assert [message.id for message in store.select(Filter())] == [2]
    assert await running.ask("DELETE", "/messages") == {"deleted": 1}


async def test_a_misspelt_filter_deletes_nothing(running: Running, store: Store) -> None:
    await running.submit()
    await running.ask("DELETE", "/messages?recipent=nobody@x.test", 400)
    assert len(store) == 1


async def test_wait_is_answered_by_the_message_that_was_missing(running: Running) -> None:
    await running.submit()
    waiting = asyncio.create_task(running.get("/messages?recipient=bob@x.test&wait=30&count=2"))
    await running.submit("eve@x.test")
    await running.submit()
    assert [one["id"] for one in await waiting] == ["1", "3"]


async def test_wait_ends_with_what_there_is(running: Running) -> None:
    assert await running.get("/messages?wait=0.01") == []


async def test_health_tells_what_was_dropped(running: Running) -> None:
    for _ in range(7):
        await running.submit(content=b"Subject: 1\r\n")
    assert await running.get("/health") == {
        "status": "ok", "messages": 5, "bytes": 60, "dropped": 2, "max_messages": 5, "max_bytes": 100_000
    }  # fmt: skip


ERRORS = [
    # what it shows, method, path, status, part of the sentence
    ("unknown parameter", "GET", "/messages?limit=1", 400, "'limit'"),
    ("unknown parameter when deleting", "DELETE", "/messages?wait=1", 400, "'wait'"),
    ("parameter where there is none", "GET", "/messages/1?x=1", 400, "'x'"),
    ("parameter for health", "GET", "/health?verbose=1", 400, "'verbose'"),
    ("a filter that there is not", "GET", "/messages?recipiant=x", 400, "'recipiant'"),
    ("the same when deleting", "DELETE", "/messages?to=x", 400, "'to'"),
    ("a parameter twice", "GET", "/messages?sender=a&sender=b", 400, "twice"),
    ("no number of seconds", "GET", "/messages?wait=long", 400, "'long'"),
    ("wait too long", "GET", "/messages?wait=61", 400, "from 0 to 60"),
    ("a count of nothing", "GET", "/messages?wait=1&count=0", 400, "'0'"),
    ("no such message", "GET", "/messages/17", 404, "There is no message 17"),
    ("no such message, raw", "GET", "/messages/17/raw", 404, "There is no message 17"),
    ("not an id", "GET", "/messages/abc", 404, "There is no message abc"),
    ("an id in other digits", "GET", "/messages/%C2%B2", 404, "There is no message"),
    ("an absurd id", "GET", "/messages/" + "9" * 5000, 404, "There is no message"),
    ("no such place", "GET", "/mail", 404, "There is nothing at /mail"),
    ("no such method", "POST", "/messages", 405, "DELETE, GET"),
]


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
async def test_errors_are_json_with_a_sentence(
    running: Running, store: Store, method: str, path: str, status: int, sentence: str
) -> None:
    """And nothing is deleted."""
    await running.submit()
    answer = await running.ask(method, path, status)
    assert list(answer) == ["error"]
    assert sentence in answer["error"]
    assert len(store) == 1


async def test_an_error_of_ours_tells_the_client_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> NoReturn:
        raise RuntimeError("the secret text")

    monkeypatch.setattr(Store, "select", fail)
    answer = await running.get("/messages", 500)
    assert "secret" not in answer["error"]
    logged = capsys.readouterr().out
    assert "request-failed" in logged
    assert "secret" not in logged
