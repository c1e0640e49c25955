"""The queue agent, asked once by whoever has no loop of his own; a sentence where it cannot be."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from policy.containment.queue_client import QueueUnavailable
from policy.containment.queues import Queues
from policy.settings import Settings
from policy.store.errors import StoreError
from service.shared_token import SharedToken

Answer = TypeVar("Answer")


def asked(settings: Settings, question: Callable[[Queues], Awaitable[Answer]]) -> Answer:
    """The answer; StoreError where there is no agent or it is away."""
    if not settings.queue_url:
        raise StoreError("there is no queue agent that could ask the world; POLICY_QUEUE_URL names it")
    token = SharedToken.from_file("POLICY_QUEUE_TOKEN_FILE", settings.queue_token)

    async def go() -> Answer:
        async with Queues(settings.queue_url, token) as client:
            return await question(client)

    try:
        return asyncio.run(go())
    except QueueUnavailable as error:
        raise StoreError(f"{error}; is it running, and POLICY_QUEUE_URL right?") from None
