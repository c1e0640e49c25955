"""`make up` as a newcomer uses it: nothing but the printed text, with the clients that people have.

Each way of running is brought up once, with ports, a run directory and a Compose project of its own, and destroyed at
the end. What is missing on this machine (an engine, root, a client) is skipped and said.
"""

import contextlib
import imaplib
import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from compose import engine_answers, of_this_checkout
from harness import ROOT, answers, free_port, until

FRIEND = "friend@elsewhere.example"
WAYS = [
    pytest.param("native", marks=pytest.mark.native),
    pytest.param("containers", marks=pytest.mark.containers),
]


@dataclass
class Up:
    """A stack that `make up TEST=1` has brought up, and what it printed."""

    environment: dict[str, str]
    folder: Path
    printed: str

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--no-print-directory", target, "TEST=1", "YES=1"]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    def said(self, pattern: str) -> str:
        found = re.search(pattern, self.printed)
        assert found, f"{pattern} is not in what `make up` printed:\n{self.printed}"
        return found[1]

    @property
    def login(self) -> str:
        return self.said(r"\n  login +(\S+)")

    @property
    def secret(self) -> str:
        return self.said(r"\n  secret +(\S+)")

    @property
    def address(self) -> str:
        return self.said(r"\n  sends as +(\S+)")

    def port(self, name: str) -> int:
        return int(self.environment[f"SALLYPORT_{name}_PORT"])

    @property
    def certificate(self) -> Path:
        """As the printed text says: `./sallyport --test certificate > ...`."""
        path = self.folder / "certificate.pem"
        if not path.exists():
            path.write_text(self.cli("certificate"))
        return path

    def cli(self, *arguments: str) -> str:
        command = ["./sallyport", "--test", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sink(self, query: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port('SINK')}/messages?{query}") as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def mailbox(self, subject: str) -> bytes:
        """The message with that subject in the mailbox, once it is there."""
        return until(lambda: self.messages(subject), f"a message {subject!r} in the mailbox")

    def messages(self, subject: str) -> bytes:
        """All messages with that subject that are there now, one after the other."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with imaplib.IMAP4_SSL("localhost", self.port("IMAPS"), ssl_context=context) as client:
            client.login(self.login, self.secret)
            client.select("INBOX", readonly=True)
            numbers = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            parts = [client.fetch(number.decode(), "(RFC822)")[1][0] for number in numbers]
            return b"".join(part[1] for part in parts if isinstance(part, tuple))


@pytest.fixture(scope="module", params=WAYS)
def up(request: pytest.FixtureRequest) -> Iterator[Up]:
    """The integration-test environment, both ways."""
    way = request.param
    if way == "containers" and not engine_answers():
        pytest.skip("no container engine answers here")
    if way == "native" and os.geteuid() != 0:
        pytest.skip("as plain processes only tested as root here")
    # Not below pytest's own folder, which is closed to the users that the processes run as.
    folder = Path(tempfile.mkdtemp(prefix="sallyport-make-up-"))
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SALLYPORT_")} | {
        "WAY": way,
        "COMPOSE_PROJECT_NAME": of_this_checkout(f"sallyport-make-up-{way}"),  # both may run at the same time
        "SALLYPORT_RUN_DIR": str(folder / "run"),
        "SALLYPORT_BIND": "127.0.0.1",
        **{
            f"SALLYPORT_{name}_PORT": str(free_port())
            for name in ("SUBMISSION", "SUBMISSIONS", "IMAPS", "CONSOLE", "SINK")
        },
    }
    one = Up(environment, folder, "")
    try:
        done = one.make("up")
        assert done.returncode == 0, done.stdout + done.stderr
        one.printed = done.stdout
        yield one
    finally:
        one.make("destroy")
        shutil.rmtree(folder, ignore_errors=True)


def letter(address: str, subject: str) -> str:
    return f"From: {address}\r\nTo: {address}, {FRIEND}\r\nSubject: {subject}\r\n\r\nIt works.\r\n"


def by_smtplib(up: Up, subject: str, *, implicit_tls: bool) -> None:
    context = ssl.create_default_context(cafile=str(up.certificate))
    with contextlib.ExitStack() as stack:
        if implicit_tls:
            client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context)
        else:
            client = smtplib.SMTP("localhost", up.port("SUBMISSION"))
        stack.enter_context(client)
        if not implicit_tls:
            client.starttls(context=context)
        client.login(up.login, up.secret)
        client.sendmail(up.address, [up.address, FRIEND], letter(up.address, subject))


def by_swaks(up: Up, subject: str, *, implicit_tls: bool) -> None:
    port = up.port("SUBMISSIONS" if implicit_tls else "SUBMISSION")
    tls = "--tls-on-connect" if implicit_tls else "--tls"
    command = ["swaks", "--server", f"localhost:{port}", tls, "--tls-verify", "--tls-ca-path", str(up.certificate)]
    command += ["--auth", "PLAIN", "--auth-user", up.login, "--auth-password", up.secret]
    command += ["--from", up.address, "--to", f"{up.address},{FRIEND}", "--header", f"Subject: {subject}"]
    run(command)


def by_curl(up: Up, subject: str, *, implicit_tls: bool) -> None:
    url = f"smtps://localhost:{up.port('SUBMISSIONS')}" if implicit_tls else f"smtp://localhost:{up.port('SUBMISSION')}"
    command = ["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(up.certificate), "--user"]
    command += [f"{up.login}:{up.secret}", "--mail-from", up.address, "--mail-rcpt", up.address]
    command += ["--mail-rcpt", FRIEND, "--upload-file", "-", url]
    run(command, letter(up.address, subject))


def by_msmtp(up: Up, subject: str, *, implicit_tls: bool) -> None:
    port = up.port("SUBMISSIONS" if implicit_tls else "SUBMISSION")
    command = ["msmtp", "--host=localhost", f"--port={port}", "--tls=on", f"--tls-trust-file={up.certificate}"]
    command += [f"--tls-starttls={'off' if implicit_tls else 'on'}", "--auth=plain", f"--user={up.login}"]
    command += [f"--passwordeval=echo {up.secret}", f"--from={up.address}", up.address, FRIEND]
    run(command, letter(up.address, subject))


def swaks_knows_tls() -> bool:
    """swaks comes without its TLS module where recommended packages are left out."""
    if not shutil.which("swaks"):
        return False
    supports = subprocess.run(["swaks", "--support"], capture_output=True, text=True, check=False).stdout
    return "TLS supported" in supports


def run(command: list[str], text: str = "") -> None:
    if not shutil.which(command[0]) or (command[0] == "swaks" and not swaks_knows_tls()):
        pytest.skip(f"{command[0]} is not installed here, or without TLS")
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("implicit_tls", [False, True], ids=["port 587", "port 465"])
@pytest.mark.parametrize("client", [by_swaks, by_smtplib, by_curl, by_msmtp], ids=lambda client: client.__name__)
def test_client(up: Up, client: Any, implicit_tls: bool) -> None:
    """A message arrives in the mailbox and, for the recipient elsewhere, in the sink."""
    subject = f"{client.__name__} {'465' if implicit_tls else '587'} {time.time_ns()}"
    client(up, subject, implicit_tls=implicit_tls)
    (elsewhere,) = up.sink("wait=20&recipient=" + FRIEND + "&subject=" + subject.replace(" ", "%20"))
    assert elsewhere["envelope"] == {"mail_from": up.address, "recipients": [FRIEND]}
    message = up.mailbox(subject)
    # What was sent stands under the trace fields that were put on top of it.
    assert message.count(b"Received: from submission by") == 1
    assert b"\r\nSubject: " + subject.encode() in message


def test_the_printed_lines_work_as_they_are(up: Up) -> None:
    """Certificate, swaks, curl and reading back, pasted into a shell."""
    lines = [
        line.strip()
        for line in up.printed.splitlines()
        if re.match(r"  (\./sallyport .*certificate|swaks|printf|curl)", line)
    ]
    assert len(lines) == 4
    if not swaks_knows_tls():
        pytest.skip("swaks is not installed here, or without TLS")
    with tempfile.TemporaryDirectory() as folder:
        script = "\n".join(lines).replace("./sallyport", str(ROOT / "sallyport"))
        last = lines[-1]
        *sending, reading = script.splitlines()
        run_script("\n".join(sending), folder, up)
        read = until(lambda: run_script(reading, folder, up, check=False), f"mail to be read by {last}")
    assert f"Delivered-To: {up.address}" in read


def run_script(script: str, folder: str, up: Up, *, check: bool = True) -> str:
    done = subprocess.run(
        ["bash", "-eu"], input=script, cwd=folder, env=up.environment, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_suite_sends_side_by_side(up: Up) -> None:
    """One login, and twenty tests of it at a time: no limit of sessions meets them."""
    context = ssl.create_default_context(cafile=str(up.certificate))
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context))
            client.login(up.login, up.secret)


def test_a_person_gets_a_login(up: Up) -> None:
    """The two printed commands; the new login sends as its own address and as no other."""
    name = f"ada{time.time_ns()}"
    up.cli("identity", "add", name, "--address", f"{name}@sallyport.test")
    made = json.loads(up.cli("credential", "add", name, "--label", "laptop", "--json"))
    context = ssl.create_default_context(cafile=str(up.certificate))
    with smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context) as client:
        client.login(made["login"], made["secret"])
        assert client.docmd("MAIL", f"FROM:<{up.address}>")[0] == 553
        assert client.docmd("MAIL", f"FROM:<{name}@sallyport.test>")[0] == 250
    up.cli("credential", "revoke", made["login"])
    client = smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context)
    with client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(made["login"], made["secret"])


def test_what_is_revoked_ends_at_once(up: Up) -> None:
    """The open sessions of a stolen credential end, in submission and in IMAP; it opens no other one."""
    name = f"mallory{time.time_ns()}"
    up.cli("identity", "add", name, "--address", f"{name}@sallyport.test")
    made = json.loads(up.cli("credential", "add", name, "--label", "phone", "--json"))
    context = ssl.create_default_context(cafile=str(up.certificate))
    sending = smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context, timeout=20)
    reading = imaplib.IMAP4_SSL("localhost", up.port("IMAPS"), ssl_context=context, timeout=20)
    with sending, contextlib.closing(reading.sock):
        sending.login(made["login"], made["secret"])
        reading.login(made["login"], made["secret"])
        up.cli("credential", "revoke", made["login"])
        assert sending.getreply()[0] == 421  # without a word of ours
        assert reading.readline().startswith(b"* BYE")
        sending.close()
    again = imaplib.IMAP4_SSL("localhost", up.port("IMAPS"), ssl_context=context)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        again.login(made["login"], made["secret"])
    again.shutdown()


def test_scopes_hold_on_both_sides(up: Up) -> None:
    """A credential for sending reads no mail, one for reading sends none; and there is no master user."""
    name = f"shop{time.time_ns()}"
    up.cli("identity", "add", name, "--address", f"{name}@sallyport.test")
    made = {
        scope: json.loads(up.cli("credential", "add", name, "--label", scope, "--scope", scope, "--json"))
        for scope in ("submit", "imap")
    }
    context = ssl.create_default_context(cafile=str(up.certificate))
    for login, secret, can_read in (
        (made["submit"]["login"], made["submit"]["secret"], False),
        (f"{name}*{made['imap']['login']}", made["imap"]["secret"], False),
        (made["imap"]["login"], made["imap"]["secret"], True),
    ):
        reading = imaplib.IMAP4_SSL("localhost", up.port("IMAPS"), ssl_context=context)
        with contextlib.nullcontext() if can_read else pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            reading.login(login, secret)
        reading.shutdown()
    with smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context) as sending:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            sending.login(made["imap"]["login"], made["imap"]["secret"])
        sending.login(made["submit"]["login"], made["submit"]["secret"])


def test_imap_refuses_what_submission_refuses(up: Up) -> None:
    """The same logins, the same secrets; a wrong one is refused."""
    context = ssl.create_default_context(cafile=str(up.certificate))
    client = imaplib.IMAP4_SSL("localhost", up.port("IMAPS"), ssl_context=context)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(up.login, "wrong")
    client.shutdown()


def test_an_unknown_local_recipient_comes_back(up: Up) -> None:
    """The sender finds the bounce in the mailbox."""
    context = ssl.create_default_context(cafile=str(up.certificate))
    unknown = f"nobody{time.time_ns()}@sallyport.test"
    with smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context) as client:
        client.login(up.login, up.secret)
        client.sendmail(up.address, [unknown], f"From: {up.address}\r\nTo: {unknown}\r\nSubject: lost\r\n\r\nx\r\n")
    until(lambda: unknown.encode() in up.messages("Undelivered Mail"), "the bounce that names the recipient")


def test_the_sinks_recipients_answer_as_told(up: Up) -> None:
    """unknown-* is refused by the sink, and the bounce tells the sender."""
    context = ssl.create_default_context(cafile=str(up.certificate))
    recipient = f"unknown-{time.time_ns()}@elsewhere.example"
    with smtplib.SMTP_SSL("localhost", up.port("SUBMISSIONS"), context=context) as client:
        client.login(up.login, up.secret)
        client.sendmail(up.address, [recipient], f"From: {up.address}\r\nTo: {recipient}\r\nSubject: told\r\n\r\nx\r\n")
    assert up.sink(f"recipient={recipient}") == []
    until(lambda: recipient.encode() in up.messages("Undelivered Mail"), "the bounce that names the recipient")


def test_up_twice_is_harmless_and_down_keeps_the_data(up: Up) -> None:
    """A second `make up` shows no credential again; after `make down` and `make up` the mail is still there."""
    subject = f"kept {time.time_ns()}"
    by_smtplib(up, subject, implicit_tls=True)
    up.mailbox(subject)
    again = up.make("up")
    assert again.returncode == 0, again.stderr
    assert "was up already" in again.stdout
    assert up.secret not in again.stdout
    down = up.make("down")
    assert down.returncode == 0, down.stderr
    assert not answers(up.port("SUBMISSION"))
    assert up.make("up").returncode == 0
    assert up.mailbox(subject)
