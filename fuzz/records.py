"""A client of TLS 1.3 that writes any record: OpenSSL shakes hands, and what comes after is sealed here.

No library lets its caller send what a hostile client may: an empty record, a key update in two halves, sixteen KiB of
padding around one octet. The secret comes from OpenSSL's key log, the rest is RFC 8446 sections 5.2 to 5.4 and 7.3.
"""

import os
import ssl
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
CLOSE_NOTIFY = b"\x01\x00"
KEY_UPDATE, KEY_UPDATE_REQUESTED = b"\x18\0\0\x01\0", b"\x18\0\0\x01\x01"
RECORD_LIMIT = 16 * 1024
_SECRET = b"CLIENT_TRAFFIC_SECRET_0 "
_SUITES: dict[str, tuple[type[AESGCM | ChaCha20Poly1305], hashes.HashAlgorithm, int]] = {
    "TLS_AES_128_GCM_SHA256": (AESGCM, hashes.SHA256(), 16),
    "TLS_AES_256_GCM_SHA384": (AESGCM, hashes.SHA384(), 32),
    "TLS_CHACHA20_POLY1305_SHA256": (ChaCha20Poly1305, hashes.SHA256(), 32),
}


class KeyLog:
    """What a context tells of its sessions' secrets; in memory, and forgotten once it was read."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._descriptor = os.memfd_create("keys")
        context.keylog_filename = f"/proc/self/fd/{self._descriptor}"

    def secret(self) -> bytes:
        """The client's first one for application data, of the handshake that was the last one."""
        lines = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0).splitlines()
        os.ftruncate(self._descriptor, 0)
        last = [line for line in lines if line.startswith(_SECRET)][-1]
        return bytes.fromhex(last.split()[2].decode())


class Records:
    """The client's half of a session: what it says, as the records that carry it."""

    def __init__(self, secret: bytes, suite: str) -> None:
        self._cipher, self._hash, self._key_size = _SUITES[suite]
        self._begin(secret)

    def seal(self, content: bytes, kind: int = APPLICATION, padding: int = 0) -> bytes:
        """One record; no length is too great to be sealed, and none too small."""
        inner = content + bytes((kind,)) + bytes(padding)
        header = struct.pack(">BHH", APPLICATION, 0x0303, len(inner) + 16)
        nonce = (int.from_bytes(self._iv, "big") ^ self._number).to_bytes(12, "big")
        self._number += 1
        return header + self._aead.encrypt(nonce, inner, header)

    def update_key(self, message: bytes = KEY_UPDATE) -> bytes:
        """Section 4.6.3: the record that says so, and new keys for what follows it."""
        record = self.seal(message, HANDSHAKE)
        self._begin(self._expanded(b"traffic upd", self._hash.digest_size))
        return record

    def _begin(self, secret: bytes) -> None:
        self._secret, self._number = secret, 0
        self._aead = self._cipher(self._expanded(b"key", self._key_size))
        self._iv = self._expanded(b"iv", 12)

    def _expanded(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label without a context, section 7.1."""
        told = struct.pack(">HB", size, len(label) + 6) + b"tls13 " + label + b"\0"
        return HKDFExpand(self._hash, size, told).derive(self._secret)
