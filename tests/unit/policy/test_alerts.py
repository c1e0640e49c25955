"""What the administrator is told, and how often: the log always, mail by way of a real next hop."""

import asyncio
import socket
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from harness import Sink, free_port
from structlog.testing import capture_logs

from policy import alerts
from policy.alerts import AlertKind, Alerts, Mailing, mailing_of
from policy.settings import Settings

NOON = 1_764_000_000.0
TRAP = AlertKind.TRAP_CLOSED


def mailing(relay: str, recipient: str = "postmaster@example.org") -> Mailing:
    return Mailing(relay=relay, recipient=recipient, author="postmaster@example.org", hostname="mail.example.org")


def told(relay: str, recipient: str, interval_s: float = 3600, retry_after_s: tuple[float, ...] = ()) -> Alerts:
    return Alerts(mailing(relay, recipient), lambda: NOON, interval_s=interval_s, retry_after_s=retry_after_s)


async def until(condition: Callable[[], object]) -> None:
    """Asked in another thread, because the loop must go on meanwhile."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.02)


def mails(sink: Sink, recipient: str) -> list[EmailMessage]:
    """In the order in which they came."""
    found = sink.messages(f"recipient={recipient}")
    return [message_from_bytes(sink.raw(one["id"]), policy=policy.default) for one in found]  # type: ignore[misc]


async def test_a_mail_says_what_happened(sink: Sink) -> None:
    """To whom it belongs, from the null reverse-path, and nothing answers it."""
    relay = f"127.0.0.1:{sink.smtp_port}"
    one = told(relay, "first@example.org")
    with capture_logs() as lines:
        one.tell(TRAP, "A trap closed", ["Network: 192.0.2.0/24", "What to do: nothing"])
        await until(lambda: sink.messages("recipient=first@example.org"))
    one.close()
    (mail,) = mails(sink, "first@example.org")
    assert sink.messages("recipient=first@example.org")[0]["envelope"]["mail_from"] == ""
    assert (mail["From"], mail["To"]) == ("Sallyport <postmaster@example.org>", "first@example.org")
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("[Sallyport] A trap closed", "auto-generated")
    assert mail["Date"] == "Mon, 24 Nov 2025 16:00:00 -0000"
    assert mail["Message-ID"].endswith("@mail.example.org>")
    assert mail.get_content().splitlines() == ["Network: 192.0.2.0/24", "What to do: nothing"]
    assert lines == [{"event": "alert", "kind": "trap-closed", "subject": "A trap closed", "log_level": "error"}]


async def test_one_mail_in_an_interval_and_then_how_many_there_were(sink: Sink) -> None:
    """The first at once; the others as one, which is the last of them, when the interval is over."""
    one = told(f"127.0.0.1:{sink.smtp_port}", "many@example.org", interval_s=1.0)
    with capture_logs() as lines:
        for number in range(1000):
            one.tell(TRAP, f"Trap {number}", [f"number {number}"])
        await until(lambda: len(sink.messages("recipient=many@example.org")) == 2)
    one.close()
    first, second = mails(sink, "many@example.org")
    assert (first["Subject"], first.get_content()) == ("[Sallyport] Trap 0", "number 0\r\n")
    assert second["Subject"] == "[Sallyport] Trap 999"
    assert second.get_content().splitlines() == [
        "number 999",
        "",
        "This was the last of 999 since the mail before; the log of policy has them all.",
    ]
    assert len(lines) == 1000


async def test_after_a_quiet_interval_a_mail_goes_out_at_once(sink: Sink) -> None:
    """Nothing is held where there was nothing."""
    one = told(f"127.0.0.1:{sink.smtp_port}", "quiet@example.org", interval_s=0.05)
    for number in range(2):
        one.tell(TRAP, f"Trap {number}", [])
        await until(lambda: TRAP not in one._held)
    await until(lambda: len(sink.messages("recipient=quiet@example.org")) == 2)
    one.close()
    assert all("the last of" not in mail.get_content() for mail in mails(sink, "quiet@example.org"))


async def test_without_a_relay_there_is_the_log() -> None:
    """And nothing is kept."""
    one = Alerts(mailing(""), lambda: NOON)
    with capture_logs() as lines:
        one.tell(TRAP, "A trap closed", [])
    assert [line["event"] for line in lines] == ["alert"]
    assert not one._held


async def test_a_relay_that_is_down_is_tried_again(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it takes the mail; each failure is in the log, without what it said."""
    refusals = [OSError("secret"), alerts.NotTaken("secret")]
    send = alerts._send

    async def failing(to: Mailing, message: EmailMessage) -> None:
        if refusals:
            raise refusals.pop(0)
        await send(to, message)

    monkeypatch.setattr(alerts, "_send", failing)
    one = told(f"127.0.0.1:{sink.smtp_port}", "again@example.org", retry_after_s=(0.01, 0.01, 0.01))
    with capture_logs() as lines:
        one.tell(TRAP, "A trap closed", [])
        await until(lambda: sink.messages("recipient=again@example.org"))
    one.close()
    failures = [line for line in lines if line["event"] == "alert-not-mailed"]
    assert [(line["error"], line["is_given_up"]) for line in failures] == [
        ("OSError", False),
        ("NotTaken", False),
    ]
    assert "secret" not in str(lines)


async def test_a_relay_that_stays_down_is_given_up() -> None:
    """After the last try; the process goes on, and so does the log."""
    one = told(f"127.0.0.1:{free_port()}", "never@example.org", retry_after_s=(0.01,))
    with capture_logs() as lines:
        one.tell(TRAP, "A trap closed", [])
        await until(lambda: not one._sending)
    assert [line["is_given_up"] for line in lines if line["event"] == "alert-not-mailed"] == [False, True]


async def test_nobody_waits_for_a_relay_that_is_silent() -> None:
    """A login that told of something goes on at once, and so does the end of the process."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = told(f"127.0.0.1:{silent.getsockname()[1]}", "silent@example.org")
        async with asyncio.timeout(1):
            one.tell(TRAP, "A trap closed", [])
            await asyncio.sleep(0)
            one.close()
            await asyncio.gather(*one._sending, return_exceptions=True)
        assert not one._sending


@pytest.mark.parametrize("recipient", ["unknown-bob@example.org", "full-bob@example.org"])
async def test_a_mail_that_is_refused_is_not_sent(sink: Sink, recipient: str) -> None:
    """Whatever the relay says; it is told as any other failure."""
    one = told(f"127.0.0.1:{sink.smtp_port}", recipient)
    with capture_logs() as lines:
        one.tell(TRAP, "A trap closed", [])
        await until(lambda: not one._sending)
    one.close()
    assert lines[1] == {
        "event": "alert-not-mailed",
        "kind": "trap-closed",
        "error": "NotTaken",
        "is_given_up": True,
        "log_level": "error",
    }


async def test_what_a_stranger_chose_makes_no_header_field(sink: Sink) -> None:
    """One line stays one line, and a long one is cut."""
    one = told(f"127.0.0.1:{sink.smtp_port}", "lines@example.org")
    one.tell(TRAP, "A\r\nBcc: x@example.org" + "y" * 1000, ["one\r\n.\r\nMAIL FROM:<>", ".", *["z" * 2000] * 100])
    await until(lambda: sink.messages("recipient=lines@example.org"))
    one.close()
    (mail,) = mails(sink, "lines@example.org")
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[Sallyport] A  Bcc: x@example.org")
    assert len(mail["Subject"]) == 150 + len("[Sallyport] ")
    content = mail.get_content().splitlines()
    assert content[:2] == ["one  .  MAIL FROM:<>", "."]
    assert (len(content), max(map(len, content))) == (50, 500)


SETTINGS = [
    # what it shows, settings, relay and recipient
    ("nothing", {}, ("", "postmaster@example.org")),
    ("a relay", {"POLICY_ALERT_RELAY": "postfix-relay:10025"}, ("postfix-relay:10025", "postmaster@example.org")),
    ("IPv6", {"POLICY_ALERT_RELAY": "[::1]:25"}, ("[::1]:25", "postmaster@example.org")),
    ("a person", {"POLICY_ALERT_TO": "ada@example.net"}, ("", "ada@example.net")),
]


@pytest.mark.parametrize(("given", "expected"), [c[1:] for c in SETTINGS], ids=[c[0] for c in SETTINGS])
def test_settings(given: dict[str, str], expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told, and by whom."""
    for name, value in ({"POLICY_DOMAINS": "example.org,example.net"} | given).items():
        monkeypatch.setenv(name, value)
    made = mailing_of(Settings())
    assert ((made.relay, made.recipient), made.author) == (expected, "postmaster@example.org")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("POLICY_ALERT_RELAY", value) for value in ("postfix", "postfix:", ":25", "a b:25", "::1:25", "http://x:25")),
        *(("POLICY_ALERT_TO", value) for value in ("ada", "@example.org", "ada@example.org, b@example.org", "<a@b.c>")),
    ],
)
def test_wrong_settings(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused at the start, and not at the first alert."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="alert_"):
        Settings()
