"""A finished transaction: facts to policy, message to the next hop, outcome back to policy.

The client gets 250 only when the next hop has the message on disk; anything short of that is a refusal, mostly 4yz,
and the client still has its message. This runs as a task of its own that nothing cancels: a reservation that was made
is reported on, even where the client has gone.
"""

import email.utils
import secrets
from dataclasses import dataclass, field

from gateway import facts as content
from gateway import log, replies
from gateway.edge import Edge
from gateway.errors import PolicyUnavailable, RelayFailed
from gateway.relay import Envelope
from gateway.replies import FOR_REASON, Reply
from policy.contract import Action, MessageFacts, Outcome, RelayOutcome


@dataclass(slots=True, kw_only=True)
class Transaction:
    """MAIL FROM to the end of DATA, RFC 5321 section 3.3."""

    session: str
    listener: str
    client_address: str
    client_name: str
    credential: int
    reverse_path: str
    recipients: list[str] = field(default_factory=list)


async def hand_over(edge: Edge, transaction: Transaction, message: bytes) -> Reply:
    """The reply to the end of DATA. Raises nothing but errors of ours."""
    submission = secrets.token_hex(8)
    read = content.read(message)
    if isinstance(read, Reply):
        log.message_refused(transaction.session, submission, read, "header section")
        return read
    facts = _facts(transaction, submission, read, len(message))
    try:
        verdict = await edge.policy.judge(facts)
    except PolicyUnavailable as error:
        log.message_refused(transaction.session, submission, error.reply, str(error))
        return error.reply
    if verdict.action is not Action.ACCEPT:
        reply = FOR_REASON[verdict.reason] if verdict.reason else replies.INTERNAL_ERROR
        log.message_refused(transaction.session, submission, reply, verdict.reason or "")
        return reply
    return await _relay(edge, facts, _trace_field(edge, submission) + message, verdict.reservation)


async def _relay(edge: Edge, facts: MessageFacts, message: bytes, reservation: str) -> Reply:
    envelope = Envelope(
        reverse_path=facts.reverse_path,
        recipients=facts.recipients,
        client_address=facts.client_address,
        client_name=facts.client_name,
        submission=facts.submission,
        message_bytes=len(message),
        is_eight_bit=not message.isascii(),
    )
    try:
        queue_id = await edge.relay.relay(envelope, message)
    except RelayFailed as error:
        log.message_refused(facts.session, facts.submission, error.reply, str(error))
        outcome = RelayOutcome.FAILED if error.is_certain else RelayOutcome.UNKNOWN
        edge.in_background(edge.policy.report(Outcome(reservation=reservation, outcome=outcome)))
        return error.reply
    log.message_relayed(facts.session, facts.submission, queue_id, len(facts.recipients), facts.message_bytes)
    relayed = Outcome(reservation=reservation, outcome=RelayOutcome.RELAYED, queue_id=queue_id)
    edge.in_background(edge.policy.report(relayed))
    return replies.accepted(facts.submission)


def _facts(transaction: Transaction, submission: str, read: content.Content, message_bytes: int) -> MessageFacts:
    return MessageFacts(
        submission=submission,
        session=transaction.session,
        listener=transaction.listener,
        client_address=transaction.client_address,
        client_name=transaction.client_name,
        credential=transaction.credential,
        reverse_path=transaction.reverse_path,
        recipients=tuple(transaction.recipients),
        authors=read.authors,
        message_bytes=message_bytes,
    )


def _trace_field(edge: Edge, submission: str) -> bytes:
    """RFC 5321 section 4.4, with ESMTPSA of RFC 3848; neither the client's address nor its login, but our id."""
    date = email.utils.formatdate(edge.clock())
    return (
        f"Received: from submission by {edge.settings.hostname} with ESMTPSA\r\n\tid {submission}; {date}\r\n".encode()
    )
