"""The mail clients that people have, each told what its user would tell it: CLIENTS is the whole list.

Each sends one letter and gives back what its user then reads. None reads a configuration of the machine's user: HOME is
a folder of the test's own. What is not installed is skipped, with the name of the package that has it.
"""

import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import installed
from letters import SENDER, TYPE, Letter

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Account:
    """What a user enters when a device is set up; docs/clients.md."""

    port: int
    implicit_tls: bool
    login: str
    secret: str
    certificate: Path | None  # the one that is trusted; None: those that the machine trusts anyway
    mechanism: str = ""  # empty: the client picks one


@dataclass(frozen=True)
class Shown:
    """How it went, as the user sees it."""

    code: int
    words: str


@dataclass(frozen=True)
class Client:
    """One of them, and what is expected of it."""

    name: str
    package: str  # Debian's, or what brings it otherwise
    version: Callable[[], str]  # empty where it cannot be tried here
    send: Callable[[Account, Letter, Path], Shown]
    picks: tuple[str, ...]  # the mechanism where the user names none; differs between versions
    wrong_secret: str
    distrusts: str  # said of a certificate that it does not trust
    knows_utf8: bool = True  # SMTPUTF8, RFC 6531; in every version
    knows_dsn: bool = False  # RFC 3461
    knows_scram: bool = False


def run(command: list[str], folder: Path, octets: bytes = b"") -> Shown:
    """With nothing of this machine's user but the path."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    done = subprocess.run(
        command, input=octets, capture_output=True, env=environment, cwd=folder, check=False, timeout=60
    )
    return Shown(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def said_by(command: str, pattern: str) -> Callable[[], str]:
    """The version that a program tells of itself; empty where it is not installed."""

    def version() -> str:
        if not shutil.which(command.split(maxsplit=1)[0]):
            return ""
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        found = re.search(pattern, done.stdout + done.stderr)
        return found[1] if found else ""

    return version


def by_swaks(account: Account, letter: Letter, folder: Path) -> Shown:
    """Its message comes from its own template; a subject that is not ASCII the user has to encode."""
    tls = "--tls-on-connect" if account.implicit_tls else "--tls"
    command = ["swaks", "--server", f"localhost:{account.port}", tls, "--tls-verify", "--suppress-data"]
    command += ["--tls-ca-path", str(account.certificate)] if account.certificate else []
    command += ["--auth", account.mechanism] if account.mechanism else ["--auth"]
    command += ["--auth-user", account.login, "--auth-password", account.secret]
    command += ["--from", SENDER, "--to", letter.recipient, "--header", f"Subject: {letter.subject_in_ascii}"]
    if letter.attachment:
        command += ["--attach", f"@{letter.attachment}"]
    else:
        command += ["--add-header", "MIME-Version: 1.0", "--add-header", "Content-Type: text/plain; charset=utf-8"]
    return run([*command, "--body", letter.text], folder)


def by_msmtp(account: Account, letter: Letter, folder: Path) -> Shown:
    command = ["msmtp", "--host=localhost", f"--port={account.port}", "--tls=on"]
    command += [f"--tls-starttls={'off' if account.implicit_tls else 'on'}"]
    command += [f"--tls-trust-file={account.certificate}"] if account.certificate else []
    command += [f"--auth={account.mechanism.lower() or ('plain' if msmtp_can_bind() else 'on')}"]
    command += ["--tls-priorities=NORMAL:-VERS-TLS1.3"] if account.mechanism.endswith("-PLUS") else []
    command += [f"--user={account.login}"]
    command += [f"--passwordeval=echo {account.secret}", f"--from={SENDER}"]
    command += ["--dsn-notify=success,failure", "--dsn-return=headers"] if letter.notify else []
    return run([*command, "--", letter.recipient], folder, letter.octets)


def msmtp_can_bind() -> bool:
    """Since 1.8.26. Its libgsasl (2.2) then fails at SCRAM without binding, of any server, and `auth on` picks that."""
    return bool(said_by("msmtp --version", "(scram-sha-256-plus)")())


def by_curl(account: Account, letter: Letter, folder: Path) -> Shown:
    """An attachment goes into a message of its own making, everything else is handed to it complete."""
    scheme = "smtps" if account.implicit_tls else "smtp"
    command = ["curl", "--disable", "--silent", "--show-error", "--ssl-reqd"]
    command += ["--cacert", str(account.certificate)] if account.certificate else []
    command += ["--user", f"{account.login}:{account.secret}"]
    command += ["--login-options", f"AUTH={account.mechanism}"] if account.mechanism else []
    command += ["--mail-from", SENDER, "--mail-rcpt", letter.recipient]
    if letter.attachment:
        for field in (f"From: {SENDER}", f"To: {letter.recipient}", f"Subject: {letter.subject_in_ascii}"):
            command += ["--header", field]
        command += ["--form", f"={letter.text};type=text/plain"]
        command += ["--form", f"file=@{letter.attachment};type={TYPE};encoder=base64"]
    else:
        command += ["--upload-file", "-"]
    octets = b"" if letter.attachment else letter.octets
    return run([*command, f"{scheme}://localhost:{account.port}/client.test"], folder, octets)


def by_smtplib(account: Account, letter: Letter, folder: Path) -> Shown:
    """In this process. The user sees the last line of a traceback."""
    context = ssl.create_default_context(cafile=account.certificate and str(account.certificate))
    kind = smtplib.SMTP_SSL if account.implicit_tls else smtplib.SMTP
    options: dict[str, object] = {"context": context} if account.implicit_tls else {}
    mail, recipient = (["RET=HDRS"], ["NOTIFY=SUCCESS,FAILURE"]) if letter.notify else ([], [])
    try:
        with kind("localhost", account.port, "client.test", timeout=30, **options) as client:
            if not account.implicit_tls:
                client.starttls(context=context)
            client.login(account.login, account.secret)
            client.send_message(letter.message(), SENDER, [letter.recipient], mail, recipient)
    except (smtplib.SMTPException, OSError) as error:
        return Shown(1, f"{type(error).__module__}.{type(error).__qualname__}: {error}")
    return Shown(0, "")


def by_aiosmtplib(account: Account, letter: Letter, folder: Path) -> Shown:
    python = installed.python()
    given = _given(account) | {"sender": SENDER, "recipient": letter.recipient, "notify": letter.notify}
    return run([str(python), str(HERE / "by_aiosmtplib.py"), json.dumps(given)], folder, letter.octets)


def by_nodemailer(account: Account, letter: Letter, folder: Path) -> Shown:
    given = _given(account) | {
        "message": {
            "from": SENDER,
            "to": letter.recipient,
            "subject": letter.subject,
            "text": letter.text,
            "attachments": [{"path": str(letter.attachment)}] if letter.attachment else [],
        },
        "notify": letter.notify,
    }
    return run(["node", str(installed.nodemailer() / "send.cjs"), json.dumps(given)], folder)


def by_mutt(account: Account, letter: Letter, folder: Path, *, program: str = "mutt") -> Shown:
    """Without a terminal, as from a script; neomutt takes the same settings."""
    scheme = "smtps" if account.implicit_tls else "smtp"
    settings = {
        "from": SENDER,
        "use_envelope_from": "yes",
        "smtp_url": f"{scheme}://{account.login}@localhost:{account.port}",
        "smtp_pass": account.secret,
        "ssl_force_tls": "yes",
        "certificate_file": str(account.certificate or folder / "none"),
        "charset": "utf-8",
        "send_charset": "us-ascii:utf-8",
        "copy": "no",
        "folder": str(folder),
        "tmpdir": str(folder),
        "hostname": "client.test",
        "sleep_time": "0",
    }
    settings |= {"smtp_authenticators": account.mechanism.lower()} if account.mechanism else {}
    settings |= {"dsn_notify": "success,failure", "dsn_return": "hdrs"} if letter.notify else {}
    muttrc = folder / "muttrc"
    muttrc.write_text("".join(f'set {name}="{value}"\n' for name, value in settings.items()))
    command = [program, "-n", "-F", str(muttrc), "-s", letter.subject]
    command += ["-a", str(letter.attachment)] if letter.attachment else []
    return run([*command, "--", letter.recipient], folder, letter.text.encode())


def by_neomutt(account: Account, letter: Letter, folder: Path) -> Shown:
    return by_mutt(account, letter, folder, program="neomutt")


def _given(account: Account) -> dict[str, object]:
    """For a script that reads it as JSON."""
    certificate = str(account.certificate) if account.certificate else None
    return vars(account) | {"certificate": certificate}


def _swaks_version() -> str:
    """swaks comes without its TLS module where recommended packages are left out."""
    supports = said_by("swaks --support", "(TLS supported)")()
    return said_by("swaks --version", r"swaks version (\S+)")() if supports else ""


INVALID = "535 5.7.8 Authentication credentials invalid"
CLIENTS = (
    Client(
        "swaks",
        "swaks and libio-socket-ssl-perl",
        _swaks_version,
        by_swaks,
        picks=("LOGIN",),
        wrong_secret=INVALID,
        distrusts="certificate verif",  # "...y failed" or "...ication failed"
        knows_utf8=False,
    ),
    Client(
        "msmtp",
        "msmtp",
        said_by("msmtp --version", r"msmtp version (\S+)"),
        by_msmtp,
        picks=("PLAIN",),
        wrong_secret=INVALID,
        distrusts="The certificate is NOT trusted",
        knows_utf8=False,  # 1.8.23 does not, 1.8.28 does
        knows_dsn=True,
        knows_scram=True,
    ),
    Client(
        "curl",
        "curl",
        said_by("curl --version", r"curl (\S+)"),
        by_curl,
        picks=("PLAIN",),
        wrong_secret="curl: (67) Login denied",
        distrusts="SSL certificate problem: self-signed certificate",
    ),
    Client(
        "smtplib",
        "python3",
        lambda: ".".join(str(part) for part in installed.PYTHON),
        by_smtplib,
        picks=("PLAIN",),
        wrong_secret="smtplib.SMTPAuthenticationError: (535, b'5.7.8 Authentication credentials invalid')",
        distrusts="certificate verify failed: self-signed certificate",
        knows_dsn=True,
    ),
    Client(
        "aiosmtplib",
        "requirements/interop.txt",
        lambda: installed.version_of("aiosmtplib"),
        by_aiosmtplib,
        picks=("PLAIN",),
        wrong_secret="aiosmtplib.errors.SMTPAuthenticationError: (535, '5.7.8 Authentication credentials invalid')",
        distrusts="certificate verify failed: self-signed certificate",
        knows_dsn=True,
    ),
    Client(
        "nodemailer",
        "nodejs (20 or later) and npm",
        installed.nodemailer_version,
        by_nodemailer,
        picks=("PLAIN",),
        wrong_secret=f"Invalid login: {INVALID}",
        distrusts="self-signed certificate",
        knows_dsn=True,
    ),
    Client(
        "mutt",
        "mutt",
        said_by("mutt -v", r"Mutt (\S+)"),
        by_mutt,
        picks=("SCRAM-SHA-256",),
        wrong_secret="SASL authentication failed",
        distrusts="Untrusted server certificate",
        knows_dsn=True,
        knows_scram=True,
    ),
    Client(
        "neomutt",
        "neomutt",
        said_by("neomutt -v", r"NeoMutt (\S+)"),
        by_neomutt,
        picks=("SCRAM-SHA-256",),
        wrong_secret="SASL authentication failed",
        distrusts="",  # 20220429 ends without a word
        knows_dsn=True,
        knows_scram=True,
    ),
)
