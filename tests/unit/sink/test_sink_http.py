"""A real sink over its two ports: what goes in by SMTP comes out by HTTP, octet for octet."""

import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from harness import Sink

MESSAGE = b"From: ada@example.org\r\nSubject: %s\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n"


@pytest.fixture
def http(sink: Sink) -> Iterator[httpx.Client]:
    """A client of the sink's HTTP API, which holds no message yet."""
    with httpx.Client(base_url=f"http://127.0.0.1:{sink.http_port}", trust_env=False, timeout=30) as client:
        client.delete("/messages")
        yield client


@pytest.fixture
def smtp(sink: Sink) -> Iterator[smtplib.SMTP]:
    """An SMTP session with the sink."""
    with smtplib.SMTP("127.0.0.1", sink.smtp_port, "client.test", timeout=30) as client:
        yield client


def send(
    smtp: smtplib.SMTP, recipient: str = "bob@example.net", subject: bytes = b"hello", sender: str = "a@x.test"
) -> dict[str, tuple[int, bytes]]:
    """One message to one recipient."""
    return smtp.sendmail(sender, [recipient], MESSAGE % subject)


def listed(http: httpx.Client, **query: str) -> list[dict[str, Any]]:
    """The messages that match."""
    answer = http.get("/messages", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_a_message_in_the_list(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """Envelope and header section side by side, because tests are about both."""
    smtp.sendmail("ada@example.org", ["bob@example.net", "eve@example.net"], MESSAGE % b"=?utf-8?q?gr=C3=BCezi?=")
    (found,) = listed(http)
    assert found["envelope"] == {"mail_from": "ada@example.org", "recipients": ["bob@example.net", "eve@example.net"]}
    assert (found["subject"], found["message_id"]) == ("grüezi", "<1@example.org>")
    assert found["headers"][0] == ["From", "ada@example.org"]
    assert found["size"] == len(MESSAGE % b"=?utf-8?q?gr=C3=BCezi?=")
    assert found.keys() == {"id", "received_at", "envelope", "subject", "message_id", "size", "headers"}


def test_one_message_with_its_text(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """What a person would read."""
    send(smtp)
    (found,) = listed(http)
    shown = http.get(f"/messages/{found['id']}").json()
    assert shown == found | {"text": "hello\r\n", "html": None}


OCTETS = [
    # what it shows, body
    ("dots at the start of a line", b".\r\n..\r\n.hidden\r\n"),
    ("octets above 127", b"f\xfcr \xff\x80\r\n"),
    ("spaces at the end of a line", b"a  \r\n\t\r\n"),
    ("empty lines at the end", b"a\r\n\r\n\r\n"),
    ("a long line", b"x" * 998 + b"\r\n"),
    ("a megabyte", b"0123456789abcde\r\n" * 60_000),
    ("nothing", b""),
]


@pytest.mark.parametrize("body", [c[1] for c in OCTETS], ids=[c[0] for c in OCTETS])
def test_raw_octets_are_those_that_were_sent(sink: Sink, http: httpx.Client, smtp: smtplib.SMTP, body: bytes) -> None:
    """A signature over the message still holds."""
    message = MESSAGE % b"raw" + body
    smtp.sendmail("ada@example.org", ["bob@example.net"], message)
    (found,) = listed(http)
    assert sink.raw(found["id"]) == message
    answer = http.get(f"/messages/{found['id']}/raw")
    assert answer.headers["content-type"] == "message/rfc822"


FILTERS = [
    # what it shows, query, subjects that are found
    ("none", {}, ["one", "two", "three"]),
    ("recipient", {"recipient": "BOB@example.net"}, ["one", "three"]),
    ("sender", {"sender": "eve@x.test"}, ["three"]),
    ("subject", {"subject": "t"}, ["two", "three"]),
    ("two filters", {"recipient": "bob@example.net", "subject": "t"}, ["three"]),
    ("nothing matches", {"recipient": "nobody@example.net"}, []),
]


@pytest.fixture
def three_messages(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """Three messages, of which no two agree in everything."""
    send(smtp, "bob@example.net", b"one", "ada@x.test")
    send(smtp, "joe@example.net", b"two", "ada@x.test")
    send(smtp, "bob@example.net", b"three", "eve@x.test")


@pytest.mark.parametrize(("query", "subjects"), [c[1:] for c in FILTERS], ids=[c[0] for c in FILTERS])
def test_list_and_delete_by_filter(
    three_messages: None, http: httpx.Client, query: dict[str, str], subjects: list[str]
) -> None:
    """DELETE takes what GET shows, oldest first, and nothing else."""
    assert [one["subject"] for one in listed(http, **query)] == subjects
    assert http.delete("/messages", params=query).json() == {"deleted": len(subjects)}
    left = [one["subject"] for one in listed(http)]
    assert left == [subject for subject in ("one", "two", "three") if subject not in subjects]


def test_delete_one(three_messages: None, http: httpx.Client) -> None:
    """Afterwards it is nowhere, and the others stay."""
    number = listed(http, subject="two")[0]["id"]
    assert http.delete(f"/messages/{number}").json() == {"deleted": 1}
    for path in (f"/messages/{number}", f"/messages/{number}/raw"):
        gone = http.get(path)
        assert gone.status_code == 404
        assert f"no message {number}" in gone.json()["error"]
    assert http.delete(f"/messages/{number}").status_code == 404
    assert [one["subject"] for one in listed(http)] == ["one", "three"]


def test_wait_ends_with_the_message_that_was_missing(sink: Sink, http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """No test needs to sleep: the answer comes as soon as `count` match, long before the time is over."""
    send(smtp, "wait@example.net")
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(sink.messages, "recipient=wait@example.net&wait=60&count=2")
        send(smtp, "another@example.net")
        send(smtp, "wait@example.net")
        assert len(waiting.result(90)) == 2
    assert time.monotonic() - begun < 60


def test_wait_that_is_over_shows_what_there_is(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """Fewer came: the test that asked sees how many."""
    send(smtp)
    assert len(listed(http, wait="0.05", count="2")) == 1


REFUSED = [
    # what it shows, recipient, code, beginning of the text
    ("unknown", "unknown-bob@example.net", 550, b"5.1.1 "),
    ("full", "full-bob@example.net", 452, b"4.2.2 "),
    ("spam", "spam-bob@example.net", 554, b"5.7.1 "),
]


@pytest.mark.parametrize(("recipient", "code", "text"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_refused_recipient(http: httpx.Client, smtp: smtplib.SMTP, recipient: str, code: int, text: bytes) -> None:
    """The reply is on the wire, and the other recipient of the transaction still gets the message."""
    refused = smtp.sendmail("ada@example.org", [recipient, "bob@example.net"], MESSAGE % b"partly")
    assert list(refused) == [recipient]
    assert refused[recipient][0] == code
    assert refused[recipient][1].startswith(text)
    (found,) = listed(http)
    assert found["envelope"]["recipients"] == ["bob@example.net"]


def test_a_transaction_of_refused_recipients_keeps_nothing(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """There is nobody to keep it for; the session goes on."""
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp, "unknown-bob@example.net")
    assert send(smtp) == {}
    assert len(listed(http)) == 1


def test_greylisting_accepts_the_second_try(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """The first try is deferred and keeps nothing."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(smtp, "greylist-bob@example.net", sender="ada@grey.test")
    assert refused.value.recipients["greylist-bob@example.net"][0] == 450
    assert listed(http) == []
    assert send(smtp, "greylist-bob@example.net", sender="ada@grey.test") == {}
    assert len(listed(http)) == 1


def test_a_slow_recipient_takes_its_time(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """A second is what was asked for, at least."""
    begun = time.monotonic()
    assert send(smtp, "slow-1-bob@example.net") == {}
    assert time.monotonic() - begun >= 1.0
    assert len(listed(http)) == 1


def test_a_slow_recipient_holds_up_nobody_else(sink: Sink, http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """Another session goes on meanwhile."""
    smtp.ehlo()
    smtp.mail("ada@example.org")
    smtp.putcmd("rcpt", "TO:<slow-2-bob@example.net>")
    with smtplib.SMTP("127.0.0.1", sink.smtp_port, "client.test", timeout=30) as other:
        send(other, subject=b"meanwhile")
    assert [one["subject"] for one in listed(http)] == ["meanwhile"]
    assert smtp.getreply()[0] == 250


def test_the_null_reverse_path(http: httpx.Client, smtp: smtplib.SMTP) -> None:
    """A notification is found by its empty sender, RFC 5321 section 4.5.5."""
    send(smtp, sender="")
    send(smtp, sender="ada@example.org")
    (found,) = listed(http, sender="")
    assert found["envelope"]["mail_from"] == ""


def test_health(three_messages: None, http: httpx.Client) -> None:
    """How much there is, and whether anything was dropped."""
    health = http.get("/health").json()
    assert (health["status"], health["messages"], health["dropped"]) == ("ok", 3, 0)
    assert health["bytes"] == sum(one["size"] for one in listed(http))
