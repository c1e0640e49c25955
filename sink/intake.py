"""The SMTP listener of the sink: aiosmtpd parses the commands and keeps their order, the classes here answer.

Mail for every domain is accepted; answers.py says which recipients are special. `sleep` is given from outside, so
that a test of a slow recipient does not wait.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from aiosmtpd.smtp import SMTP, Envelope, Session

from sink import answers, log
from sink.answers import Answer, Greylist
from sink.framing import read_message
from sink.store import Store

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_RECIPIENTS = 1000  # in one transaction; RFC 5321 section 4.5.3.1.8 asks for 100
HOSTNAME = "sink.sallyport.test"
_COMMAND_BYTES = 1000  # RFC 5321 section 4.5.3.1.4 asks for 512; long paths with SMTPUTF8 need more
_NULL_PATH = "<>"  # how aiosmtpd shows the null reverse-path

Sleep = Callable[[float], Awaitable[None]]


class Listener(SMTP):
    """One connection; in `open_connections` as long as it is open."""

    command_size_limit = _COMMAND_BYTES
    line_length_limit = 64 * 1024  # aiosmtpd's own 1001 makes it stop and start the socket every 2 KB

    def __init__(self, intake: "Intake", max_message_bytes: int, open_connections: set["Listener"]) -> None:
        super().__init__(
            intake,
            data_size_limit=max_message_bytes,
            enable_SMTPUTF8=True,
            hostname=HOSTNAME,
            ident="mail sink, nothing leaves here",
            loop=asyncio.get_running_loop(),
        )
        # aiosmtpd shares this table among all connections and clears it for each new one.
        self.command_size_limits = defaultdict(lambda: _COMMAND_BYTES)
        self._intake = intake
        self._max_message_bytes = max_message_bytes
        self._open_connections = open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open_connections.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 No recipient has been accepted")
            return
        if arg:
            await self.push("501 5.5.4 DATA takes no argument")
            return
        await self.push("354 End the message with a dot on a line of its own")
        content = await read_message(self._reader, self._max_message_bytes)
        reply = f"552 5.3.4 More than {self._max_message_bytes} bytes"
        if content is not None:
            reply = self._intake.keep(envelope.mail_from or "", envelope.rcpt_tos, content)
        self.envelope = Envelope()
        await self.push(reply)

    def cut(self) -> None:
        """End the connection, whatever it is doing."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class Intake:
    """The hooks, shared by all connections."""

    def __init__(self, store: Store, clock: Callable[[], float], sleep: Sleep = asyncio.sleep) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._greylist = Greylist()

    # A hook that answers fills in the envelope itself: aiosmtpd does it only for hooks that are not there.

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not _is_utf8(address):
            return "553 5.1.7 The address is not valid UTF-8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._answer(envelope, address)
        if reply.delay_s:
            await self._sleep(reply.delay_s)
        if reply.accepts:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        else:
            log.recipient_refused(reply.code, reply.status)
        return str(reply)

    def keep(self, mail_from: str, recipients: list[str], content: bytes) -> str:
        """The message has come to its end; returns the reply."""
        reverse_path = "" if mail_from == _NULL_PATH else mail_from
        dropped = self._store.dropped
        message = self._store.add(reverse_path, tuple(recipients), content, self._clock())
        log.message_kept(message.id, len(message.recipients), len(message.raw))
        if self._store.dropped > dropped:
            log.messages_dropped(self._store.dropped - dropped, self._store.dropped)
        return f"250 2.0.0 Kept as message {message.id}"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's default would tell the client the exception's class and text."""
        log.command_failed(error)
        return "451 4.3.0 The sink cannot do this now"

    def _answer(self, envelope: Envelope, recipient: str) -> Answer:
        if not _is_utf8(recipient):
            return answers.NOT_UTF8
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return answers.TOO_MANY
        return answers.answer(envelope.mail_from or "", recipient, self._greylist)


def _is_utf8(address: str) -> bool:
    """aiosmtpd decodes with surrogate escapes; those cannot be shown in JSON."""
    try:
        address.encode()
    except UnicodeEncodeError:
        return False
    return True
