"""HTTPS by uvicorn, with what it leaves open: clients that are slow on purpose, and a certificate that is replaced.

A connection that has sent no whole request in time is closed, so that connections without a purpose cannot take all
places. h11 refuses a head of more than 64 KiB; that is why it is used and not httptools, for which none is too long.
"""

import asyncio
import contextlib
import gc
import math
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import h11
import uvicorn
from cryptography import x509
from uvicorn.protocols.http.h11_impl import H11Protocol

from policy import log
from service.ailments import Ailment
from service.sentence import Sentence

REQUEST_WITHIN_S = 20.0
KEEP_ALIVE_S = 15
# TLS waits for the other side to say that it ends, too: browsers say nothing on a connection that they do not use.
_IDLE_ENDS_WITHIN_S = 0.2
_ANSWER_ENDS_WITHIN_S = 2.0  # its last octets may be on a slow way
MOST_CONNECTIONS = 256
_LOOK_EVERY_S = 2.0
_NEAR_END_S = 2 * 86400.0  # as the gateway says it
# How long a thread that renders keeps the loop waiting, each time that it wants to go on: ten times less than usual,
# for the loop wants to go on at every write to every viewer.
_SWITCH_S = 0.0005


class BoundedProtocol(H11Protocol):
    """uvicorn's own, with a deadline for each request: from the connection, or its first octet, to its last one."""

    _deadline: asyncio.TimerHandle | None = None
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._set_deadline()
        super().data_received(data)
        if self.conn.their_state is not h11.SEND_BODY and self.conn.their_state is not h11.IDLE:
            self._drop_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_deadline()
        if self._end:
            self._end.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._end_within(_ANSWER_ENDS_WITHIN_S)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_within(_IDLE_ENDS_WITHIN_S)

    def shutdown(self) -> None:
        super().shutdown()
        self._end_within(_IDLE_ENDS_WITHIN_S)

    def _end_within(self, seconds: float) -> None:
        """If it is closing; whoever is still in a request is not."""
        if self.transport.is_closing() and self._end is None:
            self._end = self.loop.call_later(seconds, self.transport.abort)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self.transport.abort)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """Streams end by themselves when it is to end: it would wait for them, as for answers that somebody waits for."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # What was made until now stays: to look through all of it would stop every stream for a third of a second.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(_SWITCH_S)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


class Expired(ValueError):
    """A new certificate that has come to its end."""


class Certificate:
    """The pair of files that the gateway serves, too. A pair that is replaced is served to the next connection."""

    def __init__(self, certificate: Path, key: Path, clock: Callable[[], float]) -> None:
        self._files = (certificate, key)
        self._clock = clock
        self._seen = self._stamps()
        self.context = self._loaded()
        self._is_refused, self._expires_at = False, math.inf
        with contextlib.suppress(ValueError):  # OpenSSL has taken it, and that is what counts
            self._expires_at = self._end()

    def look(self) -> None:
        """Take what is new; a pair that is broken, half written or expired is told once, and the old one goes on."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return
            self._seen = stamps
            if (expires_at := self._end()) <= self._clock():
                raise Expired
            self._loaded()  # first into a context that nobody uses: a failure in the middle would leave half of each
            self.context.load_cert_chain(*self._files)
        except (OSError, ValueError) as error:  # ssl.SSLError is one of the first, Expired of the second
            self._is_refused = True
            log.console_certificate_refused(str(self._files[0]), type(error).__name__)
            return
        self._is_refused, self._expires_at = False, expires_at
        log.console_certificate_loaded(str(self._files[0]))

    def warnings(self) -> tuple[Sentence, ...]:
        """For the console's health."""
        found = [Ailment.CONSOLE_CERTIFICATE_REFUSED.of()] if self._is_refused else []
        left_s = self._expires_at - self._clock()
        if left_s <= 0:
            found.append(Ailment.CONSOLE_CERTIFICATE_EXPIRED.of())
        elif left_s < _NEAR_END_S:
            found.append(Ailment.CERTIFICATE_ENDS.of(hours=max(1, round(left_s / 3600))))
        return tuple(found)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look()

    def _end(self) -> float:
        return x509.load_pem_x509_certificate(self._files[0].read_bytes()).not_valid_after_utc.timestamp()

    def _stamps(self) -> list[tuple[int, int]]:
        """Nothing where one of them is gone, which is told once, too."""
        try:
            # The time of the change, not of the content: who may read it changes, too.
            return [(status.st_ctime_ns, status.st_ino) for status in (path.stat() for path in self._files)]
        except OSError:
            return []

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*self._files)
        return context
