"""The scripts of deploy/kubernetes, with a docker, a podman and a kubectl that only write down what they are asked."""

import base64
import json
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
PARTS = ("dovecot", "gateway", "policy", "postfix", "rspamd", "sink")
REGISTRY = "registry.example.org:5000/sallyport"

# As they speak: each image has a digest of its own, by its name. `podman image inspect` would name another one.
ENGINES = {
    "docker": """#!/bin/sh
digest=$(printf %s "$(basename "$2")" | sha256sum | cut -d' ' -f1)
case $1 in
  --version) echo "Docker version 28.2.2, build e6534b4" ;;
  build) echo "$*" >>"$TOLD" ;;
  push)
    printf 'The push refers to repository [%s]\\n82694469d9a2: Pushed\\n' "$2"
    printf 'latest: digest: sha256:%s size: 528\\n' "$digest"
    ;;
  *) exit 1 ;;
esac
""",
    "podman": """#!/bin/sh
case $1 in
  --version) echo "podman version 4.3.1" ;;
  build) echo "$*" >>"$TOLD" ;;
  push)
    for image in "$@"; do :; done
    printf 'sha256:%s' "$(printf %s "$(basename "$image")" | sha256sum | cut -d' ' -f1)" >"$4"
    ;;
  *) exit 1 ;;
esac
""",
    "a docker that pushes nowhere": """#!/bin/sh
case $1 in
  --version) echo "Docker version 28.2.2, build e6534b4" ;;
  build) ;;
  *) echo "denied: requested access to the resource is denied" >&2; exit 1 ;;
esac
""",
    "a docker that says nothing": """#!/bin/sh
case $1 in --version) echo "Docker version 28.2.2, build e6534b4" ;; esac
""",
}


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@dataclass
class Checkout:
    """The folder of the manifests, as far as publish-images needs it."""

    folder: Path

    def __post_init__(self) -> None:
        self.kubernetes = self.folder / "deploy" / "kubernetes"
        shutil.copytree(KUBERNETES / "images", self.kubernetes / "images")
        shutil.copy(KUBERNETES / "publish-images", self.kubernetes)
        self.images = self.kubernetes / "images" / "kustomization.yaml"
        self.shipped = self.images.read_text()

    def publish(self, engine: str, *options: str) -> subprocess.CompletedProcess[str]:
        docker = program(self.folder / "engine", ENGINES[engine])
        environment = os.environ | {"DOCKER": str(docker), "TOLD": str(self.folder / "told")}
        command = [self.kubernetes / "publish-images", *options, REGISTRY]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def digest(part: str) -> str:
    done = subprocess.run(["sha256sum"], input=part.encode(), capture_output=True, check=True)
    return f"sha256:{done.stdout.decode().split()[0]}"


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_the_digests_are_those_of_the_registry(checkout: Checkout, engine: str) -> None:
    """By the word of whoever pushed; each image by its own name, and all of them."""
    done = checkout.publish(engine)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{REGISTRY}/{part}@{digest(part)}" for part in PARTS]
    rows = re.findall(r"- name: (\S+)\n    newName: (\S+)\n    digest: (\S+)\n", checkout.images.read_text())
    assert rows == [(f"sallyport-{part}", f"{REGISTRY}/{part}", digest(part)) for part in PARTS]
    assert checkout.images.read_text().startswith(checkout.shipped.partition("images:")[0])
    assert (checkout.folder / "told").read_text().count("build --quiet --tag") == len(PARTS)


def test_images_with_traces_are_built_of_other_requirements(checkout: Checkout) -> None:
    """Those of the two parts that tell spans, and of no other; each list is there."""
    assert checkout.publish("docker", "--traces").returncode == 0
    told = (checkout.folder / "told").read_text()
    found = re.findall(r"--file (\w+)/Dockerfile --build-arg REQUIREMENTS=(\S+) ", told)
    assert found == [("gateway", "gateway-traces"), ("policy", "policy-traces")]
    assert told.count("build --quiet --tag") == len(PARTS)
    for part, name in found:
        assert "ARG REQUIREMENTS" in (ROOT / part / "Dockerfile").read_text()
        assert (ROOT / "requirements" / f"{name}.txt").exists()


@pytest.mark.parametrize("options", [("--trace",), ("--traces", "--traces"), (REGISTRY,)])
def test_what_is_no_option_is_refused(checkout: Checkout, options: tuple[str, ...]) -> None:
    done = checkout.publish("docker", *options)
    assert done.returncode == 2
    assert "publish-images [--traces] REGISTRY/PATH" in done.stderr
    assert checkout.images.read_text() == checkout.shipped


@pytest.mark.parametrize("engine", ["a docker that pushes nowhere", "a docker that says nothing"])
def test_where_a_push_fails_nothing_is_written(checkout: Checkout, engine: str) -> None:
    done = checkout.publish(engine)
    assert done.returncode == 1
    assert checkout.images.read_text() == checkout.shipped


# A cluster of files: get prints what jsonpath asks for, patch merges what comes by a file.
KUBECTL = r"""#!/usr/bin/env python3
import json, os, re, sys
from pathlib import Path
namespace, verb, name = sys.argv[2], sys.argv[3], sys.argv[5]
path = Path(os.environ["CLUSTER"]) / f"{namespace}.{name}"
data = json.loads(path.read_text())
if verb == "get":
    key = re.fullmatch(r"jsonpath=\{\.data\['(.+)'\]\}", sys.argv[7])[1].replace("\\.", ".")
    print(data.get(key, ""), end="")
else:
    assert sys.argv[6:] == ["--type", "merge", "--patch-file", "/dev/stdin"], sys.argv
    data |= json.load(sys.stdin)["data"]
    path.write_text(json.dumps(data))
"""
OLD = "0123456789" * 4


@dataclass
class Cluster:
    """Secrets, by namespace and name."""

    folder: Path

    def __post_init__(self) -> None:
        self.kubectl = program(self.folder / "kubectl", KUBECTL)

    def put(self, secret: str, **data: str) -> None:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        (self.folder / secret).write_text(json.dumps(encoded))

    def get(self, secret: str, key: str) -> str:
        return base64.b64decode(json.loads((self.folder / secret).read_text())[key]).decode()

    def rotate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"KUBECTL": str(self.kubectl), "CLUSTER": str(self.folder)}
        command = [KUBERNETES / "rotate-token", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    one = Cluster(tmp_path)
    for secret in ("gateway-token", "dovecot-token", "queue-token"):
        one.put(f"sallyport.{secret}", **{"policy.token": f"{OLD}\n"})
    one.put("sallyport-postfix.queue-token", **{"policy.token": f"{OLD}\n"})
    one.put("sallyport.policy-tokens", **{"auth-policy.token": f"{OLD}\n", "alert-webhook.secret": "whsec_x\n"})
    return one


SECRETS = [
    # the secret, its key, the namespaces that have it
    ("gateway-token", "policy.token", ("sallyport",)),
    ("dovecot-token", "policy.token", ("sallyport",)),
    ("queue-token", "policy.token", ("sallyport", "sallyport-postfix")),
    ("policy-tokens", "auth-policy.token", ("sallyport",)),
]


@pytest.mark.parametrize(("name", "key", "namespaces"), SECRETS, ids=[one[0] for one in SECRETS])
def test_a_secret_gets_a_new_token_in_front_and_loses_the_old_one(
    cluster: Cluster, name: str, key: str, namespaces: tuple[str, ...]
) -> None:
    """The same in both namespaces; and what else is in it stays."""
    assert cluster.rotate(name).returncode == 0
    newest, second = cluster.get(f"sallyport.{name}", key).splitlines()
    assert (second, len(newest)) == (OLD, 64)
    assert {cluster.get(f"{one}.{name}", key) for one in namespaces} == {f"{newest}\n{OLD}\n"}
    again = cluster.rotate(name)
    assert (again.returncode, "the token before is still taken" in again.stderr) == (2, True)
    assert cluster.rotate(name, "--retire").returncode == 0
    assert {cluster.get(f"{one}.{name}", key) for one in namespaces} == {f"{newest}\n"}
    again = cluster.rotate(name, "--retire")
    assert (again.returncode, "has one token alone" in again.stderr) == (2, True)
    assert cluster.get("sallyport.policy-tokens", "alert-webhook.secret") == "whsec_x\n"


@pytest.mark.parametrize("arguments", [(), ("digest-key",), ("gateway-token", "--soon")])
def test_what_is_no_token_is_refused(cluster: Cluster, arguments: tuple[str, ...]) -> None:
    before = {path.name: path.read_bytes() for path in cluster.folder.iterdir()}
    assert cluster.rotate(*arguments).returncode == 2
    assert {path.name: path.read_bytes() for path in cluster.folder.iterdir()} == before
