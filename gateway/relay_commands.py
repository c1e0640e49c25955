"""What the next hop is told about a message, and what the client learns of its answers. Pure: no socket, no clock.

relay.py has the pool of connections, next_hop.py one connection; this is the language that they speak.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway import replies
from gateway.errors import RelayFailed
from gateway.replies import Reply

CLOSING = 421  # RFC 5321 section 3.8: allowed as the reply to any command
_XFORWARD = "XFORWARD "
_RECIPIENT = "RCPT TO:<"
_UNSAFE = re.compile(r"[^!-*,-<>-~]")  # all but xchar, RFC 3461 section 4
_STATUS = re.compile(r"[45]\.(\d+)\.(\d+)")
_HOPS = re.compile(r"5\.4\.(?:6|0 .*\btoo many hops)", re.IGNORECASE)  # RFC 3463 section 3.5, and Postfix


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT, with its DSN parameters (RFC 3461 sections 4.1 and 4.2) as the client sent them; empty: not sent."""

    address: str
    notify: str = ""
    original: str = ""  # ORCPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the next hop is told; addresses and DSN parameters exactly as they were accepted."""

    reverse_path: str
    recipients: tuple[Recipient, ...]
    client_address: str
    client_name: str
    submission: str
    message_bytes: int
    is_eight_bit: bool
    is_utf8: bool = False
    ret: str = ""
    envid: str = ""
    require_tls: bool = False


class HopReply(NamedTuple):
    """A reply of the next hop; its text is for our log alone. Lines are joined by line feeds, without their codes."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        return self.code < 400  # noqa: PLR2004 - RFC 5321 section 4.2.1


def commands(envelope: Envelope, offers: Mapping[str, str]) -> list[str]:
    """XFORWARD where it is offered, MAIL, and each RCPT. RelayFailed where an extension is missing that is needed."""
    return [
        *_xforward(envelope, offers.get("XFORWARD", "")),
        f"MAIL FROM:<{envelope.reverse_path}>{_mail_parameters(envelope, offers)}",
        *(f"{_RECIPIENT}{one.address}>{_recipient_parameters(one, offers)}" for one in envelope.recipients),
    ]


def octets(lines: Sequence[str], *, is_utf8: bool = False) -> bytes:
    """The lines as they go out. A line break or a non-ASCII letter that slipped through the grammar ends here.

    One inside an address would be a command of the sender's own making, said with the gateway's trust.
    """
    try:
        written = "".join([f"{line}\r\n" for line in lines]).encode("utf-8" if is_utf8 else "ascii")
    except UnicodeEncodeError:
        raise RelayFailed("a command is not ASCII, and SMTPUTF8 was not asked for", replies.INTERNAL_ERROR) from None
    if not written.count(b"\r") == written.count(b"\n") == len(lines):
        raise RelayFailed("a command has a line break in it", replies.INTERNAL_ERROR)
    return written


def refusal(said: Sequence[str], answers: Sequence[HopReply]) -> RelayFailed | None:
    """Why an envelope was not accepted whole; None where it was.

    What was refused first decides, because a refused MAIL makes each RCPT that was sent with it "bad sequence". Among
    recipients a temporary refusal decides: what is tried again later meets the permanent ones then.
    """
    refused = [(line, answer) for line, answer in zip(said, answers, strict=True) if not answer.is_positive]
    if not refused:
        return None
    line, worst = refused[0]
    if line.startswith(_RECIPIENT):
        worst = min((answer for _, answer in refused), key=lambda answer: answer.code)
    detail = f"envelope refused: {worst.code} {worst.text}"
    # A next hop that does not let the gateway speak for its clients is ours to mend, whatever its words.
    return RelayFailed(detail, replies.RELAY_DEFERRED if line.startswith(_XFORWARD) else reply_for(worst))


def reply_for(answer: HopReply) -> Reply:
    """What the client learns of a refusal by the next hop: its kind, never its text.

    X.7.Z is the next hop's policy towards us (a relay that does not trust the gateway, say): ours to mend, so the
    client is to keep its message. What concerns the message or an address is permanent.
    """
    status = _STATUS.match(answer.text)
    subject = status[1] if status else ""
    if answer.code == 452 and subject == "3":  # noqa: PLR2004 - RFC 5321 section 4.2.2: insufficient system storage
        return replies.RELAY_FULL
    if answer.code == 552:  # noqa: PLR2004 - RFC 1870 section 6.1
        return replies.RELAY_TOO_BIG
    if _HOPS.match(answer.text):
        return replies.LOOP
    if answer.code < 500 or subject == "7" or not subject:  # noqa: PLR2004 - RFC 5321 section 4.2.1
        return replies.RELAY_DEFERRED
    return replies.RELAY_REFUSED


def _mail_parameters(envelope: Envelope, offers: Mapping[str, str]) -> str:
    """SIZE (RFC 1870) lets the next hop refuse before the message is sent; the others say what it will get.

    Each of the others is offered to clients only because the next hop offers it. Where it has stopped to do so the
    message is refused: nothing is converted (RFC 6152 section 3, RFC 6531 section 3.2) and no wish is dropped.
    """
    told = f" SIZE={envelope.message_bytes}" if "SIZE" in offers else ""
    if envelope.is_eight_bit:
        _need("8BITMIME", offers, replies.RELAY_REFUSED)
        told += " BODY=8BITMIME"
    if envelope.is_utf8:
        _need("SMTPUTF8", offers, replies.RELAY_NOT_UTF8)
        told += " SMTPUTF8"
    if envelope.ret or envelope.envid:
        _need("DSN", offers, replies.RELAY_LACKS_DSN)
        told += f" RET={envelope.ret}" if envelope.ret else ""
        told += f" ENVID={envelope.envid}" if envelope.envid else ""
    if envelope.require_tls:
        _need("REQUIRETLS", offers, replies.RELAY_LACKS_REQUIRETLS)
        told += " REQUIRETLS"
    return told


def _recipient_parameters(recipient: Recipient, offers: Mapping[str, str]) -> str:
    """RFC 3461 section 5.2.1: what the client asked for is passed on unchanged, and nothing of ours is added."""
    if not recipient.notify and not recipient.original:
        return ""
    _need("DSN", offers, replies.RELAY_LACKS_DSN)
    notify = f" NOTIFY={recipient.notify}" if recipient.notify else ""
    return notify + (f" ORCPT={recipient.original}" if recipient.original else "")


def _need(extension: str, offers: Mapping[str, str], reply: Reply) -> None:
    if extension not in offers:
        raise RelayFailed(f"next hop does not offer {extension}", reply)


def _xforward(envelope: Envelope, offered: str) -> list[str]:
    """The attributes that the next hop offers to take, Postfix's XFORWARD_README. It forgets them with each message."""
    if not offered:
        return []
    address = envelope.client_address
    attributes = {
        "ADDR": f"IPV6:{address}" if ":" in address else address,
        "HELO": _xtext(envelope.client_name),
        "PROTO": "ESMTP",
        "IDENT": _xtext(envelope.submission),
        "SOURCE": "REMOTE",
    }
    names = offered.split()
    told = " ".join([f"{name}={value}" for name, value in attributes.items() if name in names])
    return [_XFORWARD + told] if told else []


def _xtext(value: str) -> str:
    """RFC 3461 section 4. No name is longer than a command line allows."""
    return _UNSAFE.sub(lambda match: "".join(f"+{octet:02X}" for octet in match[0].encode()), value[:255])
