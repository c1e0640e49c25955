"""The grammar of MAIL and RCPT: what is accepted is passed on exactly; what is ambiguous is refused."""

import pytest

from gateway import replies
from gateway.envelope import Command, mail_refusal, parse
from gateway.replies import Reply

FROM, TO = "FROM", "TO"
BAD = replies.BAD_SENDER_SYNTAX

CASES = [
    # what it shows, argument, keyword, expected
    ("an address", "FROM:<ada@example.org>", FROM, Command("ada@example.org", {})),
    ("case is kept", "from:<Ada@Example.ORG>", FROM, Command("Ada@Example.ORG", {})),
    ("null reverse-path", "FROM:<>", FROM, Command("", {})),
    ("no null forward-path", "TO:<>", TO, replies.BAD_RECIPIENT_SYNTAX),
    ("postmaster alone", "TO:<Postmaster>", TO, Command("Postmaster", {})),
    ("subaddress", "TO:<ada+list@example.org>", TO, Command("ada+list@example.org", {})),
    ("quoted local part", 'TO:<"a b"@example.org>', TO, Command('"a b"@example.org', {})),
    ("parameters", "FROM:<a@b.cd> SIZE=10 body=8BITMIME", FROM, Command("a@b.cd", {"SIZE": "10", "BODY": "8BITMIME"})),
    ("no angle brackets", "FROM:ada@example.org", FROM, BAD),
    ("missing bracket", "FROM:<ada@example.org", FROM, BAD),
    ("space after colon", "FROM: <ada@example.org>", FROM, BAD),
    ("source route", "FROM:<@relay.example:ada@example.org>", FROM, BAD),
    ("comment", "FROM:<ada(x)@example.org>", FROM, BAD),
    ("two at signs", "FROM:<ada@x.example@example.org>", FROM, BAD),
    ("two dots", "FROM:<a..b@example.org>", FROM, BAD),
    ("dot first", "FROM:<.a@example.org>", FROM, BAD),
    ("encoded word does not hide an at", "FROM:<=?utf-8?q?evil=40x.y?=@example.org>", FROM,
     Command("=?utf-8?q?evil=40x.y?=@example.org", {})),
    ("trailing dot", "FROM:<ada@example.org.>", FROM, BAD),
    ("space in the address", "FROM:<ada@example.org evil>", FROM, BAD),
    ("a parameter stays one", "FROM:<a@b.cd> AUTH=<y", FROM, Command("a@b.cd", {"AUTH": "<y"})),
    ("not ASCII", "FROM:<ädä@example.org>", FROM, replies.ADDRESS_NOT_ASCII),
    ("unqualified domain", "TO:<ada@localhost>", TO, replies.DOMAIN_NOT_QUALIFIED),
    ("local part of 64", f"TO:<{'a' * 64}@example.org>", TO, Command(f"{'a' * 64}@example.org", {})),
    ("local part of 65", f"TO:<{'a' * 65}@example.org>", TO, replies.BAD_RECIPIENT_SYNTAX),
    ("duplicate parameter", "FROM:<a@b.cd> SIZE=1 SIZE=2", FROM, replies.BAD_PARAMETER),
    ("wrong keyword", "TO:<a@b.cd>", FROM, BAD),
    ("nothing", "", FROM, BAD),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "keyword", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_parse(argument: str, keyword: str, expected: Command | Reply) -> None:
    """One row, one form of an address."""
    assert parse(argument, keyword) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"SIZE": "1000"}, None),
        ({"SIZE": "1001"}, replies.MESSAGE_TOO_BIG),
        ({"SIZE": "-1"}, replies.BAD_PARAMETER),
        ({"SIZE": "9" * 21}, replies.BAD_PARAMETER),
        ({"SIZE": ""}, replies.BAD_PARAMETER),
        ({"BODY": "8bitmime"}, None),
        ({"BODY": "BINARYMIME"}, replies.BAD_PARAMETER),
        ({"AUTH": "<>"}, None),
        ({"AUTH": ""}, replies.BAD_PARAMETER),
        ({"RET": "FULL"}, replies.UNKNOWN_PARAMETER),
    ],
)
def test_mail_parameters(parameters: dict[str, str], expected: Reply | None) -> None:
    """RFC 1870, RFC 6152 and RFC 4954 parameters; nothing is accepted that is not carried out."""
    assert mail_refusal(Command("a@b.cd", parameters), limit=1000) == expected
