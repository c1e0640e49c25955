"""The version before and this one side by side, as during an update: a gateway of the one asks a policy of the other.

Real processes of both. The version before is a commit of this repository, and is taken out of it; where that is not
there, as in a checkout without history, this is skipped: docs/upgrading.md says how to get it.
"""

import functools
import shutil
import smtplib
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, Login, Process, Sallyport, Sink, until

PREVIOUS = "7b6e607"
SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
PAIRS = [("before", "now"), ("now", "before")]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the version before."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("no git repository: the version before cannot be taken out of it")
    archive = tmp_path_factory.mktemp("before") / "before.tar"
    command = ["git", "archive", "--output", str(archive), PREVIOUS, "gateway", "policy", "service", "maillog"]
    if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip(f"commit {PREVIOUS}, the version before, is not in this checkout: git fetch --unshallow")
    with tarfile.open(archive) as packed:
        packed.extractall(archive.parent, filter="data")
    return archive.parent


class Beside(Sallyport):
    """Gateway and policy of two versions. The command line, and with it the schema, is the newer one's."""

    def run_from(self, part: str, code: Path) -> None:
        """Which code `part` is of."""
        process: Process = getattr(self, part)
        process.is_fresh = True
        # Before anything else that Python finds: the current folder would be this version's.
        process.command = [sys.executable, "-P", "-m", part]
        process.environment["PYTHONPATH"] = str(code)


@pytest.fixture(scope="module", params=PAIRS, ids=["gateway before, policy now", "gateway now, policy before"])
def beside(
    request: pytest.FixtureRequest, before: Path, sink: Sink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Beside, Login]]:
    one = Beside(tmp_path_factory.mktemp("beside"), sink.smtp_port)
    for part, version in zip(("gateway", "policy"), request.param, strict=True):
        one.run_from(part, before if version == "before" else ROOT)
    try:
        one.start()
        yield one, one.new_login("ada", SENDER)
    finally:
        one.stop()


def test_each_is_of_its_version(beside: tuple[Beside, Login], before: Path) -> None:
    """Or the others would show nothing."""
    stack, _ = beside
    for process in (stack.gateway, stack.policy):
        assert isinstance(process.running, subprocess.Popen)
        environment = Path(f"/proc/{process.running.pid}/environ").read_bytes().split(b"\0")
        assert f"PYTHONPATH={process.environment['PYTHONPATH']}".encode() in environment
    told = [one.environment["PYTHONPATH"] for one in (stack.gateway, stack.policy)]
    assert sorted(told) == sorted([str(before), str(ROOT)])


def test_a_message_is_relayed(beside: tuple[Beside, Login], sink: Sink) -> None:
    stack, ada = beside
    subject = f"relayed by {stack.folder.name}"
    with stack.client(ada) as client:
        text = f"From: {SENDER}\r\nTo: {FRIEND}\r\nSubject: {subject}\r\n\r\nIt works.\r\n"
        assert client.sendmail(SENDER, [FRIEND], text) == {}
    assert [one["subject"] for one in sink.messages(f"recipient={FRIEND}")].count(subject) == 1
    assert stack.spent("ada") == 1


def test_what_is_refused_is_refused(beside: tuple[Beside, Login]) -> None:
    """A wrong secret, and somebody else's address."""
    stack, ada = beside
    with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
        stack.client(Login(ada.login, "wrong"))
    assert wrong.value.smtp_code == 535
    with stack.client(ada) as client:
        assert client.mail("grace@sallyport.test")[0] == 553


def test_neither_is_unwell(beside: tuple[Beside, Login]) -> None:
    """The gateway asks for what has been revoked twice a second, and tells how it is: policy keeps it."""
    stack, _ = beside
    until(lambda: '"ready": true' in stack.status("health/ready"), "the gateway is ready")
    kept = functools.partial(stack.cli, "status", "--json")
    until(lambda: '"gateway"' in kept(), "policy has heard of the gateway")


def test_what_is_revoked_ends(beside: tuple[Beside, Login]) -> None:
    stack, _ = beside
    mallory = stack.new_login("mallory", "mallory@sallyport.test")
    with stack.client(mallory) as client:
        stack.cli("credential", "revoke", mallory.login)
        assert client.getreply()[0] == 421
        client.close()
