"""The bound ports: accept, hold the caps, make one Session for each connection.

An accept loop of our own, because asyncio.start_server shows a connection only after its TLS handshake: a flood of
handshakes would be seen by no cap. Here a connection is counted from accept to its last octet.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from dataclasses import dataclass, field

from gateway import log, replies
from gateway.edge import Edge
from gateway.session import TLS_GOODBYE_S, Session
from service.settings import SettingError

_BACKLOG = 1024


@dataclass(slots=True)
class Caps:
    """Connections that are open, in all and for each network; shared by all listeners. Bounded by `in_all`."""

    in_all: int
    per_network: int
    _open: Counter[str] = field(default_factory=Counter)

    def take(self, address: str) -> str | None:
        """The network that was counted, or None where there is no room."""
        network = network_of(address)
        if self._open.total() >= self.in_all or self._open[network] >= self.per_network:
            return None
        self._open[network] += 1
        return network

    def give_back(self, network: str) -> None:
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]


@dataclass(slots=True, kw_only=True)
class Listener:
    """One bound port with its TLS mode."""

    name: str
    edge: Edge
    caps: Caps
    bound: socket.socket
    implicit_tls: bool

    async def accept(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self.bound)
            except OSError as error:  # out of descriptors, or gone before it was accepted
                log.connection_refused(self.name, "", type(error).__name__)
                await asyncio.sleep(0.05)
                continue
            address = _plain_address(peer[0])
            network = self.caps.take(address)
            if network is None:
                self._turn_away(connection, address)
            else:
                self.edge.in_background(self._serve(connection, address, network))

    async def _serve(self, connection: socket.socket, address: str, network: str) -> None:
        """One connection, to its end."""
        loop = asyncio.get_running_loop()
        settings = self.edge.settings
        try:
            _, session = await loop.connect_accepted_socket(
                lambda: Session(self.edge, self.name, address, over_tls=self.implicit_tls),
                connection,
                ssl=self.edge.tls_context if self.implicit_tls else None,
                ssl_handshake_timeout=settings.handshake_timeout_s if self.implicit_tls else None,
                ssl_shutdown_timeout=TLS_GOODBYE_S if self.implicit_tls else None,
            )
            await session.ended
        except OSError as error:  # ssl.SSLError and ConnectionError are OSErrors
            log.handshake_failed(self.name, address, error)
        finally:
            connection.close()
            self.caps.give_back(network)

    def _turn_away(self, connection: socket.socket, address: str) -> None:
        log.connection_refused(self.name, address, "too many connections")
        with connection:
            connection.setblocking(False)
            if not self.implicit_tls:
                try:
                    connection.send(f"{replies.TOO_MANY_CONNECTIONS}\r\n".encode())
                except OSError:
                    return


def bind(setting: str, addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """A socket for each address; SettingError where one cannot be bound. A kernel without IPv6 is left in peace."""
    bound: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family == socket.AF_INET6 and not socket.has_ipv6:
            continue
        try:
            one = socket.socket(family, socket.SOCK_STREAM)
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


def tls_context(cert: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 and 1.3, AEAD with forward secrecy only: Mozilla's "intermediate" profile, RFC 9325."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    for name, path in (("GATEWAY_TLS_CERT", cert), ("GATEWAY_TLS_KEY", key)):
        try:
            with open(path, "rb"):  # noqa: PTH123 - only whether it can be read
                pass
        except OSError as error:
            raise SettingError(
                name, f"{path} cannot be read ({error.strerror})", "check the path and its owner"
            ) from None
    try:
        context.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or "no PEM"
        raise SettingError(
            "GATEWAY_TLS_CERT", f"{cert} and {key} are no certificate with its key ({reason})", "replace both files"
        ) from None
    return context


def network_of(address: str) -> str:
    """What a cap counts: an IPv4 address, or an IPv6 /64, which is one customer's."""
    ip = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)  # noqa: PLR2004


def _plain_address(address: str) -> str:
    """Without a zone index, and IPv4 as IPv4 where the kernel maps it into IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)
