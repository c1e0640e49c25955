"""The PROXY protocol, versions 1 and 2: who the client of a load balancer is. Pure.

A listener reads this only from the networks that its settings name, and then a header must be there: whoever comes
without one, or from elsewhere, is dropped. The octets are peeked at, so that TLS finds its own untouched.

HAProxy's proxy-protocol.txt, sections 2.1 and 2.2.
"""

import ipaddress
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V1_LIMIT = 107  # octets with CRLF, section 2.1
_V1_LINE = re.compile(rb"PROXY (TCP[46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN( .*)?")
_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_START = struct.Struct(">12sBBH")  # signature, version and command, family, length of the rest
_V2_LIMIT = _V2_START.size + 536  # nobody has more to say to us; an attacker could say 64 KiB
_V2_LOCAL, _V2_PROXY = 0x20, 0x21
_V2_UNSPECIFIED = 0x00
# Over TCP alone. Section 2.2 leaves it to the receiver to refuse what it has no use for: UDP, UNIX sockets.
_V2_FAMILIES: Mapping[int, tuple[struct.Struct, type[Address]]] = {
    0x11: (struct.Struct(">4s4sHH"), ipaddress.IPv4Address),
    0x21: (struct.Struct(">16s16sHH"), ipaddress.IPv6Address),
}
_TLV_START = struct.Struct(">BH")
_TLV_CRC32C = 0x03


class NotProxy(Exception):
    """The octets are no PROXY header; str(self) says why, for the log."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`source` is None where the proxy does not know (UNKNOWN) or speaks for itself (LOCAL, a check: `is_own`)."""

    length: int  # octets that belong to the header
    source: str | None = None
    port: int = 0
    is_own: bool = False


def parse(octets: bytes) -> ProxyHeader | None:
    """The header that `octets` begin with, or None where more are needed. NotProxy for what cannot become one."""
    if octets.startswith(_V2_SIGNATURE[: len(octets)]):
        return _version_2(octets)
    if octets.startswith(b"PROXY "[: len(octets)]):
        return _version_1(octets)
    raise NotProxy("no PROXY header")


def _version_1(octets: bytes) -> ProxyHeader | None:
    end = octets.find(b"\r\n", 0, _V1_LIMIT)
    line = octets[:end] if end >= 0 else octets[:_V1_LIMIT]
    if b"\n" in line:  # section 2.1: a lone LF does not end it
        raise NotProxy("bare LF")
    if end < 0:
        if len(octets) >= _V1_LIMIT:
            raise NotProxy("line too long")
        return None
    if _V1_UNKNOWN.fullmatch(line):  # section 2.1: what follows is to be ignored
        return ProxyHeader(end + 2)
    match = _V1_LINE.fullmatch(line)
    if not match:
        raise NotProxy("not a family with two addresses and two ports")
    kind = ipaddress.IPv4Address if match[1] == b"TCP4" else ipaddress.IPv6Address
    try:
        source, _ = (kind(one.decode("ascii")) for one in (match[2], match[3]))
    except ValueError:
        raise NotProxy("not addresses of the family") from None
    if max(int(match[4]), int(match[5])) > 65535:  # noqa: PLR2004 - 16 bits
        raise NotProxy("not a port")
    return ProxyHeader(end + 2, _plain(source), int(match[4]))


def _version_2(octets: bytes) -> ProxyHeader | None:
    if len(octets) < _V2_START.size:
        return None
    _, command, family, size = _V2_START.unpack_from(octets)
    length = _V2_START.size + size
    if command not in (_V2_LOCAL, _V2_PROXY):
        raise NotProxy("neither LOCAL nor PROXY of version 2")
    if length > _V2_LIMIT:
        raise NotProxy("header too long")
    if command == _V2_PROXY and family != _V2_UNSPECIFIED and family not in _V2_FAMILIES:
        raise NotProxy("neither TCP over IPv4 nor TCP over IPv6")
    if len(octets) < length:
        return None
    if command == _V2_LOCAL or family == _V2_UNSPECIFIED:  # whatever else it says is to be skipped
        return ProxyHeader(length, is_own=command == _V2_LOCAL)
    addresses, kind = _V2_FAMILIES[family]
    if size < addresses.size:
        raise NotProxy("too short for its addresses")
    source, _, port, _ = addresses.unpack_from(octets, _V2_START.size)
    _verify(octets[:length], _V2_START.size + addresses.size)
    return ProxyHeader(length, _plain(kind(source)), port)


def _verify(header: bytes, at: int) -> None:
    """Walk the TLVs. Where there is a checksum it must be right (section 2.2.3); all others are skipped."""
    while at < len(header):
        if len(header) - at < _TLV_START.size:
            raise NotProxy("half a TLV")
        kind, size = _TLV_START.unpack_from(header, at)
        at += _TLV_START.size
        value = header[at : at + size]
        if len(value) < size:
            raise NotProxy("a TLV that overruns the header")
        if kind == _TLV_CRC32C and value != _crc32c(header[:at] + bytes(size) + header[at + size :]):
            raise NotProxy("wrong checksum")
        at += size


def _crc32c(octets: bytes) -> bytes:
    """RFC 4960 appendix B. Bit by bit: a header is short, and few proxies send a checksum."""
    crc = 0xFFFFFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "big")


def _plain(address: Address) -> str:
    """IPv4 as IPv4, where a proxy that serves both writes it as IPv6: one client, one address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
