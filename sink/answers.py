"""How a recipient answers, told by its local part: `unknown-bob@any.domain` does not exist, and so on.

ANSWERS is the whole list; a local part that fits no row is accepted. Pure but for Greylist, which remembers who has
been told to come again; it is bounded and knows no clock, because the second try is what counts, not when it comes.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass, field

SLOW_DEFAULT_S = 5.0
SLOW_MAX_S = 60.0

_SECONDS = re.compile(r"slow-([0-9]+)-.*")


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply to RCPT, spoken after `delay_s`."""

    code: int
    status: str  # RFC 3463
    text: str
    delay_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.code} {self.status} {self.text}"

    @property
    def accepts(self) -> bool:
        return self.code == 250  # noqa: PLR2004 - RFC 5321 section 4.2.3


ACCEPTED = Answer(250, "2.1.5", "Recipient accepted")
COME_AGAIN = Answer(450, "4.2.0", "Greylisted, try again later")
TOO_MANY = Answer(452, "4.5.3", "Too many recipients in one transaction")
NOT_UTF8 = Answer(553, "5.1.3", "The address is not valid UTF-8")

# Prefix of the local part (letter case is ignored) -> answer
ANSWERS: dict[str, Answer] = {
    "unknown-": Answer(550, "5.1.1", "No such mailbox"),
    "full-": Answer(452, "4.2.2", "Mailbox is full"),
    "spam-": Answer(554, "5.7.1", "Message refused as spam"),
    "slow-": Answer(250, "2.1.5", "Recipient accepted, slowly", SLOW_DEFAULT_S),
    "greylist-": COME_AGAIN,
}


@dataclass(slots=True)
class Greylist:
    """Pairs of reverse-path and recipient that have been tried; the oldest are forgotten first."""

    max_pairs: int = 10_000
    _tried: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def has_tried(self, reverse_path: str, recipient: str) -> bool:
        """Whether the pair has been here before; from now on it has."""
        pair = (reverse_path.casefold(), recipient.casefold())
        before = pair in self._tried
        self._tried[pair] = None
        self._tried.move_to_end(pair)
        if len(self._tried) > self.max_pairs:
            self._tried.popitem(last=False)
        return before


def answer(reverse_path: str, recipient: str, greylist: Greylist) -> Answer:
    local_part = recipient.rpartition("@")[0] or recipient  # <postmaster> has no domain, RFC 5321 section 4.5.1
    local_part = local_part.strip('"').lower()
    row = next((row for prefix, row in ANSWERS.items() if local_part.startswith(prefix)), ACCEPTED)
    if row is COME_AGAIN and greylist.has_tried(reverse_path, recipient):
        return ACCEPTED
    if told := _SECONDS.fullmatch(local_part):
        return Answer(row.code, row.status, row.text, _seconds(told[1]))
    return row


def _seconds(digits: str) -> float:
    """At most SLOW_MAX_S; a number of many digits is not even read, because int() refuses those."""
    return min(float(digits[:9]), SLOW_MAX_S)
