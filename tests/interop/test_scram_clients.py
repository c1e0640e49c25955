"""SCRAM (RFC 5802, RFC 7677) with a client that is not ours: GNU SASL, in mail clients and in its own program.

Binding to the channel is shown with the latter, which can be told how.
"""

import ssl
from pathlib import Path

import pytest
from bridge import Inside, bridge
from clients import CLIENTS, INVALID, Client, Shown, msmtp_can_bind, run, said_by
from conftest import Desk, Note, installed_or_skip
from letters import Letter

TLS_1_2 = "NORMAL:-VERS-TLS1.3"
gsasl_version = said_by("gsasl --version", r"gsasl \(GNU SASL\) (\S+)")


def by_gsasl(desk: Desk, home: Path, *options: str, secret: str = "", inside: Inside | None = None) -> Shown:
    """Logs in on the STARTTLS port and quits."""
    if not gsasl_version():
        pytest.skip("gsasl is not installed here; it comes with gsasl")
    account = desk.account(implicit_tls=False, secret=secret)
    command = ["gsasl", "--smtp", "--starttls", "--x509-ca-file", str(account.certificate), *options]
    command += ["--authentication-id", account.login, "--password", account.secret]
    with bridge(account.port, inside) as port:
        return run([*command, "--connect", f"localhost:{port}"], home)


@pytest.mark.parametrize("client", [one for one in CLIENTS if one.knows_scram], ids=lambda client: client.name)
@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
def test_a_mail_client(client: Client, is_right: bool, implicit_tls: bool, desk: Desk, home: Path) -> None:
    """Lets in who knows the secret; who does not reads that it is invalid."""
    installed_or_skip(client)
    if client.name == "msmtp" and msmtp_can_bind():
        pytest.skip(
            "this msmtp can bind to the channel, and libgsasl then fails at SCRAM without binding, of any server"
        )
    before = len(desk.logins())
    secret = "" if is_right else "wrong"
    account = desk.account(implicit_tls=implicit_tls, secret=secret, mechanism="SCRAM-SHA-256")
    shown = client.send(account, Letter("SCRAM"), home)
    assert (shown.code == 0) is is_right, shown.words
    assert is_right or client.wrong_secret in shown.words
    assert desk.logins()[before:] == [("SCRAM-SHA-256", "235" if is_right else "535")]


def test_a_mail_client_that_can_bind(implicit_tls: bool, desk: Desk, home: Path) -> None:
    """msmtp since 1.8.26, told to use TLS 1.2."""
    (client,) = (one for one in CLIENTS if one.name == "msmtp")
    installed_or_skip(client)
    if not msmtp_can_bind():
        pytest.skip(f"msmtp {client.version()} cannot bind to the channel")
    account = desk.account(implicit_tls=implicit_tls, mechanism="SCRAM-SHA-256-PLUS")
    shown = client.send(account, Letter("Bound"), home)
    assert shown.code == 0, shown.words
    assert desk.logins()[-1] == ("SCRAM-SHA-256-PLUS", "235")


def test_bound_to_tls_1_2(desk: Desk, home: Path, note: Note) -> None:
    """gsasl picks -PLUS by itself, binds with tls-unique (RFC 5929), and sees that the server knows the secret."""
    before = len(desk.logins())
    shown = by_gsasl(desk, home, "--priority", TLS_1_2)
    note(f"gsasl {gsasl_version()}", "picks", " ".join(desk.logins()[-1]))
    assert shown.code == 0, shown.words
    assert desk.logins()[before:] == [("SCRAM-SHA-256-PLUS", "235")]
    assert "server trusted" in shown.words


def test_bound_with_a_wrong_secret(desk: Desk, home: Path, note: Note) -> None:
    shown = by_gsasl(desk, home, "--priority", TLS_1_2, secret="wrong")
    note(f"gsasl {gsasl_version()}", "wrong secret", next(line for line in shown.words.splitlines() if INVALID in line))
    assert shown.code


@pytest.mark.parametrize("priority", ["NORMAL", TLS_1_2], ids=["TLS 1.3", "TLS 1.2"])
def test_not_bound(priority: str, desk: Desk, home: Path) -> None:
    """SCRAM-SHA-256 by a client that cannot bind."""
    before = len(desk.logins())
    shown = by_gsasl(desk, home, "--no-cb", "--mechanism", "SCRAM-SHA-256", "--priority", priority)
    assert shown.code == 0, shown.words
    assert "server trusted" in shown.words
    assert desk.logins()[before:] == [("SCRAM-SHA-256", "235")]


@pytest.mark.parametrize("is_bound", [True, False], ids=["bound", "not bound"])
def test_a_man_in_the_middle(is_bound: bool, desk: Desk, home: Path) -> None:
    """Who has the gateway's own key: found out by the binding alone, and told in the words for a wrong secret."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), desk.stack.tls()
    server.load_cert_chain(desk.stack.folder / "cert.pem", desk.stack.folder / "key.pem")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    options = () if is_bound else ("--no-cb", "--mechanism", "SCRAM-SHA-256")
    shown = by_gsasl(desk, home, "--priority", TLS_1_2, *options, inside=Inside(server, client))
    assert (shown.code != 0) is is_bound, shown.words
    assert (INVALID in shown.words) is is_bound
