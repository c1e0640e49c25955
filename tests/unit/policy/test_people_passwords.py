"""Which new passwords are refused, and with which sentence."""

import contextlib
import sys
import threading
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.people.breached import load
from policy.people.errors import PasswordRefused, Text
from policy.people.passwords import LEAST_LENGTH, MOST_LENGTH, About, canonical, check_new, is_possible

KNOWN = load()
ADA = About(("ada", "Ada Lovelace", "ada.lovelace@example.org", "countess@example.org"))

REFUSED = [
    # what it shows, password, sentence
    ("empty", "", Text.TOO_SHORT),
    ("14 characters", "x7Kp!q2Lm#v9Rt", Text.TOO_SHORT),
    ("code points are counted, not octets", "ßüöä€ßüöä€ßüöä", Text.TOO_SHORT),
    ("composed characters are counted, not keystrokes", "e\u0301" * 14, Text.TOO_SHORT),
    ("257 characters", "correct horse battery staple " * 9, Text.TOO_LONG),
    ("256 characters of five parts each", "\u03b1\u0313\u0301\u0345\u0332" * 256, Text.TOO_LONG),
    ("a control character", "seven purple\0ducks in a row", Text.UNPRINTABLE),
    ("a new line", "seven purple\nducks in a row", Text.UNPRINTABLE),
    ("half of a character", "seven purple \ud83d ducks in a row", Text.UNPRINTABLE),
    ("own address", "ada.lovelace@example.org", Text.OWN_NAME),
    ("own address in capitals", "Countess@Example.ORG", Text.OWN_NAME),
    ("own name twice", "Ada LovelaceAda Lovelace", Text.OWN_NAME),
    ("on the list", "123456789012345", Text.KNOWN),
    ("a known word twice", "password123password123", Text.KNOWN),
    ("a known word and a year", "Liverpool 2024!!", Text.KNOWN),
    ("one letter", "aaaaaaaaaaaaaaaaaaaa", Text.KNOWN),
    ("the keyboard", "zxcvbnmasdfghjkl", Text.KNOWN),
    ("own name and a number", "ada-lovelace-1815", Text.OWN_NAME),
    ("the product's name", "sallyport sallyport", Text.OWN_NAME),
    ("the domain and a date", "example.org 10.12.1815", Text.OWN_NAME),
    ("weak at both ends, and long", "abcabcabc" * 20, Text.GUESSABLE),
]

ACCEPTED = [
    ("15 characters", "x7Kp!q2Lm#v9Rtz"),
    ("some words", "seven purple ducks in a row"),
    ("no capital, digit or sign", "fosem talir hobune kavit"),
    ("umlauts", "Grüße aus dem Keller links"),
    ("another script", "三匹の猫が屋根の上で歌った夜です"),
    ("pictures, joined ones, too", "🐙🌂🚂 drei Dinge 👩‍👧 am Fenster"),
    ("256 characters", "seven purple ducks in a row, " * 8 + "and then some more of them.."[:24]),
    ("strong at one end", "a" * 60 + " seven purple ducks in a row"),
]


@pytest.mark.parametrize(("password", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(password: str, text: Text) -> None:
    """With one sentence for the person, which does not repeat the password."""
    with pytest.raises(PasswordRefused) as refused:
        check_new(password, ADA, KNOWN)
    assert refused.value.template is text
    assert str(refused.value) == text.format(**refused.value.values)
    assert len(password) < 5 or password not in str(refused.value)


@pytest.mark.parametrize("password", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_accepted(password: str) -> None:
    assert check_new(password, ADA, KNOWN) == unicodedata.normalize("NFC", password)


def test_two_ways_to_compose_a_letter_are_one_password() -> None:
    """A telephone and a desktop computer may differ in it."""
    assert canonical("Gru\u0308n wie im Wald hinten") == canonical("Gr\u00fcn wie im Wald hinten")


@pytest.mark.parametrize(
    ("length", "possible"), [(0, False), (1, True), (MOST_LENGTH, True), (MOST_LENGTH + 1, False), (10**6, False)]
)
def test_what_is_not_even_hashed(length: int, possible: bool) -> None:
    assert is_possible("x" * length) == possible


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_whatever_is_typed_is_judged(password: str) -> None:
    """It is accepted as it is hashed, or refused with a sentence."""
    try:
        accepted = check_new(password, ADA, KNOWN)
    except PasswordRefused:
        return
    assert LEAST_LENGTH <= len(accepted) <= MOST_LENGTH


def test_judging_takes_no_more_than_a_moment() -> None:
    """256 characters that may all stand for letters are what takes zxcvbn longest: minutes, if it were let."""
    begun = time.thread_time()
    with contextlib.suppress(PasswordRefused):
        check_new("4@8({[<369&#!1/|0$5+7%2" * 11, About(()), KNOWN)
    assert time.thread_time() - begun < 30


def test_two_persons_are_judged_at_the_same_time() -> None:
    """zxcvbn keeps names in its module: nobody is measured by another one's."""
    others = [About((f"nobody{number}",)) for number in range(8)]
    accepted = list[str]()
    own = "quontrebbe password12"

    def judge(about: About) -> None:
        for _ in range(20):
            accepted.append(check_new(own, about, KNOWN))

    threads = [threading.Thread(target=judge, args=(about,)) for about in others]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet in the middle of it
    try:
        for thread in threads:
            thread.start()
        for _ in range(20):
            with pytest.raises(PasswordRefused):
                check_new(own, About(("quontrebbe",)), KNOWN)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(accepted) == 160
