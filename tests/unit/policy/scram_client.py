"""A client of SCRAM-SHA-256, written from RFC 5802 sections 3 and 5 alone: it shares no line with the server."""

import functools
import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, field


@dataclass
class ScramClient:
    """`header` is the gs2-header, `channel` what follows it in "c="."""

    login: str
    secret: str
    nonce: str = "fyko+d2lbbFgONRv9qkxdawL"
    header: str = "n,,"
    channel: bytes = b""
    server_signature: bytes = field(default=b"", init=False)

    @property
    def bare(self) -> str:
        return f"n={self.login},r={self.nonce}"

    def first(self) -> bytes:
        return f"{self.header}{self.bare}".encode()

    def final(self, challenge: bytes) -> bytes:
        """The answer to the server's first message; remembers what the server has to prove."""
        said = dict(part.split("=", 1) for part in challenge.decode().split(","))
        assert said["r"].startswith(self.nonce)
        assert len(said["r"]) > len(self.nonce)
        binding = b64encode(self.header.encode() + self.channel).decode()
        without_proof = f"c={binding},r={said['r']}"
        signed = f"{self.bare},{challenge.decode()},{without_proof}".encode()
        salted = _hi(self.secret.encode(), b64decode(said["s"]), int(said["i"]))
        client_key = _mac(salted, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), signed)
        proof = (int.from_bytes(client_key, "big") ^ int.from_bytes(signature, "big")).to_bytes(32, "big")
        self.server_signature = _mac(_mac(salted, b"Server Key"), signed)
        return f"{without_proof},p={b64encode(proof).decode()}".encode()

    def believes(self, verifier: bytes) -> bool:
        return verifier == b"v=" + b64encode(self.server_signature)


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, "sha256").digest()


@functools.cache
def _hi(text: bytes, salt: bytes, iterations: int) -> bytes:
    """RFC 5802 section 2.2, by its own words rather than by PBKDF2. Kept, as clients keep it (section 5.1)."""
    block = _mac(text, salt + b"\0\0\0\1")
    result = int.from_bytes(block, "big")
    for _ in range(iterations - 1):
        block = _mac(text, block)
        result ^= int.from_bytes(block, "big")
    return result.to_bytes(32, "big")
