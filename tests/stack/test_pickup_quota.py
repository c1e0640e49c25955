"""What a stolen secret costs others, with real Dovecots: it does not fill the disk, and the owner still hears of it.

And the other thing that policy does in mailboxes: it reads complaints.
"""

import asyncio
import os
import re
import smtplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from harness import Login, Sink
from mail_program import pickup_with_doveadm
from pickup import Pickup, dovecot_image

from policy.alerting.own_mailboxes import OwnMailboxes
from policy.complaints.mailbox import ComplaintMailbox
from policy.complaints.report import Complaint
from policy.doveadm import Doveadm
from service.shared_token import SharedToken

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")

MEGABYTE = 1_000_000
GRACE = 10 * 1024 * 1024  # of the last message that is delivered


def message(octets: int) -> bytes:
    line = b"x" * 76 + b"\r\n"
    return b"From: ada@example.org\r\nSubject: large\r\n\r\n" + line * max(1, octets // len(line))


@dataclass
class Mailbox:
    """Somebody's, and a session in it."""

    pickup: Pickup
    login: Login
    address: str

    def __post_init__(self) -> None:
        self.session = self.pickup.client()
        self.session.login(self.login.login, self.login.secret)

    def doveadm(self) -> Doveadm:
        """Dovecot, as policy asks it."""
        token = (self.pickup.sallyport.folder / "dovecot.token").read_text().split()[0]
        return Doveadm(f"http://127.0.0.1:{self.pickup.doveadm_port}", SharedToken(token))

    def append(self, octets: int) -> str:
        """What Dovecot says; empty is yes."""
        status, ((said,)) = self.session.append("INBOX", "", "", message(octets))  # type: ignore[arg-type]
        return "" if status == "OK" else said.decode()

    def deliver(self, octets: int) -> tuple[int, bytes]:
        """By LMTP, as Postfix does it."""
        with smtplib.LMTP("127.0.0.1", self.pickup.lmtp_port, "mail.example") as client:
            client.docmd("MAIL", "FROM:<>")
            assert client.docmd("RCPT", f"TO:<{self.address}>")[0] == 250
            return client.data(message(octets))

    def fill(self) -> None:
        """As a thief does: what is large first, and then what still fits."""
        for octets in (8 * MEGABYTE, MEGABYTE, MEGABYTE // 10, 1000):
            while not self.append(octets):
                pass

    def used(self) -> tuple[int, int]:
        """KiB and messages."""
        ((line,),) = self.session.getquota("Mailbox")[1:]  # type: ignore[misc]
        words = line.decode().replace("(", " ").replace(")", " ").split()
        return int(words[words.index("STORAGE") + 1]), int(words[words.index("MESSAGE") + 1])


@pytest.fixture(params=["native", pytest.param("container", marks=pytest.mark.containers)], scope="module")
def pickup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Pickup]:
    """With quotas of 40 MB, and so of 4,096 messages."""
    image = "" if request.param == "native" else dovecot_image()
    with pickup_with_doveadm(tmp_path_factory.mktemp("quota"), sink, image, DOVECOT_MAILBOX_QUOTA="40M") as one:
        yield one


@pytest.fixture
def mailbox(pickup: Pickup, request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    name = f"m{abs(hash(request.node.name)) % 10**8}"
    address = f"{name}@sallyport.test"
    one = Mailbox(pickup, pickup.sallyport.new_login(name, address), address)
    yield one
    one.session.shutdown()


def test_a_full_mailbox(mailbox: Mailbox) -> None:
    """IMAP and LMTP say so, nothing that was refused is kept, and who deletes has room again."""
    mailbox.fill()
    assert "OVERQUOTA" in mailbox.append(1000)
    used_kib, messages = mailbox.used()
    assert 40 * 1024 - 2 < used_kib <= 40 * 1024
    while (reply := mailbox.deliver(1000))[0] == 250:  # the last one may go beyond
        messages += 1
    assert (reply[0], reply[1][:5]) == (552, b"5.2.2")
    assert mailbox.used()[1] == messages
    mailbox.session.select("INBOX")
    assert mailbox.session.uid("MOVE", "1", "Trash")[0] == "OK"  # as mail programs delete
    mailbox.session.select("Trash")
    mailbox.session.store("1", "+FLAGS", r"(\Deleted)")
    mailbox.session.expunge()
    assert mailbox.append(MEGABYTE) == ""
    assert mailbox.deliver(MEGABYTE)[0] == 250


def test_sessions_come_after_logins(mailbox: Mailbox) -> None:
    """Those who search keep nobody from logging in."""
    process = re.findall(r"mpid=(\d+)", mailbox.pickup.process.text())[-1]
    ours = 0 if mailbox.pickup.image else os.nice(0)  # which a process of ours begins with
    assert mailbox.pickup.inside("ps", "-o", "ni=", "-p", process).split() == [str(min(ours + 10, 19))]


def test_the_last_message_may_go_beyond_a_little(mailbox: Mailbox) -> None:
    while not mailbox.append(8 * MEGABYTE):
        pass
    room = 40 * 1024 * 1024 - mailbox.used()[0] * 1024
    assert mailbox.deliver(room + GRACE + MEGABYTE)[0] == 552
    assert mailbox.deliver(room + GRACE - MEGABYTE)[0] == 250
    assert mailbox.deliver(1000)[0] == 552


def test_messages_are_counted_too(mailbox: Mailbox) -> None:
    """Empty ones cost the disk as well."""
    client = mailbox.session
    client.select("INBOX")
    assert mailbox.append(1) == ""
    while (held := mailbox.used()[1]) < 4096:
        client.copy(f"1:{min(held, 4096 - held)}", "INBOX")
        client.noop()
    assert mailbox.used()[1] == 4096
    assert "OVERQUOTA" in mailbox.append(1)
    assert mailbox.deliver(1)[0] == 552


def test_a_notice_of_ours_comes_into_a_full_mailbox(mailbox: Mailbox) -> None:
    """Past the quota, or a thief who fills it keeps the owner from hearing of him."""
    mailbox.fill()
    while mailbox.deliver(1000)[0] == 250:
        pass
    own = OwnMailboxes(mailbox.doveadm(), frozenset({"sallyport.test"}))
    notice = b"From: postmaster@sallyport.test\r\nSubject: Was this you?\r\n\r\n.\r\nyes or no\r\n"
    assert asyncio.run(own.took(mailbox.address, notice))
    assert not asyncio.run(own.took("nobody@sallyport.test", notice))
    mailbox.session.select("INBOX")
    (found,) = mailbox.session.search(None, "SUBJECT", '"Was this you?"')[1]
    (said, *_) = mailbox.session.fetch(found.decode(), "(BODY[])")[1]
    assert said is not None
    assert said[1] == b"Return-Path: <>\r\n" + notice  # type: ignore[index]


LETTER = b"""From: Bob <bob@example.net>
Subject: your user sends spam
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: message/rfc822

Received: from submission by mail.sallyport.test with ESMTPSA
\tid 00112233445566aa; Thu, 8 Mar 2026 14:00:00 +0000
From: ada@example.org

Buy them.
--b--
"""


def test_complaints_are_read_once(mailbox: Mailbox) -> None:
    """Where they came to; the letters stay, unseen, and what is no complaint, too."""
    noted = list[Complaint]()

    async def make(change: Callable[[], object], **_: object) -> None:
        change()

    reading = ComplaintMailbox(
        doveadm=mailbox.doveadm(),
        mailbox=mailbox.address.partition("@")[0],
        hostname="mail.sallyport.test",
        notes=SimpleNamespace(note=lambda complaint, _: noted.append(complaint)),  # type: ignore[arg-type]
        writer=SimpleNamespace(make=make),  # type: ignore[arg-type]  # both stand in for the store
        clock=lambda: 0.0,
    )
    for letter in (LETTER.replace(b"\n", b"\r\n"), message(1000)):
        mailbox.session.append("INBOX", "", "", letter)  # type: ignore[arg-type]
    asyncio.run(reading.round())
    asyncio.run(reading.round())
    assert noted == [Complaint(submission="00112233445566aa", reporter="example.net", kind="other")]
    mailbox.session.select("INBOX")
    assert mailbox.session.search(None, "UNSEEN")[1] == [b"1 2"]
