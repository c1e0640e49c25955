"""The REST API, as it runs, against its own OpenAPI document: schemathesis makes up requests, good ones and bad ones.

No answer is an error of ours, each is one that the document names, in the form that it names; what the document forbids
is refused, and without the token nothing is answered.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Process, Sallyport, answers, free_port, until

EXAMPLES = 15  # for each route and phase


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """Where the API is, a token that may do everything, and the certificate to trust."""
    sallyport = Sallyport(tmp_path, free_port())
    sallyport.cli("init")
    scopes = [word for scope in ("read", "write", "audit", "backup") for word in ("--scope", scope)]
    token = json.loads(sallyport.cli("token", "add", "schemathesis", *scopes, "--json"))["token"]
    port = free_port()
    environment = sallyport.policy_environment | {
        "POLICY_CONSOLE_PORT": str(port),
        "POLICY_CONSOLE_URL": f"https://localhost:{port}",
    }
    console = Process([sys.executable, "-m", "policy.console"], environment, tmp_path / "console.log").start()
    try:
        until(lambda: answers(port), f"the console answers\n{console.text()}")
        yield f"https://localhost:{port}/api/v1", token, tmp_path / "cert.pem"
    finally:
        console.stop()


def test_the_api_keeps_to_its_document(origin: tuple[str, str, Path], tmp_path: Path) -> None:
    """With every check that schemathesis has."""
    url, token, certificate = origin
    command = [str(Path(sys.executable).parent / "st"), "run", f"{url}/openapi.json", "--tls-verify", str(certificate)]
    command += ["-H", f"Authorization: Bearer {token}", "--max-examples", str(EXAMPLES), "--seed", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
