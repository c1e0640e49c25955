"""`sallyport serve --relay`: gateway and policy alone, in front of an MTA that exists already (here the sink)."""

import json
import os
import signal
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, Process, Sink, answers, free_port, until

CLI = [sys.executable, "-c", "from policy.cli import main; main()"]


class Serve:
    """The command as a process, and the command line on the same data folder."""

    def __init__(self, folder: Path, relay: str) -> None:
        self.data = folder / "data"
        self.submission_port, self.submissions_port, self.policy_port = free_port(), free_port(), free_port()
        options = {
            "--relay": relay,
            "--data": str(self.data),
            "--submission-port": str(self.submission_port),
            "--submissions-port": str(self.submissions_port),
            "--policy-port": str(self.policy_port),
            "--status-port": str(free_port()),
        }
        arguments = [word for option in options.items() for word in option]
        self.process = Process([*CLI, "serve", *arguments], {}, folder / "serve.log")

    def cli(self, *arguments: str) -> str:
        environment = os.environ | {"POLICY_STATE_DIR": str(self.data)}
        return subprocess.run(
            [*CLI, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture
def serve(tmp_path: Path, sink: Sink) -> Iterator[Serve]:
    """Running in front of the sink."""
    one = Serve(tmp_path, f"127.0.0.1:{sink.smtp_port}")
    one.process.start()
    try:
        until(lambda: answers(one.submissions_port) and answers(one.policy_port), "it answers", deadline_s=60)
        yield one
    finally:
        if one.process.running and one.process.running.poll() is None:
            one.process.send(signal.SIGTERM)
            one.process.ended()


def test_a_message_reaches_the_mta_and_sigterm_ends_both(serve: Serve, sink: Sink) -> None:
    """First login on the same data folder, a submission, and an orderly end that leaves no process behind."""
    made = json.loads(serve.cli("first-login", "--json"))
    context = ssl.create_default_context(cafile=str(serve.data / "tls" / "cert.pem"))
    (address,) = made["addresses"]
    with smtplib.SMTP_SSL("localhost", serve.submissions_port, context=context) as client:
        client.login(made["login"], made["secret"])
        client.sendmail(address, ["serve@elsewhere.example"], f"From: {address}\r\nSubject: x\r\n\r\nx\r\n")
    assert len(sink.messages("recipient=serve@elsewhere.example&wait=60")) == 1
    serve.process.send(signal.SIGTERM)
    assert serve.process.ended() == 0
    assert not answers(serve.policy_port)
    assert not answers(serve.submission_port)


def test_it_is_heard_at_the_addresses_that_it_was_told(tmp_path: Path, sink: Sink) -> None:
    """And at no other."""
    one = Serve(tmp_path, f"127.0.0.1:{sink.smtp_port}")
    one.process.command += ["--bind", "127.0.0.2"]
    one.process.start()
    try:
        until(lambda: answers(one.submissions_port, "127.0.0.2"), f"it answers\n{one.process.text()}")
        assert not answers(one.submissions_port)
    finally:
        one.process.send(signal.SIGTERM)
        one.process.ended()


def test_the_gateway_learns_nothing_of_policys_settings(serve: Serve) -> None:
    """Its environment holds no POLICY_ name: not even where the database is."""
    assert serve.process.running
    command = ["pgrep", "-P", str(serve.process.running.pid), "-f", "gateway"]
    (pid,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert b"POLICY_STATE_DIR" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_settings_of_the_environment_reach_either_part(tmp_path: Path, sink: Sink) -> None:
    """Each its own: a Postfix is listened to, and the largest message is the smaller one."""
    one = Serve(tmp_path, f"127.0.0.1:{sink.smtp_port}")
    delegation_port = free_port()
    one.process.environment |= {
        "POLICY_DELEGATION_LISTEN": f"127.0.0.1:{delegation_port}",
        "GATEWAY_MAX_MESSAGE_BYTES": "12345",
        "GATEWAY_SUBMISSION_PORT": "1",  # an option says another one, and that counts
    }
    one.process.start()
    try:
        until(lambda: answers(one.submission_port) and answers(delegation_port), "it answers", deadline_s=60)
        with smtplib.SMTP("localhost", one.submission_port) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "12345"
    finally:
        one.process.send(signal.SIGTERM)
        one.process.ended()


def test_when_one_part_ends_so_does_the_command(serve: Serve) -> None:
    """No gateway without policy, and a supervisor sees that something is wrong."""
    assert serve.process.running
    command = ["pgrep", "-P", str(serve.process.running.pid), "-f", "policy$"]
    (pid,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    assert serve.process.ended() != 0
    assert not answers(serve.submission_port)


def test_a_wrong_listener_for_held_mail_is_told(tmp_path: Path) -> None:
    """The option reaches the gateway, which looks at it before anything runs."""
    one = Serve(tmp_path, "127.0.0.1:25")
    one.process.command += ["--hold-relay", "nowhere"]
    assert one.process.start().ended() == 2
    assert (
        one.process.text()
        .splitlines()[-1]
        .startswith("gateway: GATEWAY_HOLD_RELAY: 'nowhere' will not do; it should be such as")
    )


def test_a_wrong_relay_is_told_before_anything_runs(tmp_path: Path) -> None:
    """One sentence that names the setting, exit code 2."""
    one = Serve(tmp_path, "nowhere")
    assert one.process.start().ended() == 2
    assert (
        one.process.text()
        .splitlines()[-1]
        .startswith("gateway: GATEWAY_RELAY: 'nowhere' will not do; it should be such as")
    )
    assert not answers(one.policy_port)
