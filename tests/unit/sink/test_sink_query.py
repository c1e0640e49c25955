"""What a query string asks for."""

import pytest

from sink.message import Message
from sink.query import FILTERS, LISTING, BadQuery, Filter, Wait, read

MESSAGE = Message(
    id=1,
    received_at=0.0,
    mail_from="ada@x.test",
    recipients=("bob@y.test", "Cy@Z.test"),
    headers=(("SUBJECT", "Your Invoice 17"),),
    raw=b"",
)
BOUNCE = Message(id=2, received_at=0.0, mail_from="", recipients=("ada@x.test",), headers=(), raw=b"")

MATCHES = [
    # what it shows, query, message, expected
    ("no filter", [], MESSAGE, True),
    ("recipient", [("recipient", "bob@y.test")], MESSAGE, True),
    ("any of the recipients, letter case ignored", [("recipient", "cY@z.TEST")], MESSAGE, True),
    ("a part of a recipient is not enough", [("recipient", "bob@y")], MESSAGE, False),
    ("sender", [("sender", "ADA@x.test")], MESSAGE, True),
    ("another sender", [("sender", "bob@y.test")], MESSAGE, False),
    ("null reverse-path", [("sender", "")], BOUNCE, True),
    ("null reverse-path with brackets", [("sender", "<>")], BOUNCE, True),
    ("null reverse-path matches no other", [("sender", "")], MESSAGE, False),
    ("a part of the subject", [("subject", "invoice")], MESSAGE, True),
    ("not in the subject", [("subject", "reminder")], MESSAGE, False),
    ("no subject", [("subject", "invoice")], BOUNCE, False),
    ("all filters must match", [("recipient", "bob@y.test"), ("sender", "eve@x.test")], MESSAGE, False),
]


@pytest.mark.parametrize(
    ("pairs", "message", "expected"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES]
)
def test_filter(pairs: list[tuple[str, str]], message: Message, expected: bool) -> None:
    wanted, _ = read(pairs, FILTERS)
    assert wanted.matches(message) is expected


WAITS = [
    # what it shows, query, expected
    ("none", [], Wait(0.0, 1)),
    ("one message unless told", [("wait", "10")], Wait(10.0, 1)),
    ("a fraction", [("wait", "0.5"), ("count", "3")], Wait(0.5, 3)),
    ("the longest", [("wait", "60")], Wait(60.0, 1)),
]


@pytest.mark.parametrize(("pairs", "expected"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_wait(pairs: list[tuple[str, str]], expected: Wait) -> None:
    assert read(pairs, LISTING) == (Filter(), expected)


REFUSED = [
    # what it shows, query, known names, what the sentence says
    ("misspelt", [("recipent", "a")], FILTERS, "'recipent'"),
    ("no waiting when deleting", [("wait", "1")], FILTERS, "'wait'"),
    ("no parameter at all", [("subject", "a")], (), "known are: none"),
    ("twice", [("subject", "a"), ("subject", "b")], LISTING, "twice"),
    ("too long", [("wait", "60.1")], LISTING, "from 0 to 60"),
    ("negative", [("wait", "-1")], LISTING, "from 0 to 60"),
    ("not a number", [("wait", "nan")], LISTING, "from 0 to 60"),
    ("endless", [("wait", "inf")], LISTING, "from 0 to 60"),
    ("a word", [("wait", "long")], LISTING, "'long'"),
    ("empty", [("wait", "")], LISTING, "from 0 to 60"),
    ("count alone", [("count", "2")], LISTING, "add wait=SECONDS"),
    ("count of none", [("wait", "1"), ("count", "0")], LISTING, "from 1 on"),
    ("count with a fraction", [("wait", "1"), ("count", "1.5")], LISTING, "'1.5'"),
    ("count in other digits", [("wait", "1"), ("count", "\u00b2")], LISTING, "from 1 on"),
    ("count beyond everything", [("wait", "1"), ("count", "9" * 5000)], LISTING, "from 1 on"),
]


@pytest.mark.parametrize(("pairs", "known", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(pairs: list[tuple[str, str]], known: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadQuery, match=sentence):
        read(pairs, known)
