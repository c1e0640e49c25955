"""A command of Postfix's that hangs is killed, whatever is read of it: the questions behind it go on."""

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from queue_agent import commands
from queue_agent.commands import Commands, Postfix, PostfixFailed, postfix_of


@pytest.mark.parametrize(("room", "has_room"), [(0, True), (1, True), (2**62, False)])
def test_the_room_that_postfix_wants(tmp_path: Path, room: int, *, has_room: bool) -> None:
    disk = Postfix(config=tmp_path, queue=tmp_path, log=tmp_path, owner="", group="", room=room)
    assert Commands(disk).has_room() is has_room


@pytest.mark.skipif(not shutil.which("postconf", path=commands._ENVIRONMENT["PATH"]), reason="needs Postfix")
def test_what_a_setting_refers_to_is_read(tmp_path: Path) -> None:
    said = "maillog_file = $queue_directory/log\nqueue_minfree = $message_size_limit\nmessage_size_limit = 4000\n"
    (tmp_path / "main.cf").write_text(said)
    found = postfix_of(tmp_path)
    assert (found.log, found.room) == (found.queue / "log", 6000)


class Hanging(Commands):
    """Each command waits for words that never come, and says nothing."""

    def _started(
        self,
        command: Sequence[str],  # noqa: ARG002 - none is run
        *,
        as_owner: bool = True,  # noqa: ARG002 - nor is there one
        take_errors: bool = False,
    ) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
        return super()._started(["tail", "-f", "/dev/null"], as_owner=False, take_errors=take_errors)


def at(queue: Path) -> Postfix:
    return Postfix(config=queue, queue=queue, log=queue, owner="", group="")


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
    command: str, ask: Callable[[Commands], Awaitable[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_DEADLINE_S", 0.01)
    with pytest.raises(PostfixFailed, match=f"{command} said nothing"):
        async with asyncio.timeout(60):
            await ask(Hanging(at(tmp_path)))


async def test_one_that_nobody_reads_any_more_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has written more than is kept for a reader: a large queue, of which somebody has looked at the beginning."""
    monkeypatch.setattr(commands, "LINE_LIMIT", 1024)
    async with asyncio.timeout(60), Commands(at(tmp_path))._started(["yes"], as_owner=False) as process:
        while not process.stdout._paused:  # noqa: ASYNC110 - that it is full tells nobody
            await asyncio.sleep(0)
    assert process.returncode == -signal.SIGKILL
