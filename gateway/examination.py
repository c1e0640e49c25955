"""What is in a message, before policy is asked about it: what has a secret's form, and what the scanner says and signs.

    handover.py      has facts, envelope and header section ready
    examination.py   (you are here) the content is read once for each
    leaks.py         what has a secret's form
    scan.py          the scanner

Where there is no scanner, and nothing in the message looks like a secret, the handover stays what it was.
"""

import asyncio
from dataclasses import replace

from gateway.dispatch import Handover
from gateway.edge import Edge, timed
from gateway.leaks import Finder
from gateway.scan_words import Scanned
from gateway.spool import Spool

_PIECE = 128 * 1024


async def examined(edge: Edge, spool: Spool, handover: Handover) -> Handover:
    """`handover` with what is in the message, and with the scanner's signatures on top."""
    found = await _secrets_in(spool)
    scanned: Scanned | None = None
    if edge.scanner:
        with timed(edge.scoreboard, "scan"):
            scanned = await edge.scanner.scan(handover.envelope, handover.head, spool, handover.offset)
    if not found and not scanned:
        return handover
    facts = handover.facts.model_copy(update={"secrets": found, "scan": scanned.scan if scanned else None})
    if not scanned or not scanned.signatures:
        return replace(handover, facts=facts)
    edge.scoreboard.count("messages_signed_total")
    return Handover(
        facts,
        replace(handover.envelope, message_bytes=handover.envelope.message_bytes + len(scanned.signatures)),
        # On top of all (RFC 6376 section 5.6), and of the trace field, which no signature of ours covers.
        scanned.signatures + handover.head,
        handover.offset,
    )


async def _secrets_in(spool: Spool) -> tuple[str, ...]:
    """Other sessions go on between two pieces of what is in a file."""
    finder = Finder()
    finder.feed(bytes(spool.start))
    if spool.file:
        spool.file.seek(0)
        while not finder.is_done and (piece := spool.file.read(_PIECE)):
            finder.feed(piece)
            await asyncio.sleep(0)
    return finder.end()
