"""What a reply says of a recipient: a table, in the order in which it is asked. Pure.

Enhanced status codes (RFC 3463) alone do not tell: 5.7.1 is everything that somebody does not like, and some large
receivers say 5.5.0 where nobody has the address. So words go first, then codes.

Sources of the wordings: postmaster pages of the receivers named, Postfix's own texts, Exim's and Exchange's defaults.
"""

import re
from collections.abc import Mapping

from policy.queue_contract import DeliveryOutcome

_TEXT_LIMIT = 1000  # letters of a reply that are looked at
_NOBODY = r"(user|recipient|mailbox|account|address|alias)"

# Blocklists first: such a reply often says spam, too. Then recipients: `no such user` may come with a 5.7.1.
_WORDINGS: tuple[tuple[DeliveryOutcome, re.Pattern[str]], ...] = tuple(
    (outcome, re.compile("|".join(wordings), re.IGNORECASE))
    for outcome, wordings in (
        (
            DeliveryOutcome.BLOCKLISTED,
            (
                r"\bspamhaus\b|\bspamcop\b|\bbarracuda(central| reputation)|\bsorbs\b|\buceprotect\b",
                r"\b(dns|r)bl\b|\bblock ?list|\bblack ?list|\bdeny ?list",
                r"\blisted (at|in|on|by)\b",
                r"\bS3140\b|\bS3150\b|block list \(S\d+\)",  # Outlook.com
                r"banned sending ip|\bAS\(1410\)",  # Exchange Online
                r"client host \S+ (is )?blocked|\bip( address)?( \S+)? (is|has been) (blocked|banned|rejected)",
                r"(poor|bad|low) (ip |sender |domain )?reputation",
            ),
        ),
        (
            DeliveryOutcome.UNKNOWN_RECIPIENT,
            (
                _NOBODY + r"( \S{1,320})? (is )?(unknown|not found|invalid|inactive|disabled)",
                r"(unknown|invalid|no such|non-?existent|inactive) (local )?" + _NOBODY,
                _NOBODY + r"( \S{1,320})? (does not|doesn'?t) exist",
                r"\bno (mailbox|user|account)s? (here )?(by|with|of) (that|this) name",
                r"that you tried to reach (does not exist|is disabled|is inactive)",  # Gmail
                r"RecipientNotFound|RESOLVER\.ADR\.\w*NotFound",  # Exchange
                r"requested action not taken: mailbox unavailable",  # Outlook.com, GMX, T-Online
                r"unrouteable address",  # Exim
                r"host or domain name not found\. name service error .* (type=\w+: )?host not found",  # Postfix
                r"\bdomain not found\b|does not accept mail \(nullmx\)",
            ),
        ),
        (
            DeliveryOutcome.SPAM,
            (
                r"\bspam|unsolicited|\bjunk\b|\bbulk mail",
                r"message (was )?(rejected|blocked|refused) (due to|because of|by|for) (its )?(content|policy)",
                r"content (rejected|blocked|not accept)",
                r"\bphish|\bvirus|\bmalware|\binfected\b|malicious",
                r"suspicio(us|n)",
                r"\bPRX5|\bGSMTP\b.*policy",
            ),
        ),
    )
)
_CODES: Mapping[str, DeliveryOutcome] = {
    "5.1.1": DeliveryOutcome.UNKNOWN_RECIPIENT,  # bad destination mailbox address
    "5.1.2": DeliveryOutcome.UNKNOWN_RECIPIENT,  # bad destination system address
    "5.1.3": DeliveryOutcome.UNKNOWN_RECIPIENT,  # bad destination mailbox address syntax
    "5.1.6": DeliveryOutcome.UNKNOWN_RECIPIENT,  # has moved, no forwarding address
    "5.1.10": DeliveryOutcome.UNKNOWN_RECIPIENT,  # RFC 7505: null MX; and Exchange's: no such recipient
    "5.2.1": DeliveryOutcome.UNKNOWN_RECIPIENT,  # mailbox disabled
}
_SENT = ("sent", "delivered", "relayed")
_NOT_OF_THE_RECIPIENT = re.compile(r"sender|from address|reverse|helo|relay(ing)? (access )?denied", re.IGNORECASE)


def outcome_of(status: str, dsn: str, text: str) -> DeliveryOutcome | None:
    """None for what is not known yet: a content filter has it. What is deferred is OTHER, whatever the reply says.

    `status` is Postfix's (sent, bounced, deferred), `dsn` may be empty.
    """
    if status in _SENT:
        return DeliveryOutcome.DELIVERED
    if status == "filtered":
        return None
    if status != "bounced":
        return DeliveryOutcome.OTHER
    said = text[:_TEXT_LIMIT]
    for outcome, wording in _WORDINGS:
        if wording.search(said) and not _is_of_the_sender(outcome, said):
            return outcome
    return _CODES.get(dsn, DeliveryOutcome.OTHER)


def _is_of_the_sender(outcome: DeliveryOutcome, said: str) -> bool:
    """`Sender address rejected: Domain not found` does not say that nobody has the recipient's address."""
    return outcome is DeliveryOutcome.UNKNOWN_RECIPIENT and _NOT_OF_THE_RECIPIENT.search(said) is not None
