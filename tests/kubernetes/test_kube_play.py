"""The small overlay, played by podman: it comes up as its probes say, takes a message and delivers it."""

import base64
import imaplib
import re
import shutil
import smtplib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playing import PREFIX, Cluster, engine_fault, podman, unverified
from rendering import KUBERNETES, ROOT, WORKLOADS, manifests, of_kind, site

_PARTS = ("policy", "gateway", "postfix", "dovecot", "rspamd", "sink")
_HOST = "mail.sallyport.test"
_UP_S, _DELIVERED_S = 120.0, 60.0

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An overlay of a site: images of this checkout under tags of our own, secrets as `make-secrets` makes them."""
    if fault := engine_fault():
        pytest.skip(fault)
    if not shutil.which("docker"):
        pytest.skip("docker, which builds the images, is not installed")
    folder = tmp_path_factory.mktemp("played")
    images = [
        f"  - {{name: registry.invalid/sallyport/{part}, newName: localhost/{PREFIX}-{part}, newTag: test}}\n"
        for part in _PARTS
    ]
    given = [*site(folder, "small", "images:\n" + "".join(images)), *manifests(_secrets()), _certificate(folder)]
    _bring_images()
    played = Cluster(given, folder)
    played.end()  # what a run that was cut off has left
    try:
        played.begin()
        yield played
    finally:
        played.end()


def test_every_probe_is_answered(cluster: Cluster) -> None:
    """As a kubelet asks them, in the order in which it does."""
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        for workload in of_kind(cluster.manifests, *WORKLOADS):
            _until(
                lambda w=workload, p=probe: not cluster.probe_fails(w, p),
                lambda w=workload, p=probe: cluster.probe_fails(w, p),
                _UP_S,
            )


def test_a_message_is_taken_and_delivered(cluster: Cluster) -> None:
    """Submitted with the administrator's first credential, read back from the mailbox with the same, and signed."""
    login, secret = _first_login(cluster)
    with smtplib.SMTP(cluster.addresses["gateway"], 5587, "localhost", timeout=30) as client:
        client.starttls(context=unverified())
        client.login(login, secret)
        text = "From: postmaster@sallyport.test\r\nTo: postmaster@sallyport.test\r\nSubject: played\r\n\r\nhello\r\n"
        assert not client.sendmail("postmaster@sallyport.test", ["postmaster@sallyport.test"], text)
    found: list[bytes] = []

    def is_there() -> bool:
        with imaplib.IMAP4_SSL(cluster.addresses["dovecot"], 10993, ssl_context=unverified(), timeout=30) as mailbox:
            mailbox.login(login, secret)
            mailbox.select("INBOX", readonly=True)
            _, (numbers,) = mailbox.search(None, "SUBJECT", "played")
            found.extend(mailbox.fetch(number.decode(), "(RFC822)")[1][0][1] for number in numbers.split())
        return bool(found)

    _until(is_there, lambda: podman("logs", "--tail", "20", "postfix-postfix"), _DELIVERED_S)
    assert b"hello" in found[0]
    assert b"DKIM-Signature" in found[0]


def test_the_pods_run_as_the_manifests_say(cluster: Cluster) -> None:
    """Nobody is root but Postfix and its agent, and nothing is written beside the volumes."""
    for pod in sorted(cluster.addresses):
        if pod == "postfix":
            continue
        assert cluster.says(pod, pod, "id", "-u").strip() == "10001"
        assert "failed" in cluster.says(pod, pod, "sh", "-c", "touch /here 2>/dev/null || echo failed")
        effective = re.search(r"CapEff:\s*(\w+)", cluster.says(pod, pod, "cat", "/proc/self/status"))
        assert effective is not None
        assert int(effective[1], 16) == 0


def _secrets() -> str:
    return subprocess.run([KUBERNETES / "make-secrets"], capture_output=True, text=True, check=True, timeout=30).stdout


def _certificate(folder: Path) -> dict[str, object]:
    cert, key = folder / "tls.crt", folder / "tls.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
    ]
    command += [
        "-subj",
        f"/CN={_HOST}",
        "-addext",
        f"subjectAltName=DNS:{_HOST}",
        "-out",
        str(cert),
        "-keyout",
        str(key),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    data = {path.name: base64.b64encode(path.read_bytes()).decode() for path in (cert, key)}
    return {"kind": "Secret", "metadata": {"name": "tls", "namespace": "sallyport"}, "data": data}


def _bring_images() -> None:
    """Built by docker, whose cache there is, and handed over: podman has a storage of its own."""
    for part in _PARTS[:-1]:
        tag = f"{PREFIX}-{part}:test"
        build = ["docker", "build", "--quiet", "--tag", tag, "--file", str(ROOT / part / "Dockerfile"), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True, timeout=900)
        with subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["podman", "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True, timeout=300
            )


def _first_login(cluster: Cluster) -> tuple[str, str]:
    said = cluster.says("policy", "policy", "sallyport", "first-login")
    login, secret = re.search(r"login +(\S+)", said), re.search(r"secret +(\S+)", said)
    assert login is not None, said
    assert secret is not None, said
    return login[1], secret[1]


def _until(holds: Callable[[], bool], says: Callable[[], str], seconds: float) -> None:
    """Asked again and again; each question takes its time by itself."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, says()
