"""What is read from a message's octets, however broken they are."""

import pytest

from sink.message import Body, read_body, read_headers

HEADERS = [
    # what it shows, octets, fields
    ("order and repetition stay", b"B: 1\r\nA: 2\r\nB: 3\r\n\r\nX: 4\r\n", [("B", "1"), ("A", "2"), ("B", "3")]),
    ("folded", b"Subject: one\r\n two\r\n\tthree\r\n\r\n", [("Subject", "one two\tthree")]),
    (
        "encoded words",
        b"Subject: =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?b?w59l?= aus =?utf-8?q?K=C3=B6ln?=\r\n\r\n",
        [("Subject", "Grüße aus Köln")],
    ),
    ("plain UTF-8, RFC 6532", "Subject: Grüße\r\n\r\n".encode(), [("Subject", "Grüße")]),
    ("octets of no character set", b"Subject: \xff\r\n\r\n", [("Subject", "\ufffd")]),
    ("unknown character set", b"Subject: =?x-none?q?a?=\r\n\r\n", [("Subject", "=?x-none?q?a?=")]),
    ("broken base64", b"Subject: =?utf-8?b?a?=\r\n\r\n", [("Subject", "=?utf-8?b?a?=")]),
    ("only LF", b"A: 1\nB: 2\n\nC: 3", [("A", "1"), ("B", "2")]),
    ("no body", b"A: 1\r\n", [("A", "1")]),
    ("no line end", b"A: 1", [("A", "1")]),
    ("no header section", b"\r\nA: 1\r\n", []),
    ("a line without a colon", b"nonsense\r\nA: 1\r\n\r\n", [("A", "1")]),
    ("begins folded", b" A: 1\r\nB: 2\r\n\r\n", [("A", "1"), ("B", "2")]),
    ("colons in the value", b"Date: 10:11:12\r\n\r\n", [("Date", "10:11:12")]),
    ("nothing", b"", []),
]


@pytest.mark.parametrize(("raw", "fields"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_headers(raw: bytes, fields: list[tuple[str, str]]) -> None:
    assert list(read_headers(raw)) == fields


def test_a_field_of_many_encoded_words_costs_no_quadratic_time() -> None:
    value = b"=?utf-8?q?a?= " * 100_000
    assert read_headers(b"Subject: " + value) == (("Subject", value.decode().strip()),)


PARTS = (
    b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
    b"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    b"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=C3=9Fe\r\n"
    b"--inner\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--inner--\r\n"
    b"--outer\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nattached\r\n--outer--\r\n"
)
BODIES = [
    # what it shows, octets, text, html
    ("plain text", b"A: 1\r\n\r\nbody\r\n", "body\r\n", None),
    ("8-bit text", "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode(), "Grüße\r\n", None),
    ("another character set", b"Content-Type: text/plain; charset=latin-1\r\n\r\n\xfc", "ü", None),
    ("unknown character set", b"Content-Type: text/plain; charset=x-none\r\n\r\nbody", "body", None),
    ("a codec that is no text", b"Content-Type: text/plain; charset=hex\r\n\r\nbody", "body", None),
    ("only HTML", b"Content-Type: text/html\r\n\r\n<p>", None, "<p>"),
    ("alternatives and an attachment", PARTS, "Grüße", "<b>hi</b>"),
    ("nothing but an image", b"Content-Type: image/png\r\n\r\nx", None, None),
    ("a content type in 8 bits", b"Content-Type: \xff\r\nContent-Disposition: \xff\r\n\r\nbody", "body", None),
    ("nothing", b"", "", None),
]


@pytest.mark.parametrize(("raw", "text", "html"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_body(raw: bytes, text: str | None, html: str | None) -> None:
    assert read_body(raw) == Body(text=text, html=html)


def test_endlessly_nested_parts_have_no_body_but_no_error_either() -> None:
    raw = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(3000)
    )
    assert read_body(raw) == Body()
