"""A command of Postfix's that hangs is killed, whatever is read of it: the questions behind it go on."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from queue_agent import commands
from queue_agent.commands import Commands, Postfix, PostfixFailed

NOWHERE = Path("/nonexistent")


class Hanging(Commands):
    """Each command waits for words that never come, and says nothing."""

    @asynccontextmanager
    async def _started(self, command: Sequence[str], **_: bool) -> AsyncIterator[asyncio.subprocess.Process]:  # noqa: ARG002 - none is run
        pipe = subprocess.PIPE
        process = await asyncio.create_subprocess_exec("tail", "-f", "/dev/null", stdin=pipe, stdout=pipe)
        try:
            yield process
        finally:
            process.kill()
            await process.wait()


async def queue_lines(asked: Commands) -> None:
    async for _ in asked.queue_lines():
        raise AssertionError


QUESTIONS: list[tuple[str, Callable[[Commands], Awaitable[object]]]] = [
    ("postqueue", queue_lines),
    ("postcat", lambda asked: asked.part_of("-h", "4Q000001", 100)),
    ("postkick", lambda asked: asked.kick("qmgr", "D")),
]


@pytest.mark.parametrize(("command", "ask"), QUESTIONS, ids=[one[0] for one in QUESTIONS])
async def test_one_that_hangs_is_given_up(
    command: str, ask: Callable[[Commands], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_DEADLINE_S", 0.01)
    postfix = Postfix(config=NOWHERE, queue=NOWHERE, log=NOWHERE, owner="", group="")
    with pytest.raises(PostfixFailed, match=f"{command} said nothing"):
        async with asyncio.timeout(20):
            await ask(Hanging(postfix))
