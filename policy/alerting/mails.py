"""By mail, to the administrator and to the owners of identities: into mailboxes of ours, and elsewhere by the next hop.

From the null reverse-path, so that nothing answers it. What a stranger has chosen of the text is on one line and plain.
Mails of one conversation say so in References (RFC 5322 section 3.6.4), and each keeps its Message-ID when it is sent
again, so that a mailbox which has it already can see that.
"""

import asyncio
import email.policy
import email.utils
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

from policy.alerting.kinds import Kind
from policy.alerting.own_mailboxes import OwnMailboxes
from policy.alerting.owner_words import OwnerMail, owner_mail
from policy.alerting.pacing import BY_MAIL, TO_OWNER, Pace
from policy.alerting.parcels import NotTaken, Parcel
from policy.alerting.undelivered import Undelivered
from policy.alerting.wording import words_of
from policy.contract import canonical_address
from policy.doveadm import Doveadm
from policy.settings import Settings
from policy.store.notices import plain
from policy.store.reader import Reader
from policy.store.statements import prepared

_MAIL = email.policy.SMTP.clone(cte_type="7bit")
_MAIL_UTF8 = email.policy.SMTPUTF8.clone(cte_type="7bit")  # RFC 6532: no encoded word may be part of an address
_POSITIVE = b"23"  # the first digit of a reply, RFC 5321 section 4.2.1
_REMEMBERED = 10_000

_MAILBOXES = prepared(
    "SELECT notice_address, (SELECT MIN(address.id) FROM address WHERE address.identity_id = identity.id"
    " AND address.address NOT LIKE '@%') AS first FROM identity WHERE name = :identity"
)
_ADDRESS = prepared("SELECT address FROM address WHERE id = :id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """Whom mails go to and through whom. `relay` is host:port; empty is no mail."""

    relay: str
    recipient: str
    author: str
    hostname: str
    mailboxes: OwnMailboxes | None = None


def mailing_of(settings: Settings, doveadm: Doveadm | None = None) -> Mailing:
    """As the settings say: to the postmaster of the first domain where they name nobody."""
    postmaster = canonical_address(f"postmaster@{settings.domains[0]}")
    return Mailing(
        relay=settings.alert_relay,
        recipient=settings.alert_to or postmaster,
        author=postmaster,
        hostname=settings.hostname,
        mailboxes=OwnMailboxes(doveadm, _canonical(settings.domains)) if doveadm else None,
    )


def _canonical(domains: Sequence[str]) -> frozenset[str]:
    return frozenset(canonical_address(f"postmaster@{one}").partition("@")[2] for one in domains)


@dataclass(frozen=True, slots=True)
class ToAdministrator:
    """The carrier of the channel `administrator`. `clock` is for the mail's date."""

    mailing: Mailing
    clock: Callable[[], float]
    console_url: str = ""
    pace: Pace = BY_MAIL

    async def carry(self, parcel: Parcel) -> None:
        subject, lines = words_of(parcel, self.console_url)
        message = _message(self.mailing, parcel, f"[Sallyport] {subject}", "\n".join(lines) + "\n", self.clock())
        await _send(self.mailing, message, self.mailing.recipient)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class ToOwner:
    """The carrier of the channels `owner:IDENTITY`. `console_url` is where they answer.

    Each address gets a mail of its own: who reads one need not know the other. One that took it is not asked again.
    """

    mailing: Mailing
    clock: Callable[[], float]
    reader: Reader
    console_url: str
    pace: Pace = TO_OWNER
    _took: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    async def carry(self, parcel: Parcel) -> None:
        newest = parcel.newest
        # Of every notice: who changes the second address twice must not keep the first one from hearing of it.
        also = [address for one in parcel.notices for address in one.facts.get("also_to", ())]
        recipients = await self._recipients(parcel.channel.partition(":")[2], also)
        if not recipients:
            raise NotTaken(Undelivered.OWNER_NO_ADDRESS.of(), is_final=True)
        told = self._told(parcel)
        problem: Exception | None = None
        for recipient in recipients:
            if (newest.number, recipient) in self._took:
                continue
            message = _message(self.mailing, parcel, plain(told.subject), told.text, self.clock(), recipient)
            try:
                await _send(self.mailing, message, recipient)
            except (OSError, ValueError, NotTaken) as error:
                problem = error
            else:
                self._remember(newest.number, recipient)
        if problem:
            raise problem

    async def close(self) -> None:
        """Nothing is open."""

    def _told(self, parcel: Parcel) -> OwnerMail:
        """The newest of each conversation, the gravest of these first: what else came is no news any more."""
        if parcel.newest.kind is Kind.TEST:
            subject, lines = words_of(parcel)
            return OwnerMail(subject, "\n".join(lines) + "\n")
        newest = {one.thread: one for one in parcel.notices}
        first, *others = sorted(newest.values(), key=lambda one: (-one.about.severity, -one.id))
        more = parcel.count - len(newest)
        mails = [owner_mail(first.kind, first.facts, self.console_url, first.at, more=more)]
        mails += [owner_mail(one.kind, one.facts, self.console_url, one.at) for one in others]
        return OwnerMail(mails[0].subject, "\n\n".join(one.text for one in mails))

    async def _recipients(self, identity: str, also: Sequence[str]) -> list[str]:
        found = list[str]()
        for notice_address, first in await self.reader.rows(_MAILBOXES, {"identity": identity}):
            found += [notice_address, *[one for (one,) in await self.reader.rows(_ADDRESS, {"id": first})]]
        return list(dict.fromkeys(one for one in (*found, *also) if one))

    def _remember(self, number: str, recipient: str) -> None:
        self._took[number, recipient] = None
        if len(self._took) > _REMEMBERED:
            self._took.popitem(last=False)


def _message(
    mailing: Mailing, parcel: Parcel, subject: str, text: str, now: float, recipient: str = ""
) -> EmailMessage:
    recipient = recipient or mailing.recipient
    message = EmailMessage(_MAIL if recipient.isascii() else _MAIL_UTF8)
    message["From"] = f"Sallyport <{mailing.author}>"
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = email.utils.formatdate(now)
    message["Message-ID"] = f"<{parcel.newest.number}@{mailing.hostname}>"
    if parcel.root:
        message["In-Reply-To"] = message["References"] = f"<{parcel.root}@{mailing.hostname}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5
    message.set_content(text)
    return message


async def _send(mailing: Mailing, message: EmailMessage, recipient: str) -> None:
    """One mail; to a next hop that knows us: no TLS and no login, as the gateway has it there."""
    if not mailing.relay:
        raise NotTaken(Undelivered.NO_RELAY.of(), is_final=True, is_expected=True)
    content = message.as_bytes()
    if mailing.mailboxes and await mailing.mailboxes.took(recipient, content):
        return
    host, _, port = mailing.relay.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    # RFC 5321 section 4.5.2: a line that begins with a dot gets another one.
    content = content.replace(b"\r\n.", b"\r\n..")
    is_utf8 = not recipient.isascii()
    mail = "MAIL FROM:<> BODY=8BITMIME SMTPUTF8" if is_utf8 else "MAIL FROM:<>"  # RFC 6531 section 3.6
    commands = (mail, f"RCPT TO:<{recipient}>", "DATA")
    try:
        await _accepted(reader)
        writer.write(f"EHLO {mailing.hostname}\r\n".encode())
        if b"SMTPUTF8" not in await _accepted(reader) and is_utf8:
            raise NotTaken(Undelivered.RELAY_NOT_UTF8.of())
        for octets in (*(f"{command}\r\n".encode() for command in commands), content + b".\r\n"):
            writer.write(octets)
            await writer.drain()
            await _accepted(reader)
        writer.write(b"QUIT\r\n")
    finally:
        writer.close()


async def _accepted(reader: asyncio.StreamReader) -> set[bytes]:
    """The next reply, of however many lines, is a positive one. The first word of each line, in upper case."""
    line, words = b"   -", set[bytes]()
    while line[3:4] == b"-":
        line = await reader.readline()
        words.update(line[4:].upper().split()[:1])
    if not line:
        raise NotTaken(Undelivered.RELAY_BROKE_OFF.of())
    if line[:1] not in _POSITIVE:
        raise NotTaken(Undelivered.RELAY_SAID.of(code=line[:3].decode("ascii", "replace")))
    return words
