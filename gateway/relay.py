"""Handing accepted messages to the next hop: pooled connections, one write for the envelope, one for the message.

With CHUNKING (RFC 3030) the message goes by BDAT: its length stands before it, so no octet of it can be taken for a
command. A next hop without it gets DATA with transparency dots; the message has no bare CR or LF by then.
XFORWARD tells Postfix's log who the client was, and our submission id.

MAIL and all RCPT are sent in one write: two small writes in a row cost 40 ms (Nagle, delayed acknowledgement).

Trust: a connection goes back to the pool only after a complete, matching exchange. Any error, timeout or cancellation
closes it, or the next message would read this one's replies.

All or nothing: where the next hop refuses one recipient the message is not relayed to the others; the client, which
was told that each is taken, would never learn of it.
"""

import asyncio
import re
from collections import deque
from dataclasses import dataclass

from gateway import replies
from gateway.errors import RelayFailed
from gateway.replies import Reply

_CONNECT_TIMEOUT_S = 10.0
_IDLE_LIMIT_S = 60.0  # well below Postfix's smtpd_timeout of 300 s
_LINE_LIMIT = 4096
CLOSING = 421  # RFC 5321 section 3.8: allowed as the reply to any command
_QUEUED_AS = re.compile(r"queued as ([A-Za-z0-9]+)")
_UNSAFE = re.compile(r"[^!-*,-<>-~]")  # all but xchar, RFC 3461 section 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the next hop is told; the addresses exactly as they were accepted."""

    reverse_path: str
    recipients: tuple[str, ...]
    client_address: str
    client_name: str
    submission: str
    message_bytes: int
    is_eight_bit: bool


@dataclass(frozen=True, slots=True)
class HopReply:
    """A reply of the next hop; its text is for our log alone."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        return self.code < 400  # noqa: PLR2004 - RFC 5321 section 4.2.1


class _Broken(Exception):
    """The connection cannot be used any more."""


class Relay:
    """The pool. At most `connections` at a time; more messages wait for one to be free."""

    def __init__(self, host: str, port: int, hostname: str, connections: int, timeout_s: float) -> None:
        self._host, self._port, self._hostname, self._timeout_s = host, port, hostname, timeout_s
        self._free: deque[_Connection] = deque()
        self._slots = asyncio.Semaphore(connections)

    async def relay(self, envelope: Envelope, message: bytes) -> str:
        """The next hop's queue id once it has taken the message; RelayFailed otherwise.

        Takes at most `timeout_s` in all, so that the client has its answer in time.
        """
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                connection = await self._ready_for(envelope)
                queue_id = await connection.send(message)
                self._free.append(connection)
                connection = None
                return queue_id
        except (_Broken, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            sent = connection is not None and connection.message_is_sent
            detail = f"{type(error).__name__} {error} {'after' if sent else 'before'} the message".strip()
            reply = replies.RELAY_BROKE_OFF if sent else replies.RELAY_UNAVAILABLE
            raise RelayFailed(detail, reply, is_certain=not sent) from error
        finally:
            if connection:
                connection.close()

    def close(self) -> None:
        """Close what is idle; connections in use are their message's own."""
        while self._free:
            self._free.pop().close()

    async def _ready_for(self, envelope: Envelope) -> "_Connection":
        """A connection on which the whole envelope was accepted.

        A pooled connection may have been closed by the other side at any time; nothing was sent on it that counts, so
        the envelope is tried once more on a fresh one.
        """
        now = asyncio.get_running_loop().time()
        while self._free:
            pooled = self._free.pop()
            if pooled.is_open and now - pooled.used_at < _IDLE_LIMIT_S:
                try:
                    await pooled.begin(envelope)
                except (_Broken, OSError, asyncio.IncompleteReadError):
                    pooled.close()
                    continue
                except BaseException:
                    pooled.close()
                    raise
                return pooled
            pooled.close()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            fresh = await _Connection.open(self._host, self._port, self._hostname)
        try:
            await fresh.begin(envelope)
        except BaseException:
            fresh.close()
            raise
        return fresh


class _Connection:
    """One SMTP connection to the next hop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._offers: dict[str, str] = {}
        self.used_at = asyncio.get_running_loop().time()
        self.message_is_sent = False

    @classmethod
    async def open(cls, host: str, port: int, hostname: str) -> "_Connection":
        """Connect, greet, learn what is offered. Every refusal here is the next hop's trouble, never the message's."""
        connection = cls(*await asyncio.open_connection(host, port, limit=_LINE_LIMIT))
        try:
            greeting = await connection._reply()
            connection._writer.write(f"EHLO {hostname}\r\n".encode())
            hello = await connection._reply()
        except BaseException:
            connection.close()
            raise
        if not greeting.is_positive or not hello.is_positive:
            connection.close()
            refused = hello if greeting.is_positive else greeting
            raise RelayFailed(f"greeted with {refused.code} {refused.text}", replies.RELAY_UNAVAILABLE)
        for line in hello.text.split("\n")[1:]:
            keyword, _, parameters = line.partition(" ")
            connection._offers[keyword.upper()] = parameters.upper()
        return connection

    @property
    def is_open(self) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    async def begin(self, envelope: Envelope) -> None:
        """XFORWARD, MAIL and RCPT, each accepted; RelayFailed with the connection reset otherwise."""
        self.message_is_sent = False
        commands = [*self._xforward(envelope), f"MAIL FROM:<{envelope.reverse_path}>{self._parameters(envelope)}"]
        commands += [f"RCPT TO:<{recipient}>" for recipient in envelope.recipients]
        answers = await self._exchange(commands)
        refused = [answer for answer in answers if not answer.is_positive]
        if any(answer.code == CLOSING for answer in refused):
            raise _Broken("421 in reply to the envelope")
        if refused:
            # A temporary refusal decides: what is tried again later meets the permanent ones then.
            worst = min(refused, key=lambda answer: answer.code)
            self.close()
            raise RelayFailed(f"envelope refused: {worst.code} {worst.text}", reply_for(worst))

    async def send(self, message: bytes) -> str:
        """The message itself. From the last write on nobody knows whether it was taken, until the reply says so."""
        if "CHUNKING" in self._offers:
            self.message_is_sent = True
            self._writer.writelines((f"BDAT {len(message)} LAST\r\n".encode(), message))
        else:
            (go_on,) = await self._exchange(["DATA"])
            if go_on.code != 354:  # noqa: PLR2004 - RFC 5321 section 4.2.2
                raise RelayFailed(f"DATA refused: {go_on.code} {go_on.text}", reply_for(go_on))
            self.message_is_sent = True
            stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
            self._writer.writelines((stuffed, b".\r\n"))
        await self._writer.drain()
        answer = await self._reply()
        self.used_at = asyncio.get_running_loop().time()
        if not answer.is_positive:
            raise RelayFailed(f"message refused: {answer.code} {answer.text}", reply_for(answer))
        queued = _QUEUED_AS.search(answer.text)
        return queued[1] if queued else ""

    def _parameters(self, envelope: Envelope) -> str:
        """SIZE (RFC 1870) lets the next hop refuse before the message is sent; BODY says what it will get."""
        size = f" SIZE={envelope.message_bytes}" if "SIZE" in self._offers else ""
        if not envelope.is_eight_bit:
            return size
        if "8BITMIME" not in self._offers:  # RFC 6152 section 3: convert or refuse; nothing is repaired here
            raise RelayFailed("next hop does not offer 8BITMIME", replies.RELAY_REFUSED)
        return f"{size} BODY=8BITMIME"

    def _xforward(self, envelope: Envelope) -> list[str]:
        """The attributes that the next hop offers to take, Postfix's XFORWARD_README."""
        attributes = {
            "ADDR": _xforward_address(envelope.client_address),
            "HELO": envelope.client_name,
            "PROTO": "ESMTP",
            "IDENT": envelope.submission,
            "SOURCE": "REMOTE",
        }
        offered = self._offers.get("XFORWARD", "").split()
        told = [f"{name}={_xtext(value)}" for name, value in attributes.items() if name in offered]
        return ["XFORWARD " + " ".join(told)] if told else []

    async def _exchange(self, commands: list[str]) -> list[HopReply]:
        """All commands in one write and then their replies; one by one where PIPELINING is not offered."""
        if "PIPELINING" in self._offers:
            self._writer.write("".join(f"{command}\r\n" for command in commands).encode())
            return [await self._reply() for _ in commands]
        answers = []
        for command in commands:
            self._writer.write(f"{command}\r\n".encode())
            answers.append(await self._reply())
        return answers

    async def _reply(self) -> HopReply:
        """One reply; its lines joined by line feeds, without their codes."""
        texts = []
        while True:
            try:
                line = (await self._reader.readuntil(b"\r\n")).decode(errors="replace").rstrip()
            except asyncio.LimitOverrunError as error:
                raise _Broken("reply line too long") from error
            if not re.match(r"[2-5][0-9]{2}([ -]|$)", line):
                raise _Broken("not an SMTP reply")
            texts.append(line[4:])
            if line[3:4] != "-":
                break
            if len(texts) > 100:  # noqa: PLR2004 - no reply has that many lines
                raise _Broken("reply without end")
        return HopReply(int(line[:3]), "\n".join(texts))


def reply_for(answer: HopReply) -> Reply:
    """What the client learns of a refusal by the next hop: its kind, never its text.

    X.7.Z is the next hop's policy towards us (a relay that does not trust the gateway, say): ours to mend, so the
    client is to keep its message. What concerns the message or an address is permanent.
    """
    status = re.match(r"[45]\.(\d+)\.(\d+)", answer.text)
    subject = status[1] if status else ""
    if answer.code == 452 and subject == "3":  # noqa: PLR2004 - RFC 5321 section 4.2.2: insufficient system storage
        return replies.RELAY_FULL
    if answer.code == 552:  # noqa: PLR2004 - RFC 1870 section 6.1
        return replies.RELAY_TOO_BIG
    if answer.code < 500 or subject == "7" or not subject:  # noqa: PLR2004 - RFC 5321 section 4.2.1
        return replies.RELAY_DEFERRED
    return replies.RELAY_REFUSED


def _xforward_address(address: str) -> str:
    return f"IPV6:{address}" if ":" in address else address


def _xtext(value: str) -> str:
    """RFC 3461 section 4. No name is longer than a command line allows."""
    return _UNSAFE.sub(lambda match: "".join(f"+{octet:02X}" for octet in match[0].encode()), value[:255])
