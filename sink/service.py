"""Both listeners of one sink. Both ports are bound before the first is served: nothing is half started."""

import asyncio
import socket
from collections.abc import Callable

from aiohttp import web

from service.settings import SettingError
from sink import log
from sink.api import application
from sink.intake import MAX_MESSAGE_BYTES, Intake, Listener, Sleep
from sink.settings import Settings
from sink.store import Store

_GOODBYE_S = 2.0  # for HTTP answers that are under way


class Sink:
    """`smtp_socket` and `http_socket` are bound already and belong to the sink from now on."""

    def __init__(
        self,
        store: Store,
        smtp_socket: socket.socket,
        http_socket: socket.socket,
        *,
        clock: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.store = store
        self.smtp_port: int = smtp_socket.getsockname()[1]
        self.http_port: int = http_socket.getsockname()[1]
        self._sockets = (smtp_socket, http_socket)
        self._intake = Intake(store, clock, sleep)
        # A message that cannot be kept is refused with 552, not accepted and dropped.
        self._max_message_bytes = min(MAX_MESSAGE_BYTES, store.max_bytes)
        self._connections: set[Listener] = set()
        self._smtp: asyncio.Server | None = None
        self._http: web.AppRunner | None = None

    async def start(self) -> None:
        smtp_socket, http_socket = self._sockets
        self._smtp = await asyncio.get_running_loop().create_server(self._connection, sock=smtp_socket)
        self._http = web.AppRunner(
            application(self.store), access_log=None, handler_cancellation=True, shutdown_timeout=_GOODBYE_S
        )
        await self._http.setup()
        await web.SockSite(self._http, http_socket).start()

    async def stop(self) -> None:
        """Mail that has not got its 250 is not kept; the client still has it."""
        if self._smtp:
            self._smtp.close()
        for connection in tuple(self._connections):
            connection.cut()
        self.store.close()
        if self._http:
            await self._http.cleanup()
        log.stopped(len(self.store))

    def _connection(self) -> Listener:
        return Listener(self._intake, self._max_message_bytes, self._connections)


def bound_sink(settings: Settings, clock: Callable[[], float]) -> Sink:
    """A sink on the ports of the settings; SettingError where one cannot be had."""
    smtp_socket = _bound("SINK_SMTP_PORT", str(settings.bind), settings.smtp_port)
    try:
        http_socket = _bound("SINK_HTTP_PORT", str(settings.bind), settings.http_port)
    except SettingError:
        smtp_socket.close()
        raise
    return Sink(Store(settings.max_messages, settings.max_bytes), smtp_socket, http_socket, clock=clock)


def _bound(setting: str, address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    except OSError as error:
        reason = error.strerror.partition(" (while")[0] if error.strerror else type(error).__name__
        raise SettingError(
            setting, f"{address} port {port} cannot be bound ({reason})", "choose another, or stop what holds it"
        ) from None
