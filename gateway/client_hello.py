"""What a client says before TLS begins: the ClientHello, read from octets that were peeked at. Pure.

Python's ssl chooses the certificate by itself, tells nobody which, and goes on where a client offers protocols (ALPN)
of which SMTP is none, which lets a browser's HTTPS be led astray to a mail port (ALPACA). So the gateway looks first:
gateway/tls.py chooses by what is read here, and OpenSSL then reads the same octets and is the judge of everything else.

RFC 8446 section 4.1.2 (RFC 5246 section 7.4.1.2 has the same shape), records as in section 5.1.
"""

import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

RECORD_HEADER = 5
LIMIT = 16 * 1024 + 256  # octets with all record headers; clients send 200 to 2,000
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_RECORD_LIMIT = 16 * 1024  # RFC 8446 section 5.1
_RECORDS_LIMIT = 16  # in a message; each look at a ClientHello that trickles in goes through all of them again
_SERVER_NAME, _SIGNATURE_ALGORITHMS, _ALPN, _SUPPORTED_VERSIONS = 0, 13, 16, 43  # RFC 6066, 8446, 7301
_NAME_LIMIT = 253
_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}  # as JA4 writes them
_DIGITS_LIMIT = 99  # JA4 counts with two digits
_DIGEST_LENGTH = 12
_LDH = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class NotClientHello(Exception):
    """The octets are no beginning of a TLS handshake; str(self) says why, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """What the choice of a certificate depends on, and what tells one program from another. Empty: was not said."""

    server_name: str = ""  # in lower case; letters, digits, hyphens and dots
    alpn: tuple[bytes, ...] = ()
    signature_algorithms: tuple[int, ...] = ()  # SignatureScheme, RFC 8446 section 4.2.3
    cipher_suites: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()  # from supported_versions, or the one version of an old ClientHello
    extensions: tuple[int, ...] = ()  # their kinds, in the client's order

    @property
    def fingerprint(self) -> str:
        """JA4, which depends on the program, its TLS library and its settings, and on nothing that is secret.

        Version, whether a name is asked for, how many cipher suites and extensions there are, the first protocol; a
        hash of the cipher suites; a hash of the extensions and the signature algorithms. Sorted, because browsers
        shuffle them, and without GREASE (RFC 8701), which is chosen at random. A client can imitate any other one.
        """
        suites, kinds = _without_grease(self.cipher_suites), _without_grease(self.extensions)
        version = _VERSIONS.get(max(_without_grease(self.versions), default=0), "00")
        asks = "d" if _SERVER_NAME in kinds else "i"
        counts = f"{min(len(suites), _DIGITS_LIMIT):02}{min(len(kinds), _DIGITS_LIMIT):02}"
        told = _listed(sorted(kind for kind in kinds if kind not in (_SERVER_NAME, _ALPN)))
        algorithms = _listed(_without_grease(self.signature_algorithms))
        offered = f"{told}_{algorithms}" if algorithms else told
        first = f"t{version}{asks}{counts}{_ends_of(self.alpn[0]) if self.alpn else '00'}"
        return f"{first}_{_digest(_listed(sorted(suites)))}_{_digest(offered) if told else _digest('')}"


def parse(octets: bytes) -> ClientHello | None:
    """The ClientHello, or None where more octets are needed. NotClientHello for all that cannot become one.

    It may be cut into several records, and what follows it is not looked at.
    """
    message = _handshake(octets)
    return None if message is None else _hello(_Reader(message))


class _Reader:
    """Reads a TLS vector after another; what overruns its frame is no ClientHello."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: bytes) -> None:
        self._octets, self._at = octets, 0

    def __bool__(self) -> bool:
        return self._at < len(self._octets)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._octets):
            raise NotClientHello("a length that overruns its frame")
        taken = self._octets[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> "_Reader":
        """What has its length in front, in `size` octets."""
        return _Reader(self.take(self.number(size)))

    def rest(self) -> bytes:
        return self.take(len(self._octets) - self._at)

    def numbers(self) -> tuple[int, ...]:
        """The 16-bit numbers up to the end."""
        if len(self._octets) % 2 or not self:
            raise NotClientHello("a list of numbers that is empty or odd")
        return struct.unpack(f">{len(self._octets) // 2}H", self.take(len(self._octets)))


def _handshake(octets: bytes) -> bytes | None:
    """The first handshake message without its header, put together from its records."""
    message, at, records = bytearray(), 0, 0
    while at < len(octets):
        records += 1
        if records > _RECORDS_LIMIT:
            raise NotClientHello("too many records")
        header = octets[at : at + RECORD_HEADER]
        # Judged as far as it is there: a stranger's first octet tells.
        if header[0] != _HANDSHAKE or header[1:2] not in (b"", b"\x03"):
            raise NotClientHello("no TLS handshake record")
        length = int.from_bytes(header[3:], "big")
        if len(header) == RECORD_HEADER and not 0 < length <= _RECORD_LIMIT:
            raise NotClientHello("a record that is empty or too long")
        message += octets[at + RECORD_HEADER : at + RECORD_HEADER + length]
        if message[:1] not in (b"", bytes((_CLIENT_HELLO,))):
            raise NotClientHello("a handshake that begins with another message")
        size = 4 + int.from_bytes(message[1:4], "big")  # type and 24-bit length, RFC 8446 section 4
        if size > LIMIT:
            raise NotClientHello("too long")
        if size <= len(message):
            return bytes(message[4:size])
        at += RECORD_HEADER + length
    if len(octets) >= LIMIT:
        raise NotClientHello("too long")
    return None


def _hello(reader: _Reader) -> ClientHello:
    version = reader.number(2)
    reader.take(32)  # random
    reader.vector(1)  # legacy session id
    cipher_suites = reader.vector(2).numbers()
    reader.vector(1)  # compression methods
    extensions = _extensions(reader.vector(2)) if reader else {}
    if reader:
        raise NotClientHello("octets after the extensions")
    versions = extensions.get(_SUPPORTED_VERSIONS)
    algorithms = extensions.get(_SIGNATURE_ALGORITHMS)
    return ClientHello(
        server_name=_server_name(extensions.get(_SERVER_NAME)),
        alpn=_protocols(extensions.get(_ALPN)),
        signature_algorithms=algorithms.vector(2).numbers() if algorithms else (),
        cipher_suites=cipher_suites,
        versions=versions.vector(1).numbers() if versions else (version,),
        extensions=tuple(extensions),
    )


def _extensions(reader: _Reader) -> dict[int, _Reader]:
    found: dict[int, _Reader] = {}
    while reader:
        kind = reader.number(2)
        if kind in found:  # RFC 8446 section 4.2; which of the two OpenSSL reads is not for us to guess
            raise NotClientHello("an extension that occurs twice")
        found[kind] = reader.vector(2)
    return found


def _server_name(extension: _Reader | None) -> str:
    """RFC 6066 section 3. A name that is no host name chooses nothing, as if none had been sent."""
    if not extension:
        return ""
    names = extension.vector(2)
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            octets = name.rest()
            fits = len(octets) <= _NAME_LIMIT and _LDH.fullmatch(octets)
            return octets.decode("ascii").lower() if fits else ""
    return ""


def _protocols(extension: _Reader | None) -> tuple[bytes, ...]:
    """RFC 7301 section 3.1."""
    if not extension:
        return ()
    protocols = extension.vector(2)
    found: list[bytes] = []
    while protocols:
        name = protocols.vector(1)
        found.append(name.rest())
    if not all(found) or not found:
        raise NotClientHello("an empty list of protocols, or an empty name in it")
    return tuple(found)


def _without_grease(numbers: Iterable[int]) -> list[int]:
    """RFC 8701 section 2: 0x0A0A, 0x1A1A, ... 0xFAFA."""
    return [one for one in numbers if one & 0x0F0F != 0x0A0A or one >> 8 != one & 0xFF]  # noqa: PLR2004


def _ends_of(protocol: bytes) -> str:
    """Its first and last character; of what is neither letter nor digit, hexadecimal digits."""
    ends = chr(protocol[0]) + chr(protocol[-1])
    if ends.isascii() and ends.isalnum():
        return ends
    digits = protocol.hex()
    return digits[0] + digits[-1]


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(f"{one:04x}" for one in numbers)


def _digest(text: str) -> str:
    """Zeros for nothing."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH] if text else _DIGEST_LENGTH * "0"
