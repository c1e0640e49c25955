"""Postfix's policy delegation protocol, octets in and requests out: SMTPD_POLICY_README. Pure.

    request=smtpd_access_policy            action=DUNNO
    protocol_state=RCPT                    (an empty line)
    recipient=bob@example.net
    ...
    (an empty line)

A line is split at its first `=`: addresses of BATV, SRS and VERP have more of them. The order of the lines is free,
names that are not known are passed over, and what is missing is empty or 0. Where octets are cut into pieces has no
meaning: requests come one after another in one piece, or one in hundred pieces.

What is none of this raises Malformed, and there is no going on behind it: whoever serves the connection ends it
without an answer, and Postfix says "try again later" to its client.
"""

from dataclasses import dataclass, field, fields
from typing import Any

LINE_LIMIT = 8 * 1024  # octets; Postfix's own lines of SMTP have 2048
REQUEST_LIMIT = 32 * 1024
_DIGITS_LIMIT = 18
_KIND = "smtpd_access_policy"
_CONTROLS = frozenset({*range(32), 127}) - {9}


class Malformed(Exception):
    """The words are for the log: nothing of what was sent is in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is looked at; names as Postfix has them. An attribute that it does not send is empty or 0."""

    protocol_state: str = ""
    instance: str = ""  # of one message: another one on the same connection means that this one has ended
    queue_id: str = ""
    sender: str = ""
    recipient: str = ""  # at RCPT; behind it, only where there is exactly one
    recipient_count: int = 0  # of those that were accepted; at DATA and behind it
    size: int = 0  # octets: as MAIL declared it, and at END-OF-MESSAGE as it is
    client_address: str = ""
    helo_name: str = ""
    sasl_method: str = ""
    sasl_username: str = field(default="", repr=False)
    encryption_protocol: str = ""
    encryption_cipher: str = ""


_NUMBERS = frozenset({"recipient_count", "size"})
_KNOWN = frozenset(one.name for one in fields(Request))


class Requests:
    """The requests of one connection. Holds REQUEST_LIMIT and what was received last, and no more."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._searched = 0  # in what is held there is no end of a line before that
        # Of the request that has begun
        self._attributes: dict[str, str] = {}
        self._length = 0

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request is there, and the rest of it is not."""
        return bool(self._octets or self._length)

    def receive(self, octets: bytes) -> None:
        """More octets from the other side."""
        self._octets += octets

    def next_request(self) -> Request | None:
        """The next request that is complete; None as long as there is none. Malformed where it is none."""
        while (line := self._next_line()) is not None:
            if line:
                self._add(line)
            else:
                return self._request()
        return None

    def _next_line(self) -> bytes | None:
        end = self._octets.find(b"\n", self._searched)
        length = len(self._octets) if end < 0 else end
        if length > LINE_LIMIT:
            raise Malformed("a line is too long")
        if self._length + length > REQUEST_LIMIT:
            raise Malformed("a request is too long")
        if end < 0:
            self._searched = length
            return None
        line = bytes(self._octets[:end])
        del self._octets[: end + 1]
        self._searched = 0
        self._length += end + 1
        return line

    def _add(self, line: bytes) -> None:
        if _CONTROLS.intersection(line):
            raise Malformed("a line has a control character")
        try:
            name, equals, value = line.decode().partition("=")
        except UnicodeDecodeError:
            raise Malformed("a line is not UTF-8") from None
        if not equals or not name:
            raise Malformed("a line is not name=value")
        if name in self._attributes:  # which of the two would be meant?
            raise Malformed("an attribute comes twice")
        self._attributes[name] = value

    def _request(self) -> Request:
        attributes, self._attributes, self._length = self._attributes, {}, 0
        if attributes.get("request") != _KIND:
            raise Malformed("a request is not of the policy protocol")
        known: dict[str, Any] = {name: value for name, value in attributes.items() if name in _KNOWN}
        for name in _NUMBERS.intersection(known):
            known[name] = _number(known[name])
        return Request(**known)


def answer(action: str) -> bytes:
    """One answer. `action` is one line of ASCII."""
    return f"action={action}\n\n".encode("ascii")


def _number(text: str) -> int:
    if text == "":
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS_LIMIT:
        raise Malformed("a number is none")
    return int(text)
