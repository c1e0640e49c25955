"""The queue agent asked over HTTP."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from policy.containment.queue_client import QueueClient
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
