"""What Postfix demands of receivers: DANE where it is proven, MTA-STS where it is asked for, else TLS if it can be."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT, Postfix

WORLD = ROOT / "tests" / "stack" / "outgoing_world.py"
NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "private", "--kill-child"]


def is_possible() -> bool:
    """Namespaces need a machine that lets root have them."""
    return (
        Postfix.is_possible()
        and shutil.which("mta-sts-daemon") is not None
        and subprocess.run([*NAMESPACES, "true"], check=False, capture_output=True).returncode == 0
    )


pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not is_possible(),
        reason="needs root, namespaces, and Debian's postfix and postfix-mta-sts-resolver",
    ),
]


def seen(folder: Path, resolver: str) -> dict[str, str]:
    """What Postfix wrote about each receiver, with a resolver that verifies, or that trusts."""
    command = [*NAMESPACES, sys.executable, str(WORLD), str(folder), resolver]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return {domain: "\n".join(lines) for domain, lines in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return seen(tmp_path_factory.mktemp("verifies"), "verifies")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return seen(tmp_path_factory.mktemp("trusts"), "trusts")


CASES = [
    # what it shows, domain, what the log says
    ("the key of the TLSA record", "dane.test", ("Verified TLS connection established to mx.dane.test", "status=sent")),
    ("another key", "forged.test", ("status=deferred", "Server certificate not verified")),
    ("TLS that somebody took away", "stripped.test", ("status=deferred", "TLS is required")),
    ("a record that nobody proves", "unproven.test", ("Untrusted TLS connection established", "status=sent")),
    ("no record", "usual.test", ("Untrusted TLS connection established", "status=sent")),
    ("no TLS at all", "clear.test", ("status=sent",)),
    (
        "a policy of MTA-STS, and a certificate that nobody trusts",
        "sts.test",
        ("status=deferred", "Server certificate not verified"),
    ),
    ("a policy that is only tried", "sts-tried.test", ("Untrusted TLS connection established", "status=sent")),
]


@pytest.mark.parametrize(("domain", "words"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_with_a_resolver_that_verifies(verified: dict[str, str], domain: str, words: tuple[str, ...]) -> None:
    """A forged server gets nothing: the mail waits."""
    assert all(word in verified[domain] for word in words), verified[domain]


@pytest.mark.parametrize("domain", ["dane.test", "forged.test", "unproven.test", "usual.test"])
def test_with_a_resolver_that_does_not(trusted: dict[str, str], domain: str) -> None:
    """Nothing is proven, so that TLS is what it is with `may`: used where there is any, and nothing waits for it."""
    assert "Untrusted TLS connection established" in trusted[domain], trusted[domain]
    assert "status=sent" in trusted[domain]
    assert "warning" not in trusted[domain]
