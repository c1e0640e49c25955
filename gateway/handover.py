"""A finished transaction: facts to policy, and its verdict carried out.

    session.py       has read the message to its end
    handover.py      (you are here) what policy is told, and what it says
    examination.py   what is in the message
    dispatch.py      an accepted message on its way to the next hop, and its outcome back to policy

Nothing cancels the session while this runs (Conversation._stop): a reservation that was made is reported on, even where
the client has gone.
"""

import asyncio
import email.utils
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from gateway import facts as content
from gateway import log, replies
from gateway.dispatch import Handover, dispatch
from gateway.edge import Edge, timed
from gateway.envelope import MailCommand
from gateway.errors import PolicyUnavailable
from gateway.examination import examined
from gateway.relay_commands import Envelope, Recipient
from gateway.replies import FOR_REASON, Reply
from gateway.spool import Spool
from policy.contract import Action, MessageFacts
from service import tracing


@dataclass(slots=True, kw_only=True)
class Transaction:
    """MAIL FROM to the end of DATA, RFC 5321 section 3.3."""

    session: str
    listener: str
    gate: str
    client_address: str
    client_name: str
    credential: int
    tls: str  # version and cipher, for the trace field
    command: MailCommand
    recipients: list[Recipient] = field(default_factory=list)


class Message:
    """The content of a transaction as it was read. `lost` where the disk had no room for all of it."""

    __slots__ = ("is_ascii", "lost", "spool")

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder)
        self.is_ascii = True
        self.lost = False

    def keep(self, octets: bytes) -> None:
        """The next octets. What cannot be kept is read on all the same, or its lines would be taken for commands."""
        if self.lost:
            return
        try:
            self.spool.append(octets)
        except OSError as error:
            self.lost = True
            self.spool.close()
            log.spool_failed(error)

    def close(self) -> None:
        self.spool.close()


async def hand_over(edge: Edge, transaction: Transaction, message: Message) -> Reply:
    """The reply to the end of the message, which is closed afterwards. Raises nothing but errors of ours."""
    submission = new_submission(edge.clock())
    try:
        with tracing.span("message"):
            tracing.note(submission=submission)
            handover = _prepared(edge, transaction, message, submission)
            if isinstance(handover, Reply):
                log.message_refused(transaction.session, submission, handover, "content")
                return handover
            handover = await examined(edge, message.spool, handover)
            return await _judged(edge, transaction, message.spool, handover)
    finally:
        message.close()


def new_submission(now: float) -> str:
    """The id of a message that is handed in at `now`: milliseconds and 64 bits of chance, hexadecimal.

    Ids that begin with the time lie together in the indexes of whoever keeps them, like the rows of that time.
    """
    return f"{int(now * 1000):012x}{secrets.token_hex(8)}"


def _prepared(edge: Edge, transaction: Transaction, message: Message, submission: str) -> Handover | Reply:
    if message.lost:
        return replies.SPOOL_FULL
    spool, command = message.spool, transaction.command
    head = content.head_of(bytes(spool.start), is_whole=spool.file is None)
    if isinstance(head, Reply):
        return head
    read = content.read(head, is_utf8=command.is_utf8)
    if isinstance(read, Reply):
        return read
    date = email.utils.formatdate(edge.clock())
    completed = content.completed(head, read, date=date, message_id=f"<{submission}@{edge.settings.hostname}>")
    completed = _trace_field(edge, transaction, submission, date) + completed
    recipients = tuple(recipient.address for recipient in transaction.recipients)
    facts = MessageFacts(
        submission=submission,
        session=transaction.session,
        listener=transaction.listener,
        gate=transaction.gate,
        client_address=transaction.client_address,
        client_name=transaction.client_name,
        credential=transaction.credential,
        reverse_path=command.path,
        recipients=recipients,
        authors=read.authors,
        senders=read.senders,
        names=read.names,
        message_bytes=len(spool),
    )
    envelope = Envelope(
        reverse_path=command.path,
        recipients=tuple(transaction.recipients),
        client_address=transaction.client_address,
        client_name=transaction.client_name,
        submission=submission,
        message_bytes=len(completed) + len(spool) - len(head),
        is_eight_bit=not message.is_ascii,
        is_utf8=command.is_utf8,
        ret=command.ret,
        envid=command.envid,
        require_tls=command.require_tls,
    )
    return Handover(facts, envelope, completed, len(head))


async def _judged(edge: Edge, transaction: Transaction, spool: Spool, handover: Handover) -> Reply:
    session, submission = transaction.session, handover.facts.submission
    try:
        with timed(edge.scoreboard, "decision"):
            verdict = await edge.policy.judge(handover.facts)
    except PolicyUnavailable as error:
        edge.scoreboard.count("policy_failures_total")
        log.message_refused(session, submission, error.reply, str(error))
        return error.reply
    tracing.note(action=verdict.action, reason=verdict.reason or "")
    # As long as any other part of a transaction: a gateway that stops waits for it, and so does a session's last reply.
    if verdict.delay_s:
        await asyncio.sleep(verdict.delay_s)
    if verdict.action in (Action.ACCEPT, Action.HOLD):
        return await dispatch(edge, spool, handover, verdict)
    reply = FOR_REASON[verdict.reason] if verdict.reason else replies.INTERNAL_ERROR
    log.message_refused(session, submission, reply, verdict.reason or "")
    return reply


def _trace_field(edge: Edge, transaction: Transaction, submission: str, date: str) -> bytes:
    """RFC 5321 section 4.4 with the protocols of RFC 3848 and RFC 6531; not the client's address nor its login.

    Policy knows whose the id is: `sallyport submission show ID`.
    """
    protocol = "UTF8SMTPSA" if transaction.command.is_utf8 else "ESMTPSA"
    return (
        f"Received: from submission by {edge.settings.hostname} with {protocol}\r\n"
        f"\t({transaction.tls})\r\n\tid {submission}; {date}\r\n"
    ).encode()
