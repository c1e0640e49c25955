"""Marks: what is kept instead of an address, a network, an ASN or a country. Keyed hashes, signed 64 bits.

A mark says nothing to whoever has the database alone, and everybody who has the key makes the same one. Two addresses
share a mark by chance once in 2**64: of five million that an identity knows, a stranger's is taken for one of them in
one of 10**12 cases. Nobody without the key can look for such a pair.
"""

import hashlib
import hmac

from policy.contract import canonical_address

_OCTETS = 8  # as wide as an integer of either database


class Marks:
    """`key` is the digest key; marks are made with one of their own, so that none is a digest of a secret."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"sallyport marks", hashlib.sha256)

    def recipient(self, address: str) -> int:
        """One mark for all spellings of an address (policy.contract.canonical_address); total."""
        return self.text(canonical_address(address))

    def text(self, text: str) -> int:
        """Of a network, an ASN, a country: of what has one spelling."""
        octets = text.encode("utf-8", "surrogatepass")  # what no server can say is hashed like all else
        digest = hashlib.blake2b(octets, digest_size=_OCTETS, key=self._key).digest()
        return int.from_bytes(digest, signed=True)
