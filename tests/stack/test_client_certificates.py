"""Logins that a client certificate proves (SASL EXTERNAL), from `sallyport credential add` to the message.

A gateway listener asks for certificates of Sallyport's own CA, and of another one that an organisation has already.
"""

import json
import smtplib
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from harness import ROOT, Sallyport, Sink, free_port

sys.path.append(str(ROOT / "tests" / "unit" / "gateway"))
from certificates import Made, make

from policy.client_ca import open_client_ca

SENDER = "ada@sallyport.test"
DAY_S = 86_400.0


@dataclass
class Stack:
    """Gateway and policy with a listener for certificates."""

    sallyport: Sallyport
    port: int
    other_ca: Made

    def new_certificate(self, label: str, *options: str) -> tuple[str, Path]:
        """A login that our own CA made a certificate for; and the file with it and its key, as clients read it."""
        file = self.sallyport.folder / f"{label}.p12"
        made = json.loads(
            self.sallyport.cli(
                *("credential", "add", "ada", "--label", label, "--issue-certificate", str(file), *options, "--json")
            )
        )
        return made["login"], unpacked(file.read_bytes(), made["passphrase"], file.with_suffix(".pem"))

    def answer(self, certificate: Path, login: str = "") -> tuple[int, str]:
        """To AUTH EXTERNAL, for the login that the certificate belongs to or for the one that is named."""
        with self.client(certificate) as client:
            client.ehlo()
            code, text = client.docmd("AUTH", f"EXTERNAL {b64encode(login.encode()).decode() or '='}")
            return code, text.decode()

    def client(self, certificate: Path) -> smtplib.SMTP_SSL:
        context = self.sallyport.tls()
        context.load_cert_chain(certificate)
        return smtplib.SMTP_SSL("localhost", self.port, "client.test", context=context, timeout=20)


def unpacked(octets: bytes, passphrase: str, path: Path) -> Path:
    """A PKCS#12 file as PEM, as a device imports it."""
    key, certificate, _ = pkcs12.load_key_and_certificates(octets, passphrase.encode())
    assert key
    assert certificate
    plain = serialization.NoEncryption()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, form, plain) + certificate.public_bytes(encoding))
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Stack]:
    """Shared by the tests; ada owns SENDER."""
    folder = tmp_path_factory.mktemp("certificates")
    one = Sallyport(folder, sink.smtp_port)
    one.cli("init")
    now = time.time()
    other = make("Another CA", begins=now - DAY_S, expires=now + DAY_S, is_ca=True)
    trusted = folder / "client-ca.pem"
    trusted.write_bytes(one.cli("client-ca").encode() + other.cert_pem)
    port = free_port()
    listeners = [
        {"name": "submission", "port": one.submission_port, "tls": "starttls"},
        {"name": "submissions", "port": one.submissions_port, "tls": "implicit"},
        {"name": "machines", "port": port, "tls": "implicit", "client_certificates": "required"},
    ]
    one.gateway.environment |= {"GATEWAY_LISTENERS": json.dumps(listeners), "GATEWAY_TLS_CLIENT_CA": str(trusted)}
    try:
        one.start()
        one.cli("identity", "add", "ada", "--address", SENDER)
        yield Stack(one, port, other)
    finally:
        one.stop()


def test_an_issued_certificate_sends(stack: Stack, sink: Sink) -> None:
    """The whole way: made, imported, logged in, sent."""
    _, certificate = stack.new_certificate("printer")
    with stack.client(certificate) as client:
        client.ehlo()
        assert client.docmd("AUTH", "EXTERNAL =")[0] == 235
        client.sendmail(SENDER, ["friend@elsewhere.example"], f"From: {SENDER}\r\n\r\nby certificate\r\n")
    assert any(b"by certificate" in sink.raw(one["id"]) for one in sink.messages("recipient=friend@elsewhere.example"))


def test_the_login_may_be_named(stack: Stack) -> None:
    """And it must be the certificate's own (RFC 4422 appendix A)."""
    login, certificate = stack.new_certificate("named")
    other, _ = stack.new_certificate("other")
    assert stack.answer(certificate, login)[0] == 235
    assert stack.answer(certificate, other)[0] == 535


def test_a_revoked_certificate_is_refused(stack: Stack) -> None:
    """From the next login on; the certificate itself is still valid."""
    login, certificate = stack.new_certificate("lost")
    assert stack.answer(certificate)[0] == 235
    stack.sallyport.cli("credential", "revoke", login)
    assert stack.answer(certificate) == (535, "5.7.8 Authentication credentials invalid")


def test_an_expired_certificate_does_not_get_to_the_login(stack: Stack) -> None:
    """The handshake ends: whoever runs the listener sees to it before policy is asked."""
    now = time.time()
    state = Path(stack.sallyport.policy_environment["POLICY_STATE_DIR"])
    issued = open_client_ca(state, now).issue("fosem-4k7q-talir", now - 2 * DAY_S, now - DAY_S)
    expired = unpacked(issued.pkcs12("x"), "x", state / "expired.pem")
    with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError)):
        stack.client(expired)
    in_time = open_client_ca(state, now).issue("fosem-4k7q-talir", now, now + DAY_S)
    assert stack.answer(unpacked(in_time.pkcs12("x"), "x", state / "unknown.pem"))[0] == 535


def test_the_credential_expires_with_its_certificate(stack: Stack) -> None:
    """Two years, unless an earlier end was asked for; a later one is refused."""
    login, _ = stack.new_certificate("two years")
    shown = json.loads(stack.sallyport.cli("credential", "show", login, "--json"))
    end = time.strptime(shown["expires_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert 729 * DAY_S < time.mktime(end) - time.mktime(time.gmtime()) <= 730.1 * DAY_S
    soon, certificate = stack.new_certificate("soon", "--expires", "1d")
    assert json.loads(stack.sallyport.cli("credential", "show", soon, "--json"))["expires_at"] is not None
    assert stack.answer(certificate)[0] == 235
    with pytest.raises(AssertionError, match="next two years"):
        stack.new_certificate("too long", "--expires", "800d")
    assert not (stack.sallyport.folder / "too long.p12").exists()


def test_a_certificate_of_another_ca_is_pinned_by_its_fingerprint(stack: Stack) -> None:
    """What an organisation has already; its CA is accepted, and no other certificate of it is a login."""
    now = time.time()
    for label, is_pinned in (("badge", True), ("stranger", False)):
        made = make(begins=now - DAY_S, expires=now + DAY_S, issuer=stack.other_ca)
        path, _ = made.write(stack.sallyport.folder, label)
        if is_pinned:
            stack.sallyport.cli("credential", "add", "ada", "--label", label, "--certificate", str(path))
        path.write_bytes(made.key_pem + made.cert_pem)
        assert stack.answer(path)[0] == (235 if is_pinned else 535)


def test_the_file_is_new_and_its_owners(stack: Stack) -> None:
    """Mode 0600; a file that is there stays what it is, and no login is made for it."""
    stack.new_certificate("mine")
    file = stack.sallyport.folder / "mine.p12"
    assert file.stat().st_mode & 0o777 == 0o600
    before, logins = file.read_bytes(), stack.sallyport.cli("credential", "list", "--json")
    with pytest.raises(AssertionError, match="exists already"):
        stack.new_certificate("mine")
    assert file.read_bytes() == before
    assert stack.sallyport.cli("credential", "list", "--json") == logins


def test_standard_output_is_a_file_too(stack: Stack) -> None:
    """Where the command runs in a container, its files are not the caller's."""
    command = [sys.executable, "-c", "from policy.cli import main; main()", "credential", "add", "ada"]
    command += ["--label", "piped", "--issue-certificate", "-"]
    done = subprocess.run(
        command, env=stack.sallyport.policy_environment | {"PATH": ""}, capture_output=True, check=True, cwd=ROOT
    )
    told = dict(line.split(None, 1) for line in done.stderr.decode().splitlines()[:2])
    certificate = unpacked(done.stdout, told["passphrase"], stack.sallyport.folder / "piped.pem")
    assert stack.answer(certificate)[0] == 235
