"""What a session can be bound to (RFC 5929), as a real handshake leaves it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from certificates import make

from gateway.edge import Edge
from gateway.handshake import Secured, shake_hands
from gateway.settings import ListenerSettings
from gateway.tls import Certificates
from gateway.wire import Wire

_CERTIFICATE = make("localhost", begins=1_000_000_000, expires=4_000_000_000)
_LISTENER = ListenerSettings(name="submissions", port=465, tls="implicit")


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    chosen = Certificates([_CERTIFICATE.write(tmp_path)], {"submissions": "no"}, client_ca=None, clock=lambda: 2e9)
    return cast("Edge", SimpleNamespace(settings=SimpleNamespace(handshake_timeout_s=20), certificates=chosen))


def terms(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that believes anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


@contextlib.asynccontextmanager
async def met(
    edge: Edge, context: ssl.SSLContext, before: ssl.SSLSession | None = None
) -> AsyncIterator[tuple[Secured, ssl.SSLSocket]]:
    """A handshake with a client that may have been here before; what both sides have of it, while both are there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        wire = Wire(listening.accept()[0])
    shaking = asyncio.create_task(shake_hands(wire, edge, _LISTENER))
    with await asyncio.to_thread(context.wrap_socket, client, session=before) as under_tls:
        yield await shaking, under_tls
    wire.close()


async def test_both_sides_have_the_same(edge: Edge) -> None:
    async with met(edge, terms(ssl.TLSVersion.TLSv1_2)) as (secured, client):
        assert secured.channel_bindings["tls-unique"] == client.get_channel_binding("tls-unique")
    assert "tls-server-end-point" in secured.channel_bindings
    assert secured.offers_binding


async def test_a_resumed_session_has_nothing_of_its_own(edge: Edge) -> None:
    """RFC 7627 section 1: what is the same on both sides of somebody in between binds to nothing.

    The first is there still: OpenSSL forgets one that is freed before both sides have said that it ends.
    """
    context = terms(ssl.TLSVersion.TLSv1_2)
    async with met(edge, context) as (_, first), met(edge, context, first.session) as (secured, again):
        assert again.session_reused
    assert set(secured.channel_bindings) == {"tls-server-end-point"}
    assert not secured.offers_binding


async def test_under_tls_1_3_there_is_the_certificate_alone(edge: Edge) -> None:
    """Section 3 of RFC 5929 is of TLS 1.2 and before."""
    async with met(edge, terms(ssl.TLSVersion.TLSv1_3)) as (secured, _):
        assert set(secured.channel_bindings) == {"tls-server-end-point"}
