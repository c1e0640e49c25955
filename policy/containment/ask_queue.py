"""One question to the queue agents, for a command, which has no event loop. What is wrong becomes a sentence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from policy.containment.queue_client import QueueUnavailable
from policy.containment.queues import Queues
from policy.settings import Settings
from policy.store.errors import StoreError
from service.shared_token import SharedToken

Answer = TypeVar("Answer")


def ask_queue(settings: Settings, question: Callable[[Queues], Awaitable[Answer]]) -> Answer:
    """The answer; StoreError where there is no agent or it is away."""
    if not settings.queue_url:
        raise StoreError("there is no queue agent: POLICY_QUEUE_URL is empty, set it")
    token = SharedToken.from_file("POLICY_QUEUE_TOKEN_FILE", settings.queue_token)

    async def ask() -> Answer:
        async with Queues(settings.queue_url, token) as queue:
            return await question(queue)

    try:
        return asyncio.run(ask())
    except QueueUnavailable as error:
        raise StoreError(f"{error}; is it running, and is POLICY_QUEUE_URL right?") from None
