"""The bound ports: accept, hold the caps, ask at the door, make one Session for each connection.

An accept loop of our own, because asyncio.start_server shows a connection only after its TLS handshake: a flood of
handshakes would be seen by no cap. Here a connection is counted from accept to its last octet.

Health checks, our own (health.py) and those of a load balancer, are served like anybody, and counted nowhere: they
would be most of what a quiet gateway has to tell. That opens nothing to anybody: a login is judged as ever.

All workers accept from the same socket. With a socket for each (SO_REUSEPORT) the kernel would deal connections out by
a hash: to a worker that is busy as well, and to one that has just died, whose waiting connections would be reset.
"""

import asyncio
import contextlib
import ipaddress
import socket
from dataclasses import dataclass

from gateway import handshake, log, proxy, replies
from gateway.conversation import Admission
from gateway.edge import Edge
from gateway.health import PROBE_ADDRESS
from gateway.replies import Reply
from gateway.session import Session
from gateway.settings import ListenerSettings
from gateway.wire import Wire
from policy.contract import ConnectOutcome
from service.listening import Listening
from service.settings import SettingError

_BACKLOG = 1024
_PROXY_TIMEOUT_S = 5.0
_NO_DESCRIPTOR_PAUSE_S = 0.05


@dataclass(slots=True, kw_only=True)
class Listener:
    """One bound address of one listener, in one worker."""

    settings: ListenerSettings
    edge: Edge
    bound: socket.socket

    async def accept(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self.bound)
            except OSError as error:  # out of descriptors, or gone before it was accepted
                log.connection_refused(self.settings.name, "", type(error).__name__)
                await asyncio.sleep(_NO_DESCRIPTOR_PAUSE_S)
                continue
            self._admit(connection, _plain_address(peer[0]))
            # While connections wait, sock_accept returns at once: let those who are in have their turn.
            await asyncio.sleep(0)

    def _admit(self, connection: socket.socket, address: str) -> None:
        if self.edge.lag_s > self.edge.settings.shed_lag_s:
            self._turn_away(connection, address, "shed", replies.TOO_BUSY)
        elif not self.settings.proxy_from:
            self._count_and_serve(connection, address, is_probe=address == PROBE_ADDRESS)
        elif self.settings.trusts(address):
            self.edge.in_background(self._serve_proxied(connection, address))
        else:
            self._turn_away(connection, address, "untrusted-proxy", None)

    def _count_and_serve(self, connection: socket.socket, address: str, *, is_probe: bool) -> None:
        if self.settings.tls == "starttls" and _talks_first(connection):
            self._turn_away(connection, address, "talked-first", replies.TALKED_EARLY)
            return
        slot = self.edge.caps.take(address)
        if slot is None:
            self._turn_away(connection, address, "capped", replies.TOO_MANY_CONNECTIONS)
        else:
            if not is_probe:
                self.edge.scoreboard.count("connections_total", "accepted")
            self.edge.in_background(self._serve(connection, self._admitted(address, slot, is_probe=is_probe)))

    def _admitted(self, address: str, slot: int, *, is_probe: bool) -> Admission:
        """Policy is asked now, and its word needed when there is somebody to greet, after a handshake."""
        asked = _welcome() if is_probe else self.edge.door.ask(self.settings, address)
        return Admission(address, slot, self.edge.in_background(asked), is_probe)

    async def _serve_proxied(self, connection: socket.socket, proxied_by: str) -> None:
        """The PROXY header says who the client is; it is counted as that client's from then on."""
        wire = Wire(connection)
        try:
            async with asyncio.timeout(_PROXY_TIMEOUT_S):
                header = await handshake.peek(wire, proxy.parse)
            connection.recv(header.length)
        except (OSError, proxy.NotProxy) as error:
            log.connection_refused(self.settings.name, proxied_by, type(error).__name__)
            wire.close()
            return
        wire.pause()
        # Where it names nobody there is no other address than the proxy's.
        self._count_and_serve(connection, header.source or proxied_by, is_probe=header.is_own)

    async def _serve(self, connection: socket.socket, admission: Admission) -> None:
        """One connection, to its end."""
        try:
            with contextlib.closing(Wire(connection)) as wire:
                tls = None
                if self.settings.tls == "implicit":
                    tls = await handshake.shake_hands(wire, self.edge, self.settings)
                    if not admission.is_probe:
                        self.edge.scoreboard.count("handshakes_total", "done")
                await Session(self.edge, self.settings, admission, wire, tls).serve()
        except OSError as error:  # ssl.SSLError and ConnectionError are OSErrors
            if not admission.is_probe:
                self.edge.scoreboard.count("handshakes_total", "failed")
                log.handshake_failed(self.settings.name, admission.client_address, error)
        finally:
            connection.close()
            self.edge.caps.give_back(admission.slot)

    def _turn_away(self, connection: socket.socket, address: str, outcome: str, reply: Reply | None) -> None:
        """Before TLS there is nobody to say it to in a way that he understands, but on the STARTTLS port."""
        self.edge.scoreboard.count("connections_total", outcome)
        log.connection_refused(self.settings.name, address, outcome)
        with connection:
            connection.setblocking(False)
            if reply and self.settings.tls == "starttls":
                try:
                    connection.send(f"{reply}\r\n".encode())
                except OSError:
                    return


async def _welcome() -> ConnectOutcome:
    return ConnectOutcome.ACCEPTED


def _talks_first(connection: socket.socket) -> bool:
    """In clear the server speaks first (RFC 5321 section 3.1); what is there already comes from no mail client."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:  # nothing is there, or nobody any more
        return False


def bind(setting: str, addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """A socket for each address; SettingError where one cannot be bound. A kernel without IPv6 is left in peace."""
    bound: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family == socket.AF_INET6 and not socket.has_ipv6:
            continue
        try:
            # With the protocol named, or asyncio does not set TCP_NODELAY: 40 ms for each session (Nagle, delayed ACK).
            one = Listening(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except OSError:
            continue  # a kernel without this family
        bound.append(one)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address, port))
            one.listen(_BACKLOG)
            one.setblocking(False)
        except OSError as error:
            for other in bound:
                other.close()
            raise SettingError(
                setting,
                f"{address} port {port} cannot be bound ({error.strerror})",
                "choose another, or stop what holds it",
            ) from None
    return bound


def _plain_address(address: str) -> str:
    """Without a zone index, and IPv4 as IPv4 where the kernel maps it into IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)
