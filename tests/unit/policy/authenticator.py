"""A passkey in software: what a telephone or a key does when the browser asks (WebAuthn level 2, sections 6 and 7)."""

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One key for one site. What a test changes is what an attacker would like to change."""

    def __init__(self, *, origin: str, rp_id: str, counts: bool = True) -> None:
        self.origin = origin
        self.rp_id = rp_id
        self.counts = counts
        self.count = 0
        self.flags = USER_PRESENT | USER_VERIFIED
        self.handle = secrets.token_bytes(16)
        self.private_key = ec.generate_private_key(ec.SECP256R1())

    def register(self, options: str, **client_data: Any) -> str:
        """The answer to navigator.credentials.create."""
        asked = json.loads(options)
        data = self._data(ATTESTED) + bytes(16) + struct.pack(">H", len(self.handle)) + self.handle + self._cose()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client_data("webauthn.create", asked["challenge"], client_data)
        return self._answer({"clientDataJSON": b64(client), "attestationObject": b64(attestation)})

    def sign(self, options: str, **client_data: Any) -> str:
        """The answer to navigator.credentials.get."""
        asked = json.loads(options)
        client = self._client_data("webauthn.get", asked["challenge"], client_data)
        self.count += self.counts
        data = self._data(0)
        signature = self.private_key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
        )

    def _data(self, more_flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", self.flags | more_flags, self.count)

    def _cose(self) -> bytes:
        """RFC 9053: a key of P-256 for ES256."""
        numbers = self.private_key.public_key().public_numbers()
        x, y = (number.to_bytes(32) for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _client_data(self, what: str, challenge: str, changed: dict[str, Any]) -> bytes:
        return json.dumps({"type": what, "challenge": challenge, "origin": self.origin, **changed}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        return json.dumps(
            {
                "id": b64(self.handle),
                "rawId": b64(self.handle),
                "type": "public-key",
                "response": response,
                "clientExtensionResults": {},
            }
        )
