"""One reading of every header section, or a refusal."""

import pytest

from gateway import replies
from gateway.facts import Content, read
from gateway.replies import Reply

CASES = [
    # what it shows, header section, expected
    ("one author", b"From: ada@example.org\r\nTo: b@x.example", Content(("ada@example.org",))),
    ("display name", b'From: "Ada, Countess" <ada@example.org>', Content(("ada@example.org",))),
    ("obsolete dot in a name", b"From: Ada K. Lovelace <ada@example.org>", Content(("ada@example.org",))),
    ("two authors", b"From: ada@example.org, bob@example.org", Content(("ada@example.org", "bob@example.org"))),
    ("a group has members", b"From: us: ada@example.org, b@x.example;", Content(("ada@example.org", "b@x.example"))),
    ("folded", b"From: Ada\r\n\t<ada@example.org>", Content(("ada@example.org",))),
    ("encoded name", b"From: =?utf-8?q?Ad=C3=A4?= <ada@example.org>", Content(("ada@example.org",))),
    ("no From", b"To: b@x.example", Content(())),
    ("duplicate From", b"From: ada@example.org\r\nfrom: evil@x.example", replies.DUPLICATE_HEADER),
    ("space before a colon", b"From: ada@example.org\r\nX : y\r\nFrom: evil@x.example", replies.BAD_HEADER),
    ("no colon", b"From: ada@example.org\r\nhello", replies.BAD_HEADER),
    ("continuation first", b" folded\r\nFrom: ada@example.org", replies.BAD_HEADER),
    ("empty From", b"From:", replies.BAD_AUTHOR),
    ("a name alone", b"From: Ada", replies.BAD_AUTHOR),
    ("address in clear beside another", b"From: evil@x.example <ada@example.org>", replies.BAD_AUTHOR),
    ("encoded at sign", b"From: =?utf-8?q?evil=40x.example?= <ada@example.org>", Content(("ada@example.org",))),
    ("a control character", b"From: ada@example.org\x0bevil", replies.BAD_AUTHOR),
    ("address from an encoded word", b"From: =?utf-8?q?evil=40x.example?=@example.org", replies.BAD_AUTHOR),
    ("Latin-1", b"From: Ad\xe4 <ada@example.org>", replies.BAD_AUTHOR),
    ("a hundred hops", b"Received: x\r\n" * 100 + b"From: ada@example.org", replies.LOOP),
    ("ninety-nine hops", b"Received: x\r\n" * 99 + b"From: ada@example.org", Content(("ada@example.org",))),
]  # fmt: skip


@pytest.mark.parametrize(("head", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_header_section(head: bytes, expected: Content | Reply) -> None:
    """One row, one header section."""
    assert read(head + b"\r\n\r\nFrom: body@x.example\r\n") == expected


@pytest.mark.parametrize("message", [b"", b"\r\n", b"\r\nFrom: body@x.example\r\n"])
def test_a_message_without_header_section_has_no_author(message: bytes) -> None:
    """What stands in the body is not read."""
    assert read(message) == Content(())


def test_header_section_without_body() -> None:
    """RFC 5322 section 3.5: the body is optional, and so is the empty line before it."""
    assert read(b"From: ada@example.org\r\n") == Content(("ada@example.org",))
