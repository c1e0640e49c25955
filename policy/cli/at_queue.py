"""The queue agent, asked by a command: whatever is wrong with it becomes a sentence that says what to do."""

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
    """One question, and its answer."""
    if not settings.queue_url:
        raise StoreError(
            "the queue can only be looked at through the queue agent, and POLICY_QUEUE_URL is empty; "
            "set it, or use `postqueue` and `postcat` at Postfix"
        )
    token = SharedToken.from_file("POLICY_QUEUE_TOKEN_FILE", settings.queue_token)

    async def ask() -> Answer:
        async with Queues(settings.queue_url, token) as queue:
            return await question(queue)

    try:
        return asyncio.run(ask())
    except QueueUnavailable as error:
        raise StoreError(f"{error}: nothing can be shown; `sallyport doctor` says what is wrong") from None
