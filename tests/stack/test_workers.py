"""The worker processes: one that dies is replaced and nobody else notices; certificates are replaced live."""

import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import PLENTY, ROOT, Sallyport, Sink, answers, policy_file, until

SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
MESSAGE = f"From: {SENDER}\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture
def stack(tmp_path: Path, sink: Sink) -> Iterator[Sallyport]:
    """Two workers, in front of the sink."""
    one = Sallyport(
        tmp_path,
        sink.smtp_port,
        policy_settings=policy_file(tmp_path, person=PLENTY),
        gateway_settings={"GATEWAY_MAX_SESSIONS_PER_ADDRESS": "6", "GATEWAY_SHED_LAG_S": "0.5"},  # it as shipped
    )
    try:
        yield one.start()
    finally:
        one.stop()


def workers(stack: Sallyport) -> list[int]:
    assert stack.gateway.running
    found = subprocess.run(["pgrep", "-P", str(stack.gateway.running.pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def metric(stack: Sallyport, name: str) -> float:
    found = re.search(rf"^sallyport_gateway_{re.escape(name)} (\S+)$", stack.status("metrics"), re.MULTILINE)
    return float(found[1]) if found else -1.0


def worker_of(client: smtplib.SMTP) -> int:
    """The process that serves a connection, by the kernel's table of sockets."""
    assert client.sock
    ours, theirs = client.sock.getsockname()[1], client.sock.getpeername()[1]
    told = subprocess.run(
        ["ss", "-tnpH", f"sport = :{theirs} and dport = :{ours}"], capture_output=True, text=True, check=True
    )
    return int(re.findall(r"pid=(\d+)", told.stdout)[0])


def test_a_worker_that_hangs_is_told(stack: Sallyport) -> None:
    """By the other one: what is asked of a worker that hangs gets no answer."""

    def is_said() -> bool:
        return '"a worker is ' in stack.status("health/ready")

    with stack.client() as client:
        victim = worker_of(client)
    os.kill(victim, signal.SIGSTOP)
    until(is_said, "health says that a worker is late")
    os.kill(victim, signal.SIGCONT)
    until(lambda: not is_said(), "it goes on, and all is well")


def test_nobody_is_turned_away_after_a_pause(stack: Sallyport) -> None:
    """A machine that is moved, or whose disk hangs, stands still for a moment. Who comes then finds it going on."""
    running = workers(stack)
    for worker in running:
        os.kill(worker, signal.SIGSTOP)
    until(lambda: all(_is_stopped(one) for one in running), "the workers stand still")
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 1.5, "they are late by more than is allowed")
    for worker in running:
        os.kill(worker, signal.SIGCONT)
    for _ in range(20):
        with stack.client() as client:
            assert client.noop()[0] == 250
    assert metric(stack, 'connections_total{outcome="shed"}') == 0


def _is_stopped(process: int) -> bool:
    return "State:\tT" in Path(f"/proc/{process}/status").read_text()


def test_a_worker_that_is_killed_is_replaced(stack: Sallyport) -> None:
    """Its sessions go, the other's go on, its connections are given back, and new ones are served."""
    ada = stack.new_login("ada", SENDER)
    clients = [stack.client(ada) for _ in range(6)]
    with pytest.raises((smtplib.SMTPException, OSError)):
        stack.client(ada)  # the cap for one address, over both workers
    served_by = {client: worker_of(client) for client in clients}
    victim = served_by[clients[0]]
    before = workers(stack)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(stack)) == 2 and victim not in workers(stack), "the worker is replaced")
    assert len(set(before) & set(workers(stack))) == 1
    survivors = [client for client, process in served_by.items() if process != victim]
    for client in survivors:
        client.sendmail(SENDER, [FRIEND], MESSAGE)
    until(lambda: metric(stack, "sessions_open") == len(survivors), "the dead worker's connections are given back")
    with stack.client(ada) as client:
        client.sendmail(SENDER, [FRIEND], MESSAGE)
    assert "worker-ended" in stack.gateway.text()
    for client in clients:
        client.close()


SOONER = """
from gateway.__main__ import main
from gateway import workers
workers._LOOK_S = 0.25  # a worker hangs after three seconds
main()
"""


def test_a_worker_that_hangs_is_replaced(stack: Sallyport) -> None:
    """Its sessions end and are given back; the other's go on. When all stood still for as long nobody is replaced."""
    stack.gateway.stop()
    stack.gateway.command = [sys.executable, "-c", SOONER]
    stack.start_gateway()
    ada = stack.new_login("ada", SENDER)
    before = workers(stack)
    assert stack.gateway.running
    group = [stack.gateway.running.pid, *before]
    for process in group:
        os.kill(process, signal.SIGSTOP)
    until(lambda: all(_is_stopped(one) for one in group), "all stand still")
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 4, "for longer than a worker may hang")
    for process in group:
        os.kill(process, signal.SIGCONT)
    clients = [stack.client(ada) for _ in range(6)]
    served_by = {client: worker_of(client) for client in clients}
    victim = served_by[clients[0]]
    os.kill(victim, signal.SIGSTOP)
    until(lambda: len(workers(stack)) == 2 and victim not in workers(stack), "the worker is replaced")
    assert set(before) - set(workers(stack)) == {victim}
    assert stack.gateway.text().count("worker-hung") == 1
    survivors = [client for client, process in served_by.items() if process != victim]
    for client in survivors:
        client.sendmail(SENDER, [FRIEND], MESSAGE)
    until(lambda: metric(stack, "sessions_open") == len(survivors), "the connections of the other are given back")
    with stack.client(ada) as client:
        client.sendmail(SENDER, [FRIEND], MESSAGE)
    for client in clients:
        client.close()


def test_the_process_above_is_killed(stack: Sallyport) -> None:
    """The workers go with it, and with them the ports."""
    running = workers(stack)
    stack.gateway.send(signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{one}").exists() for one in running), "the workers are gone")
    until(lambda: not answers(stack.submission_port), "the port is closed")


def test_an_orderly_end_leaves_nothing(stack: Sallyport) -> None:
    """SIGTERM: exit code 0, and no process left."""
    running = workers(stack)
    stack.gateway.send(signal.SIGTERM)
    assert stack.gateway.ended() == 0
    assert not any(Path(f"/proc/{one}").exists() for one in running)


def served_serial(stack: Sallyport) -> bytes:
    """The certificate that a new connection gets, whatever it is worth."""
    with socket.create_connection(("127.0.0.1", stack.submissions_port), timeout=10) as raw:
        context = smtplib.ssl._create_unverified_context()  # type: ignore[attr-defined]
        with context.wrap_socket(raw) as under_tls:
            der: bytes = under_tls.getpeercert(binary_form=True)
            return der


def new_pair(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "new-cert.pem", folder / "new-key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=localhost", "-days", "30", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_certificates_are_replaced_while_sessions_go_on(stack: Sallyport, tmp_path: Path) -> None:
    """A broken file is refused, which health and metrics tell; a good one is served; no session ends."""
    ada = stack.new_login("ada", SENDER)
    first = served_serial(stack)
    with stack.client(ada) as client:
        cert, key = new_pair(tmp_path)
        stack.folder.joinpath("cert.pem").write_text("no certificate\n")
        stack.gateway.send(signal.SIGHUP)
        until(lambda: metric(stack, "certificate_reload_failed") == 1, "the refusal shows in the metrics")
        (warning,) = json.loads(stack.status("health/ready"))["warnings"]
        assert "cert.pem" in warning
        assert "certificate-refused" in stack.gateway.text()
        assert served_serial(stack) == first
        shutil.copy(key, stack.folder / "key.pem")
        shutil.copy(cert, stack.folder / "cert.pem")
        until(lambda: all(served_serial(stack) != first for _ in range(6)), "every worker serves the new one")
        until(lambda: metric(stack, "certificate_reload_failed") == 0, "the refusal is over")
        client.sendmail(SENDER, [FRIEND], MESSAGE)


def test_the_health_check(stack: Sallyport) -> None:
    """Exit code 0 and silence; the metrics where they are asked for; 1 where nobody answers."""

    def health(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | stack.gateway_environment
        command = [sys.executable, "-m", "gateway.health", *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    done = health()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "sallyport_gateway_sessions_open" in health("--metrics").stdout
    stack.gateway.stop()
    assert health().returncode == 1
