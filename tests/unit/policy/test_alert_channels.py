"""Alerts that arrive: a real SMTP mailbox, a real webhook listener, signatures checked by another implementation."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from alerting_parts import NOON, Post, post
from harness import Sink, free_port
from sqlalchemy import Engine, insert, select
from standardwebhooks.webhooks import Webhook as Verifier
from structlog.testing import capture_logs

from policy.alerting import apprises, mails, webhooks
from policy.alerting.kinds import Kind
from policy.alerting.mails import Mailing, ToAdministrator, ToOwner, mailing_of
from policy.alerting.opened import make_secret, program_carriers
from policy.alerting.parcels import NotTaken
from policy.alerting.webhooks import Webhook, hooks, read_secrets
from policy.doveadm import Doveadm as Asked
from policy.settings import Settings
from policy.store.database import Location
from policy.store.identities import IdentityStore
from policy.store.incident_models import Notices, Presences
from policy.store.notice_list import replay
from policy.store.notices import thread_of
from policy.store.reader import open_reader
from service.sentence import unpacked
from service.settings import SettingError
from service.shared_token import SharedToken

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HOOK = "webhook:127.0.0.1"


# By mail


def mailing(relay: str, recipient: str = "postmaster@example.org") -> Mailing:
    return Mailing(relay=relay, recipient=recipient, author="postmaster@example.org", hostname="mail.example.org")


def to_administrator(relay: str, recipient: str) -> ToAdministrator:
    return ToAdministrator(mailing(relay, recipient), lambda: NOON)


async def received(sink: Sink, recipient: str) -> list[EmailMessage]:
    """In the order in which they came."""
    found = await asyncio.to_thread(sink.messages, f"recipient={recipient}")
    raw = [await asyncio.to_thread(sink.raw, one["id"]) for one in found]
    return [message_from_bytes(one, policy=policy.default) for one in raw]  # type: ignore[misc]


async def told(one: Post, kind: Kind, subject: str, *lines: str, **more: Any) -> None:
    await one.writer.make(partial(one.book.add, kind, subject, lines, one.now, **more))


async def test_a_mail_says_what_happened(sink: Sink, sqlite_database: Path) -> None:
    """To whom it belongs, from the null reverse-path, and nothing answers it."""
    carrier = to_administrator(f"127.0.0.1:{sink.smtp_port}", "first@example.org")
    async with post(sqlite_database, {"administrator": carrier}) as one:
        with capture_logs() as lines:
            await told(one, Kind.TRAP_HIT, "A trap closed", "Network: 192.0.2.0/24")
            await one.at(NOON)
    (mail,) = await received(sink, "first@example.org")
    (kept,) = await asyncio.to_thread(sink.messages, "recipient=first@example.org")
    assert kept["envelope"]["mail_from"] == ""
    assert (mail["From"], mail["To"]) == ("Sallyport <postmaster@example.org>", "first@example.org")
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("[Sallyport] A trap closed", "auto-generated")
    assert mail["Date"] == "Mon, 24 Nov 2025 16:00:00 -0000"
    assert mail["Message-ID"] == f"<notice-1-{round(NOON * 1000)}@mail.example.org>"
    assert mail["References"] is None
    said = mail.get_content().splitlines()
    assert said[:2] == ["Network: 192.0.2.0/24", ""]
    assert said[2].startswith("What this means: Somebody used a login")
    assert [(line["event"], line["subject"]) for line in lines] == [("alert", "A trap closed")]


@dataclass
class Doveadm:
    """Of `answer` to each command, which it keeps."""

    answer: object
    saved: list[Any] = field(default_factory=list)

    async def save(self, request: web.Request) -> web.Response:
        self.saved.append(json.loads(await request.read()))
        return web.json_response(self.answer)


TAKEN, NO_SUCH_MAILBOX = [["doveadmResponse", [], "notice"]], [["error", {"exitCode": 67}, "notice"]]
MAILBOXES = [
    # what it shows, recipient, what doveadm says, is asked, and how many come to the next hop
    ("into a mailbox of ours directly", "put@example.org", TAKEN, 1, 0),
    ("no such mailbox", "none@example.org", NO_SUCH_MAILBOX, 1, 1),
    ("an answer that is none", "odd@example.org", {"x": 1}, 1, 1),
    ("a mailbox elsewhere", "put@example.net", TAKEN, 0, 1),
]


@pytest.mark.parametrize(
    ("recipient", "answer", "asked", "relayed"), [one[1:] for one in MAILBOXES], ids=[one[0] for one in MAILBOXES]
)
async def test_a_mailbox_of_ours(
    sink: Sink, sqlite_database: Path, recipient: str, answer: object, asked: int, relayed: int
) -> None:
    """It takes a mail once, and the next hop has what it does not take."""
    doveadm = Doveadm(answer)
    app = web.Application()
    app.router.add_post("/doveadm/v1", doveadm.save)
    async with TestServer(app) as server:
        asked_there = Asked(str(server.make_url("/")), SharedToken("key"))
        made = mailing_of(
            Settings(
                alert_relay=f"127.0.0.1:{sink.smtp_port}", alert_to=recipient, domains=("sallyport.test", "Example.ORG")
            ),
            asked_there,
        )
        async with post(sqlite_database, {"administrator": ToAdministrator(made, lambda: NOON)}) as one:
            await told(one, Kind.TRAP_HIT, "A trap closed")
            await one.at(NOON)
            await one.at(NOON + 3600)
    assert len(doveadm.saved) == asked
    for ((command, wanted, _),) in doveadm.saved:
        assert (command, wanted["user"]) == ("save", recipient)
        assert wanted["file"].startswith("Return-Path: <>\r\nFrom: Sallyport")
    assert len(await received(sink, recipient)) == relayed


async def test_an_incident_is_one_conversation(sink: Sink, sqlite_database: Path) -> None:
    """Mail programs show its mails as one; what came between two of them is counted."""
    carrier = to_administrator(f"127.0.0.1:{sink.smtp_port}", "thread@example.org")
    async with post(sqlite_database, {"administrator": carrier}) as one:
        for minute in range(7):
            await told(one, Kind.INCIDENT_OPENED, f"ada: minute {minute}", thread=thread_of(3))
            await one.at(NOON + 60 * minute)
    first, second = await received(sink, "thread@example.org")
    assert second["References"] == second["In-Reply-To"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]
    assert (first["Subject"], second["Subject"]) == ("[Sallyport] ada: minute 0", "[Sallyport] ada: minute 6")
    assert "This was the last of 6 since the mail before" in second.get_content()


async def test_what_is_too_much_goes_together(sink: Sink, sqlite_database: Path) -> None:
    """Ten thousand events: the mails of that hour, and the last of them says what there was."""
    carrier = to_administrator(f"127.0.0.1:{sink.smtp_port}", "storm@example.org")
    async with post(sqlite_database, {"administrator": carrier}) as one:
        for number in range(10_000):
            thread = thread_of(number % 100)
            one.writer.make_later(partial(one.book.add, Kind.INCIDENT_OPENED, f"n {number}", [], NOON, thread=thread))
        await told(one, Kind.TRAP_HIT, "A trap closed")
        await one.at(NOON)
    found = await received(sink, "storm@example.org")
    assert len(found) == 12
    assert found[-1]["Subject"] == "[Sallyport] 8901 alerts: incident-opened 8900, trap-hit 1"
    assert len(found[-1].get_content().splitlines()) == 54


async def test_an_owner_gets_it_at_both_addresses(sink: Sink, database: Location, store: IdentityStore) -> None:
    """Each in a mail of its own; one that took it is not asked again when the other one has to wait."""
    store.add_identity("ada", ("ada-owner@example.org",), NOON)
    store.change_identity("ada", NOON, notice_address="unknown-ada@example.net")
    reader = open_reader(database)
    owner = ToOwner(mailing(f"127.0.0.1:{sink.smtp_port}"), lambda: NOON, reader, "https://mail.example.org")
    async with post(database, {"owner": owner}) as one:
        await told(one, Kind.INCIDENT_OPENED, "ada: held", thread=thread_of(1), owner="ada")
        before = len(await received(sink, "ada-owner@example.org"))
        for number in range(3):
            await one.at(NOON + 100 * number)
    await reader.close()
    mails_now = await received(sink, "ada-owner@example.org")
    assert len(mails_now) == before + 1
    assert "https://mail.example.org/" in mails_now[-1].get_content()
    assert "unknown-ada" not in mails_now[-1].as_string()


async def test_an_owner_without_an_address_is_given_up(database: Location, engine: Engine) -> None:
    """At once."""
    reader = open_reader(database)
    async with post(database, {"owner": ToOwner(mailing("127.0.0.1:1"), lambda: NOON, reader, "")}) as one:
        await told(one, Kind.INCIDENT_OPENED, "x", owner="nobody")
        await one.at(NOON)
    await reader.close()
    with engine.connect() as connection:
        problem = connection.scalar(select(Notices.problem).where(Notices.given_up_at.is_not(None)))
    assert unpacked(problem) == "the owner has no address"


async def test_an_address_with_letters_of_any_script(sink: Sink, sqlite_database: Path) -> None:
    """RFC 6531 and 6532: as it is, in the header section too; the domain of postmaster in ASCII."""
    carrier = to_administrator(f"127.0.0.1:{sink.smtp_port}", "ödä@example.org")
    async with post(sqlite_database, {"administrator": carrier}) as one:
        await told(one, Kind.TRAP_HIT, "A trap closed")
        with capture_logs() as lines:
            await one.at(NOON)
    assert [line["event"] for line in lines] == ["alert"]
    (kept,) = await asyncio.to_thread(sink.messages, f"recipient={quote('ödä@example.org')}")
    raw = await asyncio.to_thread(sink.raw, kept["id"])
    assert "\r\nTo: ödä@example.org\r\n".encode() in raw
    assert mailing_of(Settings(domains=("bücher.example",))).author == "postmaster@xn--bcher-kva.example"


async def test_a_relay_without_smtputf8_is_named(sqlite_database: Path) -> None:
    """Nothing is sent that it would garble; the notice is tried again, as of any relay that does not take it."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        while (line := await reader.readline()).startswith(b"EHLO"):
            writer.write(b"250-relay\r\n250 8BITMIME\r\n")
        said.append(line)
        writer.close()

    said = list[bytes]()
    async with await asyncio.start_server(speak, "127.0.0.1", 0) as relay:
        carrier = to_administrator(f"127.0.0.1:{relay.sockets[0].getsockname()[1]}", "ödä@example.org")
        async with post(sqlite_database, {"administrator": carrier}) as one:
            await told(one, Kind.TRAP_HIT, "A trap closed")
            with capture_logs() as lines:
                await one.at(NOON)
    assert said == [b""]
    assert lines[-1]["problem"] == "the relay takes no addresses with letters such as ö (it offers no SMTPUTF8)"
    assert not lines[-1]["is_given_up"]


FAILURES = [
    # what it shows, recipient, whether somebody listens, what is said
    ("refused", "unknown-bob@example.org", True, "the relay said 550"),
    ("full", "full-bob@example.org", True, "the relay said 452"),
    ("nobody there", "bob@example.org", False, "cannot be reached"),
]


@pytest.mark.parametrize(("recipient", "is_there", "said"), [c[1:] for c in FAILURES], ids=[c[0] for c in FAILURES])
async def test_a_mail_that_is_not_taken(
    sink: Sink, sqlite_database: Path, recipient: str, is_there: bool, said: str
) -> None:
    """It is told why, and tried again."""
    carrier = to_administrator(f"127.0.0.1:{sink.smtp_port if is_there else free_port()}", recipient)
    async with post(sqlite_database, {"administrator": carrier}) as one:
        await told(one, Kind.TRAP_HIT, "A trap closed")
        with capture_logs() as lines:
            for number in range(3):
                await one.at(NOON + 40 * number)
    failures = [line for line in lines if line["event"] == "alert-not-sent"]
    assert len(failures) == 3 - 1
    assert failures[0]["problem"].startswith(said)
    assert not failures[0]["is_given_up"]


async def test_a_relay_that_is_silent_is_not_waited_for(sqlite_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by whoever tells nor by the other channels."""
    monkeypatch.setattr("policy.alerting.courier.PATIENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        carrier = to_administrator(f"127.0.0.1:{silent.getsockname()[1]}", "x@example.org")
        async with post(sqlite_database, {"administrator": carrier}) as one:
            await told(one, Kind.TRAP_HIT, "A trap closed")
            with capture_logs() as lines:
                await one.at(NOON)
    assert lines[-1]["problem"] == "no answer in time"


async def test_without_a_relay_there_is_the_log(sqlite_database: Path) -> None:
    """And nothing is tried again."""
    async with post(sqlite_database, {"administrator": to_administrator("", "x@example.org")}) as one:
        with capture_logs() as lines:
            await told(one, Kind.TRAP_HIT, "A trap closed")
            await one.at(NOON)
            await one.at(NOON + 100)
    assert [line["event"] for line in lines] == ["alert"]


async def test_what_a_stranger_chose_makes_no_header_field_and_no_command(sink: Sink, sqlite_database: Path) -> None:
    """One line stays one line; a dot alone ends nothing."""
    carrier = to_administrator(f"127.0.0.1:{sink.smtp_port}", "lines@example.org")
    async with post(sqlite_database, {"administrator": carrier}) as one:
        await told(one, Kind.SIGNAL, "A\r\nBcc: x@example.org", "one\r\n.\r\nMAIL FROM:<>", ".")
        await one.at(NOON)
    (mail,) = await received(sink, "lines@example.org")
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[Sallyport] A  Bcc: x@example.org"
    assert mail.get_content().splitlines()[:2] == ["one  .  MAIL FROM:<>", "."]


# By webhook


@dataclass
class Listener:
    """A receiver of webhooks. What is in `answers` is answered first, then 204."""

    url: str = ""
    answers: list[web.StreamResponse] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    gate: asyncio.Event | None = None  # nothing is answered before it is set

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        if self.gate:
            await self.gate.wait()
        return self.answers.pop(0) if self.answers else web.Response(status=204)


@asynccontextmanager
async def listener() -> AsyncIterator[Listener]:
    made, app = Listener(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"  # type: ignore[attr-defined]
    try:
        yield made
    finally:
        await runner.cleanup()


def to_hook(url: str, clock: Callable[[], float]) -> Webhook:
    (hook,) = hooks([url])
    assert hook.channel == HOOK
    return Webhook(hook.url, read_secrets_of(SECRET), "mail.example.org", clock)


def read_secrets_of(secret: str) -> list[bytes]:
    import base64  # noqa: PLC0415

    return [base64.b64decode(secret.removeprefix("whsec_"))]


async def hooked(where: Location, engine: Engine, work: Callable[[Post, Listener], Awaitable[None]]) -> Listener:
    with engine.begin() as connection:
        connection.execute(insert(Presences).values(name=f"channel:{HOOK}", at=NOON))
    async with listener() as made:
        import time  # noqa: PLC0415 - the verifier looks at the real clock

        async with post(where, {HOOK: to_hook(made.url, time.time)}) as one:
            await work(one, made)
    return made


async def test_a_webhook_is_signed(database: Location, engine: Engine) -> None:
    """As Standard Webhooks says, and another implementation of it agrees; a changed body is found out."""

    async def work(one: Post, _: Listener) -> None:
        await told(one, Kind.INCIDENT_OPENED, "ada: held", "a line", thread=thread_of(1), facts={"incident": 1})
        await one.at(NOON)

    ((headers, body),) = (await hooked(database, engine, work)).got
    found = Verifier(SECRET).verify(body, headers)
    assert found["type"] == "incident-opened"
    assert found["timestamp"] == "2025-11-24T16:00:00Z"
    assert found["data"] == {
        "server": "mail.example.org",
        "severity": "warning",
        "thread": "incident:1",
        "subject": "ada: held",
        "lines": ["a line"],
        "count": 1,
        "facts": {"incident": 1},
    }
    with pytest.raises(Exception, match="signature"):
        Verifier(SECRET).verify(body.replace(b"ada", b"bob"), headers)
    with pytest.raises(Exception, match="signature"):
        Verifier(SECRET.replace("C2", "D3")).verify(body, headers)


async def test_a_webhook_is_tried_again_under_the_same_id(database: Location, engine: Engine) -> None:
    """500s, a redirect that is not followed, and then taken."""

    async def work(one: Post, there: Listener) -> None:
        there.answers += [web.Response(status=500), web.Response(status=307, headers={"location": "/elsewhere"})]
        await told(one, Kind.INCIDENT_OPENED, "ada: held", thread=thread_of(1))
        for second in (0, 4, 6, 50, 80, 400):
            await one.at(NOON + second)

    found = (await hooked(database, engine, work)).got
    assert len(found) == 3
    assert len({headers["webhook-id"] for headers, _ in found}) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(Notices.tries).where(Notices.channel == HOOK)) == 3


ANSWERS = [
    # what it shows, answer, what is said, given up
    ("an error", {"status": 503}, "it answered 503", False),
    (
        "a redirect",
        {"status": 302, "headers": {"location": "http://127.0.0.1:1/"}},
        "it answered 302, a redirect",
        False,
    ),
    ("whoever wants nothing more", {"status": 410}, "it answered 410", True),
]


@pytest.mark.parametrize(("answer", "said", "is_given_up"), [c[1:] for c in ANSWERS], ids=[c[0] for c in ANSWERS])
async def test_a_webhook_that_is_not_taken(
    sqlite_database: Path, answer: dict[str, Any], said: str, is_given_up: bool
) -> None:
    """What it answered is told, and not what it wrote."""
    from policy.store.database import open_database  # noqa: PLC0415

    async def work(one: Post, there: Listener) -> None:
        there.answers.append(web.Response(text="something secret", **answer))
        await told(one, Kind.INCIDENT_OPENED, "ada: held")
        with capture_logs() as lines:
            await one.at(NOON)
        (line,) = [line for line in lines if line["event"] == "alert-not-sent"]
        assert line["problem"].startswith(said)
        assert line["is_given_up"] is is_given_up
        assert "secret" not in str(lines)

    engine = open_database(sqlite_database)
    assert len((await hooked(sqlite_database, engine, work)).got) == 1
    engine.dispose()


async def test_a_webhook_that_says_nothing_is_not_waited_for(
    sqlite_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor whoever connects there: it is tried again."""
    from policy.store.database import open_database  # noqa: PLC0415

    silent = asyncio.Event()
    monkeypatch.setattr(webhooks, "_TIMEOUT_S", 3)

    async def work(one: Post, there: Listener) -> None:
        there.gate = silent
        await told(one, Kind.INCIDENT_OPENED, "ada: held")
        with capture_logs() as lines:
            await one.at(NOON)
        silent.set()
        (line,) = [line for line in lines if line["event"] == "alert-not-sent"]
        assert line["is_given_up"] is False
        await one.at(NOON + 400)

    engine = open_database(sqlite_database)
    (_, (headers, _)) = (await hooked(sqlite_database, engine, work)).got
    assert headers["webhook-id"]
    engine.dispose()


async def test_what_was_sent_is_sent_again_on_demand(database: Location, engine: Engine) -> None:
    """Each with the id that it had, however many there are; what is older is left alone."""

    async def work(one: Post, _: Listener) -> None:
        for number in range(30):
            one.now = NOON + number
            await told(one, Kind.INCIDENT_OPENED, f"{number}", thread=thread_of(number % 3))
            await one.at(NOON + number * 4000)
        assert replay(engine, "webhook", NOON + 15, NOON + 200_000) == 15
        assert replay(engine, "apprise", NOON, NOON) == 0
        await one.at(NOON + 200_001)

    got = (await hooked(database, engine, work)).got
    numbers = [headers["webhook-id"] for headers, _ in got]
    assert len(numbers) == 45
    assert sorted(numbers[30:]) == sorted(numbers[15:30])


def test_hooks_are_called_after_their_host() -> None:
    """The rest of the URL may be a secret."""
    urls = ["https://a.example/secret", "https://b.example:8443/", "https://a.example/other"]
    assert [hook.channel for hook in hooks(urls)] == ["webhook:a.example", "webhook:b.example", "webhook:a.example-2"]


def test_the_secret_of_webhooks(tmp_path: Path) -> None:
    """Made once, for the owner of the file alone; several lines are several secrets."""
    path = tmp_path / "secret"
    assert make_secret(path)
    assert not make_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_secrets("X", path)[0]) == 32
    path.write_text(f"{SECRET}\n{path.read_text()}")
    assert len(read_secrets("X", path)) == 2
    for wrong in ("whsec_AAAA", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_!!!!"):
        path.write_text(wrong)
        with pytest.raises(SettingError, match="no secret of a webhook"):
            read_secrets("X", path)


# By Apprise

IMGHDR = "ignore:'imghdr' is deprecated:DeprecationWarning"  # on the way through requests


@pytest.mark.filterwarnings(IMGHDR)
async def test_apprise_reaches_a_service(sqlite_database: Path, tmp_path: Path) -> None:
    """With its own words for how much it presses."""
    async with listener() as there:
        path = tmp_path / "apprise"
        path.write_text(f"# comment\n\n{there.url.replace('http:', 'json:')}\n")
        path.chmod(0o600)
        ((channel, carrier),) = list(apprises.open_apprises(path))
        assert channel == "apprise:json"
        async with post(sqlite_database, {"administrator": carrier}) as one:
            await told(one, Kind.INCIDENT_CONTAINED, "ada: contained")
            await one.at(NOON)
            there.answers.append(web.Response(status=500))
            await told(one, Kind.TRAP_HIT, "A trap closed")
            with capture_logs() as lines:
                await one.at(NOON + 1)
    import json  # noqa: PLC0415

    found = json.loads(there.got[0][1])
    assert (found["title"], found["type"]) == ("[Sallyport] ada: contained", "failure")
    assert lines[-1]["problem"] == "the service did not take it"


BROKEN = [
    # what it shows, content, mode, what is said
    ("others can read it", "json://localhost", 0o644, "can be read by others"),
    ("no service", "nonsense://x", 0o600, "line 1 of .* is no URL that Apprise knows"),
]


@pytest.mark.filterwarnings(IMGHDR)
@pytest.mark.parametrize(("content", "mode", "said"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
def test_a_file_of_apprise_that_cannot_be_used(tmp_path: Path, content: str, mode: int, said: str) -> None:
    """Refused at the start, without what is in it."""
    path = tmp_path / "apprise"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(SettingError, match=said) as error:
        list(apprises.open_apprises(path))
    assert "nonsense" not in str(error.value)
    with pytest.raises(SettingError, match="cannot be read"):
        list(apprises.open_apprises(tmp_path / "none"))


# Settings


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
        *(("POLICY_ALERT_WEBHOOKS", value) for value in ("example.org", "ftp://a/", "https://u:p@a/", "https://")),
    ],
)
def test_wrong_settings(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused at the start, and not at the first alert."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="alert_"):
        Settings()


def test_channels_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None without a setting; the secret is made where it is needed."""
    monkeypatch.setenv("POLICY_STATE_DIR", str(tmp_path))
    assert program_carriers(Settings(), lambda: NOON) == {}
    monkeypatch.setenv("POLICY_ALERT_WEBHOOKS", "https://a.example/x, https://b.example/y")
    assert list(program_carriers(Settings(), lambda: NOON)) == ["webhook:a.example", "webhook:b.example"]
    assert (tmp_path / "alert-webhook.secret").exists()


def test_no_relay_is_expected() -> None:
    """It is no failure that the log need repeat."""
    with pytest.raises(NotTaken) as error:
        asyncio.run(mails._send(mailing(""), EmailMessage(), "x"))
    assert error.value.is_final
    assert error.value.is_expected
