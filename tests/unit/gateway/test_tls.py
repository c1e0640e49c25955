"""Which certificate a client gets and on what terms, with real handshakes over loopback; and replacement of files."""

import asyncio
import hashlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from certificates import DAY, NOW, Made, make
from cryptography.hazmat.primitives import hashes, serialization

from gateway import tls
from gateway.client_hello import ClientHello, parse
from gateway.tls import NO_PROTOCOL_ALERT, Certificates, ClientCertificates, NoProtocol
from service.settings import SettingError

ROOT = Path(__file__).parent.parent.parent.parent
NAME = "mail.example.org"
ECDSA, RSA = make(NAME), make(NAME, kind="rsa")


def certificates(folder: Path, *made: Made, client_ca: Path | None = None) -> Certificates:
    pairs = [one.write(folder, f"cert{number}") for number, one in enumerate(made)]
    rules: tuple[ClientCertificates, ...] = ("no", "optional", "required") if client_ca else ("no",)
    return Certificates(pairs, {rule: rule for rule in rules}, client_ca=client_ca, clock=lambda: NOW)


def client(**changes: object) -> ssl.SSLContext:
    """A client that believes anything; `changes` are attributes of the context, `alpn` and `sigalgs` apart."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in changes.items():
        setattr(context, name, value)
    return context


async def _peeked(connection: socket.socket) -> ClientHello:
    loop = asyncio.get_running_loop()
    while True:
        ready = loop.create_future()
        loop.add_reader(connection, ready.set_result, None)
        await ready
        loop.remove_reader(connection)
        hello = parse(connection.recv(65536, socket.MSG_PEEK))
        if hello:
            return hello


class Echo(asyncio.Protocol):
    """Says back what it hears, and what it knows of TLS."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, octets: bytes) -> None:
        self.transport.write(octets)  # type: ignore[attr-defined]


@asynccontextmanager
async def serving(chosen: Certificates, rule: ClientCertificates = "no") -> AsyncIterator[int]:
    """A port that peeks, selects and shakes hands, as the gateway does."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)

    async def one(connection: socket.socket) -> None:
        try:
            selected = chosen.select(await _peeked(connection), rule)
        except NoProtocol:
            connection.send(NO_PROTOCOL_ALERT)
            connection.close()
            return
        try:
            await loop.connect_accepted_socket(Echo, connection, ssl=selected.context)
        except OSError:
            connection.close()

    async def accept() -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                connection, _ = await loop.sock_accept(listening)
                group.create_task(one(connection))

    accepting = asyncio.create_task(accept())
    try:
        yield listening.getsockname()[1]
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        listening.close()


class Connected:
    """A client's side after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    @property
    def certificate(self) -> bytes:
        return self.tls.getpeercert(binary_form=True) or b""

    async def echoes(self) -> bool:
        self.writer.write(b"x")
        return await self.reader.read(1) == b"x"


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext, name: str = NAME) -> AsyncIterator[Connected]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        yield Connected(reader, writer)
    finally:
        writer.transport.abort()


def der(made: Made) -> bytes:
    return made.certificate.public_bytes(serialization.Encoding.DER)


# Terms


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions_and_what_a_session_is_made_of(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """1.2 and 1.3, AEAD with forward secrecy, no ticket to resume with, no compression, smtp by ALPN."""
    context = client(minimum_version=version, maximum_version=version)
    context.set_alpn_protocols(["smtp"])
    async with serving(certificates(tmp_path, ECDSA)) as port, connected(port, context) as session:
        assert await session.echoes()
        cipher, _, bits = session.tls.cipher() or ("", "", 0)
        assert cipher.startswith(("TLS_", "ECDHE-ECDSA"))
        assert bits >= 128
        assert session.tls.compression() is None
        assert session.tls.selected_alpn_protocol() == "smtp"
        assert not session.tls.session or not session.tls.session.has_ticket


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("what", "cipher", "newest"),
    [
        ("TLS 1.1", "ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_1),
        ("CBC", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA", ssl.TLSVersion.TLSv1_2),
        ("no forward secrecy", "AES128-GCM-SHA256:AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_2),
        ("finite fields", "DHE+AESGCM", ssl.TLSVersion.TLSv1_2),
        ("CCM", "ECDHE-ECDSA-AES128-CCM", ssl.TLSVersion.TLSv1_2),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_is_too_weak(tmp_path: Path, what: str, cipher: str, newest: ssl.TLSVersion) -> None:
    """RFC 9325, and RFC 8996 for what is older than 1.2; with an RSA certificate beside, so that each could be had."""
    context = client(maximum_version=newest, minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED)
    context.set_ciphers(cipher)
    async with serving(certificates(tmp_path, ECDSA, RSA)) as port:
        with pytest.raises(OSError):  # noqa: PT011 - an alert or a reset, as the client sees it
            async with connected(port, context):
                pass


@pytest.mark.parametrize(
    ("offered", "answered"), [([], None), (["smtp"], "smtp"), (["h2", "smtp"], "smtp"), (["h2", "http/1.1"], "refused")]
)
async def test_other_protocols_are_turned_away(tmp_path: Path, offered: list[str], answered: str | None) -> None:
    """RFC 7301 section 3.2: with the alert that says why; silence about protocols is no fault."""
    context = client()
    if offered:
        context.set_alpn_protocols(offered)
    async with serving(certificates(tmp_path, ECDSA)) as port:
        if answered == "refused":
            with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
                async with connected(port, context):
                    pass
        else:
            async with connected(port, context) as session:
                assert session.tls.selected_alpn_protocol() == answered


@pytest.mark.parametrize(
    ("groups", "is_taken"),
    [("X25519", True), ("P-256", True), ("P-384", True), ("X448", False), ("P-521", False), ("ffdhe2048", False)],
)
def test_groups(tmp_path: Path, groups: str, is_taken: bool) -> None:
    """gateway/openssl.cnf, in a process that is told of it before it loads OpenSSL, as gateway/__main__.py is."""
    cert, key = ECDSA.write(tmp_path)
    server = f"""
import socket, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from gateway.client_hello import ClientHello
from gateway.tls import Certificates
chosen = Certificates([(Path({str(cert)!r}), Path({str(key)!r}))], {{'no': 'no'}}, clock=lambda: {NOW})
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
connection = listening.accept()[0]
try:
    chosen.select(ClientHello(), "no").context.wrap_socket(connection, server_side=True)
    print("taken")
except OSError as error:
    print("refused", getattr(error, "reason", ""))
"""
    environment = os.environ | {"OPENSSL_CONF": str(ROOT / "gateway" / "openssl.cnf")}
    process = subprocess.Popen([sys.executable, "-c", server], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    port = process.stdout.readline().strip()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-groups", groups]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    said, _ = process.communicate(timeout=20)
    assert said.startswith("taken" if is_taken else "refused"), said


# Choice


@pytest.mark.parametrize(
    ("what", "version", "cipher", "expected"),
    [
        ("a client of today", ssl.TLSVersion.TLSv1_3, "DEFAULT", ECDSA),
        ("1.2, all suites", ssl.TLSVersion.TLSv1_2, "DEFAULT", ECDSA),
        ("1.2, suites for RSA alone", ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256", RSA),
        ("1.2, suites for ECDSA alone", ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", ECDSA),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize("order", [(ECDSA, RSA), (RSA, ECDSA)], ids=["ECDSA first", "RSA first"])
async def test_ecdsa_and_rsa_side_by_side(
    tmp_path: Path, what: str, version: ssl.TLSVersion, cipher: str, expected: Made, order: tuple[Made, ...]
) -> None:
    """Whoever can verify ECDSA gets it, in whatever order the files were named."""
    context = client(maximum_version=version)
    context.set_ciphers(cipher)
    async with serving(certificates(tmp_path, *order)) as port, connected(port, context) as session:
        assert session.certificate == der(expected)


TLS_1_3, TLS_1_2 = (0x0304, 0x0303), (0x0303,)
PSS, PKCS1, P256, P384 = 0x0804, 0x0401, 0x0403, 0x0503
KINDS = [
    # what it shows, kinds on offer, signature algorithms, cipher suites, versions, kind that serves
    ("1.3 without ECDSA", ("p256", "rsa"), (PSS,), (0x1301,), TLS_1_3, "rsa"),
    ("1.3 without our curve", ("p256", "rsa"), (P384, PSS), (0x1301,), TLS_1_3, "rsa"),
    ("1.3 with our curve", ("p384", "rsa"), (PSS, P384), (0x1301,), TLS_1_3, "p384"),
    ("1.2 does not tie hash and curve", ("p384", "rsa"), (P256,), (0xC02B,), TLS_1_2, "p384"),
    ("1.2 with PKCS 1 alone", ("p256", "rsa"), (PKCS1,), (0xC02B, 0xC02F), TLS_1_2, "rsa"),
    ("1.2 that is silent", ("p256", "rsa"), (), (0xC02B, 0xC02F), TLS_1_2, "p256"),
    ("Ed25519 where it is known", ("ed25519", "rsa"), (0x0807, PSS), (0x1301,), TLS_1_3, "ed25519"),
    ("Ed25519 where it is not", ("ed25519", "p256", "rsa"), (P256, PSS), (0x1301,), TLS_1_3, "p256"),
    ("nothing in common: OpenSSL will say so", ("rsa", "p256"), (0x0999,), (0x1301,), TLS_1_3, "p256"),
]


@pytest.mark.parametrize(
    ("offered", "algorithms", "suites", "versions", "expected"), [c[1:] for c in KINDS], ids=[c[0] for c in KINDS]
)
def test_kinds(
    tmp_path: Path,
    offered: tuple[str, ...],
    algorithms: tuple[int, ...],
    suites: tuple[int, ...],
    versions: tuple[int, ...],
    expected: str,
) -> None:
    """By what the client can verify, RFC 8446 section 4.2.3 and RFC 5246 section 7.4.1.4.1."""
    made = {kind: make(NAME, kind=kind) for kind in offered}
    hello = ClientHello(signature_algorithms=algorithms, cipher_suites=suites, versions=versions)
    selected = certificates(tmp_path, *made.values()).select(hello, "no")
    ends = {kind: one.certificate.fingerprint(hashes.SHA256()) for kind, one in made.items()} | {"ed25519": b""}
    assert selected.end_point == ends[expected]


NAMES = [
    # what it shows, name in the ClientHello, number of the certificate
    ("the first one's", "mail.example.org", 0),
    ("the second one's", "smtp.example.net", 1),
    ("its other name", "smtp.example.com", 1),
    ("a label for the wildcard", "any.wild.example", 2),
    ("the wildcard's own domain", "wild.example", 0),
    ("two labels for the wildcard", "a.b.wild.example", 0),
    ("nobody's", "elsewhere.test", 0),
    ("none", "", 0),
]


@pytest.mark.parametrize(("name", "number"), [c[1:] for c in NAMES], ids=[c[0] for c in NAMES])
async def test_names(tmp_path: Path, name: str, number: int) -> None:
    """SNI, RFC 6066 section 3, against the alternative names; a name in capitals in a certificate is the same name."""
    made = [make(NAME), make("SMTP.example.net", "smtp.example.com"), make("*.wild.example")]
    async with serving(certificates(tmp_path, *made)) as port, connected(port, client(), name) as session:
        assert session.certificate == der(made[number])


def test_an_unknown_name_still_gets_what_it_can_verify(tmp_path: Path) -> None:
    """The default is the first pair and its sister of another kind, never a third party's certificate."""
    other = make("smtp.example.net", kind="rsa")
    chosen = certificates(tmp_path, make(NAME), other, RSA)
    hello = ClientHello(server_name="else.test", signature_algorithms=(PSS,), versions=TLS_1_3)
    assert chosen.select(hello, "no").end_point == RSA.certificate.fingerprint(hashes.SHA256())


@pytest.mark.parametrize(
    ("signature", "digest"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")]
)
async def test_the_end_point_is_what_the_client_computes(
    tmp_path: Path, signature: hashes.HashAlgorithm, digest: str
) -> None:
    """RFC 5929 section 4.1: the hash of the certificate, with the hash function of its signature."""
    chosen = certificates(tmp_path, make(NAME, signature_hash=signature))
    async with serving(chosen) as port, connected(port, client()) as session:
        seen = hashlib.new(digest, session.certificate).digest()
    assert chosen.select(ClientHello(), "no").end_point == seen


# Client certificates


@pytest.mark.parametrize(
    ("rule", "shown", "is_taken"),
    [
        ("no", "ours", True),
        ("optional", None, True),
        ("optional", "ours", True),
        ("optional", "a stranger's", False),
        ("required", None, False),
        ("required", "ours", True),
        ("required", "a stranger's", False),
    ],
)
async def test_client_certificates(tmp_path: Path, rule: ClientCertificates, shown: str | None, is_taken: bool) -> None:
    """Asked for where the listener says so; one that the authority did not issue ends the handshake."""
    authority, stranger = (make(name, is_ca=True, begins=1e9, expires=4e9) for name in ("Authority", "Stranger"))
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem)
    context = client()
    if shown:
        issued = make(issuer=authority if shown == "ours" else stranger, begins=1e9, expires=4e9)
        context.load_cert_chain(*issued.write(tmp_path, "client"))
    chosen = certificates(tmp_path, ECDSA, client_ca=tmp_path / "ca.pem")
    async with serving(chosen, rule) as port:
        try:
            async with connected(port, context) as session:
                echoed = await session.echoes()  # TLS 1.3: the client is through before the server has judged
        except OSError:
            echoed = False
    assert echoed is is_taken


# Replacement


def rewrite(cert: bytes | None = None, key: bytes | None = None) -> Callable[[Path, Path], None]:
    def change(cert_file: Path, key_file: Path) -> None:
        for path, octets in ((cert_file, cert), (key_file, key)):
            if octets is not None:
                path.write_bytes(octets)

    return change


NEXT = make(NAME, expires=NOW + 180 * DAY)
EXPIRED = make(NAME, expires=NOW)
EARLY = make(NAME, begins=NOW + 1)
BIG = make(NAME, kind="p521")
LOCKED = NEXT.key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
)
RELOADS = [
    # what it shows, change, whether the new one serves, what the failure says
    ("both replaced", rewrite(NEXT.cert_pem, NEXT.key_pem), True, ""),
    ("nothing replaced", rewrite(), False, ""),
    ("another kind of key", rewrite(RSA.cert_pem, RSA.key_pem), True, ""),
    ("the certificate, and not yet its key", rewrite(NEXT.cert_pem), False, "KEY_VALUES_MISMATCH"),
    ("the key, and not yet its certificate", rewrite(key=NEXT.key_pem), False, "KEY_VALUES_MISMATCH"),
    ("no PEM", rewrite(b"hello", NEXT.key_pem), False, "no certificate with its key"),
    ("empty", rewrite(b"", b""), False, "no certificate with its key"),
    ("half a certificate", rewrite(NEXT.cert_pem[:200], NEXT.key_pem), False, "no certificate with its key"),
    ("a key with a password", rewrite(NEXT.cert_pem, LOCKED), False, "no certificate with its key"),
    ("expired", rewrite(EXPIRED.cert_pem, EXPIRED.key_pem), False, "expired on 2027-01-15"),
    ("not yet valid", rewrite(EARLY.cert_pem, EARLY.key_pem), False, "is not valid before 2027-01-15 08:00 UTC"),
    ("no certificate", lambda cert, _: cert.unlink(), False, "cert0.pem cannot be read (No such file"),
    ("no key", lambda _, key: key.unlink(), False, "cert0.key cannot be read (No such file"),
    ("a folder", lambda cert, _: (cert.unlink(), cert.mkdir()), False, "cannot be read (Is a directory"),
]


@pytest.mark.parametrize(
    ("change", "serves", "failure"), [case[1:] for case in RELOADS], ids=[case[0] for case in RELOADS]
)
async def test_reload(tmp_path: Path, change: Callable[[Path, Path], None], serves: bool, failure: str) -> None:
    """What can serve serves; what cannot is told, and the pair before it goes on. Then all is well again."""
    chosen = certificates(tmp_path, ECDSA)
    files = tmp_path / "cert0.pem", tmp_path / "cert0.key"
    async with serving(chosen) as port, connected(port, client()) as before:
        change(*files)
        assert chosen.reload() is serves
        assert (chosen.generation == 2) is serves
        assert failure in chosen.failure
        assert bool(failure) is bool(chosen.failure)
        assert await before.echoes()
        async with connected(port, client()) as after:
            assert (after.certificate != before.certificate) is serves
        assert chosen.reload() is False
        assert bool(failure) is bool(chosen.failure)
        if files[0].is_dir():
            files[0].rmdir()
        NEXT.write(tmp_path, "cert0")
        chosen.reload()
        async with connected(port, client()) as last:
            assert last.certificate == der(NEXT)
        assert await before.echoes()
    assert chosen.failure == ""
    assert chosen.expires_at == NOW + 180 * DAY


def test_the_old_files_come_back(tmp_path: Path) -> None:
    """A failure ends when what is on disk serves, also if that is what served all the time."""
    chosen = certificates(tmp_path, ECDSA)
    (tmp_path / "cert0.pem").write_bytes(b"")
    chosen.reload()
    assert chosen.failure
    ECDSA.write(tmp_path, "cert0")
    assert (chosen.reload(), chosen.failure, chosen.generation) == (False, "", 1)


def test_what_is_early_serves_when_its_time_has_come(tmp_path: Path) -> None:
    """No file changes then, and nobody has to touch one."""
    now = NOW
    chosen = Certificates([ECDSA.write(tmp_path)], {"no": "no"}, clock=lambda: now)
    EARLY.write(tmp_path)
    assert (chosen.reload(), bool(chosen.failure)) == (False, True)
    now += 2
    assert (chosen.reload(), chosen.failure) == (True, "")


def test_one_broken_pair_holds_no_other_up(tmp_path: Path) -> None:
    """Each pair is judged by itself, and the earliest end counts."""
    chosen = certificates(tmp_path, make("a.example"), make("b.example"))
    (tmp_path / "cert0.pem").write_bytes(b"")
    soon = make("b.example", expires=NOW + DAY)
    soon.write(tmp_path, "cert1")
    assert chosen.reload()
    assert "cert0.pem" in chosen.failure
    assert chosen.expires_at == NOW + DAY
    hello = ClientHello(server_name="b.example")
    assert chosen.select(hello, "no").end_point == soon.certificate.fingerprint(hashes.SHA256())


def test_a_swapped_folder_is_noticed(tmp_path: Path) -> None:
    """Kubernetes replaces a secret by swapping the symbolic link ..data; the paths stay what they were."""
    for name, made in (("first", ECDSA), ("second", NEXT)):
        (tmp_path / name).mkdir()
        made.write(tmp_path / name)
    (tmp_path / "..data").symlink_to("first")
    for name in ("cert.pem", "cert.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    chosen = Certificates([(tmp_path / "cert.pem", tmp_path / "cert.key")], {"no": "no"}, clock=lambda: NOW)
    (tmp_path / "swap").symlink_to("second")
    (tmp_path / "swap").rename(tmp_path / "..data")
    assert chosen.reload()
    assert chosen.select(ClientHello(), "no").end_point == NEXT.certificate.fingerprint(hashes.SHA256())


def test_another_authority_for_clients(tmp_path: Path) -> None:
    """It is looked at with the rest, and a broken one leaves all as it was."""
    (tmp_path / "ca.pem").write_bytes(make("Authority", is_ca=True).cert_pem)
    chosen = certificates(tmp_path, ECDSA, RSA, client_ca=tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_bytes(make("Another", is_ca=True).cert_pem)
    assert (chosen.reload(), chosen.failure) == (True, "")
    (tmp_path / "ca.pem").write_bytes(b"")
    assert not chosen.reload()
    assert chosen.failure.count("ca.pem holds no PEM certificates") == 1


STARTS = [
    # what it shows, change, setting, sentence
    ("no certificate", lambda cert, _: cert.unlink(), "GATEWAY_TLS_CERT: ", "check the path and its owner"),
    ("no key", lambda _, key: key.unlink(), "GATEWAY_TLS_KEY: ", "check the path and its owner"),
    ("a key of another pair", rewrite(key=NEXT.key_pem), "GATEWAY_TLS_CERT: ", "KEY_VALUES_MISMATCH"),
    ("expired", rewrite(EXPIRED.cert_pem, EXPIRED.key_pem), "GATEWAY_TLS_CERT: ", "expired on 2027-01-15; replace"),
    ("not yet valid", rewrite(EARLY.cert_pem, EARLY.key_pem), "GATEWAY_TLS_CERT: ", "set the clock"),
]


@pytest.mark.parametrize(("change", "setting", "says"), [case[1:] for case in STARTS], ids=[case[0] for case in STARTS])
def test_nothing_starts_with_a_pair_that_cannot_serve(
    tmp_path: Path, change: Callable[[Path, Path], None], setting: str, says: str
) -> None:
    """There is no pair before it then; one sentence that names the setting."""
    pair = ECDSA.write(tmp_path)
    change(*pair)
    with pytest.raises(SettingError) as wrong:
        Certificates([pair], {"no": "no"}, clock=lambda: NOW)
    assert str(wrong.value).startswith(setting)
    assert says in str(wrong.value)


def test_a_weak_key_does_not_serve(tmp_path: Path) -> None:
    """RFC 9325 section 4.5: RSA of less than 2048 bits."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", "-days", "9000"]
    subprocess.run([*command, "-keyout", "k", "-out", "c"], cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(SettingError, match="EE_KEY_TOO_SMALL"):
        Certificates([(tmp_path / "c", tmp_path / "k")], {"no": "no"}, clock=lambda: NOW)


@pytest.mark.parametrize("signature", ["-sha1", "-sha224"])
def test_the_end_point_of_an_old_signature(tmp_path: Path, signature: str) -> None:
    """RFC 5929 section 4.1: SHA-256 in place of MD5 and SHA-1, and of nothing else."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "9000", signature]
    subprocess.run([*command, "-keyout", "k", "-out", "c"], cwd=tmp_path, check=True, capture_output=True)
    chosen = Certificates([(tmp_path / "c", tmp_path / "k")], {"no": "no"}, clock=lambda: NOW)
    read = ssl.PEM_cert_to_DER_cert((tmp_path / "c").read_text())
    expected = hashlib.sha256(read) if signature == "-sha1" else hashlib.sha224(read)
    assert chosen.select(ClientHello(), "no").end_point == expected.digest()


def test_a_kind_of_key_that_no_client_knows(tmp_path: Path) -> None:
    """OpenSSL would take it, and every handshake would fail."""
    odd = make(NAME, kind="k256")
    with pytest.raises(SettingError, match="of a kind that is known here"):
        certificates(tmp_path, odd)


def test_a_certificate_without_names_serves_as_the_first(tmp_path: Path) -> None:
    """And for no name, because only alternative names count (RFC 6125 section 6.4.4)."""
    plain = make()
    chosen = certificates(tmp_path, make(NAME), plain)
    assert chosen.select(ClientHello(server_name="client"), "no").end_point != plain.certificate.fingerprint(
        hashes.SHA256()
    )


def test_the_alert_is_an_alert() -> None:
    """A record of type 21 with a fatal (2) alert 120."""
    incoming = ssl.MemoryBIO()
    session = client().wrap_bio(incoming, ssl.MemoryBIO())
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    incoming.write(NO_PROTOCOL_ALERT)
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        session.do_handshake()
    assert tls.PROTOCOL == "smtp"
