"""publish-images and a registry that is one: what is pushed, what the registry has, and what a cluster would then pull.

The images are built and pushed, which takes some minutes: only where SALLYPORT_PUBLISH=1 says so, as `make kubernetes`
does.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from rendering import OVERLAYS, ROOT, containers, manifests, text_of

PARTS = ("dovecot", "gateway", "policy", "postfix", "rspamd", "sink")
_IMAGE = "sallyport-test-registry"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_UP_S = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(not os.environ.get("SALLYPORT_PUBLISH"), reason="SALLYPORT_PUBLISH=1 builds and pushes"),
]


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """Its address, on a free port of this machine: docker speaks to one there without TLS."""
    docker("build", "--quiet", "--tag", _IMAGE, str(Path(__file__).parent / "registry"))
    container = docker("run", "--detach", "--rm", "--publish", "127.0.0.1::5000", _IMAGE).strip()
    try:
        address = docker("port", container, "5000").strip()
        end = time.monotonic() + _UP_S
        while not _answers(f"http://{address}/v2/"):
            assert time.monotonic() < end, docker("logs", container)
        yield address
    finally:
        docker("rm", "--force", container)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What images are built from and the manifests, for publish-images writes into its own folder."""
    folder, left_out = tmp_path_factory.mktemp("checkout"), shutil.ignore_patterns("__pycache__")
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!") and (ROOT / line[1:]).exists():
            shutil.copytree(ROOT / line[1:], folder / line[1:], ignore=left_out)
    shutil.copy(ROOT / ".dockerignore", folder)
    shutil.copytree(ROOT / "deploy" / "kubernetes", folder / "deploy" / "kubernetes")
    return folder


@pytest.fixture(scope="module")
def published(registry: str, checkout: Path) -> Iterator[Mapping[str, str]]:
    """What it printed, by part: the name with the digest."""
    command = [checkout / "deploy" / "kubernetes" / "publish-images", f"{registry}/sallyport"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    try:
        assert done.returncode == 0, done.stderr
        yield {re.split("[/@]", line)[2]: line for line in done.stdout.split()}
    finally:
        docker("image", "rm", "--force", *[f"{registry}/sallyport/{part}" for part in PARTS])


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _answers(url: str) -> bool:
    try:
        with _OPENER.open(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_the_registry_has_each_image_under_its_digest(registry: str, published: Mapping[str, str]) -> None:
    """By its own word, and a digest is the hash of what it sends."""
    assert sorted(published) == sorted(PARTS)
    for part, name in published.items():
        digest = name.partition("@")[2]
        url = f"http://{registry}/v2/sallyport/{part}/manifests/{digest}"
        with _OPENER.open(urllib.request.Request(url, headers={"Accept": _MANIFEST}), timeout=30) as answer:
            assert f"sha256:{hashlib.sha256(answer.read()).hexdigest()}" == digest


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_names_what_was_published(overlay: str, checkout: Path, published: Mapping[str, str]) -> None:
    """And nothing else: no tag, and no place that is nobody's."""
    given = manifests(text_of(checkout / "deploy" / "kubernetes" / "overlays" / overlay))
    named = {container["image"] for _, container in containers(given)}
    assert named == set(published.values()) - ({published["sink"]} if overlay != "test" else set())


def test_what_a_manifest_names_can_be_pulled(published: Mapping[str, str]) -> None:
    """It is the image that was built, and not only one of the same name."""
    name = published["gateway"]
    built = docker("image", "inspect", "--format", "{{.Id}}", name.partition("@")[0])
    docker("image", "rm", name.partition("@")[0])  # with its digest, so that nothing of it is here
    docker("pull", "--quiet", name)
    assert docker("image", "inspect", "--format", "{{.Id}}", name) == built
    docker("tag", name, name.partition("@")[0])
