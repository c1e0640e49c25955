"""What a test says to a sink: over HTTP, through smtplib, and SMTP by hand."""

import asyncio
import smtplib
import socket
from dataclasses import dataclass
from typing import Any

import aiohttp

from sink.service import Sink

NOW = 1_700_000_000.25
HELLO = b"Subject: hello\r\n\r\nbody\r\n"


@dataclass
class Running:
    """The sink and a client for each of its sides."""

    sink: Sink
    http: aiohttp.ClientSession
    naps: list[float]  # what a slow recipient would have waited

    async def submit(self, recipient: str = "bob@x.test", content: bytes = HELLO, sender: str = "ada@x.test") -> None:
        await self.submit_to([recipient], content, sender)

    async def submit_to(
        self, recipients: list[str], content: bytes, sender: str, options: tuple[str, ...] = ()
    ) -> None:
        def work() -> None:
            with smtplib.SMTP("127.0.0.1", self.sink.smtp_port, "client.test", timeout=10) as client:
                client.sendmail(sender, recipients, content, mail_options=options)

        await asyncio.to_thread(work)

    async def get(self, path: str, status: int = 200) -> Any:
        return await self.ask("GET", path, status)

    async def ask(self, method: str, path: str, status: int = 200) -> Any:
        async with self.http.request(method, f"http://127.0.0.1:{self.sink.http_port}{path}") as answer:
            assert (answer.status, answer.content_type) == (status, "application/json"), await answer.text()
            return await answer.json()


@dataclass
class Wire:
    """SMTP by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, line: bytes) -> str:
        self.writer.write(line + b"\r\n")
        return await self.reply()

    async def reply(self) -> str:
        """The last line of a reply."""
        while True:
            line = (await self.reader.readline()).decode().rstrip()
            if line[3:4] != "-":
                return line


def bound() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))
