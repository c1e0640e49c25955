"""Dovecot asked over HTTP: the key that it knows, whichever of two it is, and answers that are none."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.doveadm import Doveadm
from service.shared_token import SharedToken

COMMANDS = [["kick", {"mask": ["ada"]}, "k"]]


class Dovecot:
    """Knows one key."""

    def __init__(self, key: str, status: int = 200) -> None:
        self.key, self.status = key, status
        self.asked: list[object] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"X-Dovecot-API {b64encode(self.key.encode()).decode()}":
            return web.Response(status=401)
        self.asked.append(json.loads(await request.read()))
        return web.Response(status=self.status, text="x" * 300_000)


@asynccontextmanager
async def served(dovecot: Dovecot) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    app = web.Application()
    app.router.add_post("/doveadm/v1", dovecot.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield str(server.make_url("/")), http


@pytest.mark.parametrize("key", ["new", "old"])
async def test_it_is_asked_with_the_key_that_it_knows(key: str) -> None:
    """Once; and the whole answer is read, in however many pieces it comes."""
    dovecot = Dovecot(key)
    async with served(dovecot) as (url, http):
        answer = await Doveadm(url, SharedToken("new", "old")).ask(http, COMMANDS)
    assert (len(answer), dovecot.asked) == (300_000, [COMMANDS])


FAILURES = [
    # what it shows, Dovecot, the limit, what is said
    ("it knows none of our keys", Dovecot("other"), 10**6, "status 401"),
    ("it fails", Dovecot("new", 500), 10**6, "status 500"),
    ("its answer has no end", Dovecot("new"), 299_999, "an answer without an end"),
]


@pytest.mark.parametrize(("dovecot", "limit", "said"), [one[1:] for one in FAILURES], ids=[one[0] for one in FAILURES])
async def test_what_is_no_answer(dovecot: Dovecot, limit: int, said: str) -> None:
    async with served(dovecot) as (url, http):
        with pytest.raises(aiohttp.ClientError, match=said):
            await Doveadm(url, SharedToken("new", "old")).ask(http, COMMANDS, limit)
    assert len(dovecot.asked) <= 1


@pytest.mark.parametrize(("known", "is_let_in"), [("new", True), ("old", True), ("other", False)])
async def test_the_queue_agent_is_asked_with_the_token_that_it_knows(known: str, is_let_in: bool) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Bearer {known}":
            return web.json_response({"error": "token"}, status=401)
        return web.json_response({"messages": []})

    app = web.Application()
    app.router.add_get("/v1/queue", answer)
    async with TestServer(app) as server, QueueClient(str(server.make_url("")), SharedToken("new", "old")) as client:
        if is_let_in:
            assert (await client.queue()).messages == ()
        else:
            with pytest.raises(QueueUnavailable):
                await client.queue()
