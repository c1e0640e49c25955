"""The security table of docs/kubernetes.md, row by row, over every overlay as a cluster would get it."""

import re
from collections.abc import Iterator, Mapping

import pytest
from rendering import (
    COMPONENTS,
    KUBERNETES,
    OVERLAYS,
    ROOT,
    WORKLOADS,
    Manifest,
    containers,
    manifests,
    named,
    of_kind,
    pod_of,
    rendered,
    settings_of,
    text_of,
    with_component,
)

_ROOTS = {
    "postfix": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
    "queue-agent": {"KILL", "SETGID", "SETUID"},
}
_VOLUMES = {
    "configMap",
    "emptyDir",
    "persistentVolumeClaim",
    "secret",
}  # of those that "restricted" admits, what is used
_BY_DIGEST = re.compile(r"[a-z0-9./-]+@sha256:[0-9a-f]{64}")
_HOSTS = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace")
_NAMES_A_SECRET = re.compile(r"(PASSWORD|TOKEN|SECRET|KEY)$")


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Manifest]:
    return list(rendered(request.param))


def _workloads(given: list[Manifest]) -> Iterator[Manifest]:
    found = of_kind(given, *WORKLOADS)
    assert {one["metadata"]["name"] for one in found} >= {
        "policy",
        "console",
        "gateway",
        "rspamd",
        "postfix",
        "dovecot",
    }
    yield from found


def test_pod_security_is_restricted_but_for_postfix(overlay: list[Manifest]) -> None:
    """Each namespace says so itself, and no pod is in one that does not."""
    enforced = {
        one["metadata"]["name"]: one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for one in of_kind(overlay, "Namespace")
    }
    assert enforced == {"sallyport": "restricted", "sallyport-postfix": "baseline"}
    for workload in _workloads(overlay):
        is_postfix = workload["metadata"]["name"] == "postfix"
        assert workload["metadata"]["namespace"] == ("sallyport-postfix" if is_postfix else "sallyport")


def test_every_container_is_fenced(overlay: list[Manifest]) -> None:
    """Root read-only, no new privileges, no capability but those of Postfix, seccomp, a user that is nobody else's."""
    for workload, container in containers(overlay):
        rules, pod = container["securityContext"], pod_of(workload)["securityContext"]
        assert rules["readOnlyRootFilesystem"] is True
        assert rules["allowPrivilegeEscalation"] is False
        assert not rules.get("privileged")
        assert rules["seccompProfile"] == pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert rules["capabilities"]["drop"] == ["ALL"]
        assert set(rules["capabilities"].get("add", ())) == _ROOTS.get(container["name"], set())
        if container["name"] not in _ROOTS:
            assert rules["runAsNonRoot"] is True
            assert pod["runAsNonRoot"] is True
            assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] == 10001


def test_no_pod_has_anything_of_its_node_or_of_the_cluster(overlay: list[Manifest]) -> None:
    """No namespace, port or folder of the host, no token of the API, no variables that Services make."""
    for workload in _workloads(overlay):
        pod = pod_of(workload)
        assert not [name for name in _HOSTS if pod.get(name)]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= _VOLUMES
        for volume in pod["volumes"]:
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], volume
    for _, container in containers(overlay):
        for port in container.get("ports", ()):
            assert "hostPort" not in port
            assert port["containerPort"] > 1023


def test_every_container_has_requests_and_limits(overlay: list[Manifest]) -> None:
    """Of memory the same, so that no node promises what it has not."""
    for workload, container in containers(overlay):
        size = container["resources"]
        where = f"{workload['metadata']['name']}/{container['name']}"
        assert size["requests"].keys() == size["limits"].keys() == {"cpu", "memory", "ephemeral-storage"}, where
        assert size["requests"]["memory"] == size["limits"]["memory"], where


def test_every_image_is_named_by_its_digest_in_one_place(overlay: list[Manifest]) -> None:
    """images/kustomization.yaml; nothing else names a registry, a tag or a digest."""
    for _, container in containers(overlay):
        assert _BY_DIGEST.fullmatch(container["image"]), container["image"]
    others = [path for path in KUBERNETES.rglob("*.yaml") if path.parent.name != "images"]
    assert len(others) > len(OVERLAYS) + len(COMPONENTS)
    for path in others:
        assert not re.search(r"sha256:|newTag|image: *\S+:", path.read_text()), path


def test_no_secret_is_in_the_environment_or_in_the_manifests(overlay: list[Manifest]) -> None:
    """Files of secrets that somebody else makes; nobody else on the node may read them."""
    assert not of_kind(overlay, "Secret")
    for workload, container in containers(overlay):
        for one in container.get("env", ()):
            assert "secretKeyRef" not in one.get("valueFrom", {}), one
            assert not _NAMES_A_SECRET.search(one["name"]) or one["name"] in (
                "GATEWAY_TLS_KEY",
                "DOVECOT_TLS_KEY",
                "POLICY_TLS_KEY",
            )
        assert "envFrom" not in container
        secret = {one["name"] for one in pod_of(workload)["volumes"] if "secret" in one}
        for mount in container["volumeMounts"]:
            assert mount["name"] not in secret or mount["readOnly"] is True
    for workload in _workloads(overlay):
        for volume in pod_of(workload)["volumes"]:
            assert "secret" not in volume or not volume["secret"]["defaultMode"] & 0o337, volume


def test_every_container_that_stays_has_three_probes(overlay: list[Manifest]) -> None:
    """What is alive is asked apart from what is ready; no probe is a connection to a port that people use."""
    for workload in _workloads(overlay):
        for container in pod_of(workload)["containers"]:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container[probe]
                assert asked.keys() & {"httpGet", "exec"}, (container["name"], probe)
            alive = container["livenessProbe"]
            assert "/health/ready" not in str(alive) or container["name"] == "sink"
            assert alive["failureThreshold"] * alive["periodSeconds"] >= 60


def test_no_directive_to_a_tool_is_left_over(overlay: list[Manifest]) -> None:
    """`$retainKeys` and the like: kustomize leaves in what it does not know, and a server refuses it."""

    def keys(value: object) -> Iterator[str]:
        if isinstance(value, Mapping):
            yield from value
            yield from (key for one in value.values() for key in keys(one))
        elif isinstance(value, list):
            yield from (key for one in value for key in keys(one))

    assert not [key for one in overlay for key in keys(one) if key.startswith("$")]


def test_a_probe_has_the_time_that_its_answer_takes(overlay: list[Manifest]) -> None:
    """A second, which is the default, is short for a part that asks others, or has just begun."""
    for _, container in containers(overlay):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert probe not in container or container[probe]["timeoutSeconds"] >= 5, (container["name"], probe)


def test_a_gateway_has_the_time_to_drain(overlay: list[Manifest]) -> None:
    pod = pod_of(named(overlay, "Deployment", "gateway"))
    (gateway,) = pod["containers"]
    slept = int(gateway["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= slept + int(settings_of(gateway)["GATEWAY_DRAIN_S"]) + 10


def test_every_part_has_a_disruption_budget_and_is_spread(overlay: list[Manifest]) -> None:
    """One may go at a time; not two on one node or in one zone where there are others."""
    budgets = {str(one["spec"]["selector"]): one["spec"] for one in of_kind(overlay, "PodDisruptionBudget")}
    for workload in _workloads(overlay):
        assert budgets[str(workload["spec"]["selector"])]["maxUnavailable"] == 1
        if workload["metadata"]["name"] != "sink":
            keys = [one["topologyKey"] for one in pod_of(workload)["topologySpreadConstraints"]]
            assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


def test_each_queue_is_told_to_policy() -> None:
    """As many agents as there are Postfix pods, each by its own name."""
    for overlay in ("small", "large"):
        given = rendered(overlay)
        count = named(given, "StatefulSet", "postfix")["spec"]["replicas"]
        (container,) = pod_of(named(given, "Deployment", "policy"))["containers"]
        urls = settings_of(container)["POLICY_QUEUE_URL"].split(",")
        assert urls == [f"http://postfix-{n}.postfix-pods.sallyport-postfix.svc:7589" for n in range(count)]


def test_the_large_overlay_shares_what_all_policies_need() -> None:
    """Databases by URL, passwords by file, volumes that many may mount; gateways as many as the autoscaler says."""
    given = list(rendered("large"))
    for container in (
        *pod_of(named(given, "Deployment", "policy"))["initContainers"],
        *pod_of(named(given, "Deployment", "policy"))["containers"],
    ):
        assert settings_of(container)["POLICY_DATABASE_PASSWORD_FILE"] == "/secrets/database/password"
        assert {"/secrets/database", "/secrets/budgets", "/secrets/digest"} <= {
            m["mountPath"] for m in container["volumeMounts"]
        }
    assert named(given, "Deployment", "policy")["spec"]["strategy"]["type"] == "RollingUpdate"
    for claim in of_kind(given, "PersistentVolumeClaim"):
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert "replicas" not in named(given, "Deployment", "gateway")["spec"]
    assert named(given, "HorizontalPodAutoscaler", "gateway")["spec"]["minReplicas"] == 3
    site = next(one for one in of_kind(given, "ConfigMap") if "database-url" in one["data"])["data"]
    assert not re.search(r":[^/@]+@", site["database-url"] + site["budgets-url"])


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_fits_the_large_overlay(tmp_path_factory: pytest.TempPathFactory, component: str) -> None:
    given = with_component(tmp_path_factory.mktemp("site"), "large", component)
    assert len(given) >= len(rendered("large"))


def test_what_is_a_copy_is_one() -> None:
    """kustomize reads no file outside of its folder."""
    assert (KUBERNETES / "overlays/test/policy.toml").read_bytes() == (ROOT / "stack/test-policy.toml").read_bytes()
    assert (KUBERNETES / "components/monitoring/rspamd.conf").read_bytes() == (
        ROOT / "monitoring/rspamd.conf"
    ).read_bytes()


def test_an_exception_of_the_linter_says_why() -> None:
    """In place, beside what it is about."""
    skips = re.findall(r"checkov\.io/skip\d+: (\S+?)=(.*)", text_of(KUBERNETES / "overlays" / "large"))
    assert skips
    assert manifests(text_of(KUBERNETES / "overlays" / "large"))
    for check, why in skips:
        assert check.startswith("CKV")
        assert len(why) > 20


def test_postfix_is_given_whole_names(overlay: list[Manifest]) -> None:
    """It asks the DNS without a search list: a name that ends in .svc would be none."""
    settings = settings_of(pod_of(named(overlay, "StatefulSet", "postfix"))["containers"][0])
    names = [value for name, value in settings.items() if ".svc" in value and name.startswith("POSTFIX_")]
    assert names
    assert all(".svc.$(CLUSTER_DOMAIN)" in value for value in names)
