"""Manifests as a cluster would get them: an overlay, rendered by kustomize itself.

kustomize is in Debian's package of that name (13 and later) and in every kubectl. Where neither is, this is skipped.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("small", "large", "test")
COMPONENTS = tuple(sorted(path.parent.name for path in KUBERNETES.glob("components/*/kustomization.yaml")))
WORKLOADS = ("Deployment", "StatefulSet")

Manifest = Mapping[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML as it is, of what kustomize has written."""


def kustomize() -> Sequence[str]:
    """The command that renders a folder."""
    for command in (("kustomize", "build"), ("kubectl", "kustomize")):
        if shutil.which(command[0]):
            return command
    pytest.skip("neither kustomize nor kubectl is installed: manifests cannot be rendered")


@cache
def text_of(folder: Path) -> str:
    """What a folder with a kustomization.yaml renders to."""
    done = subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    assert not done.stderr, done.stderr  # a warning: something that a later version will not understand
    return done.stdout


@cache
def rendered(overlay: str) -> Sequence[Manifest]:
    """All manifests of an overlay that is shipped."""
    return manifests(text_of(KUBERNETES / "overlays" / overlay))


def manifests(text: str) -> Sequence[Manifest]:
    return [one for one in yaml.load_all(text, _Loader) if one]


def with_component(folder: Path, overlay: str, component: str) -> Sequence[Manifest]:
    """An overlay of one's own in `folder`: a shipped one and one component more."""
    return site(folder, overlay, f"components: [{_from(folder, KUBERNETES / 'components' / component)}]\n")


def site(folder: Path, overlay: str, more: str = "") -> Sequence[Manifest]:
    """An overlay of one's own in `folder`, on top of a shipped one; `more` lines of its kustomization."""
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    base = f"resources: [{_from(folder, KUBERNETES / 'overlays' / overlay)}]\n"
    (folder / "kustomization.yaml").write_text(head + base + more)
    return manifests(text_of(folder))


def of_kind(given: Sequence[Manifest], *kinds: str) -> Sequence[Manifest]:
    return [one for one in given if one["kind"] in kinds]


def named(given: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one of that kind and name."""
    (found,) = [one for one in of_kind(given, kind) if one["metadata"]["name"] == name]
    return found


def pod_of(workload: Manifest) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def containers(given: Sequence[Manifest]) -> Iterator[tuple[Manifest, Mapping[str, Any]]]:
    """Each container of each workload, those that run first included, with its workload."""
    for workload in of_kind(given, *WORKLOADS):
        pod = pod_of(workload)
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield workload, container


def settings_of(container: Mapping[str, Any]) -> Mapping[str, str]:
    """Of its environment what is written out; from a ConfigMap comes what is left out here."""
    return {one["name"]: one["value"] for one in container.get("env", ()) if "value" in one}


def _from(folder: Path, target: Path) -> str:
    """kustomize takes relative paths alone."""
    return str(Path(*[".."] * len(folder.resolve().parts[1:]), *target.resolve().parts[1:]))
