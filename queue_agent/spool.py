"""Which message is in which queue, from the names of Postfix's own files. Pure.

A listing is what `find` prints, one file in a line: queue, id, octets. It takes milliseconds for 20,000 messages, where
`postqueue -j` opens each of them. A message moves between queues while they are read; ORDER has each queue behind the
one that a message comes from, and those between which it goes to and fro twice.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from policy.queue_contract import QueueName

ORDER = (
    QueueName.MAILDROP,
    QueueName.INCOMING,
    QueueName.HOLD,
    QueueName.ACTIVE,
    QueueName.DEFERRED,
    QueueName.ACTIVE,
)
PRINTED = r"%H %f %s\n"  # of `find`
QUEUE_ID = re.compile(r"[0-9A-Za-z]{6,30}")

# mail_queue.h of Postfix: a long id is seconds (6 digits or more) and microseconds (4) to the base 52, z, an inode.
_DIGITS = {digit: value for value, digit in enumerate("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz")}
_LONG = re.compile(r"([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{6,})[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{4}z[0-9A-Ya-y]+")


@dataclass(frozen=True, slots=True)
class Listing:
    """All messages at one moment."""

    queue_of: dict[str, QueueName]
    octets: int  # of the files: messages with their envelopes

    def within(self, queue: QueueName) -> set[str]:
        return {queue_id for queue_id, name in self.queue_of.items() if name is queue}

    def counts(self) -> dict[QueueName, int]:
        """Every queue has a number."""
        found = Counter(self.queue_of.values())
        return {name: found[name] for name in QueueName}

    def oldest_at(self) -> float | None:
        """When the oldest that is not on hold came; None where there is none."""
        moments = [
            at
            for queue_id, name in self.queue_of.items()
            if name is not QueueName.HOLD and (at := arrived_at(queue_id)) is not None
        ]
        return min(moments, default=None)


def listing_of(lines: Iterable[str]) -> Listing:
    """Lines that are none are left out: a daemon may have a file of its own in there."""
    queue_of, octets = dict[str, QueueName](), 0
    names = {str(name): name for name in QueueName}
    for line in lines:
        queue, _, rest = line.partition(" ")
        queue_id, _, size = rest.rstrip("\n").partition(" ")
        if queue not in names or not QUEUE_ID.fullmatch(queue_id) or not size.isdecimal():
            continue
        octets += 0 if queue_id in queue_of else int(size)
        queue_of[queue_id] = names[queue]
    return Listing(queue_of, octets)


def arrived_at(queue_id: str) -> float | None:
    """What a long id says; None of a short one."""
    found = _LONG.fullmatch(queue_id)
    if not found:
        return None
    seconds = 0
    for digit in found[1]:
        seconds = seconds * len(_DIGITS) + _DIGITS[digit]
    return float(seconds)
