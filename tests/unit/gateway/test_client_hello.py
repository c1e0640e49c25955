"""The ClientHello: real ones, cut everywhere; made ones, wrong in every way."""

import contextlib
import re
import ssl
import struct
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client_hello import LIMIT, ClientHello, NotClientHello, parse


def real(server_name: str | None = "Mail.Example.ORG", alpn: tuple[str, ...] = (), *, old: bool = False) -> bytes:
    """What this machine's OpenSSL says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def vector(size: int, octets: bytes) -> bytes:
    return len(octets).to_bytes(size, "big") + octets


def extension(kind: int, octets: bytes) -> bytes:
    return struct.pack(">H", kind) + vector(2, octets)


def handshake(extensions: bytes | None = b"", *, after: bytes = b"", kind: int = 1) -> bytes:
    """A ClientHello as a handshake message."""
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, b"\xc0\x2b\x13\x01") + vector(1, b"\0")
    body += (b"" if extensions is None else vector(2, extensions)) + after
    return bytes([kind]) + vector(3, body)


def records(message: bytes, *sizes: int) -> bytes:
    """The message in records of these sizes, the last one with what is left."""
    cut = b""
    for size in sizes:
        piece, message = message[:size], message[size:]
        cut += b"\x16\x03\x01" + vector(2, piece)
    return cut + (b"\x16\x03\x01" + vector(2, message) if message else b"")


def sni(name: bytes) -> bytes:
    return extension(0, vector(2, b"\0" + vector(2, name)))


def alpn(*names: bytes) -> bytes:
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


def test_a_real_one() -> None:
    """Name in lower case, protocols in order, algorithms and versions as numbers."""
    hello = parse(real(alpn=("smtp", "h2")))
    assert hello
    assert hello.server_name == "mail.example.org"
    assert hello.alpn == (b"smtp", b"h2")
    assert 0x0403 in hello.signature_algorithms
    assert 0xC02B in hello.cipher_suites
    assert hello.versions == (0x0304, 0x0303)


def test_an_old_one() -> None:
    """TLS 1.2 has no list of versions, and a client that connects to an address sends no name."""
    hello = parse(real(None, old=True))
    assert hello
    assert (hello.server_name, hello.alpn, hello.versions) == ("", (), (0x0303,))


@pytest.mark.parametrize("octets", [real(alpn=("smtp",)), records(handshake(sni(b"a.b")), 1, 2, 3, 4, 5)])
def test_byte_at_a_time_and_with_more_behind(octets: bytes) -> None:
    """Nothing is decided before the last octet, and what follows is not looked at."""
    assert all(parse(octets[:count]) is None for count in range(len(octets)))
    assert parse(octets) == parse(octets + b"EHLO x\r\n") == parse(octets + octets)
    assert parse(octets) is not None


@given(st.lists(st.integers(1, 300), max_size=15))
def test_records_cut_anywhere(sizes: list[int]) -> None:
    """RFC 8446 section 5.1: a handshake message may be fragmented."""
    message = real()[5:]
    assert parse(records(message, *sizes)) == parse(records(message))


BAD = [
    # what it shows, octets
    ("SMTP", b"EHLO client.test\r\n"),
    ("HTTP", b"GET / HTTP/1.1\r\n"),
    ("one octet of something else", b"E"),
    ("SSL 2", bytes.fromhex("802e0103010015")),
    ("a version that never was", b"\x16\x02"),
    ("an alert", b"\x15\x03\x01\x00\x02\x02\x28"),
    ("an empty record", b"\x16\x03\x01\x00\x00"),
    ("a record beyond the limit", b"\x16\x03\x01\x40\x01"),
    ("a seventeenth record", records(handshake(), *16 * [1])),
    ("a ServerHello", records(handshake(kind=2))),
    ("another record in between", records(handshake(), 10)[:15] + b"\x17\x03\x01"),
    ("a message beyond the limit", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff"),
    ("octets after the extensions", records(handshake(after=b"\0"))),
    ("extensions that overrun", records(b"\x01" + vector(3, handshake(sni(b"a.b"))[4:-1]))),
    ("an extension that overruns", records(handshake(b"\0\0\0\xff"))),
    ("half an extension", records(handshake(b"\0\0\0"))),
    ("an extension twice", records(handshake(sni(b"a.b") + sni(b"c.d")))),
    ("a name that overruns", records(handshake(extension(0, b"\0\x05\0\0\xff")))),
    ("protocols: none", records(handshake(extension(16, b"\0\0")))),
    ("protocols: an empty one", records(handshake(alpn(b"smtp", b"")))),
    ("algorithms: an odd length", records(handshake(extension(13, b"\0\x03\x04\x03\x05")))),
    ("algorithms: none", records(handshake(extension(13, b"\0\0")))),
    ("versions that overrun", records(handshake(extension(43, b"\x04\x03\x04")))),
    ("a message that ends in its middle", records(b"\x01" + vector(3, b"\x03\x03"))),
    ("endless small records", records(b"\x01\x00\x40\x00" + bytes(4000), *[1] * 4000)[:LIMIT]),
]


@pytest.mark.parametrize("octets", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_no_client_hello(octets: bytes) -> None:
    """Refused by the octet that makes it impossible."""
    with pytest.raises(NotClientHello):
        parse(octets)


NAMES = [
    # what it shows, name on the wire, name that chooses
    ("lower case", b"MAIL.example.org", "mail.example.org"),
    ("one label", b"localhost", "localhost"),
    ("punycode", b"xn--mller-kva.example", "xn--mller-kva.example"),
    ("empty", b"", ""),
    ("trailing dot", b"mail.example.org.", ""),
    ("empty label", b"mail..example.org", ""),
    ("hyphen at the end of a label", b"mail-.example.org", ""),
    ("underscore", b"mail_1.example.org", ""),
    ("not ASCII", "müller.example".encode(), ""),
    ("line break", b"mail.example.org\r\nX: y", ""),
    ("NUL", b"mail.example.org\0.evil.test", ""),
    ("label of 63", b"a" * 63 + b".example", "a" * 63 + ".example"),
    ("label of 64", b"a" * 64 + b".example", ""),
    ("name of 254", b"a." * 126 + b"ab", ""),
    ("name of 253", b"a." * 126 + b"a", "a." * 126 + "a"),
]


@pytest.mark.parametrize(("name", "expected"), [case[1:] for case in NAMES], ids=[case[0] for case in NAMES])
def test_names(name: bytes, expected: str) -> None:
    """What is no host name chooses nothing, and is no reason to end the session: OpenSSL judges."""
    hello = parse(records(handshake(sni(name))))
    assert hello
    assert hello.server_name == expected


def test_another_type_of_name_is_skipped() -> None:
    """RFC 6066 section 3 left room for types; only host_name was ever defined."""
    names = extension(0, vector(2, b"\x07" + vector(2, b"x") + b"\0" + vector(2, b"a.b")))
    assert parse(records(handshake(names))) == parse(records(handshake(sni(b"a.b"))))


@pytest.mark.parametrize(
    "extensions", [None, b"", extension(0, b""), extension(0, vector(2, b"\x07\0\x01x")), extension(2570, b"\x0a\x0a")]
)
def test_extensions_that_say_nothing(extensions: bytes | None) -> None:
    """None at all, an empty list, an empty one, a name of no known type, one of GREASE (RFC 8701)."""
    found = parse(records(handshake(extensions)))
    assert found
    assert replace(found, extensions=()) == ClientHello(cipher_suites=(0xC02B, 0x1301), versions=(0x0303,))


@given(st.binary(max_size=200))
def test_no_octets_surprise_it(octets: bytes) -> None:
    """A stranger's octets give a ClientHello, a wish for more, or NotClientHello; never another error."""
    for prefix in (b"", b"\x16\x03\x01", records(handshake())[:9]):
        with contextlib.suppress(NotClientHello):
            parse(prefix + octets)


@given(st.lists(st.tuples(st.integers(0, 516), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_ones_surprise_nothing(changes: list[tuple[int, int]]) -> None:
    """A real one with some octets changed."""
    octets = bytearray(real(alpn=("smtp",)))
    for at, octet in changes:
        octets[at % len(octets)] = octet
    with contextlib.suppress(NotClientHello):
        parse(bytes(octets))


# The example of JA4's own documentation: a Chrome on its way to a web server.
CHROME = ClientHello(
    server_name="example.org",
    alpn=(b"h2", b"http/1.1"),
    signature_algorithms=(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    cipher_suites=(
        *(0x1A1A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030),
        *(0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035),
    ),
    versions=(0x2A2A, 0x0304, 0x0303),
    extensions=(
        *(0xDADA, 0x001B, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002D, 0x000D),
        *(0x0005, 0x0023, 0x0012, 0x002B, 0xFF01, 0x000B, 0x000A, 0x0015, 0xFAFA),
    ),
)
FINGERPRINT = "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_fingerprint_is_ja4() -> None:
    """As its inventors write it, so that lists of known programs can be used."""
    assert CHROME.fingerprint == FINGERPRINT


@given(
    st.permutations(CHROME.extensions), st.permutations(CHROME.cipher_suites), st.sampled_from((0x0A0A, 0x3A3A, 0xEAEA))
)
def test_the_fingerprint_does_not_change_with_what_a_program_shuffles(
    extensions: list[int], suites: list[int], grease: int
) -> None:
    """The order of extensions and cipher suites, and which GREASE there is."""
    shuffled = replace(CHROME, extensions=(*extensions, grease), cipher_suites=(grease, *suites))
    assert shuffled.fingerprint == FINGERPRINT


CHANGES = [
    # what it shows, what another program would say, the fingerprint
    ("no name", {"extensions": CHROME.extensions[:2] + CHROME.extensions[3:]}, "t13i1515h2_8daaf6152771_e5627efa2ab1"),
    ("no protocol", {"alpn": ()}, "t13d151600_8daaf6152771_e5627efa2ab1"),
    ("one letter", {"alpn": (b"h",)}, "t13d1516hh_8daaf6152771_e5627efa2ab1"),
    ("no letters", {"alpn": (b"\xab\xcd",)}, "t13d1516ad_8daaf6152771_e5627efa2ab1"),
    ("TLS 1.2", {"versions": (0x0303,)}, "t12d1516h2_8daaf6152771_e5627efa2ab1"),
    ("a version that is none", {"versions": (0x7F1C,)}, "t00d1516h2_8daaf6152771_e5627efa2ab1"),
    ("no cipher suites", {"cipher_suites": ()}, "t13d0016h2_000000000000_e5627efa2ab1"),
    ("no extensions", {"extensions": ()}, "t13i1500h2_8daaf6152771_000000000000"),
    ("a hundred suites", {"cipher_suites": tuple(range(0x100, 0x164))}, "t13d9916h2_*_e5627efa2ab1"),
    ("other signatures", {"signature_algorithms": (0x0804,)}, "t13d1516h2_8daaf6152771_*"),
    ("no signatures", {"signature_algorithms": ()}, "t13d1516h2_8daaf6152771_*"),
]


@pytest.mark.parametrize(("change", "expected"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_the_fingerprint_shows_each_part(change: dict[str, object], expected: str) -> None:
    """Whatever differs between two programs is seen in its place."""
    found = replace(CHROME, **change).fingerprint  # type: ignore[arg-type]  # changed by name
    assert fnmatchcase(found, expected), found
    assert found != FINGERPRINT


def test_a_real_clients_fingerprint() -> None:
    """This machine's OpenSSL: the same each time, with whatever name; another one for an older TLS."""
    found = {parse(real(name)).fingerprint for name in ("mail.example.org", "other.example.org")}  # type: ignore[union-attr]
    assert len(found) == 1
    (own,) = found
    assert re.fullmatch(r"t13d\d{4}00_[0-9a-f]{12}_[0-9a-f]{12}", own), own
    older = parse(real(old=True))
    assert older
    assert older.fingerprint.startswith("t12d")
