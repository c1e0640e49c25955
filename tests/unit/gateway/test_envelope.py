"""The grammar of MAIL and RCPT: what is accepted is passed on exactly; what is ambiguous is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import replies
from gateway.envelope import MailCommand, Offers, RcptCommand, parse_mail, parse_rcpt
from gateway.replies import Reply

ALL = Offers(max_message_bytes=1000, utf8=True, dsn=True, require_tls=True)
NONE = Offers(max_message_bytes=1000, eight_bit=False, utf8=False, dsn=False, require_tls=False)
BAD, BAD_TO = replies.BAD_SENDER_SYNTAX, replies.BAD_RECIPIENT_SYNTAX
WRONG, UNKNOWN = replies.BAD_PARAMETER, replies.UNKNOWN_PARAMETER
ADA = MailCommand(path="ada@example.org")
BOB = RcptCommand(path="bob@x.example")

MAIL = [
    # what it shows, argument, expected
    ("an address", "FROM:<ada@example.org>", ADA),
    ("case is kept", "from:<Ada@Example.ORG>", MailCommand(path="Ada@Example.ORG")),
    ("null reverse-path", "FROM:<>", MailCommand(path="")),
    ("quoted local part", 'FROM:<"a > b"@example.org> SIZE=1', MailCommand(path='"a > b"@example.org', size=1)),
    ("parameters", "FROM:<ada@example.org> SIZE=10 body=8bitmime", replace(ADA, size=10, body="8BITMIME")),
    ("blanks between and behind", "FROM:<ada@example.org>  SIZE=10   BODY=7BIT  ", replace(ADA, size=10, body="7BIT")),
    ("all of them", "FROM:<ada@example.org> SIZE=1000 BODY=8BITMIME AUTH=<> SMTPUTF8 RET=hdrs ENVID=q+2B1 REQUIRETLS",
     replace(ADA, size=1000, body="8BITMIME", is_utf8=True, ret="hdrs", envid="q+2B1", require_tls=True)),
    ("SMTPUTF8", "FROM:<ädä@bücher.example> SMTPUTF8", MailCommand(path="ädä@bücher.example", is_utf8=True)),
    ("not ASCII", "FROM:<ädä@example.org>", replies.ADDRESS_NOT_ASCII),
    ("no postmaster alone", "FROM:<postmaster>", BAD),
    ("unqualified domain", "FROM:<ada@localhost>", replies.DOMAIN_NOT_QUALIFIED),
    ("a route", "FROM:<ada%x.example@example.org>", BAD),
    ("nothing", "", BAD),
    ("wrong keyword", "TO:<ada@example.org>", BAD),
    ("no keyword", "<ada@example.org>", BAD),
    ("no colon", "FROM <ada@example.org>", BAD),
    ("no angle brackets", "FROM:ada@example.org", BAD),
    ("missing bracket", "FROM:<ada@example.org", BAD),
    ("missing first bracket", "FROM:ada@example.org>", BAD),
    ("two brackets", "FROM:<<ada@example.org>>", BAD),
    ("space after colon", "FROM: <ada@example.org>", ADA),
    ("two spaces after colon", "FROM:  <ada@example.org>", BAD),
    ("space after colon, no angle brackets", "FROM: ada@example.org", BAD),
    ("space before colon", "FROM :<ada@example.org>", BAD),
    ("space in front", " FROM:<ada@example.org>", BAD),
    ("space inside", "FROM:< ada@example.org>", BAD),
    ("a name", "FROM:Ada <ada@example.org>", BAD),
    ("text behind the bracket", "FROM:<ada@example.org>SIZE=1", BAD),
    ("a tab instead of a space", "FROM:<ada@example.org>\tSIZE=1", BAD),
    ("source route", "FROM:<@relay.example:ada@example.org>", BAD),
    ("comment", "FROM:<ada(x)@example.org>", BAD),
    ("encoded word", "FROM:<=?utf-8?q?evil=40x.y?=@example.org>", BAD),
    ("quotes that do not end", 'FROM:<"ada@example.org>', BAD),
    ("quotes behind the at sign", 'FROM:<ada@"example.org">', BAD),
    ("a bracket in quotes hides nothing", 'FROM:<"a b"@example.org> SIZE=1>', WRONG),
    ("U+0085 is no space", "FROM:<ada@example.org>\u0085SIZE=1", BAD),
    ("U+2003 is no space", "FROM:<ada@example.org> SIZE=1\u2003BODY=7BIT", WRONG),
]  # fmt: skip

OF_MAIL = [
    # parameters of MAIL, expected
    ("SIZE=0", replace(ADA, size=0)),
    ("SIZE=1000", replace(ADA, size=1000)),
    ("SIZE=00000000000000000010", replace(ADA, size=10)),
    ("SIZE=1001", replies.MESSAGE_TOO_BIG),
    ("SIZE=99999999999999999999", replies.MESSAGE_TOO_BIG),
    ("SIZE=999999999999999999999", WRONG),
    ("SIZE=-1", WRONG),
    ("SIZE=+1", WRONG),
    ("SIZE=1e2", WRONG),
    ("SIZE=0x10", WRONG),
    ("SIZE=\u0661", WRONG),
    ("SIZE=", WRONG),
    ("SIZE", WRONG),
    ("SIZE=1 SIZE=2", WRONG),
    ("SIZE=1 size=1", WRONG),
    ("BODY=7BIT", replace(ADA, body="7BIT")),
    ("BODY=BINARYMIME", WRONG),
    ("BODY=8BITMIME;", WRONG),
    ("BODY", WRONG),
    ("AUTH=<>", ADA),
    ("AUTH=ada@example.org", ADA),
    ("AUTH=e+3Dmc2@example.org", ADA),
    ("AUTH=", WRONG),
    ("AUTH", WRONG),
    ("AUTH=<y", WRONG),
    ("AUTH=<ada@example.org>", WRONG),
    ("AUTH=a=b", WRONG),
    ("AUTH=a+3", WRONG),
    ("AUTH=a+3d", WRONG),
    ("AUTH=a+0D+0Ab", WRONG),
    ("SMTPUTF8=", WRONG),
    ("SMTPUTF8=1", WRONG),
    ("SMTPUTF8 SMTPUTF8", WRONG),
    ("RET=FULL", replace(ADA, ret="FULL")),
    ("RET=Hdrs", replace(ADA, ret="Hdrs")),
    ("RET=BODY", WRONG),
    ("RET", WRONG),
    ("ENVID=QQ314159", replace(ADA, envid="QQ314159")),
    ("ENVID=a+20b+7E", replace(ADA, envid="a+20b+7E")),
    (f"ENVID={'a' * 100}", replace(ADA, envid="a" * 100)),
    (f"ENVID={'a' * 101}", WRONG),
    ("ENVID=", WRONG),
    ("ENVID=ab+0D+0Acd", WRONG),
    ("ENVID=ab+00cd", WRONG),
    ("ENVID=ab+09cd", WRONG),
    ("ENVID=ab+1Bcd", WRONG),
    ("ENVID=ab+7Fcd", WRONG),
    ("ENVID=ab+80cd", WRONG),
    ("ENVID=ab+C2+85cd", WRONG),
    ("ENVID=ab+2bcd", WRONG),
    ("ENVID=ab+", WRONG),
    ("ENVID=a=b", WRONG),
    ("ENVID=a\0b", WRONG),
    ("ENVID=a\x1bb", WRONG),
    ("ENVID=a\x7fb", WRONG),
    ("ENVID=a\u0085b", WRONG),
    ("ENVID=a\u200bb", WRONG),
    ("ENVID=a\u2060b", WRONG),
    ("ENVID=a\ufeffb", WRONG),
    ("REQUIRETLS", replace(ADA, require_tls=True)),
    ("REQUIRETLS=YES", WRONG),
    ("NOTIFY=NEVER", UNKNOWN),
    ("XFOO=1", UNKNOWN),
    ("=1", WRONG),
    ("-A=1", WRONG),
    ("A_B=1", WRONG),
    ("<", WRONG),
]  # fmt: skip

NOT_OFFERED = [
    # parameters of MAIL that EHLO did not offer, expected
    ("BODY=8BITMIME", UNKNOWN),
    ("SMTPUTF8", UNKNOWN),
    ("RET=FULL", UNKNOWN),
    ("ENVID=1", UNKNOWN),
    ("REQUIRETLS", replies.REQUIRETLS_NOT_OFFERED),
    ("SIZE=1", replace(ADA, size=1)),
    ("AUTH=<>", ADA),
]

RCPT = [
    # what it shows, argument, expected
    ("an address", "TO:<bob@x.example>", BOB),
    ("case is kept", "to:<Bob@X.example>", RcptCommand(path="Bob@X.example")),
    ("subaddress", "TO:<ada+list@example.org>", RcptCommand(path="ada+list@example.org")),
    ("no null forward-path", "TO:<>", BAD_TO),
    ("postmaster alone", "TO:<Postmaster>", RcptCommand(path="Postmaster")),
    ("postmaster with parameters", "TO:<POSTMASTER> NOTIFY=NEVER", RcptCommand(path="POSTMASTER", notify="NEVER")),
    ("nobody else alone", "TO:<ada>", BAD_TO),
    ("wrong keyword", "FROM:<bob@x.example>", BAD_TO),
    ("unqualified domain", "TO:<ada@localhost>", replies.DOMAIN_NOT_QUALIFIED),
    ("address literal", "TO:<ada@[192.0.2.1]>", replies.DOMAIN_NOT_QUALIFIED),
    ("a route", "TO:<bob%elsewhere.example@x.example>", replies.ADDRESS_ROUTED),
    ("a route in quotes", 'TO:<"bob@elsewhere.example"@x.example>', replies.ADDRESS_ROUTED),
    ("not ASCII", "TO:<bób@x.example>", RcptCommand(path="bób@x.example")),
    ("roman numeral four", "TO:<bob@\u2163.example>", BAD_TO),
    ("an A-label of nothing", "TO:<a@xn---.example>", BAD_TO),
    ("a parameter of MAIL", "TO:<bob@x.example> SIZE=1", UNKNOWN),
]  # fmt: skip

OF_RCPT = [
    # parameters of RCPT, expected
    ("NOTIFY=NEVER", replace(BOB, notify="NEVER")),
    ("NOTIFY=never", replace(BOB, notify="never")),
    ("NOTIFY=SUCCESS", replace(BOB, notify="SUCCESS")),
    ("NOTIFY=Delay,FAILURE,success", replace(BOB, notify="Delay,FAILURE,success")),
    ("NOTIFY=NEVER,FAILURE", WRONG),
    ("NOTIFY=FAILURE,NEVER", WRONG),
    ("NOTIFY=FAILURE,FAILURE", WRONG),
    ("NOTIFY=FAILURE,DELAY,failure", WRONG),
    ("NOTIFY=FAILURE,", WRONG),
    ("NOTIFY=,FAILURE", WRONG),
    ("NOTIFY=FAILURES", WRONG),
    ("NOTIFY=", WRONG),
    ("NOTIFY", WRONG),
    ("NOTIFY=NEVER NOTIFY=NEVER", WRONG),
    ("ORCPT=rfc822;bob@x.example", replace(BOB, original="rfc822;bob@x.example")),
    ("ORCPT=rfc822;bob+2Blist@x.example", replace(BOB, original="rfc822;bob+2Blist@x.example")),
    ("ORCPT=x400;/G=a", WRONG),
    ("ORCPT=x400;/G+3Da", replace(BOB, original="x400;/G+3Da")),
    ("ORCPT=bob@x.example", WRONG),
    ("ORCPT=;bob@x.example", WRONG),
    ("ORCPT=rfc822;", WRONG),
    ("ORCPT=rfc822;a+0D+0Ab", WRONG),
    ("ORCPT=rfc822;b\u00f3b@x.example", WRONG),
    ("ORCPT=rf(c822;bob", WRONG),
    (f"ORCPT=rfc822;{'a' * 493}", replace(BOB, original=f"rfc822;{'a' * 493}")),
    (f"ORCPT=rfc822;{'a' * 494}", WRONG),
    ("ORCPT=utf-8;b\u00f3b@x.example", replace(BOB, original="utf-8;b\u00f3b@x.example")),
    ("ORCPT=UTF-8;b\\x{F3}b@x.example", replace(BOB, original="UTF-8;b\\x{F3}b@x.example")),
    ("ORCPT=utf-8;a\\x{2B}b@x.example", replace(BOB, original="utf-8;a\\x{2B}b@x.example")),
    ("ORCPT=utf-8;a\\x{10FFFD}", WRONG),  # private use
    ("ORCPT=utf-8;a\\x{110000}", WRONG),
    ("ORCPT=utf-8;a\\x{FFFFFF}", WRONG),
    ("ORCPT=utf-8;a\\x{0D}b", WRONG),
    ("ORCPT=utf-8;a\\x{85}b", WRONG),
    ("ORCPT=utf-8;a\\x{D800}b", WRONG),
    ("ORCPT=utf-8;a\\x{200B}b", WRONG),
    ("ORCPT=utf-8;a\u200bb", WRONG),
    ("ORCPT=utf-8;a\\b", WRONG),
    ("ORCPT=utf-8;a+2Bb", WRONG),
    ("ORCPT=utf-8;" + "ó" * 248, WRONG),
    ("RET=FULL", UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "expected"), [c[1:] for c in MAIL], ids=[c[0] for c in MAIL])
def test_mail(argument: str, expected: MailCommand | Reply) -> None:
    """One row, one form of the command."""
    assert parse_mail(argument, ALL) == expected


@pytest.mark.parametrize(("parameters", "expected"), OF_MAIL)
def test_parameters_of_mail(parameters: str, expected: MailCommand | Reply) -> None:
    """RFC 1870, 6152, 4954, 6531, 3461, 8689: nothing is accepted that is not carried out."""
    assert parse_mail(f"FROM:<ada@example.org> {parameters}", ALL) == expected


@pytest.mark.parametrize(("parameters", "expected"), NOT_OFFERED)
def test_parameters_that_were_not_offered(parameters: str, expected: MailCommand | Reply) -> None:
    """RFC 5321 section 4.1.1.11: 555 for what EHLO did not name; RFC 8689 has a reply of its own."""
    assert parse_mail(f"FROM:<ada@example.org> {parameters}", NONE) == expected


@pytest.mark.parametrize(("argument", "expected"), [c[1:] for c in RCPT], ids=[c[0] for c in RCPT])
def test_rcpt(argument: str, expected: RcptCommand | Reply) -> None:
    """One row, one form of the command."""
    assert parse_rcpt(argument, ALL, is_utf8=True) == expected


@pytest.mark.parametrize(("parameters", "expected"), OF_RCPT)
def test_parameters_of_rcpt(parameters: str, expected: RcptCommand | Reply) -> None:
    """RFC 3461 section 4, with the address type of RFC 6533."""
    assert parse_rcpt(f"TO:<bob@x.example> {parameters}", ALL, is_utf8=True) == expected


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("TO:<b\u00f3b@x.example>", replies.ADDRESS_NOT_ASCII),
        ("TO:<bob@x.example> ORCPT=utf-8;b\u00f3b@x.example", WRONG),
        ("TO:<bob@x.example> ORCPT=utf-8;b\\x{F3}b@x.example", replace(BOB, original="utf-8;b\\x{F3}b@x.example")),
        ("TO:<bob@x.example> ORCPT=utf-8;b\\x{0A}b@x.example", WRONG),
        ("TO:<bob@x.example> ORCPT=rfc822;bob@x.example", replace(BOB, original="rfc822;bob@x.example")),
    ],
)
def test_rcpt_without_smtputf8(argument: str, expected: RcptCommand | Reply) -> None:
    """RFC 6531 section 3.3: MAIL has to say so first, but for what RFC 6533 section 3 writes in ASCII."""
    assert parse_rcpt(argument, ALL, is_utf8=False) == expected


@pytest.mark.parametrize("parameters", ["NOTIFY=NEVER", "ORCPT=rfc822;bob@x.example"])
def test_notifications_that_were_not_offered(parameters: str) -> None:
    """Without DSN towards the next hop nobody would send them."""
    assert parse_rcpt(f"TO:<bob@x.example> {parameters}", NONE, is_utf8=False) is UNKNOWN


PUNCTUATION = [*'<>@"\\ =;,', "+2B", "\\x{F3}", "\u200b"]
WORDS = [
    "FROM:",
    "TO:",
    "FROM:<ada@example.org>",
    "TO:<bob@x.example>",
    "ada",
    "ä",
    "example.org",
    "1",
    " BODY=8BITMIME",
]
NAMES = [" SIZE=", " SMTPUTF8", " AUTH=", " RET=FULL", " ENVID=", " NOTIFY=", " ORCPT=", " REQUIRETLS"]
VALUES = ["NEVER", "FAILURE", "rfc822;", "utf-8;"]
arguments = st.lists(st.sampled_from(PUNCTUATION + WORDS + NAMES + VALUES), max_size=12).map("".join) | st.text(
    max_size=60
)


@given(argument=arguments)
def test_any_mail_is_parsed_or_refused(argument: str) -> None:
    """Never another error, and what was accepted reads the same when it is said again in the shortest form."""
    command = parse_mail(argument, ALL)
    if isinstance(command, MailCommand):
        said = f"FROM:<{command.path}>" + "".join(
            f" {one}"
            for one in (
                "" if command.size is None else f"SIZE={command.size}",
                f"BODY={command.body}" if command.body else "",
                "SMTPUTF8" if command.is_utf8 else "",
                f"RET={command.ret}" if command.ret else "",
                f"ENVID={command.envid}" if command.envid else "",
                "REQUIRETLS" if command.require_tls else "",
            )
            if one
        )
        assert parse_mail(said, ALL) == command
        assert argument.startswith(f"{argument[:5]}<{command.path}>")
    else:
        assert 500 <= command.code < 600


@given(argument=arguments, is_utf8=st.booleans())
def test_any_rcpt_is_parsed_or_refused(argument: str, is_utf8: bool) -> None:
    """Never another error, and what was accepted reads the same when it is said again."""
    command = parse_rcpt(argument, ALL, is_utf8=is_utf8)
    if isinstance(command, RcptCommand):
        said = f"TO:<{command.path}>"
        said += f" NOTIFY={command.notify}" if command.notify else ""
        said += f" ORCPT={command.original}" if command.original else ""
        assert parse_rcpt(said, ALL, is_utf8=is_utf8) == command
        assert argument.startswith(f"{argument[:3]}<{command.path}>")
        assert is_utf8 or said.isascii()
    else:
        assert 500 <= command.code < 600
