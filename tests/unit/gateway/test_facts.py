"""One reading of every header section, or a refusal; and what a submission server adds to it or takes away."""

import email.parser
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import replies
from gateway.facts import HEAD_LIMIT, Content, completed, head_of, read
from gateway.replies import Reply

ADA = Content(("ada@example.org",))
BAD, TWICE = replies.BAD_HEADER, replies.DUPLICATE_HEADER
AUTHOR, SENDER = replies.BAD_AUTHOR, replies.BAD_SENDER_FIELD
FROM = b"From: ada@example.org\r\n"

CASES = [
    # what it shows, header section without its last line end, expected
    ("one author", b"From: ada@example.org\r\nTo: b@x.example", ADA),
    ("display name", b'From: "Ada, Countess" <ada@example.org>', Content(ADA.authors, names=("Ada, Countess",))),
    ("an encoded display name", b"From: =?utf-8?q?Ad=C3=A4?= <ada@example.org>", Content(ADA.authors, names=("Adä",))),
    ("display names of all fields",
     FROM + b"Sender: B <b@x.example>\r\nResent-From: C <c@x.example>, d@x.example (D)",
     Content(ADA.authors, ("b@x.example", "c@x.example", "d@x.example"), ("B", "C", "(D)"))),
    ("two authors", b"From: ada@example.org, bob@x.example\r\nSender: ada@example.org",
     Content(("ada@example.org", "bob@x.example"), ("ada@example.org",))),
    ("a group of one author", b"From: us: ada@example.org;", Content(ADA.authors, names=("us",))),
    ("letter case of names", b"FROM: ada@example.org", ADA),
    ("no blank behind the colon", b"From:ada@example.org", ADA),
    ("folded", b"From: Ada\r\n\t<ada@example.org>", Content(ADA.authors, names=("Ada",))),
    ("folded within a name", b"From: Ada\r\n\tLovelace <ada@example.org>",
     Content(ADA.authors, names=("Ada\tLovelace",))),
    ("folded at once", b"From:\r\n ada@example.org", ADA),
    ("folded twice", b"From: ada@example.org,\r\n bob@x.example,\r\n carol@x.example\r\nSender: ada@example.org",
     Content(("ada@example.org", "bob@x.example", "carol@x.example"), ("ada@example.org",))),
    ("an empty field", FROM + b"Subject:", ADA),
    ("a field of one blank", FROM + b"Subject: ", ADA),
    ("odd names", FROM + b"X_a.b/!: y\r\n1: z", ADA),
    ("no From", b"To: b@x.example", Content(())),
    ("Date", FROM + b"date: x", Content(ADA.authors, has_date=True)),
    ("Message-ID", FROM + b"MESSAGE-ID: <a@b>", Content(ADA.authors, has_message_id=True)),
    ("Bcc", FROM + b"bcc: b@x.example", Content(ADA.authors, has_bcc=True)),
    ("Resent-Bcc, twice", FROM + b"Resent-Bcc: b@x\r\nResent-Bcc: c@x", Content(ADA.authors, has_bcc=True)),
    ("Sender", FROM + b"Sender: Bob <bob@x.example>", Content(ADA.authors, ("bob@x.example",), ("Bob",))),
    ("resent", FROM + b"Resent-From: b@x.example, c@x.example\r\nResent-Sender: d@x.example",
     Content(ADA.authors, ("b@x.example", "c@x.example", "d@x.example"))),
    ("resent twice", FROM + b"Resent-From: b@x.example\r\nResent-From: c@x.example",
     Content(ADA.authors, ("b@x.example", "c@x.example"))),
    # What readers see differently
    ("duplicate From", FROM + b"from: evil@x.example", TWICE),
    ("duplicate Subject", FROM + b"Subject: a\r\nTo: b@x.example\r\nSubject: a", TWICE),
    ("duplicate Bcc", FROM + b"Bcc: a@b.cd\r\nBcc: a@b.cd", TWICE),
    ("two content types", FROM + b"Content-Type: text/plain\r\nContent-type: text/html", TWICE),
    ("space before a colon", FROM + b"X : y\r\nFrom: evil@x.example", BAD),
    ("space before the colon of From", b"From : ada@example.org", BAD),
    ("no colon", FROM + b"hello", BAD),
    ("no name", FROM + b": hello", BAD),
    ("a mailbox file's From", b"From ada@example.org Mon Nov 24 15:32:19 2025\r\n" + FROM[:-2], BAD),
    ("continuation first", b" folded\r\n" + FROM[:-2], BAD),
    ("a continuation of blanks", b"Subject: a\r\n \r\nFrom: ada@example.org", BAD),
    ("a continuation of blanks within", b"Subject: a\r\n \t\r\n b\r\n" + FROM[:-2], BAD),
    ("a control character", FROM + b"Subject: a\x0bFrom: evil@x.example", BAD),
    ("a form feed", b"From: ada@example.org\x0c", BAD),
    ("an escape", FROM + b"Subject: \x1b[31m", BAD),
    ("a file separator", FROM + b"Subject: a\x1cFrom: evil@x.example", BAD),
    ("a DEL", FROM + b"Subject: \x7f", BAD),
    ("a NUL", FROM + b"Subject: \0", BAD),
    ("a bare CR", FROM + b"Subject: a\rFrom: evil@x.example", BAD),
    ("a bare LF", FROM + b"Subject: a\nFrom: evil@x.example", BAD),
    ("a CR before the line end", FROM + b"Subject: a\r", BAD),
    # Addresses
    ("empty From", b"From:", AUTHOR),
    ("a name alone", b"From: Ada", AUTHOR),
    ("an empty group", b"From: undisclosed:;", AUTHOR),
    ("two authors, and nobody has sent it", b"From: ada@example.org, bob@x.example", replies.SENDER_FIELD_MISSING),
    ("a group, and nobody has sent it", b"From: us: ada@example.org, b@x.example;", replies.SENDER_FIELD_MISSING),
    ("two authors, resent by one", b"From: ada@example.org, b@x.example\r\nResent-Sender: ada@example.org",
     replies.SENDER_FIELD_MISSING),
    ("address in clear beside another", b"From: evil@x.example <ada@example.org>", AUTHOR),
    ("unqualified", b"From: ada@localhost", AUTHOR),
    ("empty Sender", FROM + b"Sender:", SENDER),
    ("two in Sender", FROM + b"Sender: a@b.cd, c@d.ef", SENDER),
    ("unqualified Sender", FROM + b"Sender: root@localhost", SENDER),
    ("a hundred addresses in all", FROM + b"Resent-From: a@b.cd\r\n" * 99 + b"Resent-Sender: a@b.cd",
     Content(ADA.authors, ("a@b.cd",) * 100)),
    ("a hundred and one", FROM + b"Resent-From: a@b.cd\r\n" * 100 + b"Resent-Sender: a@b.cd", SENDER),
    ("a malformed Resent-From", FROM + b"Resent-From: a@b.cd\r\nResent-From: Ada", SENDER),
    # Letters outside ASCII
    ("Latin-1", b"From: Ad\xe4 <ada@example.org>", replies.HEADER_NOT_ASCII),
    ("UTF-8 without SMTPUTF8", FROM + "Subject: für".encode(), replies.HEADER_NOT_ASCII),
    # Limits
    ("a hundred hops", b"Received: x\r\n" * 100 + FROM[:-2], replies.LOOP),
    ("ninety-nine hops", b"Received: x\r\n" * 99 + FROM[:-2], ADA),
    ("a field that Postfix keeps whole", FROM + b"To: a" + b",\r\n a" * 20_000, ADA),
    ("a field that Postfix would cut", FROM + b"To: a" + b",\r\n a" * 21_000, replies.HEADER_TOO_LONG),
    ("a thousand fields", b"X: y\r\n" * 999 + FROM[:-2], ADA),
    ("a thousand fields and one", b"X: y\r\n" * 1000 + FROM[:-2], replies.HEADER_TOO_LONG),
]  # fmt: skip


@pytest.mark.parametrize(("head", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
@pytest.mark.parametrize("end", [b"\r\n", b"\r\n\r\n"], ids=["without empty line", "with empty line"])
def test_header_section(head: bytes, expected: Content | Reply, end: bytes) -> None:
    """One row, one header section. RFC 5322 section 3.5: the body is optional, and so is the empty line before it."""
    assert read(head + end, is_utf8=False) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("From: Adä <ada@example.org>", Content(ADA.authors, names=("Adä",))),
        ("From: ädä@bücher.example", Content(("ädä@bücher.example",))),
        ("From: ada@example.org\r\nSubject: 会议 👩\u200d🔬", ADA),
        ("From: ada@example.org\r\nSubject: a\u0085From: evil@x.example", BAD),
        ("From: ada@example.org\r\nSubject: a\u2028From: evil@x.example", BAD),
        ("From: ada@example.org\r\nSübject: a", BAD),
    ],
)
def test_header_section_in_utf8(head: str, expected: Content | Reply) -> None:
    """RFC 6532, less the line ends of Unicode; names of fields stay ASCII."""
    assert read(head.encode() + b"\r\n\r\n", is_utf8=True) == expected


@pytest.mark.parametrize("octets", [b"\xe4", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"])
def test_what_is_no_utf8(octets: bytes) -> None:
    """SMTPUTF8 allows no other encoding."""
    assert read(FROM + b"Subject: " + octets + b"\r\n\r\n", is_utf8=True) is replies.HEADER_NOT_ASCII


@pytest.mark.parametrize("head", [b"", b"\r\n"])
def test_a_message_without_header_section_has_no_author(head: bytes) -> None:
    """Policy says what it thinks of that."""
    assert read(head, is_utf8=False) == Content(())


@pytest.mark.parametrize(
    "head", [b"From: ada@example.org", FROM + b"x", FROM + b"\r", FROM + b"\r\nx", FROM + b"\r\n\r\n", b"\r\n" + FROM]
)
def test_what_is_no_header_section(head: bytes) -> None:
    """Nothing stands behind the empty line."""
    assert read(head, is_utf8=False) is BAD


HEADS = [
    # what it shows, first octets, is_whole, expected
    ("a body", FROM + b"\r\nbody\r\n", True, FROM + b"\r\n"),
    ("more to come", FROM + b"\r\nbo", False, FROM + b"\r\n"),
    ("the first empty line counts", FROM + b"\r\nFrom: x\r\n\r\n", True, FROM + b"\r\n"),
    ("no body", FROM + b"\r\n", True, FROM + b"\r\n"),
    ("no empty line", FROM, True, FROM),
    ("no header section", b"\r\nFrom: body@x.example\r\n\r\n", True, b"\r\n"),
    ("nothing", b"", True, b""),
    ("no empty line in what was kept", FROM, False, replies.HEADER_TOO_LONG),
    ("as long as allowed", b"a" * (HEAD_LIMIT - 4) + b"\r\n\r\nbody", False, b"a" * (HEAD_LIMIT - 4) + b"\r\n\r\n"),
    ("longer", b"a" * (HEAD_LIMIT - 3) + b"\r\n\r\nbody", False, replies.HEADER_TOO_LONG),
    ("longer, and all of it", b"a" * (HEAD_LIMIT + 1), True, replies.HEADER_TOO_LONG),
]  # fmt: skip


@pytest.mark.parametrize(("start", "is_whole", "expected"), [c[1:] for c in HEADS], ids=[c[0] for c in HEADS])
def test_head_of(start: bytes, is_whole: bool, expected: bytes | Reply) -> None:
    """What stands in the body is not read."""
    assert head_of(start, is_whole=is_whole) == expected
    assert head_of(bytearray(start), is_whole=is_whole) == expected


DATE, MESSAGE_ID = b"Date: Mon, 24 Nov 2025 15:32:19 +0000\r\n", b"Message-ID: <1@mail.example.org>\r\n"
WHOLE = DATE + MESSAGE_ID

COMPLETED = [
    # what it shows, header section, with what is missing and without what is hidden
    ("nothing to do", WHOLE + FROM + b"\r\n", WHOLE + FROM + b"\r\n"),
    ("no Date", MESSAGE_ID + FROM + b"\r\n", DATE + MESSAGE_ID + FROM + b"\r\n"),
    ("no Message-ID", DATE + FROM + b"\r\n", MESSAGE_ID + DATE + FROM + b"\r\n"),
    ("neither", FROM + b"\r\n", WHOLE + FROM + b"\r\n"),
    ("no empty line", FROM, WHOLE + FROM),
    ("no header section", b"\r\n", WHOLE + b"\r\n"),
    ("any Date", b"date: yesterday\r\n" + MESSAGE_ID + b"\r\n", b"date: yesterday\r\n" + MESSAGE_ID + b"\r\n"),
    ("Resent-Date is no Date", WHOLE[len(DATE):] + b"Resent-Date: x\r\n\r\n", WHOLE + b"Resent-Date: x\r\n\r\n"),
    ("Bcc", WHOLE + b"Bcc: b@x.example\r\n" + FROM + b"\r\n", WHOLE + FROM + b"\r\n"),
    ("folded Bcc", WHOLE + b"BCC:\r\n b@x.example,\r\n\tc@x.example\r\n" + FROM + b"\r\n", WHOLE + FROM + b"\r\n"),
    ("Bcc first", b"Bcc: b@x.example\r\n" + WHOLE + b"\r\n", WHOLE + b"\r\n"),
    ("Bcc last", WHOLE + b"Bcc: b@x.example\r\n\r\n", WHOLE + b"\r\n"),
    ("Bcc last of all", WHOLE + b"Bcc: b@x.example\r\n", WHOLE),
    ("empty Bcc", WHOLE + b"Bcc:\r\n\r\n", WHOLE + b"\r\n"),
    ("Resent-Bcc", WHOLE + b"Resent-Bcc: b@x.example\r\nresent-bcc: c@x.example\r\n\r\n", WHOLE + b"\r\n"),
    ("names that only look like it", WHOLE + b"X-Bcc: a\r\nBcc-X: b\r\nXBcc: c\r\nSubject: x\r\n bcc: d\r\n\r\n",
     WHOLE + b"X-Bcc: a\r\nBcc-X: b\r\nXBcc: c\r\nSubject: x\r\n bcc: d\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "expected"), [c[1:] for c in COMPLETED], ids=[c[0] for c in COMPLETED])
def test_completed(head: bytes, expected: bytes) -> None:
    """RFC 6409 section 8; every other octet stays, because a signature may cover it."""
    content = read(head, is_utf8=False)
    assert isinstance(content, Content)
    found = completed(head, content, date="Mon, 24 Nov 2025 15:32:19 +0000", message_id="<1@mail.example.org>")
    assert found == expected
    if head == expected:
        assert found is head


# Properties, against the parser of the standard library

names = st.sampled_from(
    ["From", "To", "X-A", "Bcc", "resent-bcc", "Date", "Message-ID", "Subject", "Sender", "X ", "", "Received"]
)
values = st.sampled_from(
    [b" ada@example.org", b" Ada <ada@example.org>", b"", b" x", b" a\r\n b", b" a\r\n \r\n b", b" a\rb", b" \xc3\xa4"]
)
fields = st.builds(lambda name, value: name.encode() + b":" + value + b"\r\n", names, values)
line_ends = st.sampled_from([b"\r\n", b"", b" \r\n", b"\n"])
heads = st.builds(lambda lines, end: b"".join(lines) + end, st.lists(fields, max_size=8), line_ends) | st.binary(
    max_size=100
)


@given(head=heads, body=st.binary(max_size=20), is_utf8=st.booleans())
def test_others_read_the_same(head: bytes, body: bytes, is_utf8: bool) -> None:
    """Where we accept, the standard library finds the same fields, before and after completion, and the same author."""
    start = head + b"\r\n" + body
    cut = head_of(start, is_whole=True)
    assert isinstance(cut, bytes)
    assert start.startswith(cut)
    content = read(cut, is_utf8=is_utf8)
    if isinstance(content, Reply):
        assert 500 <= content.code < 600
        return
    before, after = _fields(cut), _fields(completed(cut, content, date="x", message_id="<y>"))
    names = [name.lower() for name, _ in before]
    added = [("Date", "x")] * ("date" not in names) + [("Message-ID", "<y>")] * ("message-id" not in names)
    assert after == added + [field for field in before if field[0].lower() not in ("bcc", "resent-bcc")]
    assert len([name for name in names if name == "from"]) <= 1
    assert bool(content.authors) == ("from" in names)
    assert is_utf8 or cut.isascii()


def _fields(head: bytes) -> list[tuple[str, str]]:
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head)
    assert not message.defects
    assert not message.get_payload()
    return [(name, str(value)) for name, value in message.items()]
