"""Header section and fix-ups, for any octets:

- Content or a reply of 5yz, never another error;
- where it is accepted, Python's parser finds no defect and the same fields, before and after the fix-ups: those that
  were missing in front, Bcc gone, everything else the same and in the same order;
- no line of it is blank but the last, and nothing in it is a control character;
- the completed header section is accepted in turn, names the same authors and needs no further fix-up.
"""

import email.message
import email.parser
import email.policy
import re

from fuzz.spelling import spelled
from gateway import replies
from gateway.facts import HEAD_LIMIT, Content, completed, head_of, read
from gateway.replies import Reply

WORDS = [
    *(
        b"From: ",
        b"Sender: ",
        b"Resent-From: ",
        b"To: ",
        b"Bcc: ",
        b"Resent-Bcc: ",
        b"Date: ",
        b"Message-ID: ",
        b"X: ",
        b"X ",
    ),
    *(
        b"ada@example.org",
        b"Ada <ada@example.org>",
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\r\n\t",
        b"\r\n \r\n",
        b"\r",
        b"\n",
        b": ",
    ),
    *(
        b"\xc3\xa4",
        b"\xe4",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\0",
        b"\x0b",
        b"\x1c",
        b"Received: x\r\n",
        b"Received: x\r\n" * 50,
    ),
]

_CONTROLS = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


def one(octets: bytes) -> None:
    """The first octet tells whether SMTPUTF8 was said, the others are the message."""
    is_utf8 = bool(octets and octets[0] & 1)
    message = spelled(octets[1:], WORDS)
    head = head_of(message, is_whole=True)
    if isinstance(head, Reply):
        assert head is replies.HEADER_TOO_LONG
        assert len(message) > HEAD_LIMIT
        return
    assert message.startswith(head)
    content = read(head, is_utf8=is_utf8)
    if isinstance(content, Reply):
        assert 500 <= content.code < 600
        return
    assert not _CONTROLS.search(head)
    assert all(line.strip() for line in head.removesuffix(b"\r\n").split(b"\r\n")[:-1])
    whole = completed(head, content, date="x", message_id="<y>")
    before, after = _fields(head), _fields(whole)
    names = [name.lower() for name, _ in before]
    added = [("Date", "x")] * ("date" not in names) + [("Message-ID", "<y>")] * ("message-id" not in names)
    assert after == added + [field for field in before if field[0].lower() not in ("bcc", "resent-bcc")]
    assert names.count("from") <= 1
    assert bool(content.authors) == ("from" in names)
    assert is_utf8 or head.isascii()
    again = read(whole, is_utf8=is_utf8)
    if again is not replies.HEADER_TOO_LONG:
        assert again == Content(content.authors, content.senders, content.names, has_date=True, has_message_id=True)


def _fields(head: bytes) -> list[tuple[str, str]]:
    parser: email.parser.BytesParser[email.message.Message[str, str]] = email.parser.BytesParser(
        policy=email.policy.compat32
    )
    message = parser.parsebytes(head)
    assert not message.defects
    assert not message.get_payload()
    return [(name, str(value)) for name, value in message.items()]
