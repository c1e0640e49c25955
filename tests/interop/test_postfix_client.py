"""Postfix that hands all its mail to Sallyport, as on a host that sends through it; docs/clients.md has these settings.

It logs in with Cyrus SASL, an implementation of SCRAM that the mail clients' one has nothing in common with.
"""

import os
import re
import shutil
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clients import INVALID
from conftest import Desk, Note
from harness import Process, Sink, answers, free_port, until
from letters import FRIEND, SENDER, Letter

MODULES = "/usr/lib/*/sasl2/libscram.so"
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = /dev/stdout
myhostname = client.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
smtp_host_lookup = native
relayhost = [localhost]:{port}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ [localhost]:{port}={login}:{secret} }}
smtp_sasl_security_options = noanonymous
smtp_tls_security_level = secure
smtp_tls_CAfile = {certificate}
smtp_tls_wrappermode = {wrapper}
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

Start = Callable[[str], Process]


@pytest.fixture
def port() -> int:
    """Where this Postfix takes mail."""
    return free_port()


@pytest.fixture
def start(desk: Desk, implicit_tls: bool, port: int, tmp_path: Path) -> Iterator[Start]:
    """Starts an instance of its own that logs in with the given secret."""
    if os.geteuid() != 0 or not shutil.which("postfix") or not list(Path("/").glob(MODULES.lstrip("/"))):
        pytest.skip("needs root, and postfix and libsasl2-modules")
    account = desk.account(implicit_tls=implicit_tls)
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)  # Postfix's daemons run as their own user
    (tmp_path / "config").mkdir()
    (tmp_path / "queue").mkdir()
    command = ["postfix", "-c", str(tmp_path / "config"), "start-fg"]
    process = Process(command, {}, tmp_path / "postfix.log")

    def started(secret: str) -> Process:
        given = vars(account) | {"folder": tmp_path, "wrapper": "yes" if implicit_tls else "no"}
        given |= {"secret": secret} if secret else {}
        (tmp_path / "config" / "main.cf").write_text(MAIN.format(**given))
        (tmp_path / "config" / "master.cf").write_text(MASTER.format(port=port))
        process.start()
        until(lambda: answers(port), f"Postfix answers\n{process.text()}")
        return process

    yield started
    subprocess.run([*command[:-1], "stop"], check=False, capture_output=True)
    process.stop()


def submit(port: int, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(SENDER, [FRIEND], Letter(subject).octets)


def test_postfix_hands_on_its_mail(start: Start, port: int, desk: Desk, sink: Sink, note: Note) -> None:
    """By SCRAM-SHA-256, which it picks itself."""
    process = start("")
    before = len(desk.logins())
    submit(port, f"Postfix {port}")
    sent = until(lambda: re.search(r"status=\w+ \(.*", process.text()), f"a status\n{process.text()}")
    assert "status=sent (250 2.0.0 Ok: queued as " in sent[0], process.text()
    (message,) = sink.messages(f"subject=Postfix%20{port}")
    assert message["envelope"] == {"mail_from": SENDER, "recipients": [FRIEND]}
    assert desk.logins()[before:] == [("SCRAM-SHA-256", "235")]
    note(f"Postfix {version()}", "picks", "SCRAM-SHA-256 235")


def test_postfix_with_a_wrong_secret(start: Start, port: int, note: Note) -> None:
    """The mail stays in its queue, and its log says why."""
    process = start("wrong")
    submit(port, f"Postfix {port}")
    status = until(lambda: re.search(r"status=\w+ \(.*", process.text()), f"a status\n{process.text()}")
    note(f"Postfix {version()}", "wrong secret", status[0])
    assert status[0].startswith("status=deferred (SASL authentication failed; ")
    assert INVALID in status[0]


def version() -> str:
    return subprocess.run(["postconf", "-h", "mail_version"], capture_output=True, text=True, check=True).stdout.strip()
