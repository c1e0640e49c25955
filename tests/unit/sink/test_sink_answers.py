"""How a recipient answers, told by its local part."""

import pytest

from sink.answers import COME_AGAIN, Greylist, answer

CASES = [
    # what it shows, recipient, code, status, delay
    ("an ordinary recipient", "bob@example.org", 250, "2.1.5", 0),
    ("any domain", "bob@nowhere.invalid", 250, "2.1.5", 0),
    ("unknown", "unknown-bob@example.org", 550, "5.1.1", 0),
    ("full", "full-bob@example.org", 452, "4.2.2", 0),
    ("spam", "spam-bob@example.org", 554, "5.7.1", 0),
    ("slow", "slow-bob@example.org", 250, "2.1.5", 5),
    ("slow as told", "slow-12-bob@example.org", 250, "2.1.5", 12),
    ("slow by no time", "slow-0-bob@example.org", 250, "2.1.5", 0),
    ("slow is bounded", "slow-61-bob@example.org", 250, "2.1.5", 60),
    ("slow with absurdly many digits", f"slow-{'9' * 5000}-bob@example.org", 250, "2.1.5", 60),
    ("a number that is the name, not the time", "slow-12@example.org", 250, "2.1.5", 5),
    ("digits that are not ASCII", "slow-\u0663-bob@example.org", 250, "2.1.5", 5),
    ("greylisted", "greylist-bob@example.org", 450, "4.2.0", 0),
    ("letter case is ignored", "UnKnown-Bob@Example.ORG", 550, "5.1.1", 0),
    ("quotes are ignored", '"unknown-bob"@example.org', 550, "5.1.1", 0),
    ("an at sign within quotes", '"full-@"@example.org', 452, "4.2.2", 0),
    ("no domain", "unknown-bob", 550, "5.1.1", 0),
    ("postmaster", "postmaster", 250, "2.1.5", 0),
    ("the dash belongs to it", "unknown@example.org", 250, "2.1.5", 0),
    ("only at the beginning", "bob-unknown-@example.org", 250, "2.1.5", 0),
    ("only in the local part", "bob@unknown-domain.org", 250, "2.1.5", 0),
]


@pytest.mark.parametrize(
    ("recipient", "code", "status", "delay_s"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_answer(recipient: str, code: int, status: str, delay_s: float) -> None:
    told = answer("ada@x.test", recipient, Greylist())
    assert (told.code, told.status, told.delay_s) == (code, status, delay_s)
    assert str(told).startswith(f"{code} {status} ")
    assert told.accepts == (code == 250)


TRIES = [
    # what it shows, (reverse-path, recipient) of the first and of the second try, code of the second
    ("the same pair again", ("a@x.test", "greylist-b@y.test"), ("a@x.test", "greylist-b@y.test"), 250),
    ("letter case is ignored", ("a@x.test", "greylist-b@y.test"), ("A@X.test", "Greylist-B@y.test"), 250),
    ("the null reverse-path", ("", "greylist-b@y.test"), ("", "greylist-b@y.test"), 250),
    ("another reverse-path", ("a@x.test", "greylist-b@y.test"), ("c@x.test", "greylist-b@y.test"), 450),
    ("another recipient", ("a@x.test", "greylist-b@y.test"), ("a@x.test", "greylist-c@y.test"), 450),
]


@pytest.mark.parametrize(("first", "second", "code"), [row[1:] for row in TRIES], ids=[row[0] for row in TRIES])
def test_greylist(first: tuple[str, str], second: tuple[str, str], code: int) -> None:
    greylist = Greylist()
    assert answer(*first, greylist) is COME_AGAIN
    assert answer(*second, greylist).code == code


def test_greylist_accepts_from_the_second_try_on() -> None:
    greylist = Greylist()
    codes = [answer("a@x.test", "greylist-b@y.test", greylist).code for _ in range(4)]
    assert codes == [450, 250, 250, 250]


def test_greylist_is_bounded_and_forgets_the_oldest() -> None:
    greylist = Greylist(max_pairs=2)
    for recipient in ("greylist-1@y.test", "greylist-2@y.test", "greylist-1@y.test", "greylist-3@y.test"):
        answer("", recipient, greylist)
    codes = [answer("", f"greylist-{number}@y.test", greylist).code for number in (1, 2)]
    assert codes == [250, 450]
