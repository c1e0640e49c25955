"""One SMTP submission session, from greeting to QUIT.

    listener.py   accepts the connection and makes one Session for it
    session.py    (you are here) one method for each verb, in the order in which they come
    login.py      the SASL exchange of AUTH
    handover.py   a finished transaction: facts, verdict, relay, outcome

The class is aiosmtpd's SMTP with its own command loop: aiosmtpd gives the stream protocol, the table of smtp_ methods
and the life of the connection. Its loop accepts bare LF, its replies lack enhanced codes and may carry an exception's
text, its AUTH lines end at 512 octets and its DATA reader costs up to 75 times the message in memory.

Nothing here is a rule: what may be sent is policy's verdict, and the addresses checked at MAIL are the grants that
policy gave at login.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping

from aiosmtpd.smtp import SMTP

from gateway import envelope as grammar
from gateway import log, replies
from gateway.edge import Edge
from gateway.errors import SessionOver, TransactionFailed
from gateway.framing import Flaw, MessageReader
from gateway.handover import Transaction, hand_over
from gateway.login import AUTH_LINE_LIMIT, MECHANISMS, LoginSource, exchange
from gateway.replies import Reply
from policy.contract import Grants, LoginOutcome, canonical_address

_BEFORE_TLS = frozenset(("EHLO", "NOOP", "RSET", "QUIT", "STARTTLS"))  # RFC 3207 section 4
_LINE_LIMIT = 2048  # RFC 5321 section 4.5.3.1.4 asks for 512, the AUTH and SIZE parameters for 526 more
_CHUNK = 64 * 1024
TLS_GOODBYE_S = 2.0  # how long the client's own close_notify is waited for
_NAME = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\]", re.IGNORECASE
)
_FOR_FLAW: Mapping[Flaw, Reply] = {
    Flaw.TOO_BIG: replies.MESSAGE_TOO_BIG,
    Flaw.BARE_CR_OR_LF: replies.BARE_CR_OR_LF,
    Flaw.NUL: replies.NUL_OCTET,
    Flaw.LINE_TOO_LONG: replies.MESSAGE_LINE_TOO_LONG,
}

Verb = Callable[[str], Awaitable[Reply | None]]  # None: the method has answered by itself


class Session(SMTP):
    """One connection's state and verbs. `ended` is done when the connection is gone."""

    line_length_limit = _CHUNK  # aiosmtpd's 1001 pauses the transport every 2 KB

    def __init__(self, edge: Edge, listener: str, client_address: str, *, over_tls: bool) -> None:
        super().__init__(
            handler=None,
            hostname=edge.settings.hostname,
            timeout=edge.settings.session_timeout_s,
            loop=asyncio.get_running_loop(),
        )
        # Shared by all sessions
        self._edge = edge
        # Of this session
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._id = secrets.token_hex(6)
        self._listener = listener
        self._client_address = client_address
        self._over_tls = over_tls
        self._received = bytearray()  # octets that were read and not yet understood
        self._client_name = ""
        self._grants: Grants | None = None
        self._messages = self._errors = self._login_failures = 0
        self._waiting = False  # for a command
        self._draining = False
        # Of this transaction
        self._transaction: Transaction | None = None

    # The life of the connection

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._edge.sessions.discard(self)
        if not self.ended.done():
            self.ended.set_result(None)

    def eof_received(self) -> bool:
        """The client has closed its half. aiosmtpd would cancel the command that runs; here it goes on."""
        self._reader.feed_eof()
        return False

    def drain(self) -> None:
        """End as soon as no transaction is open: at once where the client has nothing to wait for."""
        self._draining = True
        if self._waiting and not self._transaction and self._handler_coroutine:
            self._handler_coroutine.cancel()

    def cut(self) -> None:
        """The time to drain is over."""
        self._writer.transport.abort()

    def _timeout_cb(self) -> None:
        """aiosmtpd's one timer, which nothing restarts here: the deadline of the whole session."""
        if self.transport:
            self._writer.write(f"{replies.SESSION_TOO_LONG}\r\n".encode())
            self.transport.close()

    async def _handle_client(self) -> None:
        self._edge.sessions.add(self)
        log.session_opened(self._id, self._listener, self._client_address)
        last: Reply | None = None
        try:
            await self._say(replies.greeting(self._edge.settings.hostname))
            await self._converse()
        except SessionOver as over:
            last = over.reply
        except asyncio.CancelledError:
            if not self._draining or self.transport is None:
                raise
            last = replies.SHUTTING_DOWN
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the client learns nothing of it
            log.failed(self._id, error)
            last = replies.INTERNAL_ERROR
        finally:
            log.session_ended(self._id, self._messages, self._errors)
            await self._part(last)

    async def _part(self, last: Reply | None) -> None:
        """Say the last line if there is still somebody, and close; TLS says close_notify first."""
        if self.transport is None:
            return
        try:
            if last:
                await self._say(last)
        except ConnectionError:
            return
        finally:
            self._writer.close()

    async def _converse(self) -> None:
        while True:
            if self._draining and not self._transaction:
                raise SessionOver(replies.SHUTTING_DOWN)
            line = await self._command_line()
            reply = await self._answer(line) if isinstance(line, str) else line
            if reply is None:
                continue
            if reply.code >= 500:  # noqa: PLR2004 - RFC 5321 section 4.2.1: permanent
                self._errors += 1
                if self._errors >= self._edge.settings.max_errors:
                    await self._say(reply)
                    raise SessionOver(replies.TOO_MANY_ERRORS)
            await self._say(reply)

    async def _answer(self, line: str) -> Reply | None:
        """Find the verb's method and ask it; what is not allowed now is answered here."""
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        method: Verb | None = self._smtp_methods.get(verb)
        if method is None or not verb.isascii():
            return replies.UNKNOWN_COMMAND
        if not self._over_tls and verb not in _BEFORE_TLS:
            return replies.TLS_FIRST
        try:
            return await method(argument.strip())
        except TransactionFailed as failed:
            self._transaction = None
            return failed.reply

    # Reading and writing

    async def _say(self, reply: Reply) -> None:
        self._writer.write(f"{reply}\r\n".encode("ascii"))
        await self._writer.drain()

    async def _more(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                octets = await self._reader.read(_CHUNK)
        except TimeoutError:
            raise SessionOver(replies.TIMED_OUT) from None
        if not octets:
            raise SessionOver
        self._received += octets

    async def _line(self, limit: int) -> bytes | None:
        """The next line with its end, or None where it was longer than `limit`; its octets are gone then."""
        fits = True
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > limit:
                fits = False
                self._received.clear()
            await self._more(self._patience_s())
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return line if fits and len(line) <= limit else None

    async def _command_line(self) -> str | Reply:
        """A command without its CRLF, or the reply to what is no command line."""
        self._waiting = True
        line = await self._line(AUTH_LINE_LIMIT)
        self._waiting = False
        if line is None:
            return replies.LINE_TOO_LONG
        is_auth = line[:5].upper() == b"AUTH "
        if len(line) > _LINE_LIMIT and not is_auth:
            return replies.LINE_TOO_LONG
        text = line[:-2].decode("ascii", errors="replace")
        # RFC 5321 section 2.3.8: only CRLF ends a line; what is not printable would end up in logs and headers.
        if not line.endswith(b"\r\n") or not text.isprintable() or not text.isascii():
            return replies.BAD_LINE
        return text

    def _patience_s(self) -> float:
        settings = self._edge.settings
        return settings.command_timeout_s if self._grants else min(settings.login_timeout_s, settings.command_timeout_s)

    # The verbs, in wire order

    async def smtp_EHLO(self, argument: str) -> Reply | None:
        if not _NAME.fullmatch(argument):
            return replies.BAD_NAME
        self._client_name, self._transaction = argument, None
        offers = ["PIPELINING", f"SIZE {self._edge.settings.max_message_bytes}", "8BITMIME"]
        offers.append(f"AUTH {' '.join(MECHANISMS)}" if self._over_tls else "STARTTLS")
        lines = [f"250-{self._edge.settings.hostname}", *(f"250-{one}" for one in offers), "250 ENHANCEDSTATUSCODES"]
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()
        return None

    async def smtp_HELO(self, argument: str) -> Reply | None:
        if not _NAME.fullmatch(argument):
            return replies.BAD_NAME
        self._client_name, self._transaction = argument, None
        return Reply(250, "", self._edge.settings.hostname)

    async def smtp_STARTTLS(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        if self._over_tls:
            return replies.TLS_ALREADY
        if not self._client_name:
            return replies.HELLO_FIRST
        if self._received:  # sent before anybody could know that TLS would start: CVE-2011-0411
            raise SessionOver(replies.TALKED_BEFORE_TLS)
        await self._say(replies.READY_FOR_TLS)
        await self._start_tls()
        # RFC 3207 section 4.2: what was said before TLS was said by anybody.
        self._client_name, self._transaction, self._over_tls = "", None, True
        return None

    async def _start_tls(self) -> None:
        # What came in clear after our look at _received must not be read as if it had come under TLS (aiosmtpd drops
        # it likewise). Before the handshake: what comes with its last flight is the client's EHLO.
        self._reader._buffer.clear()  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            transport = await self.loop.start_tls(
                self._writer.transport,
                self,
                self._edge.tls_context,
                server_side=True,
                ssl_handshake_timeout=self._edge.settings.handshake_timeout_s,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
            )
        except OSError as error:
            log.handshake_failed(self._listener, self._client_address, error)
            raise SessionOver from None
        # The stream's two ends have no public way to learn of their new transport.
        self._reader._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001
        self._writer._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001
        self.transport = transport
        self._over_ssl = True

    async def smtp_AUTH(self, argument: str) -> Reply | None:
        if not self._client_name:
            return replies.HELLO_FIRST
        if self._grants:
            return replies.LOGGED_IN_ALREADY
        if self._transaction:
            return replies.NOT_IN_TRANSACTION
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()
        if mechanism not in MECHANISMS:
            return replies.UNKNOWN_MECHANISM
        source = LoginSource(self._id, self._client_address, self._listener)
        outcome = await exchange(self._edge.policy, source, mechanism, initial, self._respond)
        if isinstance(outcome, Reply):
            return outcome
        log.login_answered(
            self._id, mechanism, _REPLY_TO_LOGIN[outcome.outcome], outcome.grants.login if outcome.grants else ""
        )
        if outcome.outcome is LoginOutcome.REFUSED:
            self._login_failures += 1
            if self._login_failures >= self._edge.settings.max_login_failures:
                await self._say(replies.LOGIN_REFUSED)
                raise SessionOver(replies.TOO_MANY_ERRORS)
        self._grants = outcome.grants
        return _REPLY_TO_LOGIN[outcome.outcome]

    async def _respond(self, challenge: str) -> bytes | None:
        """The client's line after a challenge in base64; None where it was too long."""
        self._writer.write(f"334 {challenge}\r\n".encode())  # with its space even where nothing follows
        await self._writer.drain()
        return await self._line(AUTH_LINE_LIMIT)

    async def smtp_MAIL(self, argument: str) -> Reply | None:
        if not self._client_name:
            return replies.HELLO_FIRST
        if not self._grants:
            return replies.LOGIN_FIRST
        if self._transaction:
            return replies.SENDER_ALREADY
        command = grammar.parse(argument, "FROM")
        if isinstance(command, Reply):
            return command
        refusal = grammar.mail_refusal(command, self._edge.settings.max_message_bytes)
        if refusal:
            return refusal
        if command.path and canonical_address(command.path) not in self._grants.addresses:
            return replies.SENDER_NOT_OWNED
        self._transaction = Transaction(
            session=self._id,
            listener=self._listener,
            client_address=self._client_address,
            client_name=self._client_name,
            credential=self._grants.credential,
            reverse_path=command.path,
        )
        return replies.SENDER_TAKEN

    async def smtp_RCPT(self, argument: str) -> Reply | None:
        if not self._transaction or not self._grants:
            return replies.SENDER_FIRST if self._grants else replies.LOGIN_FIRST
        command = grammar.parse(argument, "TO")
        if isinstance(command, Reply):
            return command
        if command.parameters:
            return replies.UNKNOWN_PARAMETER
        if len(self._transaction.recipients) >= self._grants.recipients_per_message:
            return replies.TOO_MANY_RECIPIENTS
        self._transaction.recipients.append(command.path)
        return replies.RECIPIENT_TAKEN

    async def smtp_DATA(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        if not self._transaction:
            return replies.SENDER_FIRST if self._grants else replies.LOGIN_FIRST
        if not self._transaction.recipients:
            return replies.RECIPIENT_FIRST
        await self._say(replies.GO_ON)
        reader = await self._message()
        transaction, self._transaction = self._transaction, None
        if reader.flaw:
            return _FOR_FLAW[reader.flaw]
        # Once policy has reserved, the transaction runs to its end, whether or not the client is still there.
        reply = await asyncio.shield(self._edge.in_background(hand_over(self._edge, transaction, reader.message)))
        self._messages += reply.is_positive
        return reply

    async def _message(self) -> MessageReader:
        reader = MessageReader(self._edge.settings.max_message_bytes)
        while True:
            reader.feed(bytes(self._received))
            self._received.clear()
            if reader.ended:
                self._received += reader.rest
                return reader
            await self._more(self._edge.settings.data_timeout_s)

    async def smtp_RSET(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        self._transaction = None
        return replies.DONE

    async def smtp_NOOP(self, _argument: str) -> Reply | None:
        return replies.DONE

    async def smtp_VRFY(self, _argument: str) -> Reply | None:
        """RFC 5321 section 3.5.3: 252 says nothing about who exists."""
        return replies.NOT_TELLING

    async def smtp_EXPN(self, _argument: str) -> Reply | None:
        return replies.NOT_OFFERED

    async def smtp_HELP(self, _argument: str) -> Reply | None:
        return replies.NOT_OFFERED

    async def smtp_QUIT(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        raise SessionOver(replies.BYE)


_REPLY_TO_LOGIN: Mapping[LoginOutcome, Reply] = {
    LoginOutcome.GRANTED: replies.LOGGED_IN,
    LoginOutcome.REFUSED: replies.LOGIN_REFUSED,
    LoginOutcome.MALFORMED: replies.BAD_AUTH_SYNTAX,
}
