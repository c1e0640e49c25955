"""Postfix's own commands as processes: no shell, queue ids on standard input, a deadline for each.

Only postsuper runs as root, which it asks for. The others run as Postfix's own user: they look at what strangers wrote.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from service.settings import SettingError

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
_DEADLINE_S = 120.0
LINE_LIMIT = 8 * 1024 * 1024  # of `postqueue -j`: a thousand recipients with long reasons are a quarter of it

_Told = TypeVar("_Told")


class PostfixFailed(Exception):
    """A command of Postfix's came to nothing. str(self) is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """What its configuration says."""

    config: Path
    queue: Path
    log: Path
    owner: str
    group: str  # of the sockets that everybody may use
    room: int = 0  # octets that have to be free, or it takes no message


def postfix_of(config: Path) -> Postfix:
    """SettingError where there is none, or one whose log cannot be followed."""
    names = ("queue_directory", "maillog_file", "mail_owner", "setgid_group", "queue_minfree", "message_size_limit")
    command = ["postconf", "-c", str(config), "-hx", *names]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=_ENVIRONMENT, timeout=30).stdout  # noqa: S603 - no word of it is a stranger's
    except (OSError, subprocess.SubprocessError):
        raise SettingError(
            "QUEUE_AGENT_POSTFIX_CONFIG", f"postconf reads nothing in {config}", "name the folder of Postfix's main.cf"
        ) from None
    queue, log, owner, group, least, largest = told.splitlines()
    if not log or Path(log).parent == Path("/dev"):
        raise SettingError(
            "QUEUE_AGENT_POSTFIX_CONFIG",
            f"maillog_file in {config} is no file",
            "let Postfix log into one, which the agent follows",
        )
    room = max(int(least), int(largest) * 3 // 2)  # smtpd(8) wants both
    return Postfix(config=config, queue=Path(queue), log=Path(log), owner=owner, group=group, room=room)


class Commands:
    """Runs them."""

    def __init__(self, postfix: Postfix) -> None:
        self._postfix = postfix

    def has_room(self) -> bool:
        """Whether the queue's disk has what Postfix wants to be free before it takes a message."""
        try:
            disk = os.statvfs(self._postfix.queue)
        except OSError:
            return True  # that it cannot be read is said elsewhere
        return disk.f_bavail * disk.f_frsize >= self._postfix.room

    def is_running(self) -> bool:
        """Whether a master holds the lock of this queue, in whatever container it is (master(8), `-t`)."""
        try:
            with (self._postfix.queue / "pid" / "master.pid").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass  # there never was one
        return False

    async def postsuper(self, option: str, queue_ids: Iterable[str], *queues: str) -> list[str]:
        """`option` on these; what it said, line by line. An id that is gone is no failure."""
        command = ["postsuper", "-c", str(self._postfix.config), option, "-", *queues]
        return (await self._run(command, _lines(queue_ids), as_owner=False, take_errors=True)).splitlines()

    async def kick(self, service: str, request: str) -> None:
        """Wake a daemon of Postfix's (qmgr(8), pickup(8))."""
        command = ["postkick", "-c", str(self._postfix.config), "public", service, request]
        # The daemon may have read the request and hung up before the zero octet behind it.
        await self._run(command, fine=(0, -signal.SIGPIPE))

    async def list_files(self, queues: Sequence[str], printed: str) -> str:
        command = ["find", *queues, "-type", "f", "-printf", printed]
        # A file that is moved while find looks at it makes its exit code 1, and nothing else.
        return await self._run(command, fine=(0, 1))

    async def touch(self, folder: str, queue_ids: Iterable[str]) -> None:
        """Of what is on hold: when it is to be tried next, once it is released."""
        command = ["xargs", "-r", "-d", "\\n", "touch", "-c", "--"]
        await self._run(command, _lines(f"{folder}/{queue_id}" for queue_id in queue_ids))

    async def part_of(self, part: str, queue_id: str, limit: int) -> bytes:
        """The header section (-h) or the body (-b) of a message, at most so much of it."""
        command = ["postcat", "-c", str(self._postfix.config), part, "-q", queue_id]
        async with self._started(command) as process:
            try:
                return await _in_time(command, _output_of(process).readexactly(limit))
            except asyncio.IncompleteReadError as error:
                return error.partial

    async def queue_lines(self) -> AsyncGenerator[bytes, None]:
        """What `postqueue -j` says, one message at a time."""
        command = ["postqueue", "-c", str(self._postfix.config), "-j"]
        async with self._started(command) as process:
            while line := await _in_time(command, _output_of(process).readline()):
                yield line
            if await _in_time(command, process.wait()):
                raise PostfixFailed(f"postqueue ended with {process.returncode}")

    async def _run(
        self,
        command: Sequence[str],
        given: bytes = b"",
        *,
        as_owner: bool = True,
        take_errors: bool = False,
        fine: Sequence[int] = (0,),
    ) -> str:
        """What it wrote; PostfixFailed where it does not end well, or not in time."""
        async with self._started(command, as_owner=as_owner, take_errors=take_errors) as process:
            told, _ = await _in_time(command, process.communicate(given))
            if process.returncode not in fine:
                raise PostfixFailed(f"{command[0]} ended with {process.returncode}")
            return told.decode(errors="replace")

    @asynccontextmanager
    async def _started(
        self, command: Sequence[str], *, as_owner: bool = True, take_errors: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """It has ended when the block ends, by itself or killed."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if take_errors else subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd=self._postfix.queue,
                limit=LINE_LIMIT,
                user=self._postfix.owner if as_owner else None,
                group=self._postfix.group if as_owner else None,
                extra_groups=[] if as_owner else None,
            )
        except OSError as error:
            raise PostfixFailed(f"{command[0]} cannot be run ({error.strerror})") from None
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()  # what it had written, too: while that is unread, wait() does not return


async def _in_time(command: Sequence[str], what: Awaitable[_Told]) -> _Told:
    """One that hangs would keep every question behind it waiting."""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await what
    except TimeoutError:
        raise PostfixFailed(f"{command[0]} said nothing for {_DEADLINE_S:g} s") from None


def _output_of(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise PostfixFailed("a command has no output")
    return process.stdout


def _lines(queue_ids: Iterable[str]) -> bytes:
    return "".join([f"{queue_id}\n" for queue_id in queue_ids]).encode()
