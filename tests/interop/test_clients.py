"""Each client on each port: what it sends arrives as it was, and what it shows when something is wrong is clear.

The certificate is the one that the first start makes; each client is told to trust it, and checks it.
"""

import email
import email.policy
import hashlib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clients import CLIENTS, INVALID, Client
from conftest import Desk, Note, installed_or_skip
from harness import PLENTY, Sallyport, Sink, policy_file
from letters import FRIEND, PETER, SENDER, Letter
from scripted import ScriptedNextHop

LARGE = 20_000_000  # octets of a message, and a third more than those of its attachment
# Whatever a protocol could stumble over, and no end of line at the end.
SMALL = hashlib.shake_256(b"small").digest(10_000) + bytes(range(256)) + b"\r\n.\r\n.\n\r\r\nQUIT\r\n\0"
NOT_ASCII = "Grüße, Пётр: 10 €"


@dataclass(frozen=True)
class Inbox:
    """What has come to the sink since the test began."""

    sink: Sink

    def clear(self) -> None:
        url = f"http://127.0.0.1:{self.sink.http_port}/messages"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()

    def only(self) -> tuple[dict[str, Any], bytes]:
        """The envelope and the octets of the one message; it is taken out."""
        (found,) = self.sink.messages("wait=20")
        octets = self.sink.raw(found["id"])
        self.clear()
        return found["envelope"], octets

    def is_empty(self) -> bool:
        return not self.sink.messages()


@pytest.fixture
def inbox(sink: Sink) -> Inbox:
    one = Inbox(sink)
    one.clear()
    return one


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    """Each that is installed."""
    one: Client = request.param
    installed_or_skip(one)
    return one


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Letter]:
    """What is sent, by the name of its row."""
    folder = tmp_path_factory.mktemp("letters")
    small, large = folder / "small.bin", folder / "large.bin"
    small.write_bytes(SMALL)
    large.write_bytes(hashlib.shake_256(b"large").digest(LARGE * 3 // 4))
    return {
        "plain": Letter("Plain", "It works.\n.\nA dot on a line of its own is no end."),
        "utf8-text": Letter(NOT_ASCII, f"{NOT_ASCII}\n"),
        "utf8-address": Letter(NOT_ASCII, f"{NOT_ASCII}\n", recipient=PETER),
        "attachment": Letter("With an attachment", attachment=small),
        "20-MB": Letter("Large", attachment=large),
    }


@pytest.mark.parametrize("row", ["plain", "utf8-text", "attachment", "20-MB"])
def test_it_arrives_as_it_was(
    client: Client, implicit_tls: bool, row: str, letters: dict[str, Letter], desk: Desk, inbox: Inbox, home: Path
) -> None:
    """Envelope, subject, text, and the attachment octet by octet."""
    shown = client.send(desk.account(implicit_tls=implicit_tls), letters[row], home)
    assert shown.code == 0, shown.words
    envelope, octets = inbox.only()
    assert envelope == {"mail_from": SENDER, "recipients": [FRIEND]}
    assert_is(letters[row], octets)
    assert row != "20-MB" or len(octets) > LARGE


def test_an_address_in_utf8(
    client: Client, implicit_tls: bool, letters: dict[str, Letter], desk: Desk, inbox: Inbox, home: Path
) -> None:
    """By those that know SMTPUTF8 (RFC 6531); some write the domain in ASCII. Users of the others read why not."""
    letter = letters["utf8-address"]
    shown = client.send(desk.account(implicit_tls=implicit_tls), letter, home)
    if shown.code and not client.knows_utf8:
        assert "553 5.6.7 Address is not ASCII" in shown.words
        assert inbox.is_empty()
        return
    assert shown.code == 0, shown.words
    envelope, octets = inbox.only()
    (recipient,) = envelope["recipients"]
    assert recipient in (PETER, PETER.replace("пример", "xn--e1afmkfd"))
    assert_is(letter, octets)


def test_it_picks_a_mechanism(client: Client, implicit_tls: bool, desk: Desk, home: Path, note: Note) -> None:
    """With nothing but login and secret: the strongest that it knows, and it is let in at the first try."""
    before = len(desk.logins())
    shown = client.send(desk.account(implicit_tls=implicit_tls), Letter("Picks"), home)
    tried = desk.logins()[before:]
    note(f"{client.name} {client.version()}", "picks", " ".join(f"{mechanism} {code}" for mechanism, code in tried))
    assert shown.code == 0, shown.words
    assert [code for _, code in tried] == ["235"]
    assert tried[0][0] in client.picks


def test_a_wrong_secret(client: Client, implicit_tls: bool, desk: Desk, inbox: Inbox, home: Path, note: Note) -> None:
    """Nothing is sent, and the user reads why."""
    account = desk.account(implicit_tls=implicit_tls, secret="wrong")
    before = len(desk.logins())
    shown = client.send(account, Letter("Wrong"), home)
    note(f"{client.name} {client.version()}", "wrong secret", telling(shown.words, client.wrong_secret))
    assert shown.code
    assert client.wrong_secret in shown.words
    assert {code for _, code in desk.logins()[before:]} == {"535"}
    assert inbox.is_empty()


def test_a_certificate_that_is_not_trusted(client: Client, implicit_tls: bool, desk: Desk, home: Path) -> None:
    """The secret stays with the client."""
    before = len(desk.logins())
    shown = client.send(desk.account(implicit_tls=implicit_tls, trusts=False), Letter("Not trusted"), home)
    assert shown.code
    assert client.distrusts in shown.words
    assert len(desk.logins()) == before


@pytest.fixture(scope="module")
def next_hop() -> Iterator[ScriptedNextHop]:
    """Offers DSN, which the sink does not, and keeps each command."""
    one = ScriptedNextHop().start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def notifying(tmp_path_factory: pytest.TempPathFactory, next_hop: ScriptedNextHop) -> Iterator[Desk]:
    """A stack in front of that."""
    folder = tmp_path_factory.mktemp("notifying")
    stack = Sallyport(folder, next_hop.port, policy_file(folder, person=PLENTY))
    try:
        stack.start()
        yield Desk(stack, stack.new_login("ada", SENDER))
    finally:
        stack.stop()


@pytest.mark.parametrize("client", [one for one in CLIENTS if one.knows_dsn], ids=lambda client: client.name)
def test_a_notification_is_asked_for(
    client: Client, implicit_tls: bool, notifying: Desk, next_hop: ScriptedNextHop, home: Path
) -> None:
    """NOTIFY and RET (RFC 3461) reach the next hop."""
    installed_or_skip(client)
    next_hop.behave()
    shown = client.send(notifying.account(implicit_tls=implicit_tls), Letter("Notify", notify=True), home)
    assert shown.code == 0, shown.words
    (heard,) = next_hop.heard
    mail, recipient = (next(one for one in heard.commands if one.startswith(verb)) for verb in (b"MAIL", b"RCPT"))
    assert b" RET=HDRS" in mail.upper()
    assert b" NOTIFY=SUCCESS,FAILURE" in recipient.upper()


def assert_is(letter: Letter, octets: bytes) -> None:
    """It reads as it was written; above it stands one trace field, of the gateway."""
    assert octets.startswith(b"Received: from submission by ")
    assert octets.count(b"\r\nReceived:") == 0
    message = email.message_from_bytes(octets, policy=email.policy.default)
    text = message.get_body(("plain",))
    assert message["Subject"] == letter.subject
    assert text
    assert text.get_content().rstrip().splitlines() == letter.text.rstrip().splitlines()  # swaks adds empty lines
    attached = [part.get_content() for part in message.iter_attachments()]
    assert attached == ([letter.attachment.read_bytes()] if letter.attachment else [])


def telling(words: str, sentence: str) -> str:
    """Of all that a client has shown, the line that matters."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return next((line for line in lines if sentence in line or INVALID in line), " / ".join(lines[-2:]))
