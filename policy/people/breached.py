"""The offline list of breached and common passwords, as a Bloom filter: 1.5 MB in place of the words themselves.

A word that is on the list is always found. One that is not is found by chance in 1 of 10,000 cases, which costs a
person a second try. Sources, licences and counts: docs/passwords.md; make_breached.py builds the file.

The list holds words of 8 characters and more. A password here has at least 15, so what matters is mostly the word that
it is made of: whoever has to lengthen "password1" types it twice, or puts a year and exclamation marks behind it.
"""

import hashlib
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("breached.filter")
LEAST_LENGTH = 8  # shorter words are found by zxcvbn, whatever is built of them

_HEADER = struct.Struct(">8sIQQ")  # magic, bits for each word, bits in all, words
_MAGIC = b"breach-1"
_BITS_PER_WORD = 20
_HASHES = 14  # bits per word times ln 2: the fewest false positives, 0.7 of 10,000


@dataclass(frozen=True, slots=True)
class BreachedList:
    """A Bloom filter over folded words."""

    bits: bytes
    size: int
    words: int

    def __contains__(self, word: str) -> bool:
        return all(self.bits[place >> 3] & 1 << (place & 7) for place in _places(fold(word), self.size))

    def knows(self, password: str) -> bool:
        """Whether the password, or the word that it is made of, is on the list."""
        return any(word in self for word in cores(password))

    def to_octets(self) -> bytes:
        return _HEADER.pack(_MAGIC, _HASHES, self.size, self.words) + self.bits


def load(path: Path = FILE) -> BreachedList:
    """The list that is shipped; ValueError where the file is none."""
    octets = path.read_bytes()
    magic, hashes, size, words = _HEADER.unpack_from(octets)
    bits = octets[_HEADER.size :]
    if (magic, hashes, len(bits)) != (_MAGIC, _HASHES, (size + 7) // 8):
        raise ValueError(f"{path} is no list of breached passwords")
    return BreachedList(bits, size, words)


def build(words: Iterable[str]) -> BreachedList:
    """Of all that are long enough, each once."""
    folded = {word for word in map(fold, words) if len(word) >= LEAST_LENGTH}
    size = max(8, len(folded) * _BITS_PER_WORD)
    bits = bytearray((size + 7) // 8)
    for word in folded:
        for place in _places(word, size):
            bits[place >> 3] |= 1 << (place & 7)
    return BreachedList(bytes(bits), size, len(folded))


def fold(word: str) -> str:
    """Letter case and the way that a character was composed do not make a word another one."""
    return unicodedata.normalize("NFC", word.casefold())


def cores(password: str) -> Iterator[str]:
    """The password, and what is left without blanks and signs, without digits at its ends, and of a repetition."""
    folded = fold(password)
    bare = "".join(character for character in folded if character.isalnum())
    found = {folded, bare, _trimmed(folded), _trimmed(bare)}
    found |= {_unit(word) for word in found}
    found |= {_trimmed(word) for word in found}
    yield from (word for word in found if len(word) >= LEAST_LENGTH)


def _trimmed(word: str) -> str:
    """Without what is no letter at its ends: 2024!!!"""
    letters = [place for place, character in enumerate(word) if character.isalpha()]
    return word[letters[0] : letters[-1] + 1] if letters else ""


def _unit(word: str) -> str:
    """What is repeated, where the word is a repetition; the last round may be cut short."""
    return next((word[:length] for length in range(1, len(word) // 2 + 1) if _repeats(word, length)), word)


def _repeats(word: str, length: int) -> bool:
    return word[length:] == word[:-length]


def _places(word: str, size: int) -> Iterator[int]:
    """Two hashes make as many as are needed (Kirsch and Mitzenmacher, "Less Hashing, Same Performance")."""
    first, step = struct.unpack(">QQ", hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:16])
    return ((first + turn * (step | 1)) % size for turn in range(_HASHES))
