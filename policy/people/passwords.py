"""Which new password is refused, and why: length, the person's own names, the list of known ones, guessing.

NIST SP 800-63B (revision 4) section 3.1.1.2: 15 characters or more, any Unicode, no rules of composition, no change
without a reason, and a look into a list of known passwords. Guessing is what zxcvbn does: it finds words, names,
dates, keyboard rows and repetitions, and estimates how many tries a program needs that knows them, too.
"""

import re
import unicodedata
from dataclasses import dataclass
from threading import Lock

from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # it has no types

from policy.people.breached import BreachedList, fold
from policy.people.errors import PasswordRefused, Text

LEAST_LENGTH, MOST_LENGTH = 15, 256
_READ_LENGTH = 4 * MOST_LENGTH  # composing takes longer than the text is long; nobody needs four parts for a letter
# What a stolen hash withstands for years at argon2id's price, and an online guesser for ever.
_LEAST_GUESSES = 10**12
# zxcvbn takes 0.3 s for 32 characters that may all stand for letters, 1.4 s for 64. Longer passwords are judged by
# their two ends: one that is strong in 32 characters is not weaker for having more.
_JUDGED_LENGTH = 32
# Letters and digits beside the person's own words: "ada-lovelace-1815" has four.
_LEAST_BESIDE_NAMES = 10
_PARTS = re.compile(r"[^\W_]{3,}")
# zxcvbn keeps the words of the last question in its module: two questions at a time would mix two persons' names.
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class About:
    """What everybody may know of a person: name, owner's full name, addresses."""

    names: tuple[str, ...]

    def words(self) -> list[str]:
        """Whole and in parts: ada.lovelace@example.org is ada, lovelace, example, too."""
        parts = [part for name in self.names for part in _PARTS.findall(name)]
        return [*self.names, *parts, "sallyport"]


def canonical(password: str) -> str:
    """Two keyboards may compose the same letter in two ways: NFC makes one of them."""
    return unicodedata.normalize("NFC", password)


def is_possible(password: str) -> bool:
    """Whether anybody can have it. What nobody can have is not even hashed: it may be endless, or no text at all."""
    return 0 < len(password) <= _READ_LENGTH and len(canonical(password)) <= MOST_LENGTH and _can_be_typed(password)


def check_new(given: str, about: About, known: BreachedList) -> str:
    """The password as it is hashed; PasswordRefused says what is wrong with it. Takes up to half a second."""
    password = canonical(given[:_READ_LENGTH])
    if len(password) < LEAST_LENGTH:
        raise PasswordRefused(Text.TOO_SHORT, length=len(password), least=LEAST_LENGTH)
    if len(password) > MOST_LENGTH or len(given) > _READ_LENGTH:
        raise PasswordRefused(Text.TOO_LONG, most=MOST_LENGTH)
    if not _can_be_typed(password):
        raise PasswordRefused(Text.UNPRINTABLE)
    if len(_without_names(password, about)) < _LEAST_BESIDE_NAMES < len(_bare(password)):
        raise PasswordRefused(Text.OWN_NAME)
    if known.knows(password):
        raise PasswordRefused(Text.KNOWN)
    if not _withstands(password[:_JUDGED_LENGTH], about) and not _withstands(password[-_JUDGED_LENGTH:], about):
        raise PasswordRefused(Text.GUESSABLE)
    return password


def _can_be_typed(password: str) -> bool:
    """Neither control characters nor halves of characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in password)


def _withstands(part: str, about: About) -> bool:
    with _one_at_a_time:
        return bool(zxcvbn(part, user_inputs=about.words())["guesses"] >= _LEAST_GUESSES)


def _without_names(password: str, about: About) -> str:
    """What is left of the letters and digits when the person's own words are taken out, the longest first."""
    rest = _bare(password)
    for word in sorted({_bare(word) for word in about.words()}, key=len, reverse=True):
        rest = rest.replace(word, "") if word else rest
    return rest


def _bare(text: str) -> str:
    return "".join(character for character in fold(text) if character.isalnum())
