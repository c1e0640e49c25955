"""One SMTP submission session, from greeting to QUIT.

    listener.py       accepts the connection and makes one Session for it
    wire.py           its octets, in clear and under TLS
    conversation.py   its lines, replies and deadlines
    session.py        (you are here) one method for each verb, in the order in which they come
    login.py          the SASL exchange of AUTH
    handover.py       a finished transaction: facts, verdict; dispatch.py: relay, outcome

Nothing here is a rule: what may be sent is policy's verdict, and the addresses checked at MAIL are the grants that
policy gave at login.
"""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Mapping

from gateway import envelope as grammar
from gateway import extensions, log, replies
from gateway.conversation import Admission, Conversation, TooLong
from gateway.edge import Edge
from gateway.envelope import Offers
from gateway.errors import SessionOver, TransactionFailed
from gateway.framing import ChunkReader, DataReader, Flaw
from gateway.handover import Message, Transaction, hand_over
from gateway.handshake import Secured
from gateway.login import AUTH_LINE_LIMIT, LoginSource, exchange, may_be_tried, mechanisms
from gateway.relay_commands import Recipient
from gateway.replies import Reply
from gateway.settings import ListenerSettings, Mechanism
from gateway.wire import Wire
from policy.contract import Grants, LoginAnswer, LoginOutcome

_BEFORE_TLS = frozenset(("EHLO", "NOOP", "QUIT", "STARTTLS"))  # RFC 3207 section 4
_HTTP = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
_AUTH = b"AUTH "
# What is no UTF-8 is Latin-1 of an address or a name, which the client's user can mend.
_NOT_UTF8: Mapping[bytes, Reply] = {
    b"EHLO ": replies.BAD_NAME,
    b"HELO ": replies.BAD_NAME,
    b"MAIL ": replies.ADDRESS_NOT_ASCII,
    b"RCPT ": replies.ADDRESS_NOT_ASCII,
}
_LINE_LIMIT = 2048  # RFC 5321 section 4.5.3.1.4 asks for 512; SIZE, AUTH, DSN and SMTPUTF8 add 526, 500, 500 and 10
_NAME = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\]|\[(?ai:IPv6):[0-9A-Fa-f:.]+\]"
)
_CHUNK_ARGUMENT = re.compile(r"([0-9]{1,12})(?ai:( LAST)?)")
_FOR_FLAW: Mapping[Flaw, Reply] = {
    Flaw.TOO_BIG: replies.MESSAGE_TOO_BIG,
    Flaw.BARE_CR_OR_LF: replies.BARE_CR_OR_LF,
    Flaw.NUL: replies.NUL_OCTET,
    Flaw.LINE_TOO_LONG: replies.MESSAGE_LINE_TOO_LONG,
}
_REPLY_TO_LOGIN: Mapping[LoginOutcome, Reply] = {
    LoginOutcome.GRANTED: replies.LOGGED_IN,
    LoginOutcome.REFUSED: replies.LOGIN_REFUSED,
    LoginOutcome.MALFORMED: replies.BAD_AUTH_SYNTAX,
    LoginOutcome.LATER: replies.LOGIN_LATER,
    LoginOutcome.UNAVAILABLE: replies.LOGIN_UNAVAILABLE,
}


class Session(Conversation):
    """The verbs of one session and what they have to remember."""

    def __init__(
        self, edge: Edge, listener: ListenerSettings, admission: Admission, wire: Wire, tls: Secured | None
    ) -> None:
        super().__init__(edge, listener, admission, wire, tls)
        # Of this session
        self._client_name = ""
        self._grants: Grants | None = None
        self._messages = self._transactions = self._commands = self._errors = self._login_failures = 0
        # Of this transaction
        self._transaction: Transaction | None = None
        self._chunks: tuple[ChunkReader, Message] | None = None

    async def _converse(self) -> None:
        await self._pass_the_door()
        self._must_have_waited()
        self._say(replies.greeting(self._edge.settings.hostname))
        while True:
            if self._draining and not self._transaction:
                raise SessionOver(replies.SHUTTING_DOWN)
            line = await self._command_line()
            reply = line if isinstance(line, Reply) else await self._answer(line)
            if reply is None:
                continue
            self._say(reply)
            if reply.code >= 500:  # noqa: PLR2004 - RFC 5321 section 4.2.1
                self._errors += 1
            if self._errors >= self._edge.settings.max_errors:
                raise SessionOver(replies.TOO_MANY_ERRORS)

    def end_if_revoked(self, credentials: frozenset[int]) -> None:
        if self._grants and self._grants.credential in credentials:
            self.end_with(replies.REVOKED)

    def _is_idle(self) -> bool:
        return not self._transaction

    def _end(self) -> None:
        self._reset()
        log.session_ended(self._id, self._messages, self._errors)

    async def _answer(self, line: str) -> Reply | None:
        """Find the verb's method and ask it; what is not allowed now is answered here."""
        self._commands += 1
        settings = self._edge.settings
        if self._commands > (settings.max_commands if self._grants else settings.max_commands_before_login):
            raise SessionOver(replies.TOO_MANY_COMMANDS)
        verb, _, argument = line.partition(" ")
        verb = _capitals(verb)
        if verb in _HTTP:  # a browser that was sent here, with somebody else's text in its request (ALPACA)
            raise SessionOver(replies.NOT_HTTP)
        method = _VERBS.get(verb)
        if method is None:
            return replies.UNKNOWN_COMMAND
        if not self._tls and verb not in _BEFORE_TLS and verb != "BDAT":  # whose chunk has to be read, whatever we say
            return replies.TLS_FIRST
        try:
            return await method(self, argument.strip())
        except TransactionFailed as failed:
            self._reset()
            return failed.reply

    def _reset(self) -> None:
        if self._chunks:
            self._chunks[1].close()
        self._transaction = self._chunks = None

    # Reading

    async def _command_line(self) -> str | Reply:
        """A command without its CRLF, or the reply to what is no command line."""
        self._waiting = True
        line = await self._line(AUTH_LINE_LIMIT, self._patience())
        self._waiting = False
        if isinstance(line, TooLong):  # RFC 4954 section 4 has a reply of its own
            return replies.AUTH_LINE_TOO_LONG if line.start.upper() == _AUTH else replies.LINE_TOO_LONG
        if len(line) > _LINE_LIMIT and line[: len(_AUTH)].upper() != _AUTH:
            return replies.LINE_TOO_LONG
        # RFC 5321 section 2.3.8: only CRLF ends a line; what is not printable would end up in logs and headers.
        try:
            text = line[:-2].decode()
        except UnicodeDecodeError:
            return _NOT_UTF8.get(line[:5].upper(), replies.BAD_LINE)
        return text if line.endswith(b"\r\n") and text.isprintable() else replies.BAD_LINE

    def _patience(self, timeout_s: float | None = None) -> float:
        """When a wait for the client ends, on the loop's clock. Strangers have one span for everything until login."""
        settings = self._edge.settings
        after = self.loop.time() + (timeout_s or settings.command_timeout_s)
        return after if self._grants else min(after, self._opened_at + settings.login_timeout_s)

    # The verbs, in wire order

    async def smtp_EHLO(self, argument: str) -> Reply | None:
        if not _NAME.fullmatch(argument):
            return replies.BAD_NAME
        self._must_have_waited()
        self._client_name = argument
        self._reset()
        lines = extensions.lines(
            self._offers(),
            max_messages=self._edge.settings.max_messages,
            max_recipients=self._recipients_limit,
            mechanisms=self._mechanisms(),
            is_under_tls=bool(self._tls),
        )
        self._say_lines([self._edge.settings.hostname, *lines])
        return None

    async def smtp_HELO(self, argument: str) -> Reply | None:
        if not _NAME.fullmatch(argument):
            return replies.BAD_NAME
        self._client_name = argument
        self._reset()
        return Reply(250, "", self._edge.settings.hostname)

    async def smtp_STARTTLS(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        if self._tls:
            return replies.TLS_ALREADY
        if not self._client_name:
            return replies.HELLO_FIRST
        await self._start_tls(replies.READY_FOR_TLS)
        # RFC 3207 section 4.2: what was said before TLS was said by anybody.
        self._client_name = ""
        return None

    async def smtp_AUTH(self, argument: str) -> Reply | None:
        if not self._client_name:
            return replies.HELLO_FIRST
        if self._grants:
            return replies.LOGGED_IN_ALREADY
        mechanism, _, initial = argument.partition(" ")
        mechanism = _capitals(mechanism)
        if not self._tls or not may_be_tried(mechanism, self._edge.settings.mechanisms, self._tls):
            return replies.UNKNOWN_MECHANISM
        source = LoginSource(self._id, self._client_address, self._client_name, self._listener, self._tls)
        outcome = await exchange(self._edge.policy, source, mechanism, initial.strip(), self._respond)
        if not isinstance(outcome, Reply) and outcome.delay_s:
            await self._pause(outcome.delay_s)
        reply, grants = self._decided(outcome)
        log.login_answered(self._id, mechanism, reply, grants.login if grants else "")
        self._edge.scoreboard.count("logins_total", _counted_as_login(reply))
        self._grants = grants
        if grants:
            self._wire.trust()
        if reply in (replies.LOGIN_REFUSED, replies.LOGIN_LATER):
            self._login_failures += 1
            if self._login_failures >= self._edge.settings.max_login_failures:
                self._say(reply)
                raise SessionOver(replies.TOO_MANY_ERRORS)
        return reply

    async def smtp_MAIL(self, argument: str) -> Reply | None:
        if not self._client_name:
            return replies.HELLO_FIRST
        if not self._grants:
            return replies.LOGIN_FIRST
        if self._transaction:
            return replies.SENDER_ALREADY
        if self._transactions >= self._edge.settings.max_messages:
            return replies.TOO_MANY_MESSAGES
        command = grammar.parse_mail(argument, self._offers())
        if isinstance(command, Reply):
            return command
        if command.path and not self._grants.owned.covers(command.path):
            return replies.SENDER_NOT_OWNED
        self._transactions += 1
        self._transaction = Transaction(
            session=self._id,
            listener=self._listener.name,
            gate=self._listener.gate,
            client_address=self._client_address,
            client_name=self._client_name,
            credential=self._grants.credential,
            tls=self._tls.version if self._tls else "",
            command=command,
        )
        return replies.SENDER_TAKEN

    async def smtp_RCPT(self, argument: str) -> Reply | None:
        if not self._transaction or not self._grants:
            return replies.SENDER_FIRST if self._grants else replies.LOGIN_FIRST
        if self._chunks:
            return replies.CHUNKS_BEGUN
        command = grammar.parse_rcpt(argument, self._offers(), is_utf8=self._transaction.command.is_utf8)
        if isinstance(command, Reply):
            return command
        if len(self._transaction.recipients) >= (self._recipients_limit or 0):
            return replies.TOO_MANY_RECIPIENTS
        self._transaction.recipients.append(Recipient(command.path, command.notify, command.original))
        return replies.RECIPIENT_TAKEN

    async def smtp_DATA(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        transaction = self._complete_envelope()
        if isinstance(transaction, Reply):
            return transaction
        if self._chunks:
            return replies.CHUNKS_BEGUN
        self._must_have_waited()
        self._say(replies.GO_ON)
        reader, message = DataReader(self._message_limit), Message(self._edge.settings.spool_dir)
        try:
            await self._read_content(reader, message)
        except BaseException:
            message.close()
            raise
        return await self._hand_over(transaction, reader, message)

    async def smtp_BDAT(self, argument: str) -> Reply | None:
        """RFC 3030 section 2: one chunk of exactly the length that is said; a refused one is read all the same."""
        match = _CHUNK_ARGUMENT.fullmatch(argument)
        if not match:  # what follows is content, and nobody knows how much of it
            raise SessionOver(replies.BAD_CHUNK)
        transaction = self._complete_envelope()
        if isinstance(transaction, Reply):
            discarding = ChunkReader(limit=0)
            discarding.begin(int(match[1]), is_last=False)
            await self._read_content(discarding, None)
            return transaction
        if not self._chunks:
            self._chunks = ChunkReader(self._message_limit), Message(self._edge.settings.spool_dir)
        reader, message = self._chunks
        reader.begin(int(match[1]), is_last=bool(match[2]))
        await self._read_content(reader, message)
        return await self._hand_over(transaction, reader, message) if reader.ended else replies.CHUNK_TAKEN

    async def smtp_RSET(self, argument: str) -> Reply | None:
        if argument:
            return replies.NO_ARGUMENT
        self._reset()
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

    # What several verbs need

    def _decided(self, outcome: LoginAnswer | Reply) -> tuple[Reply, Grants | None]:
        """The reply to an exchange, and what was granted. Sessions are counted here, where they are held."""
        if isinstance(outcome, Reply):
            return outcome, None
        grants = outcome.grants
        if grants and not self._edge.caps.log_in(self._admission.slot, _counted_for(grants), grants.sessions):
            return replies.TOO_MANY_SESSIONS, None
        return _REPLY_TO_LOGIN[outcome.outcome], grants

    async def _pause(self, seconds: float) -> None:
        """Let the client wait for its reply (policy's tarpit), as long as its deadlines last."""
        if self._draining:
            raise SessionOver(replies.SHUTTING_DOWN)
        now, expires_at = self.loop.time(), min(self._patience(), self._ends_at)
        self._waiting = True  # a gateway that stops does not wait with it
        await asyncio.sleep(min(seconds, expires_at - now))
        self._waiting = False
        if now + seconds > expires_at:
            self._edge.scoreboard.count("sessions_expired_total")
            raise SessionOver(replies.TIMED_OUT)

    async def _respond(self, challenge: str) -> bytes | None:
        """The client's line after a challenge in base64; None where it was too long."""
        self._must_have_waited()
        self._replies += f"334 {challenge}\r\n".encode()  # with its space even where nothing follows
        line = await self._line(AUTH_LINE_LIMIT, self._patience())
        return None if isinstance(line, TooLong) else line

    def _complete_envelope(self) -> Transaction | Reply:
        """The transaction, ready for its content, or why it is not."""
        if not self._tls:
            return replies.TLS_FIRST
        if not self._transaction:
            return replies.SENDER_FIRST if self._grants else replies.LOGIN_FIRST
        return self._transaction if self._transaction.recipients else replies.RECIPIENT_FIRST

    async def _read_content(self, reader: DataReader | ChunkReader, message: Message | None) -> None:
        """Feed `reader` until it has what it needs. A client that trickles is cut off as one that says nothing is."""
        settings = self._edge.settings
        started, octets = self.loop.time(), 0
        while True:
            piece = self._received
            if isinstance(reader, ChunkReader) and reader.needed < len(piece):
                piece = piece[: reader.needed]  # what follows a chunk is not touched: it may be thousands of others
            octets += len(piece)
            content = reader.feed(piece)
            del self._received[: len(piece)]
            if message:
                message.keep(content)
            if reader.ended or (isinstance(reader, ChunkReader) and reader.chunk_ended):
                self._received += reader.rest
                return
            slowest = started + settings.data_timeout_s + octets / settings.min_data_rate
            await self._more(min(self._patience(settings.data_timeout_s), slowest))

    async def _hand_over(self, transaction: Transaction, reader: DataReader | ChunkReader, message: Message) -> Reply:
        """Once policy has reserved, the transaction runs to its end, whether or not the client is still there."""
        self._transaction = self._chunks = None
        if reader.flaw:
            message.close()
            reply = _FOR_FLAW[reader.flaw]
            log.message_refused(self._id, "", reply, reader.flaw.value)
        else:
            message.is_ascii = reader.is_ascii
            self._is_handing_over = True
            try:
                reply = await hand_over(self._edge, transaction, message)
            finally:
                self._is_handing_over = False
        self._edge.scoreboard.count("messages_total", _counted_as_message(reply))
        self._messages += reply.is_positive
        return reply

    @property
    def _message_limit(self) -> int:
        return self._listener.max_message_bytes or self._edge.settings.max_message_bytes

    @property
    def _recipients_limit(self) -> int | None:
        """None as long as nobody has logged in: it is the credential's."""
        if not self._grants:
            return None
        return min(self._grants.recipients_per_message, self._listener.max_recipients or sys.maxsize)

    def _offers(self) -> Offers:
        return extensions.offers_for(self._edge.relay.offers, self._message_limit, is_under_tls=bool(self._tls))

    def _mechanisms(self) -> list[Mechanism]:
        """What EHLO names now; nothing before TLS, RFC 4954 section 4, and nothing a second time."""
        return mechanisms(self._edge.settings.mechanisms, self._tls) if self._tls and not self._grants else []


def _capitals(word: str) -> str:
    """Of ASCII alone, or the long s (U+017F) would become the S of a verb that somebody before us has not seen."""
    return word.upper() if word.isascii() else word


def _counted_for(grants: Grants) -> str:
    """Whose sessions these are. No identity has a blank in its name."""
    return f"{grants.identity} elsewhere" if grants.is_strange else grants.identity


def _counted_as_login(reply: Reply) -> str:
    if reply in (replies.LOGIN_LATER, replies.TOO_MANY_SESSIONS):
        return "deferred"
    return {235: "granted", 535: "refused", 454: "unavailable"}.get(reply.code, "malformed")


def _counted_as_message(reply: Reply) -> str:
    return "relayed" if reply.is_positive else "deferred" if reply.code < 500 else "refused"  # noqa: PLR2004 - RFC 5321


Verb = Callable[[Session, str], Awaitable[Reply | None]]  # None: the method has answered by itself
_VERBS: Mapping[str, Verb] = {
    name.removeprefix("smtp_"): method for name, method in vars(Session).items() if name.startswith("smtp_")
}
