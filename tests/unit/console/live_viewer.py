"""Somebody who looks at a page that changes: the stream as it comes, event by event."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from browser import HOME, Browser


@dataclass
class Viewer:
    """Reads as long as `reads` is set."""

    browser: Browser
    path: str = "/staff/live"
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    comments: int = 0
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Task[None] = field(init=False)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: bool = False

    def __post_init__(self) -> None:
        self.reads.set()
        self.answer = asyncio.get_running_loop().create_task(self.browser.app(self._scope(), self._receive, self._send))  # type: ignore[operator]  # any ASGI

    def _scope(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.browser.client.cookies.jar)
        headers = {"host": "mail.example.org:8443", "cookie": cookies, "accept": "text/event-stream"}
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (HOME, 50000),
            "server": ("mail.example.org", 8443),
        }

    async def leave(self) -> None:
        self._leaving.set()
        await self.ended()

    async def ended(self) -> None:
        async with asyncio.timeout(60):
            await self.answer

    async def next(self, name: str) -> str:
        """The next event of this name; those before it are gone."""
        async with asyncio.timeout(60):
            while True:
                found, data = await self.events.get()
                if found == name:
                    return data

    async def until(self, name: str, text: str) -> str:
        """The first event of this name that has the text."""
        while text not in (data := await self.next(name)):
            pass
        return data

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.has_begun.set()
            return
        await self.reads.wait()
        for block in message["body"].decode().split("\n\n"):
            self._take(block)

    def _take(self, block: str) -> None:
        if block.startswith(":"):
            self.comments += 1
        if block.startswith("event: "):
            name, *lines = block.split("\n")
            data = "\n".join(line.removeprefix("data: ") for line in lines)
            self.events.put_nowait((name.removeprefix("event: "), data))
