"""Whom a message goes to, as Postfix tells it: one recipient at a time, and their number at the end."""

import pytest

from policy.delegation.envelopes import IN_ONE, KEPT_S, Addressed, Envelopes

T = 1_000_000.0
KEY = ("1.2.3.0", "ada")
A, B, C = "a@example.net", "b@example.net", "c@example.net"

CASES = [
    # what it shows, told at RCPT, how many at the end, told at the end, whom it goes to
    ("one", [A], 1, A, Addressed((A,))),
    ("several", [A, B, C], 3, "", Addressed((A, B, C))),
    ("the same one twice, because we are asked twice", [A, A], 1, A, Addressed((A,))),
    ("two, each asked about twice", [A, A, B, B], 2, "", Addressed((A, B))),
    ("the same one twice, because it is there twice", [A, A], 2, "", Addressed((A, A))),
    ("twice of each kind", [A, A, B, B], 3, "", Addressed((A, B, A))),
    ("nobody was told", [], 3, "", Addressed((), 3)),
    ("the only one is told at the end", [], 1, A, Addressed((A,))),
    ("some were told to another policy that has gone", [A], 3, "", Addressed((A,), 2)),
    ("another restriction refused one, and nobody says which", [A, B], 1, B, Addressed((A, B))),
    ("no number, as at a state that has none", [A], 0, "", Addressed((A,))),
]


@pytest.mark.parametrize(
    ("told", "count", "last", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_whom_it_goes_to(told: list[str], count: int, last: str, expected: Addressed) -> None:
    envelopes = Envelopes()
    for recipient in told:
        envelopes.add(KEY, recipient, T)
    assert envelopes.addressed(KEY, count, last, T) == expected


def test_messages_do_not_mix() -> None:
    """Another instance, or another login with the same one, is another message."""
    envelopes = Envelopes()
    envelopes.add(KEY, A, T)
    envelopes.add(("1.2.3.1", "ada"), B, T)
    envelopes.add(("1.2.3.0", "bob"), C, T)
    assert envelopes.addressed(KEY, 1, "", T) == Addressed((A,))


def test_without_an_instance_nothing_is_kept() -> None:
    """Every message would be the same one."""
    envelopes = Envelopes()
    envelopes.add(("", "ada"), A, T)
    assert len(envelopes) == 0
    assert envelopes.addressed(("", "ada"), 2, "", T) == Addressed((), 2)


def test_a_recipient_that_was_refused_is_none() -> None:
    """The others stay; the first refusal of a message says that it is the first."""
    envelopes = Envelopes()
    for recipient in (A, B):
        envelopes.add(KEY, recipient, T)
    assert envelopes.refuse(KEY, B)
    envelopes.add(KEY, C, T)
    assert not envelopes.refuse(KEY, C)
    assert envelopes.addressed(KEY, 1, A, T) == Addressed((A,))
    assert len(envelopes) == 1


def test_it_is_forgotten_after_an_hour() -> None:
    """Then they are strangers."""
    envelopes = Envelopes()
    envelopes.add(KEY, A, T)
    assert envelopes.addressed(KEY, 1, "", T + KEPT_S - 1) == Addressed((A,))
    assert envelopes.addressed(KEY, 1, "", T + KEPT_S) == Addressed((), 1)
    assert len(envelopes) == 0


def test_memory_has_a_bound() -> None:
    """However many messages begin and never end; the newest ones are kept."""
    envelopes = Envelopes(in_all=100)
    for number in range(1000):
        envelopes.add((str(number), "ada"), A, T + number / 1000)
        assert len(envelopes) <= 100
    assert envelopes.addressed(("999", "ada"), 1, "", T + 1) == Addressed((A,))
    assert envelopes.addressed(("0", "ada"), 1, "", T + 1) == Addressed((), 1)


def test_one_message_has_a_bound() -> None:
    """What is beyond it is a stranger each."""
    envelopes = Envelopes()
    for number in range(IN_ONE + 10):
        envelopes.add(KEY, f"{number}@example.net", T)
    addressed = envelopes.addressed(KEY, IN_ONE + 10, "", T)
    assert (len(addressed.recipients), addressed.strangers) == (IN_ONE, 10)


def test_the_end_of_a_message() -> None:
    envelopes = Envelopes()
    envelopes.add(KEY, A, T)
    envelopes.forget(KEY)
    envelopes.forget(KEY)
    assert len(envelopes) == 0
