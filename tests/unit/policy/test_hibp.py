"""The range question, against a server that speaks it: what is sent, what is understood, and what a failure does."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog
from aiohttp import web

from policy.people import hibp
from policy.people.hibp import RangeServer

PASSWORD = "seven purple ducks"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()  # noqa: S324 - the server's format
OTHERS = "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2\r\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """Its address; `handler` answers for every prefix."""
    app = web.Application()
    app.router.add_get("/range/{prefix}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/range"
    finally:
        await runner.cleanup()


ANSWERS = [
    # what it shows, answer, whether the password is known
    ("seen", f"{OTHERS}{DIGEST[5:]}:12\r\n", True),
    ("seen, in small letters, and no end of line", f"{DIGEST[5:].lower()}:1", True),
    ("padding", f"{OTHERS}{DIGEST[5:]}:0\r\n", False),
    ("others alone", OTHERS, False),
    ("empty", "", False),
    ("no count", f"{DIGEST[5:]}\r\n", False),
    ("something else", "<html>Welcome</html>", False),
]


@pytest.mark.parametrize(("answer", "known"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
async def test_answers(answer: str, known: bool) -> None:
    async def answering(request: web.Request) -> web.Response:
        return web.Response(text=answer)

    async with server(answering) as url:
        assert await RangeServer(url).knows(PASSWORD) == known
        assert await RangeServer(f"{url}/").knows(PASSWORD) == known


async def test_five_digits_leave_the_house() -> None:
    """And the wish for padding; nothing else of the password."""
    seen = list[web.Request]()

    async def answering(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(text=OTHERS)

    async with server(answering) as url:
        await RangeServer(url).knows(PASSWORD)
    assert [request.match_info["prefix"] for request in seen] == [DIGEST[:5]]
    assert seen[0].headers["Add-Padding"] == "true"
    assert DIGEST[5:] not in str(seen[0].raw_headers)


async def _unavailable(request: web.Request) -> web.Response:
    return web.Response(status=503, text=f"{DIGEST[5:]}:1")


async def _redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(OTHERS.encode() * 1000)


async def _no_text(request: web.Request) -> web.Response:
    return web.Response(body=b"\xff\xfe")


async def _silent(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("handler", [_unavailable, _redirect, _endless, _no_text, _silent])
async def test_a_server_that_fails_refuses_nobody(handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says so, without the password."""
    monkeypatch.setattr(hibp, "_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    with structlog.testing.capture_logs() as events:
        async with server(handler) as url:
            assert not await RangeServer(url).knows(PASSWORD)
    assert [event["event"] for event in events] == ["breach-server-failed"]
    assert PASSWORD not in str(events)
    assert DIGEST[:5] not in str(events)


async def test_a_server_that_is_not_there_refuses_nobody() -> None:
    with structlog.testing.capture_logs() as events:
        assert not await RangeServer("http://127.0.0.1:1/range").knows(PASSWORD)
    assert [event["event"] for event in events] == ["breach-server-failed"]


async def test_without_a_server_nobody_is_asked() -> None:
    with structlog.testing.capture_logs() as events:
        assert not await RangeServer("").knows(PASSWORD)
    assert events == []
