"""The client of fuzz/wire.py: a handshake by OpenSSL, and then whatever records the script asks for."""

import datetime
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fuzz import records
from fuzz.records import ALERT, APPLICATION, HANDSHAKE, KeyLog, Records

STARTTLS, READY = b"STARTTLS\r\n", b"220 ready\r\n"
_NAMES = (None, "localhost", "no_name.example", 63 * "a" + ".example", "192.0.2.1")
_PROTOCOLS: Sequence[Sequence[str]] = ((), ("smtp",), ("h2", "http/1.1"), ("h2", "smtp"))
_EMPTY_RECORDS = 32  # in a row; OpenSSL takes no more
# What an honest client may say; and what none says, but this one can.
_SAID = (b"", b"Q", b"QUIT\r\n", b"EHLO client.example\r\n", bytes(1000), bytes(records.RECORD_LIMIT))
_ODD = (
    (b"\x01\x5a", ALERT),  # user_canceled, which ends nothing
    (b"\x02\x28", ALERT),
    (b"\x01", ALERT),
    (b"", ALERT),
    (records.KEY_UPDATE[:3], HANDSHAKE),
    (records.KEY_UPDATE + b"\x18", HANDSHAKE),
    (b"\x18\0\0\x01\x02", HANDSHAKE),
    (b"", HANDSHAKE),
    (b"\x04\0\0\x0d" + bytes(13), HANDSHAKE),  # a session ticket, from a client
    (b"\x01\0\0\x26\x03\x03" + bytes(36), HANDSHAKE),  # another ClientHello
    (b"\x14\0\0\x20" + bytes(32), HANDSHAKE),  # another Finished
    (b"\x01", records.CHANGE_CIPHER_SPEC),
    (b"\x01\0\x03abc", 24),  # a heartbeat
    (b"no kind", 0),
    (bytes(records.RECORD_LIMIT + 1), APPLICATION),
)


@cache
def certificate(name: str) -> Path:
    """Certificate and key in one file: of the server, of the authority that it trusts, and of that one's client."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = Path(mkdtemp()) / "both.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, kind, serialization.NoEncryption()))
    return file


@cache
def _terms(is_old: bool, shown: str) -> tuple[ssl.SSLContext, KeyLog]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if is_old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if shown:
        context.load_cert_chain(certificate(shown))
    return context, KeyLog(context)


class Client:
    """`choices` says what it is: its version of TLS, its certificate, the name and the protocol that it asks for."""

    def __init__(self, choices: int, *, is_implicit: bool) -> None:
        is_old, shown = bool(choices & 1), ("", "", "server", "stranger")[choices >> 1 & 3]
        protocols = _PROTOCOLS[choices >> 3 & 3]
        context, self._keys = _terms(is_old, shown)
        context.set_alpn_protocols(protocols)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=_NAMES[(choices >> 5) % len(_NAMES)]
        )
        self._is_old, self._is_parted = is_old, False
        self._in_clear = b"" if is_implicit else READY
        self._records: Records | None = None
        self._empty = 0
        self.is_under_tls = False
        self.is_honest = shown != "stranger" and (not protocols or "smtp" in protocols)
        self.said, self.heard = bytearray(), bytearray()

    def hear(self, octets: bytes) -> bytes:
        """What it answers at once."""
        shown = min(len(octets), len(self._in_clear))
        if not self._in_clear.startswith(octets[:shown]):
            self.is_honest = False
        self._in_clear, octets = self._in_clear[shown:], octets[shown:]
        if self._in_clear:
            return b""
        self._incoming.write(octets)
        try:
            if not self.is_under_tls:
                self._tls.do_handshake()
                self._begin()
            while piece := self._tls.read(records.RECORD_LIMIT):
                self.heard += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # an alert, or the end
            return self._outgoing.read() if not self.is_under_tls else b""
        return self._outgoing.read()

    def say(self, argument: int) -> bytes:
        """Application data, with padding where the argument is great."""
        content, padding = _SAID[argument % len(_SAID)], 0 if argument < 128 else (argument - 127) * 64
        if not self.is_under_tls:
            return b""
        if self._is_parted:
            self.is_honest = False
        self._empty = 0 if content else self._empty + 1
        if self._empty > _EMPTY_RECORDS or len(content) + padding > records.RECORD_LIMIT:
            self.is_honest = False
        if self._records:
            self.said += content
            return self._records.seal(content, padding=padding)
        try:
            self._tls.write(content)
        except ssl.SSLError:  # OpenSSL says no more once it has parted, or was told off
            self.is_honest = False
        else:
            self.said += content
        return self._outgoing.read()

    def say_odd(self, argument: int) -> bytes:
        """Sealed as it should be, and not what a mail client says."""
        if not self._records:
            return b""
        self.is_honest = False
        content, kind = _ODD[argument % len(_ODD)]
        return self._records.seal(content, kind)

    def update_key(self, argument: int) -> bytes:
        if not self._records:
            return b""
        self._empty = 0
        message = records.KEY_UPDATE_REQUESTED if argument & 1 else records.KEY_UPDATE
        return b"".join(self._records.update_key(message) for _ in range(1 + argument // 8))

    def part(self) -> bytes:
        """close_notify."""
        if not self.is_under_tls:
            return b""
        self._is_parted = True
        if self._records:
            return self._records.seal(records.CLOSE_NOTIFY, ALERT)
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._outgoing.read()

    def _begin(self) -> None:
        self.is_under_tls = True
        if not self._is_old:
            suite = self._tls.cipher()
            assert suite
            self._records = Records(self._keys.secret(), suite[0])
