"""An accepted message on its way to the next hop: as one, as one that is held there, or split into the two.

The client gets 250 only when the next hop has all of it on disk; anything short of that is a refusal, mostly 4yz, and
the client still has its message.

Split: once for the recipients who get it, once for those for whom it is held, with the same octets, Message-ID and
trace field included. The held part goes first. Where the other one fails then, the client sends the message again, and
what is there twice is on hold, where somebody decides; the other way round people would get it twice.

    what failed                               outcome     why
    nothing                                   relayed
    the first part, surely                    failed      nothing is anywhere
    the first part, perhaps                   unknown     it may be there, and may leave
    the second part, surely or perhaps        unknown     the held part is there, and may leave when it is released
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway import log, replies
from gateway.edge import Edge, timed
from gateway.errors import RelayFailed
from gateway.relay import Relay
from gateway.relay_commands import Envelope
from gateway.replies import FOR_REASON, Reply
from gateway.spool import Spool
from policy.contract import Action, MessageFacts, MessageVerdict, Outcome, Reason, RelayOutcome
from service import tracing


@dataclass(frozen=True, slots=True)
class Handover:
    """What goes to policy, and what goes to the next hop: `head` in place of the first `offset` octets of the spool."""

    facts: MessageFacts
    envelope: Envelope
    head: bytes
    offset: int


@dataclass(frozen=True, slots=True, eq=False)  # each is itself alone: an envelope takes long to compare and to hash
class _Part:
    """The message for some of its recipients."""

    envelope: Envelope
    is_held: bool


async def dispatch(edge: Edge, spool: Spool, handover: Handover, verdict: MessageVerdict) -> Reply:
    """The reply to a message that policy accepted or holds. Its reservation is reported on, whatever happens."""
    facts, parts = handover.facts, list(_parts(handover.envelope, verdict))
    queue_ids: dict[_Part, str] = {}  # of what is on disk
    outcome = RelayOutcome.UNKNOWN
    # One span for both parts, as the client has one patience.
    deadline = asyncio.get_running_loop().time() + edge.settings.relay_timeout_s
    try:
        with timed(edge.scoreboard, "relay"):
            for part in parts:
                relay = _relay_for(edge, part, verdict.reason)
                told = part.envelope, handover.head, spool, handover.offset
                queue_ids[part] = await relay.relay(*told, deadline=deadline)
                tracing.note(queue_id=queue_ids[part])
        outcome = RelayOutcome.RELAYED
    except RelayFailed as error:
        edge.scoreboard.count("relay_failures_total")
        log.message_refused(facts.session, facts.submission, error.reply, str(error))
        if error.is_certain and not queue_ids:
            outcome = RelayOutcome.FAILED
        return error.reply
    finally:
        edge.policy.report(_outcome(verdict.reservation, outcome, parts, queue_ids))
    _count(edge, spool, facts, queue_ids)
    return replies.accepted(facts.submission)


def _parts(envelope: Envelope, verdict: MessageVerdict) -> Iterator[_Part]:
    """In the order in which they go."""
    recipients = envelope.recipients
    held = frozenset(range(len(recipients)) if verdict.action is Action.HOLD else verdict.held)
    for is_held in (True, False):
        own = tuple(one for place, one in enumerate(recipients) if (place in held) is is_held)
        if own:
            yield _Part(envelope if own == recipients else replace(envelope, recipients=own), is_held)


def _relay_for(edge: Edge, part: _Part, reason: Reason | None) -> Relay:
    """RelayFailed where nothing keeps what should be held: then the client does, and tries again."""
    relay = edge.hold_relay if part.is_held else edge.relay
    if not relay:
        raise RelayFailed("to be held, and GATEWAY_HOLD_RELAY is not set", FOR_REASON[reason or Reason.HELD])
    return relay


def _outcome(
    reservation: str, outcome: RelayOutcome, parts: Sequence[_Part], queue_ids: Mapping[_Part, str]
) -> Outcome:
    """A message that was not split has one queue id, whatever became of it."""
    is_split = len(parts) > 1
    ids = {part.is_held and is_split: queue_id for part, queue_id in queue_ids.items()}
    return Outcome(
        reservation=reservation, outcome=outcome, queue_id=ids.get(False, ""), held_queue_id=ids.get(True, "")
    )


def _count(edge: Edge, spool: Spool, facts: MessageFacts, queue_ids: Mapping[_Part, str]) -> None:
    for part, queue_id in queue_ids.items():
        tell = log.message_held if part.is_held else log.message_relayed
        tell(facts.session, facts.submission, queue_id, len(part.envelope.recipients), facts.message_bytes)
    edge.scoreboard.count("messages_held_total", by=any(part.is_held for part in queue_ids))
    edge.scoreboard.count("message_bytes_total", by=facts.message_bytes)
    edge.scoreboard.count("spooled_bytes_total", by=spool.file_bytes)
