"""A real API server takes every manifest: SALLYPORT_KUBECTL="kubectl --context try" names a cluster to ask.

Nothing is made there but the two namespaces: all else is a dry run, which the server validates and admits as if it were
none. A cluster with Pod Security admission (1.25 and later) says what it would not let run.
"""

import copy
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rendering import COMPONENTS, OVERLAYS, Manifest, named, of_kind, pod_of, rendered, with_component

_KUBECTL = os.environ.get("SALLYPORT_KUBECTL", "").split()
_OF_OTHERS = ("Certificate", "PrometheusRule", "ServiceMonitor")  # a cluster without these operators does not know them
# What a server is asked in where it is older than what the manifests are written for.
_BEFORE = {"policy/v1": "policy/v1beta1", "autoscaling/v2": "autoscaling/v2beta2"}

pytestmark = pytest.mark.skipif(not _KUBECTL, reason="SALLYPORT_KUBECTL names no cluster")


def _kubectl(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_KUBECTL, *words], input=given, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def versions() -> Sequence[str]:
    """Of the API, that the server speaks. The namespaces are there from now on."""
    said = _kubectl("api-versions")
    assert said.returncode == 0, said.stderr
    made = _kubectl("apply", "-f", "-", given=_listed(of_kind(rendered("small"), "Namespace")))
    assert made.returncode == 0, made.stderr
    return said.stdout.split()


def _listed(manifests: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def _taken(manifests: Sequence[Manifest], versions: Sequence[str]) -> subprocess.CompletedProcess[str]:
    given = []
    for one in manifests:
        version = one["apiVersion"]
        if one["kind"] not in _OF_OTHERS:
            given.append({**one, "apiVersion": version if version in versions else _BEFORE[version]})
    return _kubectl("apply", "--dry-run=server", "--validate=false", "-f", "-", given=_listed(given))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_server_takes_every_manifest(overlay: str, versions: Sequence[str]) -> None:
    done = _taken(rendered(overlay), versions)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(rendered(overlay))
    assert "PodSecurity" not in done.stderr


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_server_takes_every_component(
    component: str, versions: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = _taken(with_component(tmp_path_factory.mktemp("site"), "large", component), versions)
    assert done.returncode == 0, done.stderr
    assert "PodSecurity" not in done.stderr


def test_the_server_does_look(versions: Sequence[str]) -> None:
    """A volume that nobody declares, a port whose name is none: what is asked above can be refused."""
    given = copy.deepcopy(list(rendered("large")))
    (container,) = pod_of(named(given, "Deployment", "policy"))["containers"]
    container["volumeMounts"][0]["name"] = "nobodys"
    container["ports"][0]["name"] = "Not A Name"
    done = _taken(given, versions)
    assert done.returncode != 0
    assert "nobodys" in done.stderr
    assert "ports[0].name" in done.stderr
