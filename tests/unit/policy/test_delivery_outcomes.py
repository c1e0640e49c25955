"""What replies of the world's servers say of a recipient."""

import pytest

from maillog.outcomes import outcome_of
from policy.queue_contract import DeliveryOutcome as Outcome

CASES = [
    # who says it, status, dsn, text, expected
    ("anybody", "sent", "2.0.0", "250 2.0.0 Ok: queued as 4F2C", Outcome.DELIVERED),
    ("an alias", "sent", "2.1.5", "forwarded as 4F2C", Outcome.DELIVERED),
    ("a content filter", "filtered", "2.0.0", "250 2.0.0 Ok: queued as 4F2C", None),
    (
        "Postfix",
        "bounced",
        "5.1.1",
        "550 5.1.1 <x@y>: Recipient address rejected: User unknown in virtual mailbox table",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    ("Postfix, of its own", "bounced", "5.1.1", 'unknown user: "bob"', Outcome.UNKNOWN_RECIPIENT),
    (
        "Exim",
        "bounced",
        "5.0.0",
        "host mx said: 550 Unrouteable address (in reply to RCPT TO command)",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    (
        "Gmail",
        "bounced",
        "5.1.1",
        "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    (
        "Gmail, disabled",
        "bounced",
        "5.2.1",
        "550 5.2.1 The email account that you tried to reach is disabled.",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    (
        "Exchange Online",
        "bounced",
        "5.1.10",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    (
        "Outlook.com",
        "bounced",
        "5.5.0",
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    ("GMX", "bounced", "5.0.0", "550 Requested action not taken: mailbox unavailable", Outcome.UNKNOWN_RECIPIENT),
    (
        "Yahoo",
        "bounced",
        "5.0.0",
        "554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com)",
        Outcome.OTHER,
    ),
    ("qmail", "bounced", "5.1.1", "550 sorry, no mailbox here by that name. (#5.1.1)", Outcome.UNKNOWN_RECIPIENT),
    ("Sendmail", "bounced", "5.1.1", "550 5.1.1 <x@y>... User unknown", Outcome.UNKNOWN_RECIPIENT),
    (
        "mailcow",
        "bounced",
        "5.1.1",
        "550 5.1.1 <x@y>: Recipient address rejected: User doesn't exist: x@y",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    ("with the wrong code", "bounced", "5.7.1", "550 5.7.1 No such user here", Outcome.UNKNOWN_RECIPIENT),
    ("by the code alone", "bounced", "5.1.1", "550 5.1.1 Nein", Outcome.UNKNOWN_RECIPIENT),
    (
        "no such domain",
        "bounced",
        "5.4.4",
        "Host or domain name not found. Name service error for name=y type=AAAA: Host not found",
        Outcome.UNKNOWN_RECIPIENT,
    ),
    ("null MX", "bounced", "5.1.0", "Domain y does not accept mail (nullMX)", Outcome.UNKNOWN_RECIPIENT),
    (
        "Gmail, spam",
        "bounced",
        "5.7.1",
        "550-5.7.1 Our system has detected that this message is likely unsolicited mail.",
        Outcome.SPAM,
    ),
    ("rspamd", "bounced", "5.7.1", "554 5.7.1 Spam message rejected", Outcome.SPAM),
    ("SpamAssassin", "bounced", "5.7.1", "550 5.7.1 Blocked by SpamAssassin", Outcome.SPAM),
    ("a virus", "bounced", "5.7.1", "554 5.7.1 Message infected with Eicar-Test-Signature", Outcome.SPAM),
    (
        "Spamhaus",
        "bounced",
        "5.7.1",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        Outcome.BLOCKLISTED,
    ),
    (
        "Outlook.com, a block",
        "bounced",
        "5.7.1",
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent: it is on our block list (S3140).",
        Outcome.BLOCKLISTED,
    ),
    (
        "Exchange Online, a block",
        "bounced",
        "5.7.606",
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1].",
        Outcome.BLOCKLISTED,
    ),
    (
        "Cisco",
        "bounced",
        "5.7.1",
        "554 Your access has been rejected due to the sending MTA's poor reputation.",
        Outcome.BLOCKLISTED,
    ),
    (
        "mailbox full",
        "bounced",
        "5.2.2",
        "552 5.2.2 The email account that you tried to reach is over quota",
        Outcome.OTHER,
    ),
    ("relay denied", "bounced", "5.7.1", "554 5.7.1 <x@y>: Relay access denied", Outcome.OTHER),
    (
        "the sender's domain",
        "bounced",
        "5.1.8",
        "550 5.1.8 <a@b>: Sender address rejected: Domain not found",
        Outcome.OTHER,
    ),
    ("the sender is unknown", "bounced", "5.1.0", "550 Sender unknown account", Outcome.OTHER),
    ("too large", "bounced", "5.3.4", "552 5.3.4 Message size exceeds fixed limit", Outcome.OTHER),
    ("no connection", "bounced", "4.4.1", "connect to mx[192.0.2.9]:25: Connection timed out", Outcome.OTHER),
    ("deferred", "deferred", "4.2.0", "450 4.2.0 Greylisted", Outcome.OTHER),
    (
        "deferred for its address",
        "deferred",
        "4.7.1",
        "450 4.7.1 Client host blocked using zen.spamhaus.org",
        Outcome.OTHER,
    ),
    ("unknown, but only deferred", "deferred", "4.1.1", "450 4.1.1 User unknown", Outcome.OTHER),
    ("no word", "", "", "", Outcome.OTHER),
]


@pytest.mark.parametrize(
    ("status", "dsn", "text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_a_reply_says(status: str, dsn: str, text: str, expected: Outcome | None) -> None:
    assert outcome_of(status, dsn, text) is expected


def test_nothing_makes_a_search_long() -> None:
    """Replies are strangers' texts."""
    for piece in ("user ", "message ", "blocked by ", "name service error ", "ip address ", "client host ", "a"):
        outcome_of("bounced", "5.7.1", piece * 20_000)
