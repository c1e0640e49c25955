"""The queue agent asked over HTTP."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from policy.containment import queue_client
from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.queue_contract import QueueIds
from service.shared_token import SharedToken


@pytest.mark.parametrize("what", ["hold", "release", "delete", "requeue"])
@pytest.mark.parametrize("odd", ["1abcDE-0001f2-Xy", "short", "", "4Q000001\n", "4Q٣٣٣٣٣٣"])
async def test_an_id_of_another_queue_keeps_no_other_waiting(what: str, odd: str) -> None:
    """A front with logins of its own names its own ids, which may look otherwise."""
    asked = list[QueueIds]()

    async def answer(request: web.Request) -> web.Response:
        asked.append(QueueIds.model_validate_json(await request.read()))
        return web.Response(text=asked[-1].model_dump_json())

    app = web.Application()
    app.router.add_post(f"/v1/{what}", answer)
    async with TestServer(app) as server, QueueClient(str(server.make_url("")), SharedToken("token")) as client:
        assert await getattr(client, what)([odd, "4Q000001"]) == {"4Q000001"}
    assert asked == [QueueIds(queue_ids=("4Q000001",))]


async def test_an_agent_that_hangs_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps one order waiting for as long as an order may take, and none that comes in the next seconds."""
    monkeypatch.setattr(queue_client, "_ORDER_TIMEOUT_S", 1.0)
    asked, is_well = list[str](), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        asked.append(await request.text())
        await is_well.wait()
        return web.Response(text=asked[-1])

    app = web.Application()
    app.router.add_post("/v1/hold", hang)
    async with TestServer(app) as server, QueueClient(str(server.make_url("")), SharedToken("token")) as client:
        for _ in range(3):
            with pytest.raises(QueueUnavailable, match="TimeoutError"):
                await client.hold(["4Q000001"])
        assert len(asked) == 1
        is_well.set()
        monkeypatch.setattr(queue_client, "_ORDER_TIMEOUT_S", 60.0)
        monkeypatch.setattr(client, "_silent_until", 0.0)  # a few seconds later
        assert await client.hold(["4Q000001"]) == {"4Q000001"}
    assert len(asked) == 2


async def test_one_that_refuses_is_asked_again_at_once() -> None:
    """It keeps nobody waiting."""
    asked = list[str]()

    async def refuse(request: web.Request) -> web.Response:
        asked.append(await request.text())
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/v1/hold", refuse)
    async with TestServer(app) as server, QueueClient(str(server.make_url("")), SharedToken("token")) as client:
        for _ in range(2):
            with pytest.raises(QueueUnavailable, match="503"):
                await client.hold(["4Q000001"])
    assert len(asked) == 2
