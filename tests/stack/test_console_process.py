"""The console as a process: HTTPS with the gateway's certificate, names, the log, a certificate that is replaced."""

import http.client
import json
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography import x509
from harness import ROOT, Process, Sallyport, answers, free_port, until

from policy.certificate import new_key, self_signed


@dataclass
class Running:
    """A console that answers on `port`."""

    port: int
    sallyport: Sallyport
    process: Process

    def get(self, path: str, host: str = "localhost") -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=self.sallyport.tls())
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def serial(self) -> int:
        """Of the certificate that is served now."""
        served = ssl.get_server_certificate(("localhost", self.port), timeout=10)
        return x509.load_pem_x509_certificate(served.encode()).serial_number


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    port = free_port()
    settings = {
        "POLICY_CONSOLE_PORT": str(port),
        "POLICY_CONSOLE_URL": f"https://localhost:{port}",
        "POLICY_LOG_FORMAT": "json",
    }
    sallyport = Sallyport(tmp_path_factory.mktemp("console"), next_hop=1, policy_settings=settings)
    sallyport.cli("init")
    command = [sys.executable, "-m", "policy.console"]
    process = Process(command, sallyport.policy_environment, sallyport.folder / "console.log")
    try:
        process.start()
        until(lambda: answers(port), f"the console answers\n{process.text()}", 60)
        yield Running(port, sallyport, process)
    finally:
        process.stop()


def test_it_is_ready(console: Running) -> None:
    assert console.get("/health/live").status == 200
    assert console.get("/health/ready").status == 200
    assert console.get("/sign-in").status == 200
    assert console.get("/sign-in", host="evil.example").status == 421


def test_the_log_has_routes_and_no_tokens(console: Running) -> None:
    """Of an invitation that is good, too."""
    printed = console.sallyport.cli("invite", "ada", "--address", "ada@sallyport.test", "--json")
    path = json.loads(printed)["url"].removeprefix(f"https://localhost:{console.port}")
    assert console.get(path).status == 200
    assert console.get(f"{path}/factor?x=y").status == 303
    lines = [json.loads(line) for line in console.process.text().splitlines()]
    visits = [(line["route"], line["status"]) for line in lines if line["event"] == "console-visited"]
    assert ("/invite/{token}", 200) in visits
    assert ("/invite/{token}/factor", 303) in visits
    assert path.removeprefix("/invite/") not in console.process.text()
    assert all(re.fullmatch(r"[a-z-]+", line["event"]) for line in lines)


def test_a_certificate_is_replaced_while_it_runs(console: Running) -> None:
    """As the gateway does: the next connection has the new one."""
    folder, before = console.sallyport.folder, console.serial()
    key = new_key()
    for name, content in (("key.pem", key), ("cert.pem", self_signed("mail.sallyport.test", key, time.time()))):
        (folder / "draft").write_bytes(content)
        (folder / "draft").replace(folder / name)
    until(lambda: console.serial() != before, "the new certificate")
    assert console.get("/health/ready").status == 200


WRONG = [
    ("POLICY_CONSOLE_PORT", "0", "POLICY_CONSOLE_PORT"),
    ("POLICY_CONSOLE_URL", "http://localhost", "POLICY_CONSOLE_URL"),
    ("POLICY_CONSOLE_PROT", "8443", "did you mean POLICY_CONSOLE_PORT?"),
    ("POLICY_TLS_CERT", "/nowhere/cert.pem", "POLICY_TLS_CERT"),
    ("POLICY_CONSOLE_BIND", "192.0.2.1", "cannot be bound"),
]


@pytest.mark.parametrize(("name", "value", "told"), WRONG)
def test_a_wrong_setting_is_a_sentence(console: Running, name: str, value: str, told: str) -> None:
    """And exit code 2, before anything is open."""
    done = subprocess.run(
        [sys.executable, "-m", "policy.console"],
        env=console.sallyport.policy_environment | {"POLICY_CONSOLE_PORT": str(free_port())} | {name: value},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_its_row_of_health_is_there_while_it_runs(console: Running) -> None:
    """And goes with it, where it ends in order: nobody has to miss it."""

    def rows() -> int:
        with console.sallyport.store() as store:
            return int(
                store.exec_driver_sql("SELECT count(*) FROM health_report WHERE service = 'console'").scalar() or 0
            )

    until(lambda: rows() == 1, "the console has written its row")
    console.process.send(signal.SIGTERM)
    console.process.ended()
    assert rows() == 0
