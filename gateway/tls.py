"""Certificates: which one a client gets, on what terms, and their replacement while sessions go on.

One SSLContext holds one certificate, and the ClientHello (client_hello.py) decides which context: by the name that the
client asks for (SNI, RFC 6066), and by the signatures that it can verify, ECDSA before RSA, which costs the server ten
times as much. Because the choice is made here the gateway knows which certificate a session is bound to (RFC 5929),
which Python's ssl would not tell.

Files are read whole, and what was read is what is checked and what serves: a certificate that is replaced before its
key is refused, the old pair still serves, and the next look finds both. Each look compares contents and not times: a
symbolic link that was swapped (Kubernetes' ..data), a backup that was restored, two writes within one tick of the clock
are seen for what they are.
"""

import hashlib
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.client_hello import ClientHello
from service.settings import SettingError

ClientCertificates = Literal["no", "optional", "required"]

PROTOCOL = "smtp"
NO_PROTOCOL_ALERT = bytes((21, 3, 1, 0, 2, 2, 120))  # fatal no_application_protocol, RFC 7301 section 3.2

_SETTINGS = ("GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY", "GATEWAY_TLS_CLIENT_CA")
_VERIFY_MODES: Mapping[ClientCertificates, ssl.VerifyMode] = {
    "no": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_TLS_1_3 = 0x0304


class NoProtocol(Exception):
    """The client offers application protocols, and SMTP is none of them. It is to get NO_PROTOCOL_ALERT."""


class CertificateError(Exception):
    """A pair that cannot serve; str(self) says why in a sentence."""

    def __init__(self, problem: str, remedy: str = "replace both files", setting: str = "GATEWAY_TLS_CERT") -> None:
        super().__init__(problem)
        self.remedy, self.setting = remedy, setting


@dataclass(frozen=True, slots=True)
class Selected:
    """What one session's TLS is made of."""

    context: ssl.SSLContext
    end_point: bytes  # tls-server-end-point channel binding; empty where RFC 5929 defines none
    fingerprint: str  # of the client, see client_hello.py


@dataclass(frozen=True, slots=True)
class _Kind:
    """Signatures that a key can make (RFC 8446 section 4.2.3), and what TLS 1.2 needs beside them to use it."""

    name: str
    schemes: frozenset[int]
    schemes_of_1_2: frozenset[int]
    cipher_suites: frozenset[int]


_OVER_ECDSA = frozenset((0xC02B, 0xC02C, 0xCCA9))  # AES-128-GCM, AES-256-GCM, ChaCha20; ECDHE for the key
_OVER_RSA = frozenset((0xC02F, 0xC030, 0xCCA8))
_ECDSA_SCHEMES = frozenset((0x0403, 0x0503, 0x0603))
_RSA_PSS_SCHEMES = frozenset((0x0804, 0x0805, 0x0806))
_RSA = _Kind("RSA", _RSA_PSS_SCHEMES, _RSA_PSS_SCHEMES | {0x0401, 0x0501, 0x0601}, _OVER_RSA)
_ED25519 = _Kind("Ed25519", frozenset((0x0807,)), frozenset((0x0807,)), _OVER_ECDSA)
# TLS 1.3 ties the hash to the curve, TLS 1.2 does not.
_ECDSA: Mapping[str, _Kind] = {
    curve: _Kind("ECDSA", frozenset((scheme,)), _ECDSA_SCHEMES, _OVER_ECDSA)
    for curve, scheme in (("secp256r1", 0x0403), ("secp384r1", 0x0503), ("secp521r1", 0x0603))
}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A certificate that serves."""

    digest: bytes  # of the contents of the files that it was made from
    names: frozenset[str]
    kind: _Kind
    expires_at: float
    end_point: bytes
    contexts: Mapping[str, ssl.SSLContext]  # by listener

    def is_for(self, name: str) -> bool:
        """RFC 6125 section 6.4.3: a wildcard stands for one label, the leftmost."""
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names

    def can_be_verified_by(self, hello: ClientHello) -> bool:
        offered = hello.signature_algorithms
        if _TLS_1_3 in hello.versions:
            return not self.kind.schemes.isdisjoint(offered)
        if self.kind.cipher_suites.isdisjoint(hello.cipher_suites):
            return False
        # RFC 5246 section 7.4.1.4.1: silence means SHA-1, which OpenSSL will refuse or not; it is not ours to judge.
        return not offered or not self.kind.schemes_of_1_2.isdisjoint(offered)


class Certificates:
    """All pairs; the first is for clients that ask for no name or for an unknown one. `clock`: seconds since the epoch.

    `listeners`: the client certificate rule of each, by its name; those other than "no" need `client_ca`. Each has
    contexts of its own, or a TLS 1.2 session that was begun on one could be resumed on another, past its rule.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Path, Path]],
        listeners: Mapping[str, ClientCertificates],
        *,
        client_ca: Path | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._files: tuple[tuple[Path, ...], ...] = tuple((*pair, client_ca) if client_ca else pair for pair in pairs)
        self._listeners = listeners
        self._clock = clock
        self.failure = ""  # why what is on disk does not serve; empty where it does
        self.generation = 1
        try:
            self._pairs = [_load(_contents(files), files, listeners, clock()) for files in self._files]
        except CertificateError as error:
            raise SettingError(error.setting, str(error), error.remedy) from None

    @property
    def expires_at(self) -> float:
        """The earliest of those that serve, in seconds since the epoch."""
        return min(pair.expires_at for pair in self._pairs)

    def select(self, hello: ClientHello, listener: str) -> Selected:
        """What `hello` asks for on that listener; NoProtocol where it is a client of something else.

        RFC 7301 section 3.2 wants the refusal, and OpenSSL under Python does not make it.
        """
        if hello.alpn and PROTOCOL.encode() not in hello.alpn:
            raise NoProtocol
        pair = self._pair_for(hello)
        return Selected(pair.contexts[listener], pair.end_point, hello.fingerprint)

    def reload(self) -> bool:
        """Whether something new serves now. What cannot serve is told in `failure`, and tried again the next time."""
        failures: list[str] = []
        before = self.generation
        for number, files in enumerate(self._files):
            try:
                contents = _contents(files)
                if _digest(contents) != self._pairs[number].digest:
                    self._pairs[number] = _load(contents, files, self._listeners, self._clock())
                    self.generation += 1
            except CertificateError as error:
                failures.append(f"{error}; what was there before still serves")
        self.failure = "; ".join(dict.fromkeys(failures))
        return self.generation != before

    def _pair_for(self, hello: ClientHello) -> _Pair:
        first = self._pairs[0]
        fitting = [pair for pair in self._pairs if pair.is_for(hello.server_name)] if hello.server_name else []
        fitting = fitting or [pair for pair in self._pairs if pair is first or pair.names & first.names]
        usable = [pair for pair in fitting if pair.can_be_verified_by(hello)] or fitting
        return min(usable, key=lambda pair: pair.kind is _RSA)


def _contents(files: tuple[Path, ...]) -> tuple[bytes, ...]:
    contents = []
    for setting, path in zip(_SETTINGS, files, strict=False):
        try:
            contents.append(path.read_bytes())
        except OSError as error:
            problem = f"{path} cannot be read ({error.strerror})"
            raise CertificateError(problem, "check the path and its owner", setting) from None
    return tuple(contents)


def _digest(contents: tuple[bytes, ...]) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in contents)).digest()


def _load(
    contents: tuple[bytes, ...], files: tuple[Path, ...], listeners: Mapping[str, ClientCertificates], now: float
) -> _Pair:
    contexts = {name: _context(contents, files, rule) for name, rule in listeners.items()}
    try:
        leaf = x509.load_pem_x509_certificate(contents[0])
        names, kind, end_point = _names(leaf), _kind(leaf), _end_point(leaf)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise CertificateError(f"{files[0]} is no certificate of a kind that is known here") from None
    begins, expires = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if expires.timestamp() <= now:
        raise CertificateError(f"{files[0]} expired on {expires:%Y-%m-%d}")
    if begins.timestamp() > now:
        raise CertificateError(f"{files[0]} is not valid before {begins:%Y-%m-%d %H:%M} UTC", "set the clock, or wait")
    return _Pair(_digest(contents), names, kind, expires.timestamp(), end_point, contexts)


def _context(contents: tuple[bytes, ...], files: tuple[Path, ...], rule: ClientCertificates) -> ssl.SSLContext:
    """TLS 1.2 and 1.3, AEAD with forward secrecy only: Mozilla's "intermediate" profile, RFC 9325."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2")  # level 2: no RSA below 2048 bits, no SHA-1
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # No tickets: their keys would live as long as the context and undo forward secrecy. TLS 1.2 can still resume by
    # session id within one context: OpenSSL keeps at most 20,480 of 1 KiB, and Python has no call to stop it.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols([PROTOCOL])
    try:
        _load_chain(context, contents[0], contents[1])
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or "no PEM"
        raise CertificateError(f"{files[0]} and {files[1]} are no certificate with its key ({reason})") from None
    if rule != "no":
        try:
            context.load_verify_locations(cadata=contents[2].decode("ascii", errors="replace"))
        except (ssl.SSLError, ValueError):
            raise CertificateError(f"{files[2]} holds no PEM certificates", "replace the file", _SETTINGS[2]) from None
        context.verify_mode = _VERIFY_MODES[rule]
    return context


def _load_chain(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """ssl reads files only, so it gets files in memory: those on disk may have changed since they were read."""
    cert_file, key_file = os.memfd_create("certificate"), os.memfd_create("key")
    try:
        os.write(cert_file, cert)
        os.write(key_file, key)
        # With a password, if an empty one, a key that needs one is an error and not a question on a terminal.
        context.load_cert_chain(f"/proc/self/fd/{cert_file}", f"/proc/self/fd/{key_file}", password="")
    finally:
        os.close(cert_file)
        os.close(key_file)


def _names(leaf: x509.Certificate) -> frozenset[str]:
    """RFC 6125 section 6.4.4: only the subject alternative names count; browsers and mail clients do it so, too."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _kind(leaf: x509.Certificate) -> _Kind:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _ED25519
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _ECDSA:
        return _ECDSA[key.curve.name]
    raise ValueError("a kind of key that TLS clients do not know")


def _end_point(leaf: x509.Certificate) -> bytes:
    """RFC 5929 section 4.1: the hash of the signature, but SHA-256 in place of MD5 and SHA-1; without one, nothing."""
    try:
        algorithm = leaf.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return b""
    if algorithm is None:
        return b""
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    return leaf.fingerprint(algorithm)
