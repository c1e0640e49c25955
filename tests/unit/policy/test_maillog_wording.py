"""What Postfix writes, from 2.2 to 3.10. The log of 3.7 is a real one; the others are written after its sources."""

from datetime import UTC
from pathlib import Path

import pytest

from maillog.events import (
    Deleted,
    Delivered,
    Event,
    Expired,
    Freed,
    Held,
    LoggedMessage,
    LoginFailed,
    LogLine,
    Named,
    Queued,
    Received,
    Refused,
    Removed,
    Renewed,
    Reported,
    Told,
)
from maillog.files import Log, Reading
from maillog.outcomes import outcome_of
from maillog.wording import read_event, read_events
from policy.queue_contract import DeliveryOutcome

LOGS = Path(__file__).parent / "maillogs"
NOW = 1_795_694_400.0  # 26 November 2026


def event(daemon: str, text: str) -> Event | None:
    return read_event(LogLine(1.0, "mail", f"postfix/{daemon}", text))


CASES: list[tuple[str, str, str, Event | None]] = [
    # what it shows, daemon, text, event
    (
        "a port behind the address",
        "smtpd",
        "A1B2C3: client=h[192.0.2.1]:50312",
        Received(1.0, "A1B2C3", "h", "192.0.2.1"),
    ),
    (
        "IPv6",
        "smtpd",
        "A1B2C3: client=unknown[2001:db8::1], sasl_method=PLAIN, sasl_username=ada",
        Received(1.0, "A1B2C3", "unknown", "2001:db8::1", "PLAIN", "ada"),
    ),
    (
        "the listener",
        "submission/smtpd",
        "A1B2C3: client=h[192.0.2.1]",
        Received(1.0, "A1B2C3", "h", "192.0.2.1", listener="submission"),
    ),
    (
        "a login with a comma",
        "smtpd",
        "A1B2C3: client=h[192.0.2.1], sasl_method=PLAIN, sasl_username=a, b, sasl_sender=x@y",
        Received(1.0, "A1B2C3", "h", "192.0.2.1", "PLAIN", "a, b"),
    ),
    (
        "given back by a filter",
        "smtpd",
        "A1B2C3: client=localhost[127.0.0.1], orig_queue_id=B2, orig_client=h[192.0.2.1]",
        Received(1.0, "A1B2C3", "localhost", "127.0.0.1", original_queue_id="B2"),
    ),
    ("no queue yet", "smtpd", "NOQUEUE: client=h[192.0.2.1], sasl_method=PLAIN, sasl_username=ada", None),
    ("message-id", "cleanup", "A1B2C3: message-id=<a@b>", Named(1.0, "A1B2C3", "a@b")),
    ("null reverse-path", "qmgr", "A1B2C3: from=<>, size=10, nrcpt=1 (queue active)", Queued(1.0, "A1B2C3", "", 10, 1)),
    (
        "an odd reverse-path",
        "qmgr",
        'A1B2C3: from=<"a>, size=9"@b>, size=10, nrcpt=1 (queue active)',
        Queued(1.0, "A1B2C3", '"a>, size=9"@b', 10, 1),
    ),
    ("given up", "qmgr", "A1B2C3: from=<a@b>, status=expired, returned to sender", Expired(1.0, "A1B2C3")),
    (
        "given up at once",
        "qmgr",
        "A1B2C3: from=<a@b>, status=force-expired, returned to sender",
        Expired(1.0, "A1B2C3"),
    ),
    ("deleted", "postsuper", "A1B2C3: removed", Deleted(1.0, "A1B2C3")),
    ("on hold", "postsuper", "A1B2C3: placed on hold", Held(1.0, "A1B2C3")),
    ("on hold no more", "postsuper", "A1B2C3: released from hold", Freed(1.0, "A1B2C3")),
    ("what else postsuper says", "postsuper", "A1B2C3: requeued", None),
    (
        "held when it came",
        "smtpd",
        "A1B2C3: hold: DATA from h[192.0.2.1]: <h>: Client host triggers HOLD action; from=<a@b>",
        Held(1.0, "A1B2C3"),
    ),
    (
        "held by its header",
        "cleanup",
        "A1B2C3: hold: header Subject: x from h[192.0.2.1]; from=<a@b>",
        Held(1.0, "A1B2C3"),
    ),
    ("held, and nobody knows what", "smtpd", "NOQUEUE: hold: RCPT from h[192.0.2.1]: <h>: x; from=<a@b>", None),
    (
        "it goes back",
        "bounce",
        "A1B2C3: sender non-delivery notification: 4jbChb4cw3",
        Reported(1.0, "A1B2C3", "4jbChb4cw3"),
    ),
    (
        "the postmaster hears",
        "bounce",
        "A1B2C3: postmaster non-delivery notification: B2C3D4",
        Reported(1.0, "A1B2C3", "B2C3D4"),
    ),
    ("no id", "bounce", "A1B2C3: sender non-delivery notification: ../../x", None),
    (
        "queued anew",
        "pickup",
        "4jbChb4cw3zJ9KZ: uid=102 from=<a@b> orig_id=4jbCgn1pp1zJ9Wj",
        Renewed(1.0, "4jbChb4cw3zJ9KZ", "4jbCgn1pp1zJ9Wj"),
    ),
    ("handed in by a program", "pickup", "A1B2C3: uid=1000 from=<a@b>", None),
    ("removed", "qmgr", "A1B2C3: removed", Removed(1.0, "A1B2C3")),
    (
        "before 2.3",
        "smtp",
        "A1B2C3: to=<a@b>, relay=mx[192.0.2.9], delay=2, status=sent (250 ok)",
        Delivered(1.0, "A1B2C3", "a@b", "", "mx[192.0.2.9]", "", "sent", "250 ok"),
    ),
    (
        "an alias",
        "pipe",
        "A1B2C3: to=<a@b>, orig_to=<c@d>, relay=dovecot, delay=2, delays=1/0/0/1, dsn=2.0.0, status=sent (x)",
        Delivered(1.0, "A1B2C3", "a@b", "c@d", "dovecot", "2.0.0", "sent", "x"),
    ),
    (
        "soft bounces",
        "smtp",
        "A1B2C3: to=<a@b>, relay=none, delay=2, delays=1/0/0/1, dsn=5.1.1, status=SOFTBOUNCE (x (y))",
        Delivered(1.0, "A1B2C3", "a@b", "", "none", "5.1.1", "softbounce", "x (y)"),
    ),
    (
        "cut off within the reply",
        "smtp",
        "A1B2C3: to=<a@b>, relay=none, delay=2, dsn=5.1.1, status=bounced (host x sai",
        Delivered(1.0, "A1B2C3", "a@b", "", "none", "5.1.1", "bounced", "host x sai"),
    ),
    ("cut off before the status", "smtp", "A1B2C3: to=<a@b>, relay=none, delay=2, dsn=5.1.1, stat", None),
    (
        "an odd recipient",
        "smtp",
        'A1B2C3: to=<"x>, relay=y"@b>, relay=none, delay=2, dsn=5.1.1, status=bounced (z)',
        Delivered(1.0, "A1B2C3", '"x>, relay=y"@b', "", "none", "5.1.1", "bounced", "z"),
    ),
    (
        "refused at RCPT",
        "smtpd",
        "NOQUEUE: reject: RCPT from h[192.0.2.1]: 554 5.7.1 <x@y>: Relay access denied; from=<a@b> to=<x@y>",
        Refused(1.0, "", False, "h", "192.0.2.1", "a@b", "x@y", "", "554 5.7.1 <x@y>: Relay access denied"),
    ),
    (
        "refused with a login",
        "smtpd",
        "A1B2C3: reject: RCPT from h[192.0.2.1]: 550 5.1.1 no; from=<a@b> to=<x@y> helo=<c> sasl_username=<ada>",
        Refused(1.0, "A1B2C3", False, "h", "192.0.2.1", "a@b", "x@y", "ada", "550 5.1.1 no"),
    ),
    (
        "refused at its end",
        "smtpd",
        "A1B2C3: milter-reject: END-OF-MESSAGE from h[192.0.2.1]: 5.7.1 spam; from=<a@b> to=<x@y>",
        Refused(1.0, "A1B2C3", True, "h", "192.0.2.1", "a@b", "x@y", "", "5.7.1 spam"),
    ),
    (
        "refused for a header",
        "cleanup",
        "A1B2C3: reject: header Subject: cheap from h[192.0.2.1]; from=<a@b> to=<x@y> proto=ESMTP helo=<c>: 5.7.1 no",
        Refused(1.0, "A1B2C3", True, "h", "192.0.2.1", "a@b", "x@y", "", ""),
    ),
    (
        "only warned",
        "smtpd",
        "NOQUEUE: reject_warning: RCPT from h[192.0.2.1]: 554 5.7.1 no; from=<a@b> to=<x@y>",
        None,
    ),
    (
        "held",
        "cleanup",
        "A1B2C3: milter-hold: END-OF-MESSAGE from h[192.0.2.1]: milter triggers HOLD; from=<a@b> to=<x@y>",
        None,
    ),
    (
        "a wrong password",
        "smtpd",
        "warning: h[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        LoginFailed(1.0, "h", "192.0.2.1", "LOGIN", ""),
    ),
    (
        "whose it was",
        "smtpd",
        "warning: h[192.0.2.1]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=ada",
        LoginFailed(1.0, "h", "192.0.2.1", "PLAIN", "ada"),
    ),
    (
        "nobody knows whose",
        "smtpd",
        "warning: h[192.0.2.1]: SASL LOGIN authentication failed: x, sasl_username=(unavailable)",
        LoginFailed(1.0, "h", "192.0.2.1", "LOGIN", ""),
    ),
    ("another warning", "smtpd", "warning: hostname h does not resolve to address 192.0.2.1", None),
    ("connections", "smtpd", "connect from unknown[192.0.2.1]", None),
    ("another daemon", "anvil", "statistics: max connection rate 1/60s", None),
    ("of no form", "qmgr", "removed", None),
]


@pytest.mark.parametrize(("daemon", "text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_text(daemon: str, text: str, expected: Event | None) -> None:
    assert event(daemon, text) == expected


def test_other_programs_say_nothing() -> None:
    """Also where they write as Postfix does."""
    for program in ("opendkim", "qmgr", "dovecot", ""):
        assert read_event(LogLine(1.0, "mail", program, "A1B2C3: removed")) is None


def test_a_line_that_came_again() -> None:
    """Refusals and failures are counted, of each host its own; the rest tells nothing new."""
    failed = LogLine(1.0, "a", "postfix/smtpd", "warning: h[192.0.2.1]: SASL LOGIN authentication failed: x")
    lines = [
        failed,
        LogLine(2.0, "b", "postfix/qmgr", "A1B2C3: removed"),
        LogLine(3.0, "a", "", "last message repeated 3 times"),
        LogLine(4.0, "b", "", "last message repeated 2 times"),
        LogLine(5.0, "a", "postfix/smtpd", f"message repeated 2 times: [ {failed.text}]"),
        LogLine(6.0, "a", "", "last message repeated 999999999 times"),
    ]
    found = [(one.at, one.times) for _, one in read_events(lines) if isinstance(one, LoginFailed)]
    assert found == [(1.0, 1), (3.0, 3), (5.0, 2), (6.0, 10_000)]


def test_nothing_makes_a_search_long() -> None:
    """Recipients and host names are strangers' to choose; a line is 16 kB at most."""
    for piece in (
        ">, orig_to=<",
        ">, relay=",
        ", delay=1, ",
        "; from=<",
        " from x[1]: ",
        ", sasl_username=",
        "reject: ",
    ):
        for head in ("A1: to=<", "A1: reject: RCPT from h[1]: ", "A1: client=h[1]", "A1: reject: header x "):
            for daemon in ("smtp", "smtpd", "cleanup", "qmgr"):
                event(daemon, head + piece * (16_000 // len(piece)))


def told(name: str) -> list[Told]:
    log = Log([LOGS / f"postfix-{name}.log"], Reading(now=NOW, zone=UTC))
    found = list(log.told())
    assert log.lines
    assert log.unreadable == 0
    assert log.broken == []
    return found


def outcomes(message: LoggedMessage) -> dict[str, DeliveryOutcome | None]:
    return {one.address: outcome_of(one.status, one.dsn, one.text) for one in message.recipients}


def messages(found: list[Told]) -> list[LoggedMessage]:
    return [one for one in found if isinstance(one, LoggedMessage)]


DELIVERED, UNKNOWN = DeliveryOutcome.DELIVERED, DeliveryOutcome.UNKNOWN_RECIPIENT


def test_postfix_2_2() -> None:
    """Without enhanced status codes, and its queue manager is called nqmgr."""
    (one,) = messages(told("2.2"))
    assert (one.sasl_username, one.sasl_method, one.client_address) == ("ada", "LOGIN", "192.0.2.44")
    assert outcomes(one) == {"bob@example.net": DELIVERED}


def test_postfix_2_3() -> None:
    """With a bounce, and syslogd's own way to say that a line came again."""
    found = told("2.3")
    first, bounce = messages(found)
    assert outcomes(first) == {"bob@example.net": DELIVERED, "nobody@example.com": UNKNOWN}
    assert (bounce.reverse_path, bounce.client_address, outcomes(bounce)) == ("", "", {"ada@example.org": DELIVERED})
    assert sum(one.times for one in found if isinstance(one, LoginFailed)) == 4


def test_postfix_2_11() -> None:
    """A content filter gives it back: what became of it is the second one's to say, and it is the same login's."""
    first, second = messages(told("2.11"))
    assert (first.queue_id, first.sasl_method, outcomes(first)) == (
        "3h0Xj92kTrz1Y",
        "CRAM-MD5",
        {"name@tld.test": None},
    )
    assert (second.original_queue_id, second.sasl_username) == ("3h0Xj92kTrz1Y", "ada@example.org")
    assert outcomes(second) == {"name@tld.test": UNKNOWN}


def test_postfix_3_1() -> None:
    """What was deferred is told when it comes to an end."""
    first, later = told("3.1")
    assert isinstance(first, LoggedMessage)
    assert (first.listener, first.message_id) == ("smtps", "")
    assert outcomes(first) == {"carl@gmail.test": DeliveryOutcome.OTHER}
    assert not isinstance(later, LoggedMessage | Refused | LoginFailed)
    assert (later.sasl_username, later.recipient.address) == ("ada@example.org", "carl@gmail.test")
    assert outcome_of(later.recipient.status, later.recipient.dsn, later.recipient.text) is DeliveryOutcome.SPAM


def test_postfix_3_4() -> None:
    """postlogd's dates, another name for syslog; what a milter refuses was never handed in."""
    found = told("3.4")
    refused, one = found
    assert isinstance(refused, Refused)
    assert refused.is_whole
    assert isinstance(one, LoggedMessage)
    assert (one.queue_id, one.listener, outcomes(one)) == (
        "4FQxz91Kk9z3hTt",
        "submission",
        {"bob@example.org": DELIVERED},
    )


def test_postfix_3_7() -> None:
    """As it was written by Debian's."""
    found = told("3.7")
    handed_in = [one for one in messages(found) if one.sasl_username]
    assert [(one.sasl_username, len(one.recipients), one.expected) for one in handed_in] == [
        ("ada@example.org", 4, 4),
        ("ada", 1, 2),
        ("ada", 1, 1),
        ("ada", 1, 1),
        ("o'hara, the (1st)", 1, 1),
    ]
    assert outcomes(handed_in[0])["nobody@sink.test"] is UNKNOWN
    assert outcomes(handed_in[1]) == {"list@example.org": DELIVERED}
    assert outcomes(handed_in[4]) == {'"odd >, relay=x"@ok.test': DELIVERED}
    assert [one.sasl_username for one in found if isinstance(one, LoginFailed)] == ["ada", ""]
    assert sum(isinstance(one, Refused) for one in found) == 5


def test_postfix_3_10() -> None:
    """SCRAM, TLS, rsyslog's way to say that a line came again."""
    found = told("3.10")
    assert sum(one.times for one in found if isinstance(one, LoginFailed)) == 3
    assert [one.sasl_username for one in found if isinstance(one, Refused)] == ["ada"]
    (one,) = messages(found)
    assert one.sasl_method == "SCRAM-SHA-256"
    assert outcomes(one) == {
        "bob@example.net": DELIVERED,
        "dave@blocked.test": DeliveryOutcome.BLOCKLISTED,
        "eve@nowhere.test": UNKNOWN,
    }
