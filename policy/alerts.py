"""Telling the administrator at once: a line in the log at error level, and a mail.

The mail is handed to the same next hop as everybody's, from the null reverse-path, so that nothing answers it. Of one
kind there is at most one mail in an hour: the first at once, and what comes meanwhile as one mail at the end of that
hour, with its number. Whoever tells never waits: the mail goes out in a task of its own, is tried a few times, and
given up with another line in the log. What is kept is bounded by the kinds there are.

Whoever tells leaves out what must be in no mail and no log: secrets, and logins that were tried.
"""

import asyncio
import email.policy
import email.utils
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum

from policy import log
from policy.settings import HOUR_S, Settings

_SUBJECT_LIMIT, _LINES_LIMIT, _LINE_LIMIT = 150, 50, 500
_PATIENCE_S = 60.0
_RETRY_AFTER_S = (5.0, 60.0, 300.0)
_MAIL = email.policy.SMTP.clone(cte_type="7bit")
_POSITIVE = b"23"  # the first digit of a reply, RFC 5321 section 4.2.1


class AlertKind(StrEnum):
    """What the administrator is told of; mails of one kind are counted together."""

    TRAP_CLOSED = "trap-closed"
    SIGNAL = "signal"  # something speaks against an identity (policy/engine/ladder.py)


class NotTaken(Exception):
    """The next hop refuses the mail, or broke off."""


@dataclass(slots=True)
class _Held:
    """What came of one kind since its last mail."""

    count: int = 0
    subject: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """Whom the mails go to and through whom. `relay` is host:port; empty is no mail."""

    relay: str
    recipient: str
    author: str
    hostname: str


def mailing_of(settings: Settings) -> Mailing:
    """As the settings say: to the postmaster of the first domain where they name nobody."""
    postmaster = f"postmaster@{settings.domains[0]}"
    return Mailing(
        relay=settings.alert_relay,
        recipient=settings.alert_to or postmaster,
        author=postmaster,
        hostname=settings.hostname,
    )


class Alerts:
    """Of one process; used within its event loop. `clock` is for the mail's date."""

    def __init__(
        self,
        mailing: Mailing,
        clock: Callable[[], float],
        *,
        interval_s: float = HOUR_S,
        retry_after_s: Sequence[float] = _RETRY_AFTER_S,
    ) -> None:
        self._mailing = mailing
        self._clock = clock
        self._interval_s = interval_s
        self._retry_after_s = retry_after_s
        self._held: dict[AlertKind, _Held] = {}  # the kinds that had a mail within the interval
        self._timers: dict[AlertKind, asyncio.TimerHandle] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, kind: AlertKind, subject: str, lines: Sequence[str]) -> None:
        """Returns at once. `subject` is one line that says what happened; `lines` say what there is to know and do."""
        log.alert(kind, subject)
        if not self._mailing.relay:
            return
        held = self._held.get(kind)
        if held is None:
            self._mail(kind, subject, lines, count=1)
        else:
            held.count += 1
            held.subject, held.lines = subject, tuple(lines[:_LINES_LIMIT])

    def close(self) -> None:
        """Nothing is sent any more; what was held is in the log."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._sending:
            task.cancel()

    def _mail(self, kind: AlertKind, subject: str, lines: Sequence[str], *, count: int) -> None:
        loop = asyncio.get_running_loop()
        self._held[kind] = _Held()
        self._timers[kind] = loop.call_later(self._interval_s, self._interval_over, kind)
        task = loop.create_task(self._sent(kind, self._message(subject, lines, count)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _interval_over(self, kind: AlertKind) -> None:
        held = self._held.pop(kind)
        if held.count:
            self._mail(kind, held.subject, held.lines, count=held.count)

    def _message(self, subject: str, lines: Sequence[str], count: int) -> EmailMessage:
        mailing, now = self._mailing, self._clock()
        message = EmailMessage(_MAIL)
        message["From"] = f"Sallyport <{mailing.author}>"
        message["To"] = mailing.recipient
        message["Subject"] = f"[Sallyport] {_plain(subject, _SUBJECT_LIMIT)}"
        message["Date"] = email.utils.formatdate(now)
        message["Message-ID"] = email.utils.make_msgid(domain=mailing.hostname)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5
        told = [_plain(line, _LINE_LIMIT) for line in lines[:_LINES_LIMIT]]
        if count > 1:
            told += ["", f"This was the last of {count} since the mail before; the log of policy has them all."]
        message.set_content("\n".join(told) + "\n")
        return message

    async def _sent(self, kind: AlertKind, message: EmailMessage) -> None:
        for delay in (*self._retry_after_s, None):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await _send(self._mailing, message)
            except (OSError, ValueError, NotTaken) as error:
                log.alert_not_mailed(kind, error, is_given_up=delay is None)
            else:
                return
            if delay is not None:
                await asyncio.sleep(delay)


def _plain(text: str, limit: int) -> str:
    """On one line, whatever a stranger has chosen of it."""
    return "".join(one if one.isprintable() else " " for one in text[:limit])


async def _send(mailing: Mailing, message: EmailMessage) -> None:
    """One mail to one next hop that knows us: no TLS and no login, as the gateway has it there."""
    host, _, port = mailing.relay.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    # RFC 5321 section 4.5.2: a line that begins with a dot gets another one.
    content = message.as_bytes().replace(b"\r\n.", b"\r\n..")
    commands = (f"EHLO {mailing.hostname}", "MAIL FROM:<>", f"RCPT TO:<{mailing.recipient}>", "DATA")
    try:
        await _accepted(reader)
        for octets in (*(f"{command}\r\n".encode() for command in commands), content + b".\r\n", b"QUIT\r\n"):
            writer.write(octets)
            await writer.drain()
            await _accepted(reader)
    finally:
        writer.close()


async def _accepted(reader: asyncio.StreamReader) -> None:
    """The next reply, of however many lines, is a positive one."""
    line = b"   -"
    while line[3:4] == b"-":
        line = await reader.readline()
    if line[:1] not in _POSITIVE or not line:
        raise NotTaken
