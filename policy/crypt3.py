"""crypt(3) of the C library, and what a string of it costs to verify.

Python has had no crypt since 3.13. libxcrypt, which Debian has in its base, knows every method that Debian's tools have
written in twenty years. The call lets other threads run.

A string says itself how much work it is, and whoever filled the file chose it: so the work is bounded, or one login
could occupy a processor for an hour.
"""

import ctypes
import hmac
import re
from collections.abc import Callable
from functools import cache

MAX_ROUNDS = 1_000_000  # of SHA-2; about half a second
MAX_BCRYPT_COST = 14  # about a second
MAX_MEMORY_KIB = 128 * 1024  # half of what policy has in a container, with two verified at a time

_MAX_PHRASE_OCTETS = 511  # CRYPT_MAX_PASSPHRASE_SIZE, with its NUL
_SCRATCH_OCTETS = 32768  # sizeof(struct crypt_data)
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # digits of crypt(3), least first

# The name of each method as people know it, its form, and what of the form is bounded.
_MD5 = re.compile(r"\$1\$[^$]{1,8}\$[./0-9A-Za-z]{22}")
_SHA2 = re.compile(
    r"\$(?:5\$(?:rounds=(?P<r5>[0-9]{1,9})\$)?[^$]{1,16}\$[./0-9A-Za-z]{43}"
    r"|6\$(?:rounds=(?P<r6>[0-9]{1,9})\$)?[^$]{1,16}\$[./0-9A-Za-z]{86})"
)
_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./0-9A-Za-z]{53}")
# Flavour, then log2(N) - 1 and r - 1, a letter each; strings with more parameters are not made by any tool's default.
_YESCRYPT = re.compile(
    r"\$g?y\$[./0-9A-Za-z](?P<n>[./0-9A-Za-z])(?P<r>[./0-9A-Za-z])\$[./0-9A-Za-z]*\$[./0-9A-Za-z]{43}"
)
# log2(N) as a letter, then r and p, five letters each.
_SCRYPT = re.compile(
    r"\$7\$(?P<n>[./0-9A-Za-z])(?P<r>[./0-9A-Za-z]{5})(?P<p>[./0-9A-Za-z]{5})[./0-9A-Za-z]*\$[./0-9A-Za-z]{43}"
)


class CostTooHigh(Exception):
    """str(self) says what is too much."""


class UnknownForm(Exception):
    """Not a string of a method that is verified here, or an incomplete one."""


def check(string: str) -> None:
    """CostTooHigh or UnknownForm for a string that must not be kept."""
    for form, check_cost in _FORMS:
        if found := form.fullmatch(string):
            check_cost(found)
            return
    raise UnknownForm


def verify(string: str, secret: bytes) -> bool:
    """Whether `string` was made of this secret. The string must have passed check."""
    if b"\0" in secret or len(secret) > _MAX_PHRASE_OCTETS:
        return False  # the library would look at a part of it, or refuse it
    scratch = ctypes.create_string_buffer(_SCRATCH_OCTETS)
    made = _crypt_rn()(secret, string.encode(), scratch, _SCRATCH_OCTETS)
    return made is not None and hmac.compare_digest(made, string.encode())


def _cheap(_found: re.Match[str]) -> None:
    """MD5: always a thousand rounds."""


def _sha2_cost(found: re.Match[str]) -> None:
    _bound("rounds", int(found["r5"] or found["r6"] or 5000), MAX_ROUNDS)


def _bcrypt_cost(found: re.Match[str]) -> None:
    _bound("cost", int(found["cost"]), MAX_BCRYPT_COST)


def _yescrypt_cost(found: re.Match[str]) -> None:
    _bound_memory(_LETTERS.index(found["n"]) + 1, _LETTERS.index(found["r"]) + 1)


def _scrypt_cost(found: re.Match[str]) -> None:
    _bound_memory(_LETTERS.index(found["n"]), _number(found["r"]))
    _bound("p", _number(found["p"]), 4)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], None]], ...] = (
    (_SHA2, _sha2_cost),
    (_BCRYPT, _bcrypt_cost),
    (_YESCRYPT, _yescrypt_cost),
    (_SCRYPT, _scrypt_cost),
    (_MD5, _cheap),
)


def _number(letters: str) -> int:
    return sum(_LETTERS.index(letter) << 6 * place for place, letter in enumerate(letters))


def _bound_memory(log2_n: int, r: int) -> None:
    """scrypt and yescrypt fill 128 * r * N octets."""
    _bound("memory in KiB", (128 * r << log2_n) // 1024, MAX_MEMORY_KIB)


def _bound(what: str, value: int, most: int) -> None:
    if value > most:
        raise CostTooHigh(f"{what} {value}, where {most} is the most")


@cache
def _crypt_rn() -> Callable[[bytes, bytes, object, int], bytes | None]:
    """char *crypt_rn(const char *phrase, const char *setting, void *data, int size); NULL where it cannot."""
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_rn
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
        return function
    raise RuntimeError("there is no libxcrypt on this machine (Debian: libcrypt1)")
