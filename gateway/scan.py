"""Asking the scanner about a message before policy is asked, with its octets as they will go out.

    handover.py     has the message ready
    scan.py         (you are here) the question over HTTP, its limits, and what becomes of failures
    scan_words.py   what is told and what an answer means

The same pass signs: the answer has the DKIM signatures, and handover.py puts them on top.

Whatever goes wrong is ScanResult.SILENT, never an error: policy says what passes then. A scanner that hangs would cost
every message its whole time limit, so after some failures in a row it is left alone for a moment, and all messages of
that moment are SILENT at once.

Large messages go one by one, and their failures are counted apart. There are texts of many megabytes over which the
scanner sits for half a minute; whoever hands them in must not keep its other processes from everybody else's mail.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from multidict import CIMultiDict

from gateway import log, scan_words
from gateway.relay_commands import Envelope
from gateway.scan_words import ANSWER_LIMIT, SILENT, NoAnswer, Scanned
from gateway.scoreboard import Scoreboard
from gateway.spool import Spool
from policy.contract import Scan

_PIECE = 128 * 1024
_LARGE = 1024 * 1024  # octets: what is smaller the scanner has looked at within a second, whatever it is
_FAILURES_ALLOWED = 3  # in a row
_LEFT_ALONE_S = 5.0
_TURN_S = 25.0  # longer than so many failures take, and well below what a client waits
_TROUBLE = (NoAnswer, aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError
_PROBE = b"From: probe@localhost\r\nSubject: probe\r\n\r\nIs the scanner there?\r\n"
_PROBE_ENVELOPE = Envelope(
    reverse_path="",
    recipients=(),
    client_address="127.0.0.1",
    client_name="localhost",
    submission="probe",
    message_bytes=len(_PROBE),
    is_eight_bit=False,
)
_PARTIAL = (
    "PARTIAL_SCAN"  # the symbol, among those of the scanner, of a message of which only the first part was scanned
)


@dataclass(slots=True)
class _Lane:
    """Messages of one kind: how many are asked about at a time, and how often it failed."""

    places: asyncio.Semaphore
    failures: int = 0  # in a row
    left_alone_until: float = 0.0

    def is_left_alone(self) -> bool:
        return asyncio.get_running_loop().time() < self.left_alone_until

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= _FAILURES_ALLOWED:
            self.left_alone_until = asyncio.get_running_loop().time() + _LEFT_ALONE_S

    def answered(self) -> None:
        self.failures, self.left_alone_until = 0, 0.0


class Scanner:
    """At most `connections` questions at a time, and one about a large message; more messages wait for one to end.

    The wait is not in `timeout_s`: those before it are no fault of a message. It ends all the same, with SILENT.

    Of a message that has more than `max_bytes` octets only so many are scanned, and it is not signed: a signature is of
    all of it.
    """

    def __init__(self, url: str, timeout_s: float, connections: int, max_bytes: int, scoreboard: Scoreboard) -> None:
        self._url = f"{url.rstrip('/')}/checkv2"
        self._timeout_s, self._max_bytes, self._scoreboard = timeout_s, max_bytes, scoreboard
        self._http: aiohttp.ClientSession | None = None
        self._small, self._large = _Lane(asyncio.Semaphore(connections)), _Lane(asyncio.Semaphore(1))

    async def __aenter__(self) -> Self:
        # rspamd closes after each answer: a pool of open connections would be one of closed ones.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http:
            await self._http.close()

    async def scan(self, envelope: Envelope, head: bytes, spool: Spool, offset: int) -> Scanned:
        """What the scanner makes of `head` and what `spool` holds from `offset` on. Raises nothing."""
        size = len(head) + len(spool) - offset
        lane = self._large if size > _LARGE else self._small
        scanned = SILENT if lane.is_left_alone() else await self._in_turn(lane, envelope, head, spool, offset)
        self._scoreboard.count("scans_total", scanned.scan.result)
        self._scoreboard.set("scanner_silent", scanned is SILENT)
        return scanned

    async def probe(self) -> None:
        """Whether it is there, where no message asks: what is shown is never older than the rounds of edge.py."""
        try:
            scan_words.read(await self._asked(_PROBE_ENVELOPE, _PROBE, Spool(Path()), 0, len(_PROBE)))
        except _TROUBLE as error:
            _failed(self._small, _PROBE_ENVELOPE.submission, error)
            self._scoreboard.set("scanner_silent", 1)
            return
        self._small.answered()
        self._scoreboard.set("scanner_silent", 0)

    async def _in_turn(self, lane: _Lane, envelope: Envelope, head: bytes, spool: Spool, offset: int) -> Scanned:
        try:
            async with asyncio.timeout(_TURN_S):
                await lane.places.acquire()
        except TimeoutError:
            log.scan_failed(envelope.submission, "no turn")
            return SILENT
        try:  # while it waited, those before it may have failed
            return SILENT if lane.is_left_alone() else await self._scanned(lane, envelope, head, spool, offset)
        finally:
            lane.places.release()

    async def _scanned(self, lane: _Lane, envelope: Envelope, head: bytes, spool: Spool, offset: int) -> Scanned:
        size = len(head) + len(spool) - offset
        try:
            answer = await self._asked(envelope, head, spool, offset, min(size, self._max_bytes))
            scanned = scan_words.read(answer)
        except _TROUBLE as error:
            _failed(lane, envelope.submission, error)
            return SILENT
        lane.answered()
        return scanned if size <= self._max_bytes else _partial(scanned.scan)

    async def _asked(self, envelope: Envelope, head: bytes, spool: Spool, offset: int, size: int) -> bytes:
        async with asyncio.timeout(self._timeout_s):
            return await self._answer(envelope, head, spool, offset, size)

    async def _answer(self, envelope: Envelope, head: bytes, spool: Spool, offset: int, size: int) -> bytes:
        if self._http is None:
            raise RuntimeError("used outside its context")
        told = CIMultiDict(scan_words.fields(envelope))
        # Its length before it: nothing in a message can be taken for its end.
        told["Content-Length"] = str(size)
        told["Content-Type"] = "message/rfc822"
        async with self._http.post(
            self._url, data=_pieces(head, spool, offset, size), headers=told, allow_redirects=False
        ) as response:
            if response.status != HTTPStatus.OK:
                raise NoAnswer(f"status {response.status}")
            answer = bytearray()
            async for piece in response.content.iter_any():
                answer += piece
                if len(answer) > ANSWER_LIMIT:
                    raise NoAnswer("answer too long")
            return bytes(answer)


def _failed(lane: _Lane, submission: str, error: Exception) -> None:
    log.scan_failed(submission, str(error) if isinstance(error, NoAnswer) else type(error).__name__)
    lane.failed()


def _partial(scan: Scan) -> Scanned:
    """Not signed, and whoever asks why can read that not all of it was scanned."""
    return Scanned(scan.model_copy(update={"symbols": (_PARTIAL, *scan.symbols[:-1])}))


async def _pieces(head: bytes, spool: Spool, offset: int, size: int) -> AsyncIterator[bytes]:
    """`size` octets of the message in order, never more than a piece of them at a time."""
    first = b"".join((head, memoryview(spool.start)[offset:]))[:size]
    left = size - len(first)
    yield first
    if not spool.file or not left:
        return
    spool.file.seek(0)
    while left and (piece := spool.file.read(min(_PIECE, left))):
        left -= len(piece)
        yield piece
