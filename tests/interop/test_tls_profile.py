"""Both ports as sslyze sees them: nothing weaker than Mozilla's "intermediate" profile (https://ssl-config.mozilla.org/).

The certificates are an ECDSA and an RSA one of an authority made here, so that nothing has to be left out of the check.
"""

import datetime
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import installed
import pytest
from conftest import Note
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from harness import Sallyport, Sink

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CURVES = {"X25519", "secp256r1", "secp384r1"}
OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")


@dataclass(frozen=True)
class Authority:
    """Signs what the gateway shows."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        usage |= {"digital_signature": True, "key_cert_sign": True, "crl_sign": True, "decipher_only": False}
        certificate = (
            _builder("Authority", "Authority", key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(key, hashes.SHA256())
        )
        (folder / "authority.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, key, certificate)

    @property
    def path(self) -> Path:
        return self.folder / "authority.pem"

    def issue(self, name: str, key: Key) -> tuple[Path, Path]:
        """A certificate for `localhost` in files."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder("localhost", "Authority", key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(usage, critical=False)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        cert, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        cert.write_bytes(certificate.public_bytes(encoding))
        secret.write_bytes(key.private_bytes(encoding, kind, serialization.NoEncryption()))
        return cert, secret


def _builder(subject: str, issuer: str, key: Key) -> x509.CertificateBuilder:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sink: Sink, authority: Authority) -> Iterator[Sallyport]:
    """With both certificates, and one worker: what is kept for resumption is kept in a process."""
    ecdsa = authority.issue("ecdsa", ec.generate_private_key(ec.SECP256R1()))
    over_rsa = authority.issue("rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    pairs = {
        "GATEWAY_TLS_CERT": f"{ecdsa[0]},{over_rsa[0]}",
        "GATEWAY_TLS_KEY": f"{ecdsa[1]},{over_rsa[1]}",
        "GATEWAY_WORKERS": "1",
    }
    one = Sallyport(tmp_path_factory.mktemp("stack"), sink.smtp_port, gateway_settings=pairs)
    try:
        yield one.start()
    finally:
        one.stop()


@dataclass(frozen=True)
class Scan:
    """What sslyze found out about one port, and what it makes of it."""

    verdict: str
    results: dict[str, Any]


@cache
def sslyze(port: int, authority: Path, *, implicit_tls: bool) -> Scan:
    """By its command line, as an operator would. `authority` takes the place of the trust stores that it brings."""
    out = authority.parent / f"{port}.json"
    command = [str(installed.python()), "-m", "sslyze", "--mozilla_config=intermediate", "--resum", "--early_data"]
    command += ["--certinfo", "--certinfo_ca_file", str(authority), "--json_out", str(out)]
    command += [] if implicit_tls else ["--starttls", "smtp"]
    done = subprocess.run([*command, f"localhost:{port}"], capture_output=True, text=True, check=False)
    _, _, verdict = done.stdout.partition("COMPLIANCE AGAINST")
    (server,) = json.loads(out.read_text())["server_scan_results"]
    return Scan(verdict, {name: one["result"] for name, one in server["scan_result"].items() if one})


@pytest.fixture
def scan(stack: Sallyport, authority: Authority, implicit_tls: bool) -> Scan:
    port = stack.submissions_port if implicit_tls else stack.submission_port
    return sslyze(port, authority.path, implicit_tls=implicit_tls)


def test_it_is_compliant(scan: Scan, implicit_tls: bool, note: Note) -> None:
    """With the whole of the profile: certificates, versions, cipher suites, curves, known weaknesses."""
    (line,) = (line.strip() for line in scan.verdict.splitlines() if "localhost:" in line)
    note(f"sslyze {installed.version_of('sslyze')}", f"on port {465 if implicit_tls else 587}", line.split(": ", 1)[1])
    assert "OK - Compliant" in line, scan.verdict


def test_nothing_old(scan: Scan) -> None:
    """No version before TLS 1.2, no compression, no renegotiation by the client, no early data."""
    assert [name for name in OLD if scan.results[f"{name}_cipher_suites"]["is_tls_version_supported"]] == []
    assert not scan.results["tls_compression"]["supports_compression"]
    assert scan.results["session_renegotiation"]["client_renegotiations_success_count"] == 0
    assert not scan.results["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert not scan.results["tls_1_3_early_data"]["supports_early_data"]


def test_forward_secrecy_and_aead_alone(scan: Scan) -> None:
    """Over three curves, with both kinds of certificate."""
    suites = {
        one["cipher_suite"]["name"]
        for version in ("1_2", "1_3")
        for one in scan.results[f"tls_{version}_cipher_suites"]["accepted_cipher_suites"]
    }
    over_tls_1_2 = {suite for suite in suites if "_WITH_" in suite}
    assert suites
    assert all("GCM" in suite or "CHACHA20_POLY1305" in suite for suite in suites)
    assert {suite.partition("_WITH_")[0] for suite in over_tls_1_2} == {"TLS_ECDHE_ECDSA", "TLS_ECDHE_RSA"}
    assert {curve["name"] for curve in scan.results["elliptic_curves"]["supported_curves"]} == CURVES


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("first_is_implicit", [True, False], ids=["465 then 587", "587 then 465"])
def test_a_session_is_not_resumed_on_the_other_port(
    version: str, first_is_implicit: bool, stack: Sallyport, authority: Authority, tmp_path: Path
) -> None:
    """What a client was told on one listener holds for that alone."""
    kept = tmp_path / "session"
    first = s_client(stack, authority, version, "-sess_out", str(kept), implicit_tls=first_is_implicit)
    assert "New, TLSv1" in first
    if not kept.exists():
        return  # nothing was given that could be resumed
    second = s_client(stack, authority, version, "-sess_in", str(kept), implicit_tls=not first_is_implicit)
    assert "New, TLSv1" in second


def s_client(stack: Sallyport, authority: Authority, *options: str, implicit_tls: bool) -> str:
    """What OpenSSL tells of one session, which it ends at once."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed here; it comes with openssl")
    port = stack.submissions_port if implicit_tls else stack.submission_port
    command = ["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", str(authority.path), *options]
    command += [] if implicit_tls else ["-starttls", "smtp"]
    done = subprocess.run(command, input="Q\n", capture_output=True, text=True, check=False, timeout=20)
    assert "Verification: OK" in done.stdout, done.stdout + done.stderr
    return done.stdout
