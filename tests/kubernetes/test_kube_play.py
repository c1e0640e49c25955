"""Overlays, played by podman: they come up as their probes say, take a message and deliver it.

`test` is `small` with a mail sink for the internet. `large`, which takes some minutes more, only where
SALLYPORT_PLAY_LARGE=1 says so, as `make kubernetes` does.
"""

import base64
import imaplib
import json
import os
import re
import shutil
import smtplib
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import kube_stores
import pytest
from playing import PREFIX, Cluster, engine_fault, podman, unverified
from rendering import KUBERNETES, ROOT, WORKLOADS, Manifest, manifests, of_kind, pod_of, site

_PARTS = ("policy", "gateway", "postfix", "dovecot", "rspamd", "sink")
_HOST = "mail.sallyport.test"
_UP_S, _DELIVERED_S = 120.0, 60.0
# One Valkey has no replica that could have what it counts.
_LARGE = """configMapGenerator:
  - {name: site, namespace: sallyport, behavior: merge, literals: [budgets-replicas=0]}
"""
_OVERLAYS = [
    "test",
    pytest.param(
        "large",
        marks=pytest.mark.skipif(not os.environ.get("SALLYPORT_PLAY_LARGE"), reason="SALLYPORT_PLAY_LARGE=1 plays it"),
    ),
]

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module", params=_OVERLAYS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An overlay of a site: images of this checkout under tags of our own, secrets as `make-secrets` makes them."""
    if fault := engine_fault():
        pytest.skip(fault)
    if not shutil.which("docker"):
        pytest.skip("docker, which builds the images, is not installed")
    folder, is_large = tmp_path_factory.mktemp("played"), request.param == "large"
    images = [
        f"  - {{name: registry.invalid/sallyport/{part}, newName: localhost/{PREFIX}-{part}, newTag: test}}\n"
        for part in _PARTS
    ]
    more = "images:\n" + "".join(images) + (_LARGE if is_large else "")
    given = [*site(folder, request.param, more), *manifests(_secrets(folder, is_large)), _certificate(folder)]
    _bring_images(_PARTS[:-1] + kube_stores.NAMES if is_large else _PARTS)
    played, beside = Cluster(given, folder, kube_stores.HOSTS if is_large else {}), kube_stores.Stores(folder)
    _end(played, beside)  # what a run that was cut off has left
    try:
        played.make_network()
        if is_large:
            beside.begin()
            _until(lambda: not beside.fault(), beside.fault, _UP_S)
        played.begin()
        yield played
    finally:
        _end(played, beside)


def _end(played: Cluster, beside: kube_stores.Stores) -> None:
    beside.end()
    played.end()


@pytest.fixture(scope="module")
def first(cluster: Cluster) -> tuple[str, str]:
    """Login and secret of the administrator's first credential, which is shown once."""
    said = cluster.says(_pods(cluster, "policy")[0], "policy", "sallyport", "first-login")
    login, secret = re.search(r"login +(\S+)", said), re.search(r"secret +(\S+)", said)
    assert login is not None, said
    assert secret is not None, said
    return login[1], secret[1]


def test_every_probe_is_answered(cluster: Cluster) -> None:
    """As a kubelet asks them, in the order in which it does."""
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        for workload in of_kind(cluster.manifests, *WORKLOADS):
            _until(
                lambda w=workload, p=probe: not cluster.probe_fails(w, p),
                lambda w=workload, p=probe: cluster.probe_fails(w, p),
                _UP_S,
            )


def test_a_message_is_taken_and_delivered(cluster: Cluster, first: tuple[str, str]) -> None:
    """Submitted at each gateway with the administrator's first credential, read back from the mailbox with the same."""
    gateways = _pods(cluster, "gateway")
    for gateway in gateways:
        _submit(cluster, gateway, first, "postmaster@sallyport.test")
    found: list[bytes] = []

    def is_there() -> bool:
        with imaplib.IMAP4_SSL(cluster.addresses["dovecot"], 10993, ssl_context=unverified(), timeout=30) as mailbox:
            mailbox.login(*first)
            mailbox.select("INBOX", readonly=True)
            _, (numbers,) = mailbox.search(None, "SUBJECT", "played")
            found[:] = [mailbox.fetch(number.decode(), "(RFC822)")[1][0][1] for number in numbers.split()]
        return len(found) == len(gateways)

    postfix = _pods(cluster, "postfix")[0]
    _until(is_there, lambda: podman("logs", "--tail", "20", f"{postfix}-postfix"), _DELIVERED_S)
    assert all(b"hello" in one and b"DKIM-Signature" in one for one in found)


def test_what_leaves_arrives_in_the_sink(cluster: Cluster, first: tuple[str, str]) -> None:
    """overlays/test: no mail can leave, and what would is there to be looked at."""
    if "sink" not in cluster.addresses:
        pytest.skip("this overlay has no sink")
    _submit(cluster, "gateway", first, "friend@elsewhere.example")
    url = f"http://{cluster.addresses['sink']}:8025/messages?wait=30&recipient=friend@elsewhere.example"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        (message,) = json.load(answer)
    assert message["subject"] == "played"


def test_the_pods_run_as_the_manifests_say(cluster: Cluster) -> None:
    """Nobody is root but Postfix and its agent, and nothing is written beside the volumes."""
    for workload in of_kind(cluster.manifests, *WORKLOADS):
        if workload["metadata"]["name"] == "postfix":
            continue
        (container,) = [one["name"] for one in pod_of(workload)["containers"]]
        for pod in cluster.pods(workload):
            assert cluster.says(pod, container, "id", "-u").strip() == "10001"
            assert "failed" in cluster.says(pod, container, "sh", "-c", "touch /here 2>/dev/null || echo failed")
            effective = re.search(r"CapEff:\s*(\w+)", cluster.says(pod, container, "cat", "/proc/self/status"))
            assert effective is not None
            assert int(effective[1], 16) == 0


def _workload(cluster: Cluster, name: str) -> Manifest:
    (found,) = [one for one in of_kind(cluster.manifests, *WORKLOADS) if one["metadata"]["name"] == name]
    return found


def _pods(cluster: Cluster, name: str) -> Sequence[str]:
    return cluster.pods(_workload(cluster, name))


def _submit(cluster: Cluster, gateway: str, login: tuple[str, str], recipient: str) -> None:
    with smtplib.SMTP(cluster.addresses[gateway], 5587, "localhost", timeout=30) as client:
        client.starttls(context=unverified())
        client.login(*login)
        text = f"From: postmaster@sallyport.test\r\nTo: {recipient}\r\nSubject: played\r\n\r\nhello\r\n"
        assert not client.sendmail("postmaster@sallyport.test", [recipient], text)


def _secrets(folder: Path, is_large: bool) -> str:
    passwords = []
    for name in kube_stores.PASSWORDS.values() if is_large else ():
        (folder / name).write_text(os.urandom(16).hex())
        (folder / name).chmod(0o644)  # whoever runs in the store's container is somebody else
        passwords.append(f"{name}={folder / name}")
    command = [KUBERNETES / "make-secrets", *passwords]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


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


def _bring_images(parts: Sequence[str]) -> None:
    """Built by docker, whose cache there is, and handed over: podman has a storage of its own."""
    for part in parts:
        tag = f"{PREFIX}-{part}:test"
        build = ["docker", "build", "--quiet", "--tag", tag, "--file", str(ROOT / part / "Dockerfile"), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True, timeout=900)
        with subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["podman", "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True, timeout=300
            )


def _until(holds: Callable[[], bool], says: Callable[[], str], seconds: float) -> None:
    """Asked again and again; each question takes its time by itself."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, says()
