"""Mail that somebody has kept: whom it was sent to, who has written it, and what is nobody's."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from policy.learning.found import Broken, Found, Item, PassedOver
from policy.learning.letters import Letter, received, sent
from policy.learning.mailboxes import SECTION_LIMIT, Mailbox, maildirs

T = 1_700_000_000.0
DATE = f"Date: {formatdate(T)}\n".encode()


def read(letter: Letter, section: bytes, arrived_at: float = T + 60.0) -> list[Item]:
    return list(letter(section, "ada", "here", arrived_at))


def test_sent_mail_has_recipients() -> None:
    """To, Cc and Bcc, as often as they come, and those of a redirection."""
    section = DATE + b"From: ada@example.org\nTo: Bob <b@x.example>\nCc: c@x.example\nBcc: d@x.example, e@x.example\n"
    section += b"To: f@x.example\nResent-To: g@x.example\n"
    people = ("b", "f", "c", "d", "e", "g")
    assert read(sent, section) == [Found("ada", tuple(f"{one}@x.example" for one in people), T)]


def test_received_mail_has_an_author() -> None:
    """And an address that an answer goes to."""
    section = DATE + b"From: Bob <b@x.example>\nReply-To: office@x.example\nTo: ada@example.org\n"
    assert read(received, section) == [Found("ada", ("b@x.example", "office@x.example"), T)]


DATES = [
    ("its own", "Tue, 14 Nov 2023 22:13:20 +0000", T),
    ("in another zone", "Wed, 15 Nov 2023 00:13:20 +0200 (EET)", T),
    ("of old Unix", "Tue Nov 14 22:13:20 2023", T),
    ("yet to come: when it arrived", "Tue, 14 Nov 2073 22:13:20 +0000", T + 60.0),
    ("none: when it arrived", "yesterday", T + 60.0),
    ("numbers too large", "Tue, 99 Nov 9999999999 99:99:99 +9999", T + 60.0),
    ("empty", "", T + 60.0),
    ("long", "1 " * 100_000, T + 60.0),
]


@pytest.mark.parametrize(("date", "at"), [case[1:] for case in DATES], ids=[case[0] for case in DATES])
def test_when_it_was(date: str, at: float) -> None:
    """Who writes a date may write any; later than it arrived it was not."""
    (found,) = read(sent, f"Date: {date}\nTo: b@x.example\n".encode())
    assert isinstance(found, Found)
    assert found.at == at


NOBODY = [
    ("a mailing list", b"List-Id: <friends.x.example>", "mailing list or newsletter"),
    ("a newsletter", b"List-Unsubscribe: <https://x.example/>", "mailing list or newsletter"),
    ("bulk mail", b"Precedence: bulk", "bulk mail"),
    ("an answer of a robot", b"Auto-Submitted: auto-replied", "written by a program"),
    ("a notification", b"Return-Path: <>", "written by a program"),
    ("spam to SpamAssassin", b"X-Spam-Flag: YES", "spam"),
    ("spam to rspamd", b"X-Spam: Yes", "spam"),
    ("spam by its status", b"X-Spam-Status: Yes, score=9.1", "spam"),
]
SOMEBODY = [
    ("no robot", b"Auto-Submitted: no"),
    ("no spam", b"X-Spam-Flag: NO"),
    ("no spam by its status", b"X-Spam-Status: No, score=-1"),
    ("another precedence", b"Precedence: first-class"),
]


@pytest.mark.parametrize(("field", "why"), [case[1:] for case in NOBODY], ids=[case[0] for case in NOBODY])
def test_what_makes_nobody_known(field: bytes, why: str) -> None:
    """Strangers could choose the history of whoever they can write to."""
    section = DATE + b"From: b@x.example\n" + field + b"\n"
    assert read(received, section) == [PassedOver(why)]
    assert isinstance(read(sent, section + b"To: c@x.example\n")[0], Found)


@pytest.mark.parametrize("field", [case[1] for case in SOMEBODY], ids=[case[0] for case in SOMEBODY])
def test_what_looks_like_it(field: bytes) -> None:
    assert isinstance(read(received, b"From: b@x.example\n" + field + b"\n")[0], Found)


@pytest.mark.parametrize(
    ("section", "why"),
    [
        (b"", "it has no header section"),
        (b"\x00\x01\x02", "it has no header section"),
        (b"To: ada@example.org\n", "it has no author, or more than one From field"),
        (b"From: b@x.example\nFrom: c@x.example\n", "it has no author, or more than one From field"),
        (b"From: Bob\n", "1 of its addresses is none"),
    ],
)
def test_received_mail_that_is_broken(section: bytes, why: str) -> None:
    assert read(received, section) == [Broken("here", why)]


def test_what_can_be_read_is_learnt_beside_what_cannot() -> None:
    section = b"To: Lovelace, Ada <a@x.example>, Bob\n"
    assert read(sent, section) == [
        Broken("here", "2 of its addresses are none"),
        Found("ada", ("a@x.example",), T + 60.0),
    ]


def test_sent_to_nobody_is_passed_over() -> None:
    assert read(sent, b"To: undisclosed-recipients:;\n") == [PassedOver("without an address")]


# mboxes

SEPARATORS = [
    b"From ada@example.org Tue Nov 14 22:13:20 2023",
    b"From - Tue Nov 14 22:13:20 2023",
    b"From MAILER-DAEMON Tue Nov  4 22:13:20 2023",
    b"From 1747480742@xxx Tue Nov 14 22:13:20 +0000 2023",
    b"From ada Tue Nov 14 22:13 2023",
    b"From ada@example.org Tue Nov 14 22:13:20 CET 2023",
    b"From Ada L Tue Nov 14 22:13:20 2023",
]


def all_of(path: Path, letter: Letter = sent) -> list[Item]:
    return list(Mailbox(path, "ada").read(letter, T + 100.0))


def people_of(items: list[Item]) -> list[str]:
    return [address for item in items if isinstance(item, Found) for address in item.addresses]


@pytest.fixture
def mbox(tmp_path: Path) -> Callable[[bytes], Path]:
    def written(content: bytes) -> Path:
        path = tmp_path / "Sent"
        path.write_bytes(content)
        return path

    return written


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_messages_of_an_mbox(mbox: Callable[[bytes], Path], separator: bytes, end: bytes) -> None:
    """Those that begin with a separator behind an empty line; text that begins with From is text."""
    body = [b"", b"From here on it is text", b"", b"From there, too, in 2023", b">From x", b"To: no@x.example"]
    body += [separator, b"To: no@x.example", b""]
    lines = [line for one in (b"b", b"c") for line in (separator, b"To: " + one + b"@x.example", *body)]
    assert people_of(all_of(mbox(end.join(lines)))) == ["b@x.example", "c@x.example"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_mbox(mbox: Callable[[bytes], Path], pack: Callable[[bytes], bytes]) -> None:
    content = SEPARATORS[0] + b"\nTo: b@x.example\n\nhello\n"
    assert people_of(all_of(mbox(pack(content)))) == ["b@x.example"]


def test_an_mbox_that_was_cut_off(mbox: Callable[[bytes], Path]) -> None:
    """All that was before is learnt."""
    message = SEPARATORS[0] + b"\nTo: b@x.example\n\n" + os.urandom(2_000_000).hex().encode() + b"\n\n"
    items = all_of(mbox(gzip.compress(message, 1)[:1_500_000]))
    assert people_of(items) == ["b@x.example"]
    assert isinstance(items[-1], Broken)


@pytest.mark.parametrize("content", [b"To: b@x.example\n\nno separator\n", b"\x00" * 100_000, os.urandom(1000)])
def test_what_is_no_mbox(mbox: Callable[[bytes], Path], content: bytes) -> None:
    path = mbox(content)
    assert all_of(path) == [Broken(str(path), "it is neither an mbox nor a Maildir")]


def test_an_empty_mbox(mbox: Callable[[bytes], Path]) -> None:
    assert all_of(mbox(b"")) == []


def test_a_header_section_that_is_too_long(mbox: Callable[[bytes], Path]) -> None:
    """Of one message; the next one is read."""
    long = b"To: " + b"someone@x.example, " * (SECTION_LIMIT // 19 + 1)
    path = mbox(b"\n".join([SEPARATORS[0], long, b"", b"x", b"", SEPARATORS[0], b"To: b@x.example", b"", b""]))
    broken, found = all_of(path)
    assert broken == Broken(f"{path}, message 1", "its header section is longer than 1024 KiB")
    assert people_of([found]) == ["b@x.example"]


def test_a_line_of_any_length(mbox: Callable[[bytes], Path]) -> None:
    """In a body; what looks like a separator in the middle of it is none."""
    line = b"x" * 65_536 + SEPARATORS[0]
    path = mbox(b"\n".join([SEPARATORS[0], b"To: b@x.example", b"", line, b"To: c@x.example", b"", b""]))
    assert people_of(all_of(path)) == ["b@x.example"]


# Maildirs


def maildir(path: Path, **messages: bytes) -> Path:
    """With messages in cur, by their unique names."""
    for folder in ("cur", "new", "tmp"):
        (path / folder).mkdir(parents=True)
    for name, content in messages.items():
        (path / "cur" / name.replace("_", ".")).write_bytes(content)
    return path


def test_messages_of_a_maildir(tmp_path: Path) -> None:
    """Of cur and new, with and without a body, packed, too; their names say when they arrived."""
    path = maildir(tmp_path / "Maildir", **{f"{int(T)}_M1": b"To: b@x.example\r\n\r\nTo: no@x.example\r\n"})
    (path / "cur" / f"{int(T) + 1}.M2:2,S").write_bytes(gzip.compress(b"To: c@x.example\n\nhello"))
    (path / "new" / f"{int(T) + 2}.M3").write_bytes(b"To: d@x.example\n")
    (path / "tmp" / f"{int(T) + 3}.M4").write_bytes(b"To: no@x.example\n")
    assert all_of(path) == [
        Found("ada", ("b@x.example",), T),
        Found("ada", ("c@x.example",), T + 1.0),
        Found("ada", ("d@x.example",), T + 2.0),
    ]


def test_a_message_of_a_maildir_without_a_moment_in_its_name(tmp_path: Path) -> None:
    path = maildir(tmp_path / "Maildir", copy_eml=b"To: b@x.example\n\n")
    os.utime(path / "cur" / "copy.eml", (T - 5.0, T - 5.0))
    assert all_of(path) == [Found("ada", ("b@x.example",), T - 5.0)]


def test_what_is_no_message_in_a_maildir(tmp_path: Path) -> None:
    """A pipe would wait for ever, a link may lead anywhere; the rest is read."""
    path = maildir(tmp_path / "Maildir", **{f"{int(T)}_M9": b"To: b@x.example\n"})
    (path / "cur" / "1link").symlink_to(tmp_path)
    os.mkfifo(path / "cur" / "2pipe")
    (path / "cur" / "3long").write_bytes(b"To: x\n" * SECTION_LIMIT)
    (path / "cur" / "4packed").write_bytes(gzip.compress(b"x" * 100)[:20])
    (path / "cur" / "5gone").symlink_to(tmp_path / "nowhere")
    items = all_of(path)
    assert people_of(items) == ["b@x.example"]
    assert [item.where.rpartition("/")[2] for item in items if isinstance(item, Broken)] == [
        "1link",
        "2pipe",
        "3long",
        "4packed",
    ]


def test_a_folder_that_is_no_maildir(tmp_path: Path) -> None:
    assert all_of(tmp_path) == [Broken(str(tmp_path), "it is no Maildir: there is neither cur nor new in it")]


def test_maildirs_of_everybody(tmp_path: Path) -> None:
    """As Dovecot lays them out: NAME/Maildir, and a dot before each folder."""
    maildir(tmp_path / "bob" / "Maildir")
    maildir(tmp_path / "ada" / "Maildir" / ".Sent")
    (tmp_path / "dovecot.index").write_bytes(b"")
    assert [(box.whose, box.path) for box in maildirs(tmp_path, "Sent")] == [
        ("ada", tmp_path / "ada" / "Maildir" / ".Sent")
    ]
    assert [box.whose for box in maildirs(tmp_path, "")] == ["ada", "bob"]
