"""Secrets that another server kept a hash of: recognised at the import, verified until the migration's last day.

    unusable(given)         why this hash cannot be imported, as a sentence; None where it can
    kept(given)             what the store keeps of it
    verify(stored, secret)  whether this is the secret

The notation is Dovecot's, `{SCHEME}data` with an optional `.HEX` or `.B64`, or a bare string of crypt(3).

Refused are schemes that prove a part of the secret only (DES-CRYPT looks at eight letters), those that only answer a
challenge that is not offered here (CRAM-MD5), and hashes that ask for absurd work. Fast hashes (SSHA, PLAIN-MD5) are
accepted: it takes a copy of the database to try guesses on them, the same as on the old server, and until one day only.
A secret in clear text (`{PLAIN}`) is hashed with argon2id at once, so that none reaches the database.
"""

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from argon2.low_level import Type, verify_secret

from policy import crypt3

Verifier = Callable[[bytes], bool]

_NOTATION = re.compile(
    r"(?:\{(?P<scheme>[A-Za-z0-9-]+)(?:\.(?P<encoding>HEX|B64|BASE64))?\})?(?P<data>[!-z|}~][!-~]*)", re.IGNORECASE
)
_MAX_LETTERS = 1024
_MAX_ARGON2_WORK_KIB = 8 * crypt3.MAX_MEMORY_KIB  # memory times passes; about a second
_MAX_ARGON2_LANES = 16

_CLEAR = frozenset({"PLAIN", "CLEAR", "CLEARTEXT"})
_PARTIAL = frozenset({"DES-CRYPT", "PLAIN-TRUNC", "LANMAN"})
_CHALLENGES = frozenset({"CRAM-MD5", "HMAC-MD5", "DIGEST-MD5", "OTP", "SKEY", "RPA", "NTLM"})
_LOCKED = "!*"  # what `passwd --lock` puts in front
_NEW_CREDENTIAL = "this person needs a new credential"

_ARGON2 = re.compile(
    r"\$argon2(?P<kind>id?)\$v=19\$m=(?P<m>[0-9]{1,9}),t=(?P<t>[0-9]{1,9}),p=(?P<p>[0-9]{1,9})"
    r"\$[A-Za-z0-9+/]{8,}\$[A-Za-z0-9+/]{8,}"
)
_PBKDF2 = re.compile(r"\$1\$(?P<salt>[!-#%-~]+)\$(?P<rounds>[0-9]{1,9})\$(?P<digest>[0-9a-f]{40})")
_SCRAM = re.compile(r"(?P<rounds>[0-9]{1,9}),(?P<salt>[^,]+),(?P<stored>[^,]+),(?P<server>[^,]+)")


class _Unusable(Exception):
    """str(self) is the sentence."""


class _Hash(NamedTuple):
    """A hash as it is written, apart."""

    scheme: str  # in capitals, without what encodes the data
    encoding: str  # HEX, B64 or nothing
    data: str

    @property
    def text(self) -> str:
        """The data of a scheme that is text by nature."""
        if not self.encoding:
            return self.data
        return _decoded(self.data, is_hex=self.encoding == "HEX").decode("ascii", errors="replace")


def unusable(given: str) -> str | None:
    """Why a hash cannot be imported: a sentence for the administrator that does not repeat the hash."""
    try:
        if _clear_text(given) is None:
            _verifier(given)
    except _Unusable as reason:
        return str(reason)
    return None


def kept(given: str) -> str:
    """What the store keeps: the hash as it is, or the hash of what came in clear text."""
    clear = _clear_text(given)
    return given if clear is None else "{ARGON2ID}" + PasswordHasher().hash(clear)


def verify(stored: str, secret: str) -> bool:
    """Whether `secret` is the one that was hashed. Takes as long as the hash asks for: not for the event loop."""
    if "\0" in secret:
        return False  # crypt looks at what stands before it, and HMAC takes a secret with and without it for the same
    try:
        return _verifier(stored)(secret.encode())
    except (_Unusable, UnicodeEncodeError):
        return False


def _clear_text(given: str) -> str | None:
    scheme, brace, secret = given.partition("}")
    if not brace or scheme[:1] != "{" or scheme[1:].upper() not in _CLEAR:
        return None
    if not secret:
        raise _Unusable(f"the password is empty; {_NEW_CREDENTIAL}")
    return secret


def _verifier(given: str) -> Verifier:
    """What verifies this hash; _Unusable for one that must not be kept."""
    notation = _NOTATION.fullmatch(given) if len(given) <= _MAX_LETTERS else None
    if notation and notation["data"][0] in _LOCKED:
        raise _Unusable(f"the account was locked; {_NEW_CREDENTIAL}")
    if not notation:
        raise _Unusable("this is no hash; {SCHEME} and the hash, or a crypt string such as $6$..., is expected")
    scheme = (notation["scheme"] or "CRYPT").upper()
    if scheme in _PARTIAL:
        raise _Unusable(f"{scheme} looks at a part of the password only; {_NEW_CREDENTIAL}")
    if scheme in _CHALLENGES:
        raise _Unusable(f"{scheme} only answers challenges that are not offered here; {_NEW_CREDENTIAL}")
    if scheme not in _SCHEMES:
        raise _Unusable(f"the scheme {scheme} is not known here; {_NEW_CREDENTIAL}")
    return _SCHEMES[scheme](_Hash(scheme, (notation["encoding"] or "").upper()[:3], notation["data"]))


def _crypt(one: _Hash) -> Verifier:
    string = one.text
    try:
        crypt3.check(string)
    except crypt3.CostTooHigh as cost:
        raise _Unusable(f"the hash asks for too much work ({cost}); {_NEW_CREDENTIAL}") from None
    except crypt3.UnknownForm:
        raise _Unusable(
            f"the crypt string is incomplete, or of a method that is not verified here; {_NEW_CREDENTIAL}"
        ) from None
    return lambda secret: crypt3.verify(string, secret)


def _argon2(one: _Hash) -> Verifier:
    found = _form(_ARGON2, one)
    memory, passes, lanes = int(found["m"]), int(found["t"]), int(found["p"])
    _bound("memory in KiB", memory, crypt3.MAX_MEMORY_KIB)
    _bound("memory times passes", memory * passes, _MAX_ARGON2_WORK_KIB)
    _bound("lanes", lanes, _MAX_ARGON2_LANES)
    encoded, kind = one.text.encode(), Type.ID if found["kind"] == "id" else Type.I

    def proves(secret: bytes) -> bool:
        try:
            return verify_secret(encoded, secret, kind)
        except Argon2Error:  # wrong, or parameters that the library refuses
            return False

    return proves


def _pbkdf2(one: _Hash) -> Verifier:
    """Dovecot's own: HMAC-SHA-1, the salt as it is written."""
    found = _form(_PBKDF2, one)
    salt, rounds, digest = found["salt"].encode(), _rounds(found), bytes.fromhex(found["digest"])
    return lambda secret: hmac.compare_digest(hashlib.pbkdf2_hmac("sha1", secret, salt, rounds), digest)


def _scram(one: _Hash) -> Verifier:
    """RFC 5802 section 3: the stored key is the digest of the client key."""
    found = _form(_SCRAM, one)
    digest = one.scheme.removeprefix("SCRAM-").replace("-", "").lower()
    salt, stored = _decoded(found["salt"], is_hex=False), _decoded(found["stored"], is_hex=False)
    rounds = _rounds(found)

    def proves(secret: bytes) -> bool:
        salted = hashlib.pbkdf2_hmac(digest, secret, salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", digest)
        return hmac.compare_digest(hashlib.new(digest, client_key).digest(), stored)

    return proves


def _digest(one: _Hash) -> Verifier:
    """SHA, SSHA256, PLAIN-MD5 and the like: a digest of secret and salt, and behind it the salt."""
    name, is_salted = _DIGESTS[one.scheme]
    size = hashlib.new(name, usedforsecurity=False).digest_size
    # Dovecot's rule for what is not said: a digest of twice its size is hexadecimal.
    is_hex = one.encoding == "HEX" or (not one.encoding and not is_salted and len(one.data) == 2 * size)
    octets = _decoded(one.data, is_hex=is_hex)
    digest, salt = octets[:size], octets[size:]
    if len(digest) != size or bool(salt) != is_salted:
        raise _Unusable(f"the hash has not the length of {one.scheme}; is it complete?")
    return lambda secret: hmac.compare_digest(hashlib.new(name, secret + salt, usedforsecurity=False).digest(), digest)


_DIGESTS: Mapping[str, tuple[str, bool]] = {
    "SHA": ("sha1", False),
    "SHA1": ("sha1", False),
    "SHA256": ("sha256", False),
    "SHA512": ("sha512", False),
    "SSHA": ("sha1", True),
    "SSHA256": ("sha256", True),
    "SSHA512": ("sha512", True),
    "SMD5": ("md5", True),
    "LDAP-MD5": ("md5", False),
    "PLAIN-MD5": ("md5", False),
}
_SCHEMES: Mapping[str, Callable[[_Hash], Verifier]] = {
    **dict.fromkeys(("CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "MD5"), _crypt),
    **dict.fromkeys(("ARGON2I", "ARGON2ID"), _argon2),
    "PBKDF2": _pbkdf2,
    **dict.fromkeys(("SCRAM-SHA-1", "SCRAM-SHA-256"), _scram),
    **dict.fromkeys(_DIGESTS, _digest),
}


def _form(form: re.Pattern[str], one: _Hash) -> re.Match[str]:
    if found := form.fullmatch(one.text):
        return found
    raise _Unusable(f"the hash has not the form of {one.scheme}; is it complete?")


def _rounds(found: re.Match[str]) -> int:
    rounds = int(found["rounds"])
    _bound("rounds", rounds, crypt3.MAX_ROUNDS)
    if not rounds:
        raise _Unusable("the hash has no rounds; is it complete?")
    return rounds


def _bound(what: str, value: int, most: int) -> None:
    if value > most:
        raise _Unusable(
            f"the hash asks for too much work ({what} {value}, where {most} is the most); {_NEW_CREDENTIAL}"
        )


def _decoded(data: str, *, is_hex: bool) -> bytes:
    try:
        return bytes.fromhex(data) if is_hex else b64decode(data, validate=True)
    except (ValueError, NotBase64):
        raise _Unusable(f"the hash is not {'hexadecimal' if is_hex else 'base64'}; is it complete?") from None
