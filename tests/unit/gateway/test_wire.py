"""One connection against clients that the socket allows: torn records, half-closed, silent, greedy, gone."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from pathlib import Path
from typing import cast

import pytest
from certificates import make

from fuzz.records import KEY_UPDATE, KEY_UPDATE_REQUESTED, KeyLog, Records
from gateway.handshake import HandshakeRefused, peek
from gateway.wire import Wire

_MUCH = os.urandom(4_000_000)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets
_CERTIFICATE = make("localhost", begins=1_000_000_000, expires=4_000_000_000)

Served = Callable[[Wire], Coroutine[None, None, None]]


@pytest.fixture
def terms(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_CERTIFICATE.write(tmp_path))
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    return context


class Client:
    """The other side, which decides about every octet; TLS in memory, so that a record can be cut."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._loop = asyncio.get_running_loop()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    async def say(self, octets: bytes) -> None:
        await self._loop.sock_sendall(self.socket, octets)

    async def heard(self) -> bytes:
        """The next octets; nothing at the end."""
        return await self._loop.sock_recv(self.socket, 65536)

    async def all(self) -> bytes:
        """Until the end."""
        octets = bytearray()
        while piece := await self.heard():
            octets += piece
        return bytes(octets)

    async def shake_hands(self, early: bytes = b"", piece: int = 65536) -> None:
        """`early` goes out with the last octets of the handshake; all of them in pieces."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.flush(piece)
                await self._take()
        if early:
            self.tls.write(early)
        await self.flush(piece)

    async def flush(self, piece: int = 65536) -> None:
        octets = self.outgoing.read()
        for begins in range(0, len(octets), piece):
            await self.say(octets[begins : begins + piece])

    async def say_under_tls(self, octets: bytes, piece: int = 65536) -> None:
        self.tls.write(octets)
        await self.flush(piece)

    async def heard_under_tls(self, count: int) -> bytes:
        """So many octets, or fewer before the end."""
        octets = bytearray()
        while len(octets) < count:
            try:
                piece = self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self._take()
                continue
            if not piece:
                break
            octets += piece
        return bytes(octets)

    async def _take(self) -> None:
        octets = await self.heard()
        if octets:
            self.incoming.write(octets)
        else:
            self.incoming.write_eof()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()


class Odd:
    """A socket that does something else than what is usual."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


class Pressed(Odd):
    """Its kernel is short of room for tiny segments, and calls for any octet, whatever was asked of it."""

    def setsockopt(self, *_: object) -> None:
        """Where it waited for more than it has room for, it would wait for ever."""


class Mistaken(Odd):
    """Once, nothing is there."""

    _times = 1

    def recv_into(self, buffer: memoryview, count: int) -> int:
        if self._times:
            self._times = 0
            raise BlockingIOError
        return self._connection.recv_into(buffer, count)


@asynccontextmanager
async def met(serve: Served, buffers: int = 0) -> AsyncIterator[tuple[Client, "asyncio.Task[None]"]]:
    """A client, and the task that serves it. Afterwards nothing of the connection is left with the loop."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as ours:
        if buffers:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        ours.setblocking(False)
        ours.connect_ex(listening.getsockname())
        accepted, _ = listening.accept()
        descriptor = accepted.fileno()
        wire = Wire(accepted)

        async def to_its_end() -> None:
            try:
                await serve(wire)
            finally:
                wire.close()

        task = loop.create_task(to_its_end(), context=Context())  # an empty one, as in a gateway without traces
        async with asyncio.timeout(60):
            try:
                yield Client(ours), task
                await asyncio.wait({task})
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task
        assert not loop.remove_reader(descriptor)
        assert not loop.remove_writer(descriptor)


async def echo(wire: Wire) -> None:
    """Says what it hears, to the end of it, and parts."""
    wire.resume()
    while True:
        octets = bytes(wire.received)
        wire.received.clear()
        if octets:
            wire.write(octets)
            await wire.sent()
        if wire.is_at_end:
            break
        await wire.more()
    await wire.part(20)


def echo_under(terms: ssl.SSLContext) -> Served:
    async def serve(wire: Wire) -> None:
        await wire.readable()
        await wire.shake_hands(terms)
        await echo(wire)

    return serve


# In clear


async def test_small_writes_do_not_wait_for_each_other() -> None:
    async def serve(wire: Wire) -> None:
        assert wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    async with met(serve) as (_, task):
        await task


async def test_called_for_nothing() -> None:
    """A segment with a wrong checksum makes a socket readable, and then it is not."""

    async def serve(wire: Wire) -> None:
        wire.socket = cast("socket.socket", Mistaken(wire.socket))
        await wire.more()
        assert wire.received == b"x"

    async with met(serve) as (client, task):
        await client.say(b"x")
        await task


async def test_a_client_that_has_closed_its_half_is_still_answered() -> None:
    async with met(echo) as (client, _):
        await client.say(_MUCH[:100])
        client.socket.shutdown(socket.SHUT_WR)
        assert await client.all() == _MUCH[:100]


async def test_what_is_only_looked_at_stays() -> None:
    """The ClientHello, and what came with it."""

    async def serve(wire: Wire) -> None:
        await wire.readable()
        assert wire.socket.recv(100, socket.MSG_PEEK) == b"first"
        await wire.readable()
        assert not wire.received
        wire.write(wire.socket.recv(100))

    async with met(serve) as (client, _):
        await client.say(b"first")
        assert await client.all() == b"first"


@pytest.mark.parametrize("is_pressed", [False, True])
async def test_what_is_looked_at_may_come_in_pieces(is_pressed: bool) -> None:
    """A ClientHello that does not fit one segment, a PROXY header that is written twice."""
    seen = asyncio.Queue[bytes]()

    def parse(octets: bytes) -> bytes | None:
        seen.put_nowait(octets)
        return octets if octets.endswith(b".") else None

    async def serve(wire: Wire) -> None:
        if is_pressed:
            wire.socket = cast("socket.socket", Pressed(wire.socket))
        assert await peek(wire, parse) == b"abc."

    async with met(serve) as (client, task):
        for piece in (b"a", b"b", b"c."):
            await client.say(piece)
            await seen.get()
            for _ in range(5):  # turns of the loop, in which the kernel may call for nothing
                await asyncio.sleep(0)
        await task
    assert seen.empty()


@pytest.mark.parametrize("is_pressed", [False, True])
async def test_a_client_that_ends_in_what_is_looked_at(is_pressed: bool) -> None:
    async def serve(wire: Wire) -> None:
        if is_pressed:
            wire.socket = cast("socket.socket", Pressed(wire.socket))
        with pytest.raises(HandshakeRefused):
            await peek(wire, lambda _: None)

    async with met(serve) as (client, task):
        await client.say(b"a")
        client.socket.shutdown(socket.SHUT_WR)
        await task


async def test_nothing_to_look_at_will_come_after_the_end() -> None:
    async def serve(wire: Wire) -> None:
        wire.resume()
        while not wire.is_at_end:
            await wire.more()
        assert not asyncio.get_running_loop().remove_reader(wire.socket.fileno()), "an end can be read for ever"
        with pytest.raises(ConnectionError):
            await wire.readable()

    async with met(serve) as (client, task):
        client.socket.shutdown(socket.SHUT_WR)
        await task


# TLS


@pytest.mark.parametrize("piece", [1, 3, 65536])
async def test_however_the_network_cuts_it(terms: ssl.SSLContext, piece: int) -> None:
    async with met(echo_under(terms)) as (client, _):
        await client.shake_hands(piece=piece)
        await client.say_under_tls(_MUCH[:300], piece)
        assert await client.heard_under_tls(300) == _MUCH[:300]
        client.socket.close()


async def test_the_last_word_of_a_handshake_is_the_gateways(terms: ssl.SSLContext) -> None:
    """Under TLS 1.2, and the client waits for it."""
    terms.maximum_version = ssl.TLSVersion.TLSv1_2
    async with met(echo_under(terms)) as (client, _):
        await client.shake_hands()
        await client.say_under_tls(b"x")
        assert await client.heard_under_tls(1) == b"x"
        client.socket.close()


async def test_half_a_record_is_nothing_yet(terms: ssl.SSLContext) -> None:
    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        await wire.more()
        assert wire.received == b"whole"

    async with met(serve) as (client, task):
        await client.shake_hands()
        await client.say_under_tls(b"whole", piece=1)
        await task


async def test_what_comes_with_the_handshake_is_not_lost(terms: ssl.SSLContext) -> None:
    async with met(echo_under(terms)) as (client, _):
        await client.shake_hands(early=b"early")
        assert await client.heard_under_tls(5) == b"early"
        client.socket.close()


async def test_close_notify_both_ways(terms: ssl.SSLContext) -> None:
    """RFC 8446 section 6.1: one half is closed, and what was said is answered on the other one."""
    async with met(echo_under(terms)) as (client, task):
        await client.shake_hands()
        client.tls.write(b"the last")
        with suppress(ssl.SSLWantReadError):
            client.tls.unwrap()
        await client.flush()
        client.incoming.write(await client.all())
        assert client.tls.read(100) == b"the last"
        with pytest.raises(ssl.SSLZeroReturnError):  # the gateway's own
            client.tls.read(100)
        await task


async def test_what_is_still_unsent_goes_before_the_end(terms: ssl.SSLContext) -> None:
    """To a client that has closed its own half."""

    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        while not wire.is_at_end:
            await wire.more()
        wire.write(_MUCH)
        await wire.part(20)
        assert wire.socket.fileno() < 0

    async with met(serve, buffers=8192) as (client, task):
        await client.shake_hands()
        with suppress(ssl.SSLWantReadError):
            client.tls.unwrap()
        await client.flush()
        heard = bytearray()
        while octets := await client.heard():
            client.incoming.write(octets)
            with suppress(ssl.SSLWantReadError):
                while True:
                    heard += client.tls.read(65536)
                    if len(heard) == len(_MUCH):
                        break
        await task
        assert heard == _MUCH


async def test_an_end_without_close_notify_is_an_end(terms: ssl.SSLContext) -> None:
    """OpenSSL says nothing more on such a connection."""
    ends: list[bool] = []

    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        await wire.more()
        await wire.more()
        ends.append(wire.is_at_end)
        with pytest.raises(ConnectionError):
            wire.write(b"x")

    async with met(serve) as (client, task):
        await client.shake_hands()
        await client.say_under_tls(b"half a l")
        client.socket.shutdown(socket.SHUT_WR)
        await task
    assert ends == [True]


async def test_a_client_that_does_not_part_is_left(terms: ssl.SSLContext) -> None:
    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        await wire.part(0.01)

    async with met(serve) as (client, task):
        await client.shake_hands()
        await task
        assert await client.heard_under_tls(1) == b""


async def test_what_a_client_says_instead_of_parting_is_not_kept(terms: ssl.SSLContext) -> None:
    seen: list[int] = []

    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        await wire.part(20)
        seen.append(len(wire.received))

    async with met(serve) as (client, task):
        await client.shake_hands()
        await client.say_under_tls(_MUCH)
        client.socket.shutdown(socket.SHUT_WR)
        await task
    assert seen[0] <= 256 * 1024


@pytest.mark.parametrize(
    "octets", [b"EHLO x\r\n", b"\x16\x03\x01\xff\xff", b"", b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"]
)
async def test_no_handshake(terms: ssl.SSLContext, octets: bytes) -> None:
    async with met(echo_under(terms)) as (client, task):
        await client.say(octets)
        client.socket.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError):  # noqa: PT011 - OpenSSL has several words for it
            await task


@pytest.mark.parametrize("octets", [b"\x17\x03\x03\x00\x20" + bytes(32), b"QUIT\r\n", b"\x17\x03\x03\xff\xff"])
async def test_no_record(terms: ssl.SSLContext, octets: bytes) -> None:
    """What was not written by the client of the handshake ends the connection, with an alert."""
    async with met(echo_under(terms)) as (client, task):
        await client.shake_hands()
        await client.say(octets)
        client.incoming.write(await client.all())
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            client.tls.read(100)
        with pytest.raises(ConnectionError):
            await task


@pytest.mark.parametrize(
    ("version", "letter", "told", "answered"),
    [
        ("-tls1_3", b"k\n", b"KEYUPDATE", True),
        ("-tls1_3", b"K\n", b"KEYUPDATE", True),  # and wants new keys of ours
        ("-tls1_2", b"R\n", b"RENEGOTIATING", False),
    ],
)
async def test_new_keys_are_taken_and_renegotiation_is_not(
    terms: ssl.SSLContext, version: str, letter: bytes, told: bytes, answered: bool
) -> None:
    """RFC 8446 section 4.6.3; a renegotiation under TLS 1.2 would be a handshake at the client's will."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{listening.getsockname()[1]}", version]
        pipe = asyncio.subprocess.PIPE
        client = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert client.stdin
        assert client.stdout
        assert client.stderr
        listening.setblocking(False)
        accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
    wire = Wire(accepted)
    serving = asyncio.create_task(echo_under(terms)(wire))
    async with asyncio.timeout(60):
        client.stdin.write(b"before\n")
        await client.stdout.readuntil(b"before\n")
        client.stdin.write(letter)
        await client.stderr.readuntil(told)
        client.stdin.write(b"after\n")
        if answered:
            await client.stdout.readuntil(b"after\n")
        client.stdin.write_eof()
        said = await client.stdout.read()
        await client.wait()
        with suppress(OSError):
            await serving
    wire.close()
    assert b"after" not in said


# Who does not read, and who is not read


@pytest.mark.parametrize("is_under_tls", [False, True])
async def test_a_client_that_does_not_read(terms: ssl.SSLContext, is_under_tls: bool) -> None:
    """It is waited for, is not read meanwhile, and gets everything when it does read."""
    waits = asyncio.Event()

    async def serve(wire: Wire) -> None:
        if is_under_tls:
            await wire.shake_hands(terms)
        wire.resume()
        wire.write(_MUCH)
        assert wire.is_sending
        asyncio.get_running_loop().call_soon(waits.set)
        await wire.sent()
        assert not wire.is_sending
        assert not wire.received
        await wire.more()
        assert bytes(wire.received) == b"thanks"

    async with met(serve, buffers=8192) as (client, task):
        if is_under_tls:
            await client.shake_hands()
        await (client.say_under_tls(b"thanks") if is_under_tls else client.say(b"thanks"))
        await waits.wait()
        octets = b""
        if is_under_tls:
            octets = await client.heard_under_tls(len(_MUCH))
        else:
            while len(octets) < len(_MUCH):
                octets += await client.heard()
        assert octets == _MUCH
        await task


async def test_a_kernel_that_takes_nothing_at_all() -> None:
    """Octet by octet it takes one or none, never a part."""
    written, is_full = bytearray(), asyncio.Event()

    async def serve(wire: Wire) -> None:
        while not wire.is_sending:
            wire.write(b"x")
            written.extend(b"x")
        is_full.set()
        await wire.sent()

    async with met(serve, buffers=2048) as (client, _):
        await is_full.wait()
        assert await client.all() == written


@pytest.mark.parametrize("is_under_tls", [False, True])
async def test_a_session_that_is_busy_lets_little_wait(terms: ssl.SSLContext, is_under_tls: bool) -> None:
    """The rest stays with the kernel, and with the client."""
    most: list[int] = []

    async def serve(wire: Wire) -> None:
        if is_under_tls:
            await wire.shake_hands(terms)
        wire.resume()
        while len(wire.received) <= 64 * 1024:  # noqa: ASYNC110 - what was read tells nobody
            await asyncio.sleep(0)
        for _ in range(1000):  # turns of the loop, in which it would be read if it was
            await asyncio.sleep(0)
        most.append(len(wire.received))
        octets = bytearray()
        while len(octets) < len(_MUCH):
            octets += wire.received
            wire.received.clear()
            await wire.more() if len(octets) < len(_MUCH) else None
        assert octets == _MUCH

    async with met(serve) as (client, task):
        if is_under_tls:
            await client.shake_hands()
            client.tls.write(_MUCH)
            await client.say(client.outgoing.read())
        else:
            await client.say(_MUCH)
        await task
    assert most[0] <= 64 * 1024 + 32 * 1024


@pytest.mark.parametrize(("is_known", "most"), [(False, 24 * 1024), (True, 256 * 1024)])
async def test_an_event_takes_little_from_a_stranger(terms: ssl.SSLContext, is_known: bool, most: int) -> None:
    """The rest of one record and some of the next; of somebody who is known a large piece of a message."""
    taken: list[int] = []

    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        if is_known:
            wire.trust()
        while not wire.is_at_end:
            before = len(wire.received)
            await wire.more()
            taken.append(len(wire.received) - before)

    async with met(serve) as (client, task):
        await client.shake_hands()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        client.tls.write(_MUCH)
        await client.say(client.outgoing.read())
        client.socket.shutdown(socket.SHUT_WR)
        await task
    assert sum(taken) == len(_MUCH)
    assert max(taken) <= most
    assert is_known == (max(taken) > 32 * 1024)


class Counting(Odd):
    """Knows how many octets were read from it."""

    count = 0

    def recv_into(self, buffer: memoryview, count: int) -> int:
        taken = self._connection.recv_into(buffer, count)
        self.count += taken
        return taken


@pytest.mark.parametrize(("is_known", "most"), [(False, 8 * 1024), (True, 56 * 1024)])
@pytest.mark.parametrize("message", [KEY_UPDATE, KEY_UPDATE_REQUESTED])
async def test_an_event_takes_little_that_carries_nothing(
    terms: ssl.SSLContext, message: bytes, is_known: bool, most: int
) -> None:
    """A key update takes as long as a whole record does, and ten thousand of them are as long as sixteen of those."""
    is_waiting, all_said = asyncio.Event(), asyncio.Event()
    events: list[int] = []

    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        wire.pause()
        if is_known:
            wire.trust()
        is_waiting.set()
        await all_said.wait()
        connection = Counting(wire.socket)
        wire.socket = cast("socket.socket", connection)
        take = wire._take

        def taken() -> None:
            before = connection.count
            take()
            events.append(connection.count - before)

        wire._take = taken
        await wire.more()
        assert bytes(wire.received) == b"NOOP\r\n"

    async with met(serve) as (client, task):
        keys = KeyLog(client.tls.context)
        await client.shake_hands()
        suite = client.tls.cipher()
        assert suite
        records = Records(keys.secret(), suite[0])
        said = b"".join(records.update_key(message) for _ in range(3000)) + records.seal(b"NOOP\r\n")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        await is_waiting.wait()
        await client.say(said)
        all_said.set()
        await client.all()
        await task
    assert sum(events) == len(said)
    assert events[0] <= most
    assert max(events[1:]) <= 8 * 1024  # whoever he is


# Who is gone


@pytest.mark.parametrize("is_under_tls", [False, True])
async def test_a_reset_ends_whatever_waits_for_the_client(terms: ssl.SSLContext, is_under_tls: bool) -> None:
    async with met(echo_under(terms) if is_under_tls else echo) as (client, task):
        if is_under_tls:
            await client.shake_hands()
        client.reset()
        with pytest.raises(ConnectionError):
            await task


async def test_a_reset_in_the_handshake(terms: ssl.SSLContext) -> None:
    async with met(echo_under(terms)) as (client, task):
        with suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
        await client.flush()
        await client.heard()
        client.reset()
        with pytest.raises(ConnectionError):
            await task


async def test_a_reset_while_it_is_written_to(terms: ssl.SSLContext) -> None:
    writes = asyncio.Event()

    async def serve(wire: Wire) -> None:
        await wire.shake_hands(terms)
        wire.write(_MUCH)
        writes.set()
        try:
            await wire.sent()
        finally:  # or what closes it a second time takes its number for its own
            assert not wire.is_sending

    async with met(serve, buffers=8192) as (client, task):
        await client.shake_hands()
        await writes.wait()
        client.reset()
        with pytest.raises(ConnectionError):
            await task


async def test_a_busy_session_is_told_of_a_reset() -> None:
    told, busy = asyncio.Event(), asyncio.Event()

    async def serve(wire: Wire) -> None:
        await wire.more()
        wire.on_loss = told.set
        busy.set()
        await told.wait()
        assert wire.is_gone
        with pytest.raises(ConnectionError):
            wire.write(b"x")
        with pytest.raises(ConnectionError):
            await wire.more()

    async with met(serve) as (client, task):
        await client.say(b"x")
        await busy.wait()
        client.reset()
        await task


# Who is interrupted


async def test_an_interruption_ends_the_wait_and_not_the_connection() -> None:
    async def serve(wire: Wire) -> None:
        wire.interrupt(ValueError())  # nobody waits: nothing happens
        interrupted = asyncio.get_running_loop().create_future()

        def interrupt() -> None:
            wire.interrupt(ValueError())
            wire.interrupt(KeyError())  # revoked, and late: the first one counts
            interrupted.set_result(None)

        asyncio.get_running_loop().call_soon(interrupt)
        with pytest.raises(ValueError):  # noqa: PT011 - it has no words
            await wire.more()
        await interrupted
        wire.write(b"goodbye")
        await wire.part(20)

    async with met(serve) as (client, _):
        assert await client.all() == b"goodbye"


async def test_a_cut_ends_both() -> None:
    async def serve(wire: Wire) -> None:
        asyncio.get_running_loop().call_soon(wire.cut)
        with pytest.raises(ConnectionError):
            await wire.more()
        wire.resume()
        assert not asyncio.get_running_loop().remove_reader(wire.socket.fileno())

    async with met(serve) as (client, task):
        await task
        assert await client.heard() == b""


async def test_a_cut_tells_a_session_that_waits_for_something_else() -> None:
    told = asyncio.Event()

    async def serve(wire: Wire) -> None:
        wire.on_loss = told.set
        asyncio.get_running_loop().call_soon(wire.cut)
        await told.wait()

    async with met(serve) as (_, task):
        await task
