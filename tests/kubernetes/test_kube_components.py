"""Components by what they are for: built on small and on large, and what they set is a setting that somebody reads."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import (
    COMPONENTS,
    KUBERNETES,
    ROOT,
    Manifest,
    containers,
    manifests,
    named,
    of_kind,
    pod_of,
    settings_of,
    site,
    text_of,
    with_component,
)

import gateway.settings
import policy.settings
from service.settings import load

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
SETTINGS = {f"POLICY_{name}".upper() for name in policy.settings.Settings.model_fields} | {
    f"GATEWAY_{name}".upper() for name in gateway.settings.Settings.model_fields
}
BASES = ("small", "large")
# Keys of the site's ConfigMap that a component alone reads, with values that somebody may put there.
SITE = {
    "bridge-ldap": {
        "ldap-url": "ldaps://ldap.example.org",
        "ldap-search-base": "ou=people,dc=example,dc=org",
        "ldap-search-filter": "(employeeNumber={login})",
        "ldap-service-dn": "cn=sallyport,dc=example,dc=org",
        "ldap-service-password-file": "/bridges/ldap/password",
        "ldap-ca": "/bridges/ldap/ca.pem",
    },
    "bridge-oidc": {"oidc-issuer": "https://login.example.org", "oidc-audience": "sallyport"},
    "console-sso": {
        "console-oidc-issuer": "https://login.example.org",
        "console-oidc-client-id": "sallyport-console",
        "console-oidc-client-secret-file": "/sso/client.secret",
        "console-oidc-only": "true",
    },
    "traces": {"otlp-url": "http://collector.observability.svc:4318/v1/traces"},
    "travel": {},
    "travel-proxy": {"load-balancer": "192.0.2.0/24"},
    "client-address-proxy": {"load-balancer": "192.0.2.0/24"},
}
_OWN = {"LOAD_BALANCER"}


@pytest.fixture(params=BASES)
def overlay(request: pytest.FixtureRequest) -> str:
    base: str = request.param
    return base


@pytest.fixture(params=SITE)
def component(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _environment(given: Sequence[Manifest], container: Mapping[str, Any]) -> Mapping[str, str]:
    """As a kubelet makes it: $(NAME) is one of those before, and a key that the ConfigMap lacks has to be optional."""
    (data,) = [
        one["data"]
        for one in of_kind(given, "ConfigMap")
        if one["metadata"]["namespace"] == "sallyport" and one["metadata"]["name"].startswith("site-")
    ]
    made: dict[str, str] = {}
    for one in container.get("env", ()):
        assert one["name"] not in made, one
        if "value" in one:
            made[one["name"]] = re.sub(r"\$\((\w+)\)", lambda found: made[found[1]], one["value"])
            continue
        reference = one["valueFrom"]["configMapKeyRef"]
        if reference["key"] in data or not reference.get("optional"):
            made[one["name"]] = data[reference["key"]]
    return made


def _site(folder: Path, overlay: str, component: str) -> Sequence[Manifest]:
    lines = [f"  - {json.dumps(f'{key}={value}')}\n" for key, value in SITE[component].items()]
    generator = "configMapGenerator:\n- name: site\n  namespace: sallyport\n  behavior: merge\n  literals:\n" + "".join(
        lines
    )
    root = Path(*[".."] * len(folder.resolve().parts[1:]), *(KUBERNETES / "components" / component).parts[1:])
    return site(folder, overlay, f"components: [{root}]\n" + (generator if lines else ""))


def test_the_parts_start_with_what_it_sets(
    component: str, overlay: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateway, policy and console read the environment that a kubelet would make, and take all of it."""
    given = _site(tmp_path_factory.mktemp("site"), overlay, component)
    for part, kind in (
        ("gateway", gateway.settings.Settings),
        ("policy", policy.settings.Settings),
        ("console", policy.settings.Settings),
    ):
        (container,) = pod_of(named(given, "Deployment", part))["containers"]
        made = _environment(given, container)
        assert set(made) - SETTINGS <= _OWN
        with monkeypatch.context() as patch:
            for name, value in made.items():
                patch.setenv(name, value)
            settings = load(kind)
        if component in ("travel", "travel-proxy") and isinstance(settings, gateway.settings.Settings):
            _has_the_pair(settings, container, given)


def _has_the_pair(settings: gateway.settings.Settings, container: Mapping[str, Any], given: Sequence[Manifest]) -> None:
    """Its listeners, each with a port of the container and of the Service."""
    pair = {one.name: one for one in settings.all_listeners if one.gate == "travel"}
    assert {name: (one.port, one.tls) for name, one in pair.items()} == {
        "travel-submission": (2587, "starttls"),
        "travel-submissions": (2465, "implicit"),
    }
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    targets = [ports[one["targetPort"]] for one in named(given, "Service", "gateway")["spec"]["ports"]]
    opened = {one.port for one in settings.all_listeners}
    # The shipped pair's ports are those of the image, unless a list says them.
    assert set(targets) == {5587, 5465, 2587, 2465} >= opened - {587, 465}
    assert len({bool(one.proxy_from) for one in settings.all_listeners}) == 1


def test_a_file_that_a_setting_names_is_mounted(component: str, overlay: str, tmp_path: Path) -> None:
    given = _site(tmp_path, overlay, component)
    for part in ("policy", "console"):
        (container,) = pod_of(named(given, "Deployment", part))["containers"]
        mounted = [one["mountPath"] for one in container["volumeMounts"]]
        for name, value in _environment(given, container).items():
            if name.endswith(("_FILE", "_CA")):
                assert any(value.startswith(f"{one}/") for one in mounted), (name, value)


def test_in_maintenance_nobody_has_the_store_open(overlay: str, tmp_path: Path) -> None:
    """One pod of policy that only sleeps, with everything that a restore needs, and no console."""
    given = with_component(tmp_path, overlay, "maintenance")
    assert named(given, "Deployment", "console")["spec"]["replicas"] == 0
    workload = named(given, "Deployment", "policy")
    assert (workload["spec"]["replicas"], workload["spec"]["strategy"]) == (1, {"type": "Recreate"})
    for container in (*pod_of(workload)["initContainers"], *pod_of(workload)["containers"]):
        assert "sallyport" not in str(container["command"])
        assert "policy" not in str(container["command"])
    (container,) = pod_of(workload)["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["exec"] == {"command": ["true"]}
    assert {"/var/lib/sallyport", "/secrets/digest"} <= {one["mountPath"] for one in container["volumeMounts"]}
    assert settings_of(container)["POLICY_DIGEST_KEY_FILE"] == "/secrets/digest/digest.key"


def test_the_rules_are_those_of_monitoring() -> None:
    """kustomize reads no file outside of its folder: a copy, as the Prometheus operator wants it."""
    (rule,) = manifests((KUBERNETES / "components/alert-rules/rules.yaml").read_text())
    assert rule["spec"] == yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text())


def test_the_page_has_every_component_and_every_key_of_the_site() -> None:
    """A name that the page does not have nobody types."""
    for name in COMPONENTS:
        assert f"components/{name}" in PAGE, name
    read = set()
    for path in KUBERNETES.rglob("*.yaml"):
        read |= set(re.findall(r"configMapKeyRef: \{name: site, key: ([a-z-]+)", path.read_text()))
    table = PAGE.partition("| key | setting | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z][a-z-]+)`", table)) >= read


def test_the_example_of_the_page_can_be_built(overlay: str, tmp_path: Path) -> None:
    """Word by word, with nothing but the place of the checkout in it."""
    (block,) = re.findall(r"    # site/kustomization\.yaml, with everything\n((?:    .*\n|\n)+)", PAGE)
    text = re.sub(r"^    ", "", block, flags=re.MULTILINE)
    root = Path(*[".."] * len(tmp_path.resolve().parts[1:]), *ROOT.parts[1:])
    text = text.replace("overlays/large", f"overlays/{overlay}").replace("../sallyport/", f"{root}/")
    (tmp_path / "kustomization.yaml").write_text(text)
    keys = {key: value for one in SITE.values() for key, value in one.items()}
    (tmp_path / "site.env").write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
    given = manifests(text_of(tmp_path))
    assert len(of_kind(given, "NetworkPolicy")) > 8
    for _, container in containers(given):
        for one in container.get("env", ()):
            assert "valueFrom" in one or one["value"], one


def test_a_renewed_certificate_reaches_the_pods(overlay: str, tmp_path: Path) -> None:
    """cert-manager writes the secret that three parts mount as a folder: a kubelet never renews a file by subPath."""
    given = with_component(tmp_path, overlay, "cert-manager")
    secret = named(given, "Certificate", "tls")["spec"]["secretName"]
    for kind, part in (("Deployment", "gateway"), ("Deployment", "console"), ("StatefulSet", "dovecot")):
        (volume,) = [one for one in pod_of(named(given, kind, part))["volumes"] if one["name"] == "tls"]
        assert volume["secret"]["secretName"] == secret
    for _, container in containers(given):
        assert not [one for one in container["volumeMounts"] if "subPath" in one]
