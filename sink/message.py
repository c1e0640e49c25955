"""One message as it was received, and what can be read from its octets.

Test mail is often broken on purpose, so nothing here raises for any octets: what cannot be decoded stays as it is
written, and `raw` is always the truth.
"""

import binascii
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message as MimePart

_DECODABLE = 64 * 1024  # the standard library's decoder takes quadratic time; a longer field is shown as written
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_LINE_END = re.compile(rb"\r?\n")
_END_OF_HEADERS = re.compile(rb"(?:\A|\r?\n)\r?\n")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`raw` is what came after DATA, dots unstuffed, not one octet changed."""

    id: int  # counts from 1, never used twice in the life of the process
    received_at: float  # seconds since the epoch
    mail_from: str  # the reverse-path; empty is the null reverse-path, RFC 5321 section 4.5.5
    recipients: tuple[str, ...]
    headers: Headers
    raw: bytes

    @property
    def subject(self) -> str | None:
        return self.field("subject")

    @property
    def message_id(self) -> str | None:
        return self.field("message-id")

    def field(self, name: str) -> str | None:
        """The first header field of this name, given in lower case."""
        return next((value for field, value in self.headers if field.lower() == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The first text/plain and the first text/html part that is no attachment."""

    text: str | None = None
    html: str | None = None


def read_headers(raw: bytes) -> Headers:
    """The fields in their order, unfolded, encoded words (RFC 2047) decoded. A line without a colon is left out."""
    end = _END_OF_HEADERS.search(raw)
    section = _FOLD.sub(b"", raw[: end.start()] if end else raw)
    fields = (line.partition(b":") for line in _LINE_END.split(section))
    return tuple(
        (name.decode("utf-8", "replace").strip(), _decoded(value.decode("utf-8", "replace").strip()))
        for name, colon, value in fields
        if colon
    )


def read_body(raw: bytes) -> Body:
    try:
        parts = [part for part in message_from_bytes(raw).walk() if not part.is_multipart()]
    except RecursionError:  # hundreds of nested parts; `raw` is still there to read
        return Body()
    return Body(text=_first(parts, "text/plain"), html=_first(parts, "text/html"))


def _first(parts: list[MimePart], content_type: str) -> str | None:
    for part in parts:
        if part.get_content_type() == content_type and part.get_content_disposition() != "attachment":
            return _text_of(part)
    return None


def _text_of(part: MimePart) -> str:
    payload = part.get_payload(decode=True)
    octets = payload if isinstance(payload, bytes) else b""
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # a character set that does not exist, or one that is no text
        return octets.decode("utf-8", "replace")


def _decoded(value: str) -> str:
    if "=?" not in value or len(value) > _DECODABLE:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError, binascii.Error):
        return value
