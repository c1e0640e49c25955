"""What a cluster does with manifests, on one machine: podman plays the pods, this module is the rest of the cluster.

    controllers   a Deployment or StatefulSet becomes its pods, at most MOST_REPLICAS of them (podman would make one of
                  a Deployment, and knows no StatefulSet); a claim template becomes a claim for each pod
    services      each Service's name leads to its pods' addresses (hostAliases); Postfix, which asks the DNS alone,
                  gets the address
    kubelet       asks the probes as they stand in the manifests: podman would ask with a curl in the image

podman has no fsGroup, no network policies and no pod security; what it runs are the images, with their users,
read-only roots, capabilities, limits, mounts, secrets and settings as rendered. A new volume is owned as in the image.
"""

import base64
import copy
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from rendering import WORKLOADS, Manifest, of_kind, pod_of

PREFIX = "sallyport-kube"
NETWORK = f"{PREFIX}-net"
SUBNET = "10.89.77.0/24"
MOST_REPLICAS = 2
_FIRST_ADDRESS = 10
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def unverified() -> ssl.SSLContext:
    """For certificates that are nobody's but the test's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# Without a proxy of this machine, and whatever the certificate is, as a kubelet asks.
_OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unverified())
)
_NOT_HERE = ("topologySpreadConstraints", "affinity", "enableServiceLinks", "fsGroupChangePolicy")


def podman(*arguments: str, seconds: float = 120, check: bool = True) -> str:
    """Its standard output; AssertionError with its words where it fails."""
    done = subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, timeout=seconds, check=False, env=_environment()
    )
    assert not (check and done.returncode), f"podman {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Cluster:
    """The pods of the workloads of `manifests`, and nothing of it left after `end`."""

    manifests: Sequence[Manifest]
    folder: Path
    outside: Mapping[str, str] = field(default_factory=dict)  # addresses of what the manifests leave to the site
    addresses: Mapping[str, str] = field(init=False)  # of each pod, by its name

    def __post_init__(self) -> None:
        names = [name for one in of_kind(self.manifests, *WORKLOADS) for name in self.pods(one)]
        base = SUBNET.rpartition(".")[0]
        addresses = {name: f"{base}.{_FIRST_ADDRESS + number}" for number, name in enumerate(sorted(names))}
        object.__setattr__(self, "addresses", addresses)

    @staticmethod
    def make_network() -> None:
        podman("network", "create", "--subnet", SUBNET, "--disable-dns", NETWORK)

    def begin(self) -> None:
        """In the network, which is there."""
        kept = self.folder / "kept.yaml"
        kept.write_text(yaml.safe_dump_all(list(self._claims())))
        podman("kube", "play", str(kept))
        for name, workload in self._every_pod():
            file = self.folder / f"{name}.yaml"
            file.write_text(yaml.safe_dump_all([*self._mounted(name), self._pod(name, workload)]))
            podman("kube", "play", "--network", NETWORK, "--ip", self.addresses[name], str(file))

    def pods(self, workload: Manifest) -> Sequence[str]:
        """Their names: that of the workload where it has one, with numbers where there are more."""
        name = workload["metadata"]["name"]
        wanted = min(workload["spec"].get("replicas") or self._scaled(name), MOST_REPLICAS)
        return [name] if wanted == 1 else [f"{name}-{number}" for number in range(wanted)]

    def _scaled(self, name: str) -> int:
        """How many an autoscaler begins with."""
        scalers = of_kind(self.manifests, "HorizontalPodAutoscaler")
        return next((int(one["spec"]["minReplicas"]) for one in scalers if one["metadata"]["name"] == name), 1)

    def _every_pod(self) -> Iterator[tuple[str, Manifest]]:
        for workload in of_kind(self.manifests, *WORKLOADS):
            for name in self.pods(workload):
                yield name, workload

    def end(self) -> None:
        """Pods, volumes, secrets and the network, by their names."""
        for name, _ in self._every_pod():
            podman("pod", "rm", "--force", "--time", "1", name, check=False)
        for claim in self._claims():
            podman("volume", "rm", "--force", claim["metadata"]["name"], check=False)
        for name, workload in self._every_pod():
            of_pod = [f"{name}-{volume['name']}" for volume in pod_of(workload)["volumes"]]
            of_pod += [one["metadata"]["name"] for one in self._mounted(name)]
            podman("volume", "rm", "--force", *of_pod, check=False)
        podman("network", "rm", "--force", NETWORK, check=False)

    def says(self, pod: str, container: str, *command: str) -> str:
        return podman("exec", f"{pod}-{container}", *command)

    def probe_fails(self, workload: Manifest, probe: str) -> str:
        """What one of its containers answers that is not well; empty where all are as they should be."""
        for name in self.pods(workload):
            for container in pod_of(workload)["containers"]:
                if why := self._asked(name, container, container[probe]):
                    return f"{name}/{container['name']}: {why}"
        return ""

    def _asked(self, pod: str, container: Mapping[str, Any], probe: Mapping[str, Any]) -> str:
        state = podman("inspect", "--format", "{{.State.Status}}", f"{pod}-{container['name']}", check=False).strip()
        if state != "running":  # without its pod the address would be somebody else's, or nobody's
            return f"it does not run: {state}"
        if "exec" in probe:
            command = ["podman", "exec", f"{pod}-{container['name']}", *probe["exec"]["command"]]
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
            return "" if not done.returncode else done.stdout + done.stderr or "failed"
        get = probe["httpGet"]
        (port,) = [one["containerPort"] for one in container["ports"] if one["name"] == get["port"]]
        url = f"{get.get('scheme', 'HTTP').lower()}://{self.addresses[pod]}:{port}{get['path']}"
        try:
            with _OPENER.open(url, timeout=5):
                return ""
        except (urllib.error.URLError, OSError) as error:
            return f"{url}: {error}"

    def _mounted(self, pod: str) -> Iterator[Manifest]:
        """What its volumes show, under names that no other pod has; podman has no namespaces.

        Secrets, too: podman before 4.4 hands their base64 to the pod as it is.
        """
        for one in of_kind(self.manifests, "Secret"):
            data = {key: base64.b64decode(value).decode() for key, value in one["data"].items()}
            yield {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{pod}-{one['metadata']['name']}"},
                "data": data,
            }
        for one in of_kind(self.manifests, "ConfigMap"):
            yield {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{pod}-{one['metadata']['name']}"},
                "data": one["data"],
            }

    def _claims(self) -> Iterator[Manifest]:
        """Those that stand by themselves, and one of each template."""
        yield from of_kind(self.manifests, "PersistentVolumeClaim")
        for workload in of_kind(self.manifests, "StatefulSet"):
            for template in workload["spec"].get("volumeClaimTemplates", ()):
                for pod in self.pods(workload):
                    claim = {"name": f"{template['metadata']['name']}-{pod}"}
                    kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
                    yield kind | {"metadata": claim, "spec": template["spec"]}

    def _pod(self, name: str, workload: Manifest) -> Manifest:
        spec = {key: copy.deepcopy(value) for key, value in pod_of(workload).items() if key not in _NOT_HERE}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            self._fit(container, name)
        for volume in spec["volumes"]:
            if shown := volume.pop("secret", None) or volume.get("configMap"):
                volume["configMap"] = {"name": f"{name}-{shown.get('secretName') or shown.get('name')}"}
        for template in workload["spec"].get("volumeClaimTemplates", ()):
            claim = f"{template['metadata']['name']}-{name}"
            volume = {"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim}}
            spec["volumes"].append(volume)
        spec["hostAliases"] = [{"ip": ip, "hostnames": names} for ip, names in self._names()]
        spec["restartPolicy"] = "OnFailure"  # podman would begin a container that has run first again and again
        _rename_volumes(spec, name)
        labels = workload["spec"]["template"]["metadata"]["labels"]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}

    def _fit(self, container: dict[str, Any], pod: str) -> None:
        """Probes are asked here, and ports are those of its own address: podman would publish them on this machine."""
        for key in (*_PROBES, "lifecycle", "ports"):
            container.pop(key, None)
        for one in container.get("env", ()):
            if one["name"] == "POSTFIX_LMTP":  # which is looked up in the DNS alone, and there is none
                one["value"] = f"inet:{self.addresses['dovecot']}:2424"
            if one["name"] == "POSTFIX_NEXTHOP":  # the same
                one["value"] = f"[{self.addresses['sink']}]:2525"
            if reference := one.get("valueFrom", {}).get("configMapKeyRef"):
                reference["name"] = f"{pod}-{reference['name']}"

    def _names(self) -> Iterator[tuple[str, Sequence[str]]]:
        """For each address what the cluster's DNS would say: Services, and the pods of a headless one."""
        yield from ((address, [name]) for name, address in self.outside.items())
        for name, workload in self._every_pod():
            labels, names = workload["spec"]["template"]["metadata"]["labels"], []
            for service in of_kind(self.manifests, "Service"):
                its = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
                if service["spec"]["selector"].items() <= labels.items():
                    names += [its, f"{name if name[-1].isdigit() else f'{name}-0'}.{its}"]
            yield self.addresses[name], names


@cache
def _environment() -> Mapping[str, str]:
    """What podman wants and a sandbox has not: limits that only CAP_SYS_RESOURCE may set, cgroups that crun knows."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    lines = ["[containers]", f'default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]', "[engine]"]
    lines += [
        'cgroup_manager = "cgroupfs"',
        'events_logger = "file"',
        *(['runtime = "runc"'] if shutil.which("runc") else []),
    ]
    config = Path(tempfile.gettempdir()) / f"{PREFIX}-containers.conf"
    config.write_text("\n".join(lines) + "\n")
    return os.environ | {"CONTAINERS_CONF": str(config)}


def _rename_volumes(spec: Mapping[str, Any], pod: str) -> None:
    """podman calls an emptyDir's volume as the pod does, so that two pods with a "tmp" would have the same one."""
    for volume in spec.get("volumes", ()):
        volume["name"] = f"{pod}-{volume['name']}"
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        for mount in container.get("volumeMounts", ()):
            mount["name"] = f"{pod}-{mount['name']}"


def engine_fault() -> str:
    """Why nothing can be played on this machine; empty where it can."""
    if not shutil.which("podman"):
        return "podman is not installed"
    done = subprocess.run(
        ["podman", "info", "--format", "json"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        return f"podman does not run here: {done.stderr.strip()[-200:]}"
    return "" if json.loads(done.stdout)["host"].get("networkBackend") == "netavark" else "podman has no netavark"


def is_open(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), 2):
            return True
    except OSError:
        return False
