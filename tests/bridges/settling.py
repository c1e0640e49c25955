"""Waits until the connections of a test are gone: what is left over would be a warning in the next one."""

import asyncio


async def connections_closed() -> None:
    """TLS ends when both sides have said so, which takes the event loop some rounds."""
    async with asyncio.timeout(60):
        while any(one._sock for one in asyncio.get_running_loop()._transports.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # asyncio tells nobody when a transport is gone
