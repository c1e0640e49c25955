"""TLS from its first octet: look at the ClientHello without taking it, choose the certificate, shake hands.

The kernel keeps the octets (MSG_PEEK), so the handshake finds them where it expects them. Looking first lets us refuse
a client that speaks another protocol (ALPN, RFC 7301 section 3.2; the ALPACA attack), serve ECDSA and RSA side by side,
know which of them is bound to the channel (RFC 5929), and what the client looks like, none of which Python's ssl tells
afterwards.
"""

import asyncio
import contextlib
import hashlib
import select
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
from gateway.wire import Wire

_PEEK_LIMIT = 64 * 1024
_AGAIN_S = 0.005

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


async def shake_hands(wire: Wire, edge: Edge, listener: ListenerSettings) -> Secured:
    """Put `wire` under TLS. OSError where that fails; TimeoutError, which is one, where it takes too long."""
    async with asyncio.timeout(edge.settings.handshake_timeout_s):
        selected = await _selected(wire, edge, listener)
        session = await wire.shake_hands(selected.context)
    return _secured(session, selected, listener)


async def peek(wire: Wire, parse: Callable[[bytes], Found | None]) -> Found:
    """What `parse` makes of the first octets, as soon as they are enough for it; they stay unread.

    HandshakeRefused where the client ends before.
    """
    seen = 0
    try:
        while True:
            await wire.readable()
            octets = wire.socket.recv(_PEEK_LIMIT, socket.MSG_PEEK)
            if len(octets) <= seen:
                if _has_ended(wire.socket):
                    raise HandshakeRefused("closed by the client")
                # A kernel that is short of room for what comes in tiny segments calls for any of it, whatever is asked.
                await asyncio.sleep(_AGAIN_S)
                continue
            found = parse(octets)
            if found is not None:
                return found
            seen = len(octets)
            # Readable again only when there is more than we have seen.
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
    finally:
        if seen:
            with contextlib.suppress(OSError):
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _has_ended(connection: socket.socket) -> bool:
    """The client has closed its half, which does not show as long as something is there to peek at."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


async def _selected(wire: Wire, edge: Edge, listener: ListenerSettings) -> Selected:
    """The certificate for the ClientHello that waits."""
    try:
        hello = await peek(wire, client_hello.parse)
        return edge.certificates.select(hello, listener.name)
    except NotClientHello as error:
        raise HandshakeRefused("no ClientHello") from error
    except NoProtocol as error:
        with contextlib.suppress(OSError):
            wire.socket.send(NO_PROTOCOL_ALERT)
        raise HandshakeRefused("no protocol in common") from error


def _secured(session: ssl.SSLObject, selected: Selected, listener: ListenerSettings) -> Secured:
    cipher, version, _ = session.cipher() or ("", "", 0)
    # RFC 5929 section 4.1 defines none for Ed25519.
    bindings = {"tls-server-end-point": selected.end_point} if selected.end_point else {}
    # Not in a session that was resumed: whoever stood between at its beginning may have made it the same on both his
    # sides (the triple handshake, RFC 7627 section 1), and clients without that RFC's extension cannot tell.
    is_new = version == "TLSv1.2" and not session.session_reused
    if is_new and (unique := session.get_channel_binding("tls-unique")):
        bindings["tls-unique"] = unique
    # One that OpenSSL has verified: an unknown issuer ends the handshake.
    shown = session.getpeercert(binary_form=True) if listener.client_certificates != "no" else None
    certificate = hashlib.sha256(shown).hexdigest() if shown else ""
    return Secured(f"{version}:{cipher}", bindings, certificate, selected.fingerprint)
