"""The sink's SMTP side: aiosmtpd with a handler that takes everything that answers.py does not refuse."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from sink.answers import GREYLISTED, answer_for, pair
from sink.messages import Messages

_log = structlog.get_logger()
_GREETED_LIMIT = 10_000  # pairs that are remembered; the oldest are forgotten first
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Handler:
    """aiosmtpd's hooks. The state of greylisting is shared by all sessions, as it would be on a real server."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._greeted: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        sender = _path(envelope.mail_from)
        answer = answer_for(sender, address, self._greeted)
        if answer is GREYLISTED:
            self._greeted[pair(sender, address)] = None
            while len(self._greeted) > _GREETED_LIMIT:
                self._greeted.popitem(last=False)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.is_positive:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return answer.reply

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = await self._messages.add(_path(envelope.mail_from), tuple(envelope.rcpt_tos), content)
        _log.info("message-received", id=message.id, recipients=len(message.recipients), message_bytes=len(content))
        return f"250 2.0.0 Ok: queued as {message.id}"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's own would tell the exception's text."""
        _log.error("session-failed", exc_info=error)
        return "451 4.3.0 Something went wrong here"


def make_protocol(messages: Messages) -> Callable[[], SMTP]:
    """A factory for loop.create_server."""
    handler = Handler(messages)

    def protocol() -> SMTP:
        return SMTP(
            handler,
            hostname="sink.test",
            ident="Sallyport sink",
            data_size_limit=MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
        )

    return protocol


def _path(address: str | None) -> str:
    """aiosmtpd gives the null reverse-path as `<>`."""
    return "" if address in (None, "<>") else str(address)
