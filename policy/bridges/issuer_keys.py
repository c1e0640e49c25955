"""The public keys of an issuer, as its document has them (RFC 7517), pure.

What cannot verify one of our algorithms is left out: secrets, keys for encryption, short ones, unknown kinds. A key
that says its algorithm verifies no other one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from policy.bridges.tokens import ALGORITHMS, Token

_JWS = jwt.PyJWS(ALGORITHMS)
_KEYS_LIMIT = 100
_RSA_BITS = (2048, 8192)  # shorter ones can be broken, longer ones cost too much time
_ALGORITHMS_OF: Mapping[tuple[object, object], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by the name and algorithm for which they serve."""

    keys: Mapping[tuple[str, str], tuple[jwt.PyJWK, ...]]

    def has_named(self, token: Token) -> bool:
        """Whether there is a key of that name, for whatever algorithm."""
        return any(kid == token.kid for kid, _ in self.keys)

    def matching(self, token: Token) -> jwt.PyJWK | None:
        """The key that a token names. One that names none is verified where there is no choice."""
        if token.kid:
            found = self.keys.get((token.kid, token.algorithm), ())
        else:
            found = tuple(key for name, keys in self.keys.items() if name[1] == token.algorithm for key in keys)
        return found[0] if len(found) == 1 else None


def read(document: bytes) -> KeySet | None:
    """None where there is no key in it that we could use."""
    try:
        written = json.loads(document)
    except (ValueError, RecursionError):
        return None
    listed = written.get("keys") if isinstance(written, dict) else None
    if not isinstance(listed, list) or len(listed) > _KEYS_LIMIT:
        return None
    found: dict[tuple[str, str], tuple[jwt.PyJWK, ...]] = {}
    for one in listed:
        for name, key in _usable(one):
            found[name] = (*found.get(name, ()), key)
    return KeySet(found) if found else None


def is_signed_by(token: Token, key: jwt.PyJWK) -> bool:
    try:
        _JWS.decode_complete(token.text, key, algorithms=[token.algorithm])
    except jwt.PyJWTError:
        return False
    return True


def _usable(one: object) -> list[tuple[tuple[str, str], jwt.PyJWK]]:
    if not isinstance(one, dict) or one.get("use", "sig") != "sig" or "d" in one:
        return []
    kid, kind = one.get("kid", ""), (one.get("kty"), one.get("crv"))
    if not isinstance(kid, str) or not all(isinstance(part, str | None) for part in kind):
        return []
    algorithms = [name for name in _ALGORITHMS_OF.get(kind, ()) if one.get("alg", name) == name]
    try:
        keys = [((kid, name), jwt.PyJWK(one, name)) for name in algorithms]
    except (jwt.PyJWTError, ValueError):
        return []
    return [(name, key) for name, key in keys if _is_of_good_length(key)]


def _is_of_good_length(key: jwt.PyJWK) -> bool:
    return not isinstance(key.key, RSAPublicKey) or _RSA_BITS[0] <= key.key.key_size <= _RSA_BITS[1]
