"""What the next hop is told, and what a client learns of its answers."""

import pytest
from hops import envelope

from gateway import replies
from gateway.errors import RelayFailed
from gateway.relay_commands import HopReply, Recipient, commands, octets, refusal, reply_for
from gateway.replies import Reply

ALL = dict.fromkeys(("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS", "PIPELINING", "CHUNKING"), "")
BOB = "bob@x.example"
OK = HopReply(250, "2.0.0 Ok")

PARAMETERS = [
    # what it shows, of the envelope, MAIL's parameters, RCPT's parameters
    ("nothing asked for", {}, " SIZE=31", ""),
    ("eight bits", {"is_eight_bit": True}, " SIZE=31 BODY=8BITMIME", ""),
    ("UTF-8", {"is_utf8": True}, " SIZE=31 SMTPUTF8", ""),
    ("DSN for all", {"ret": "HDRS", "envid": "a+2Bb"}, " SIZE=31 RET=HDRS ENVID=a+2Bb", ""),
    ("RET alone", {"ret": "full"}, " SIZE=31 RET=full", ""),
    ("ENVID alone", {"envid": "QQ314159"}, " SIZE=31 ENVID=QQ314159", ""),
    ("NOTIFY", {"recipients": (Recipient(BOB, "SUCCESS,DELAY"),)}, " SIZE=31", " NOTIFY=SUCCESS,DELAY"),
    ("NEVER", {"recipients": (Recipient(BOB, "NEVER"),)}, " SIZE=31", " NOTIFY=NEVER"),
    ("ORCPT", {"recipients": (Recipient(BOB, "", "rfc822;Bob@x"),)}, " SIZE=31", " ORCPT=rfc822;Bob@x"),
    (
        "both",
        {"recipients": (Recipient(BOB, "FAILURE", "rfc822;b"),)},
        " SIZE=31",
        " NOTIFY=FAILURE ORCPT=rfc822;b",
    ),
    ("REQUIRETLS", {"require_tls": True}, " SIZE=31 REQUIRETLS", ""),
    (
        "all together",
        {"is_eight_bit": True, "is_utf8": True, "ret": "FULL", "require_tls": True},
        " SIZE=31 BODY=8BITMIME SMTPUTF8 RET=FULL REQUIRETLS",
        "",
    ),
]


@pytest.mark.parametrize(
    ("changes", "mail", "rcpt"), [case[1:] for case in PARAMETERS], ids=[case[0] for case in PARAMETERS]
)
def test_parameters(changes: dict[str, object], mail: str, rcpt: str) -> None:
    """As the client gave them, in letters and case, and none of our own."""
    told = commands(envelope(**({"recipients": (Recipient(BOB),)} | changes)), ALL)
    assert told == [f"MAIL FROM:<ada@example.org>{mail}", f"RCPT TO:<{BOB}>{rcpt}"]


MISSING = [
    # what it shows, of the envelope, extension that is not offered, reply
    ("eight bits", {"is_eight_bit": True}, "8BITMIME", replies.RELAY_REFUSED),
    ("UTF-8", {"is_utf8": True}, "SMTPUTF8", replies.RELAY_NOT_UTF8),
    ("RET", {"ret": "HDRS"}, "DSN", replies.RELAY_LACKS_DSN),
    ("ENVID", {"envid": "a"}, "DSN", replies.RELAY_LACKS_DSN),
    ("NOTIFY", {"recipients": (Recipient(BOB, "NEVER"),)}, "DSN", replies.RELAY_LACKS_DSN),
    ("ORCPT", {"recipients": (Recipient(BOB), Recipient(BOB, "", "rfc822;b"))}, "DSN", replies.RELAY_LACKS_DSN),
    ("REQUIRETLS", {"require_tls": True}, "REQUIRETLS", replies.RELAY_LACKS_REQUIRETLS),
]


@pytest.mark.parametrize(
    ("changes", "extension", "reply"), [case[1:] for case in MISSING], ids=[case[0] for case in MISSING]
)
def test_what_is_not_offered_is_refused(changes: dict[str, object], extension: str, reply: Reply) -> None:
    """RFC 6152 section 3, RFC 6531 section 3.2: refused for good, nothing is converted and no wish is dropped."""
    with pytest.raises(RelayFailed, match=extension) as failed:
        commands(envelope(**changes), {name: "" for name in ALL if name != extension})
    assert failed.value.reply is reply
    assert reply.code >= 550
    assert failed.value.is_certain


def test_what_is_not_needed_is_not_missed() -> None:
    """A plain message goes to the plainest of servers."""
    assert commands(envelope(), {}) == [
        "MAIL FROM:<ada@example.org>",
        "RCPT TO:<bob@x.example>",
        "RCPT TO:<carl@x.example>",
    ]


XFORWARD = [
    # what it shows, attributes on offer, of the envelope, command
    ("some attributes", "ADDR HELO", {}, "XFORWARD ADDR=192.0.2.7 HELO=client+20name"),
    (
        "all of them",
        "NAME ADDR PROTO HELO SOURCE PORT IDENT",
        {"client_name": "c"},
        "XFORWARD ADDR=192.0.2.7 HELO=c PROTO=ESMTP IDENT=cafe SOURCE=REMOTE",
    ),
    ("IPv6", "ADDR", {"client_address": "2001:db8::1"}, "XFORWARD ADDR=IPV6:2001:db8::1"),
    (
        "what xtext has to hide",
        "HELO",
        {"client_name": "a+b=c\r\nMAIL é"},
        "XFORWARD HELO=a+2Bb+3Dc+0D+0AMAIL+20+C3+A9",
    ),
    ("a name without end", "HELO", {"client_name": "x" * 300}, "XFORWARD HELO=" + "x" * 255),
    ("none that we know", "PORT NAME", {}, None),
]


@pytest.mark.parametrize(
    ("offered", "changes", "command"), [case[1:] for case in XFORWARD], ids=[case[0] for case in XFORWARD]
)
def test_xforward(offered: str, changes: dict[str, object], command: str | None) -> None:
    """Postfix's XFORWARD_README."""
    said = commands(envelope(**changes), {"XFORWARD": offered})
    assert (said[0] if len(said) == 4 else None) == command


@pytest.mark.parametrize("address", ["a@b\r\nRCPT TO:<c@d>", "a@b\nx", "a@b\rx", "é@b"])
def test_no_address_becomes_a_command(address: str) -> None:
    """The grammar of MAIL and RCPT lets none of these through; this is the second lock."""
    with pytest.raises(RelayFailed) as failed:
        octets([f"RCPT TO:<{address}>"])
    assert failed.value.reply is replies.INTERNAL_ERROR


def test_utf8_where_it_was_asked_for() -> None:
    """RFC 6531 section 3.3: as it is, in UTF-8."""
    assert octets(["RCPT TO:<é@b>"], is_utf8=True) == b"RCPT TO:<\xc3\xa9@b>\r\n"


SAID = ["XFORWARD ADDR=x", "MAIL FROM:<>", "RCPT TO:<a@b>", "RCPT TO:<c@d>"]
BAD_SEQUENCE = HopReply(503, "5.5.1 Error: need MAIL command")
REFUSALS = [
    # what it shows, answers, reply
    ("nothing", [OK, OK, OK, OK], None),
    ("one recipient", [OK, OK, HopReply(550, "5.1.1 no"), OK], replies.RELAY_REFUSED),
    ("for good and for now", [OK, OK, HopReply(550, "5.1.1 no"), HopReply(450, "4.2.0 later")], replies.RELAY_DEFERRED),
    ("MAIL, and so all", [OK, HopReply(552, "5.3.4 too big"), BAD_SEQUENCE, BAD_SEQUENCE], replies.RELAY_TOO_BIG),
    ("MAIL for now", [OK, HopReply(452, "4.3.1 full"), BAD_SEQUENCE, BAD_SEQUENCE], replies.RELAY_FULL),
    ("we may not use XFORWARD", [HopReply(550, "5.7.0 no"), OK, OK, OK], replies.RELAY_DEFERRED),
    ("XFORWARD in other words", [HopReply(501, "5.5.4 bad"), OK, OK, OK], replies.RELAY_DEFERRED),
]


@pytest.mark.parametrize(("answers", "reply"), [c[1:] for c in REFUSALS], ids=[c[0] for c in REFUSALS])
def test_which_refusal_decides(answers: list[HopReply], reply: Reply | None) -> None:
    """What was refused first, because it makes the rest bad sequence; among recipients the temporary one."""
    failed = refusal(SAID, answers)
    assert (failed.reply if failed else None) is reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5.7.1 no", replies.RELAY_DEFERRED), ("no status", replies.RELAY_DEFERRED), ("5.1.2 no", replies.RELAY_REFUSED)],
)
def test_a_refusal_of_us_is_no_refusal_of_the_message(text: str, expected: Reply) -> None:
    """5yz about the gateway itself, or about nobody knows what, leaves the message with the client."""
    assert reply_for(HopReply(550, text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.4.0 Error: too many hops", replies.LOOP),
        ("5.4.6 Routing loop detected", replies.LOOP),
        ("5.4.0 Error: no route", replies.RELAY_REFUSED),
        ("5.4.1 Recipient address rejected: too many hops", replies.RELAY_REFUSED),
    ],
)
def test_a_loop_is_called_one(text: str, expected: Reply) -> None:
    """The next hop may count to less than we do: Postfix to 50."""
    assert reply_for(HopReply(554, text)) is expected
