"""Before TLS: look at the ClientHello without taking it, and choose the certificate.

The kernel keeps the octets (MSG_PEEK), so the handshake finds them where it expects them. Looking first lets us refuse
a client that speaks another protocol (ALPN, RFC 7301 section 3.2; the ALPACA attack), serve ECDSA and RSA side by side,
know which of them is bound to the channel (RFC 5929), and what the client looks like, none of which Python's ssl tells
afterwards.
"""

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway import client_hello
from gateway.client_hello import NotClientHello
from gateway.edge import Edge
from gateway.settings import ListenerSettings
from gateway.tls import NO_PROTOCOL_ALERT, NoProtocol, Selected

_PEEK_LIMIT = 64 * 1024

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Secured:
    """What a finished handshake has settled; see policy.contract.LoginStep for all but the first."""

    version: str  # and cipher, for the trace field, RFC 8314 section 4.3
    channel_bindings: Mapping[str, bytes]
    certificate: str
    fingerprint: str

    @property
    def offers_binding(self) -> bool:
        """Under TLS 1.3 clients would bind with RFC 9266's tls-exporter, which Python cannot compute, and fail."""
        return "tls-unique" in self.channel_bindings


class HandshakeRefused(ConnectionError):
    """What came first is no handshake that we go on with."""


async def choose(connection: socket.socket, edge: Edge, listener: ListenerSettings, timeout_s: float) -> Selected:
    """The certificate for the ClientHello that waits on `connection`, which is closed in the end if it is a duplicate.

    Raises HandshakeRefused, or TimeoutError after `timeout_s`.
    """
    with contextlib.closing(connection):
        async with asyncio.timeout(timeout_s):
            try:
                hello = await peek(connection, client_hello.parse)
                return edge.certificates.select(hello, listener.name)
            except NotClientHello as error:
                raise HandshakeRefused("no ClientHello") from error
            except NoProtocol as error:
                with contextlib.suppress(OSError):
                    connection.send(NO_PROTOCOL_ALERT)
                raise HandshakeRefused("no protocol in common") from error


def secured(transport: asyncio.BaseTransport, selected: Selected, listener: ListenerSettings) -> Secured:
    """The facts of the TLS session on `transport`."""
    session: ssl.SSLObject = transport.get_extra_info("ssl_object")
    cipher, version, _ = session.cipher() or ("", "", 0)
    # RFC 5929 section 4.1 defines none for Ed25519.
    bindings = {"tls-server-end-point": selected.end_point} if selected.end_point else {}
    if version == "TLSv1.2" and (unique := session.get_channel_binding("tls-unique")):
        bindings["tls-unique"] = unique
    # One that OpenSSL has verified: an unknown issuer ends the handshake.
    shown = session.getpeercert(binary_form=True) if listener.client_certificates != "no" else None
    certificate = hashlib.sha256(shown).hexdigest() if shown else ""
    return Secured(f"{version}:{cipher}", bindings, certificate, selected.fingerprint)


async def peek(connection: socket.socket, parse: Callable[[bytes], Found | None]) -> Found:
    """What `parse` makes of the first octets, as soon as they are enough for it; they stay unread.

    HandshakeRefused where the client ends before.
    """
    seen = 0
    try:
        while True:
            await _readable(connection)
            octets = connection.recv(_PEEK_LIMIT, socket.MSG_PEEK)
            if len(octets) <= seen:
                raise HandshakeRefused("closed by the client")
            found = parse(octets)
            if found is not None:
                return found
            seen = len(octets)
            # Readable again only when there is more than we have seen.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
    finally:
        if seen:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    descriptor = connection.fileno()  # of a socket that it does not know the selector writes down what it is
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
