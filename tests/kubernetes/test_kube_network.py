"""Who may talk with whom, from the rendered network policies: each pair of pods, and the world, in and out."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import yaml
from rendering import (
    COMPONENTS,
    OVERLAYS,
    ROOT,
    WORKLOADS,
    Manifest,
    containers,
    named,
    of_kind,
    rendered,
    settings_of,
    with_component,
)

WORLD, NAMES, STORES, MONITORING, COLLECTOR = "the world", "kube-dns", "stores", "monitoring", "observability"
_NODE_CACHE = "169.254.20.10/32"

# from, to: ports. Nothing else is allowed.
TALK: Mapping[tuple[str, str], set[int]] = {
    (WORLD, "gateway"): {5587, 5465},
    (WORLD, "dovecot"): {10993},
    ("gateway", "policy"): {7587},
    ("gateway", "rspamd"): {11333},
    ("gateway", "postfix"): {10025, 10026},
    ("policy", "dovecot"): {8080},
    ("policy", "postfix"): {7589, 10025},
    ("dovecot", "policy"): {7587},
    ("postfix", "policy"): {7587},
    ("postfix", "dovecot"): {2424},
    ("gateway", NAMES): {53},
    ("policy", NAMES): {53},
    ("dovecot", NAMES): {53},
    ("postfix", NAMES): {53},
}
OUT: Mapping[tuple[str, str], set[int]] = {("postfix", WORLD): {25}}
MORE: Mapping[str, Mapping[tuple[str, str], set[int]]] = {
    "small": OUT,
    "large": OUT | {("policy", STORES): {5432, 6379}, ("console", STORES): {5432}, ("console", NAMES): {53}},
    "test": {("postfix", "sink"): {2525}},
}


def _parts(given: Sequence[Manifest]) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    return {
        one["metadata"]["name"]: (one["metadata"]["namespace"], one["spec"]["template"]["metadata"]["labels"])
        for one in of_kind(given, *WORKLOADS)
    }


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", ())
    assert all(one["operator"] == "In" for one in among)
    return wanted.items() <= labels.items() and all(labels.get(one["key"]) in one["values"] for one in among)


def _policies_of(given: Sequence[Manifest], part: str, way: str) -> Iterator[Mapping[str, Any]]:
    namespace, labels = _parts(given)[part]
    for one in of_kind(given, "NetworkPolicy"):
        is_there = one["metadata"]["namespace"] == namespace
        if is_there and way in one["spec"]["policyTypes"] and _selects(one["spec"]["podSelector"], labels):
            yield one["spec"]


def _ends(given: Sequence[Manifest], peers: Sequence[Mapping[str, Any]] | None, namespace: str) -> Iterator[str]:
    """The parts that peers of a rule stand for; all that there is where a rule names none."""
    if peers is None:
        yield WORLD
        return
    for peer in peers:
        if "ipBlock" in peer:
            yield NAMES if peer["ipBlock"]["cidr"] == _NODE_CACHE else WORLD
            continue
        where = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", namespace)
        outside = {
            "kube-system": NAMES,
            "sallyport-stores": STORES,
            "monitoring": MONITORING,
            "observability": COLLECTOR,
        }
        if where in outside:
            yield outside[where]
            continue
        found = [
            name
            for name, (at, labels) in _parts(given).items()
            if at == where and _selects(peer["podSelector"], labels)
        ]
        assert found, peer
        yield from found


def _allowed(given: Sequence[Manifest], way: str) -> Mapping[tuple[str, str], set[int]]:
    allowed: dict[tuple[str, str], set[int]] = {}
    for part, (namespace, _) in _parts(given).items():
        for spec in _policies_of(given, part, way):
            for rule in spec.get(way.lower(), ()):
                assert rule["ports"]
                peers = rule.get("from" if way == "Ingress" else "to")
                for end in _ends(given, peers, namespace):
                    pair = (end, part) if way == "Ingress" else (part, end)
                    allowed.setdefault(pair, set()).update(port["port"] for port in rule["ports"])
    return allowed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_allowed_but_the_table(overlay: str) -> None:
    """Both ends allow the same, and each pod has the policy that forbids the rest, in and out."""
    given = rendered(overlay)
    table = TALK | MORE[overlay]
    assert _allowed(given, "Ingress") == {pair: ports for pair, ports in table.items() if pair[1] in _parts(given)}
    assert _allowed(given, "Egress") == {pair: ports for pair, ports in table.items() if pair[0] in _parts(given)}
    for namespace in ("sallyport", "sallyport-postfix"):
        nothing = [one for one in of_kind(given, "NetworkPolicy") if one["metadata"] == _metadata("nothing", namespace)]
        assert [one["spec"] for one in nothing] == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]


_SERVICE = re.compile(r"(?:[a-z0-9-]+\.)?([a-z0-9-]+)\.([a-z0-9-]+)\.svc\b[^:,]*:(\d+)")


def _told(given: Sequence[Manifest]) -> Mapping[tuple[str, str], set[int]]:
    """Which part has which Service in its settings, by the ports of the pods behind it: who will talk with whom."""
    found: dict[tuple[str, str], set[int]] = {}
    for workload, container in containers(given):
        for value in settings_of(container).values():
            for name, namespace, port in _SERVICE.findall(value):
                end, its_port = _behind(given, name, namespace, int(port))
                found.setdefault((workload["metadata"]["name"], end), set()).add(its_port)
    return found


def _behind(given: Sequence[Manifest], name: str, namespace: str, port: int) -> tuple[str, int]:
    """The part that a Service stands for, and the port of its pods."""
    (service,) = [
        one
        for one in of_kind(given, "Service")
        if (one["metadata"]["name"], one["metadata"]["namespace"]) == (name, namespace)
    ]
    (target,) = [one["targetPort"] for one in service["spec"]["ports"] if one["port"] == port]
    (part,) = [
        part
        for part, (at, labels) in _parts(given).items()
        if at == namespace and service["spec"]["selector"].items() <= labels.items()
    ]
    ports = {
        one["name"]: one["containerPort"]
        for workload, container in containers(given)
        if workload["metadata"]["name"] == part
        for one in container.get("ports", ())
    }
    return part, ports[target]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_is_told_of_a_service_reaches_it_and_nobody_else_does(overlay: str) -> None:
    """Between the parts there is no way but those that settings need: both come from the manifests, by two ways."""
    given = rendered(overlay)
    outside = {WORLD, NAMES, STORES}
    between = {pair: ports for pair, ports in _allowed(given, "Egress").items() if not outside & set(pair)}
    assert _told(given) == between


def test_the_ways_are_those_of_compose() -> None:
    """Which service has which other one in its settings there; the console is given policy's, and uses none of them."""
    text = (ROOT / "compose.yaml").read_text()
    services = yaml.safe_load(re.sub(r"!reset|!override", "", text))["services"]
    hosts = re.compile(r"\b(policy|postfix|dovecot|rspamd|queue-agent)(?:-[a-z]+)?:(\d+)")
    of_compose: dict[tuple[str, str], set[int]] = {}
    for name, service in services.items():
        for value in service.get("environment", {}).values() if name != "console" else ():
            for host, port in hosts.findall(str(value)):
                pair = tuple("postfix" if one == "queue-agent" else one for one in (name, host))
                of_compose.setdefault((pair[0], pair[1]), set()).add(int(port))
    assert _told(rendered("small")) == of_compose


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.20.0.1", "192.168.1.1"]
)
def test_the_way_out_leads_to_nothing_private(address: str) -> None:
    """Neither to this cluster, nor to what tells a cloud's machines their keys."""
    blocks = _internet(rendered("large"))
    assert not any(_holds(block, address) for block in blocks)
    assert any(_holds(block, "8.8.4.4") for block in blocks)


def test_a_relay_host_is_the_only_way_out_then(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = with_component(tmp_path_factory.mktemp("site"), "large", "relay-host")
    assert [block["cidr"] for block in _internet(given)] == ["192.0.2.25/32"]
    assert _allowed(given, "Egress")["postfix", WORLD] == {587}


def test_monitoring_reaches_metrics_and_nothing_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = with_component(tmp_path_factory.mktemp("site"), "large", "monitoring")
    reached = {pair[1]: ports for pair, ports in _allowed(given, "Ingress").items() if pair[0] == MONITORING}
    ports = {
        "gateway": {7588},
        "policy": {7587},
        "console": {7590},
        "rspamd": {11334},
        "dovecot": {9900},
        "postfix": {7589},
    }
    assert reached == ports
    assert len(of_kind(given, "ServiceMonitor")) == 2


_METRICS = {
    (MONITORING, "gateway"): {7588},
    (MONITORING, "policy"): {7587},
    (MONITORING, "console"): {7590},
    (MONITORING, "rspamd"): {11334},
    (MONITORING, "dovecot"): {9900},
    (MONITORING, "postfix"): {7589},
}
# What each component opens, in and out, beside what is open anyway; closed is nothing by any of them but relay-host.
OPENED: Mapping[str, tuple[Mapping[tuple[str, str], set[int]], Mapping[tuple[str, str], set[int]]]] = {
    "alert-rules": ({}, {}),
    "bridge-ldap": ({}, {("policy", WORLD): {636}}),
    "bridge-oidc": ({}, {("policy", WORLD): {443}}),
    "cert-manager": ({}, {}),
    "client-address-local": ({}, {}),
    "client-address-proxy": ({}, {}),
    "console-public": ({(WORLD, "console"): {8443}}, {}),
    "console-sso": ({}, {("console", WORLD): {443}, ("console", NAMES): {53}}),
    "hpa-sessions": ({}, {}),
    "maintenance": ({}, {}),
    "monitoring": (_METRICS, {}),
    "relay-host": ({}, {("postfix", WORLD): {587}}),
    "traces": ({}, {("gateway", COLLECTOR): {4318}, ("policy", COLLECTOR): {4318}}),
    "travel": ({(WORLD, "gateway"): {5587, 5465, 2587, 2465}}, {}),
    "travel-proxy": ({(WORLD, "gateway"): {5587, 5465, 2587, 2465}}, {}),
}


@pytest.mark.parametrize("overlay", ["small", "large"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_opens_what_the_table_says(
    component: str, overlay: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if component == "hpa-sessions" and overlay == "small":
        pytest.skip("small has no autoscaler")
    given, plain = with_component(tmp_path_factory.mktemp("site"), overlay, component), rendered(overlay)
    for way, opened in zip(("Ingress", "Egress"), OPENED[component], strict=True):
        assert _allowed(given, way) == {**_allowed(plain, way), **opened}


@pytest.mark.parametrize("component", ["bridge-oidc", "console-sso"])
@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "192.168.1.1"])
def test_the_way_to_an_issuer_leads_to_nothing_private(
    component: str, address: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An issuer in a network of one's own takes a patch, and nothing else there is reached by accident."""
    given = with_component(tmp_path_factory.mktemp("site"), "small", component)
    rules = named(given, "NetworkPolicy", "policy-issuer" if component == "bridge-oidc" else "console-issuer")
    peers = rules["spec"]["egress"][-1]["to"]
    assert not any(_holds(one["ipBlock"], address) for one in peers)
    assert any(_holds(one["ipBlock"], "8.8.4.4") for one in peers)


def test_the_console_is_reached_where_somebody_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = with_component(tmp_path_factory.mktemp("site"), "small", "console-public")
    assert _allowed(given, "Ingress")[WORLD, "console"] == {8443}


def _metadata(name: str, namespace: str) -> Mapping[str, Any]:
    return {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "sallyport"}}


def _internet(given: Sequence[Manifest]) -> list[Mapping[str, Any]]:
    (rule,) = named(given, "NetworkPolicy", "internet")["spec"]["egress"]
    return [peer["ipBlock"] for peer in rule["to"]]


def _holds(block: Mapping[str, Any], address: str) -> bool:
    def is_in(network: str) -> bool:
        one = ipaddress.ip_network(network)
        return one.version == 4 and ipaddress.IPv4Address(address) in one

    return is_in(block["cidr"]) and not any(is_in(one) for one in block.get("except", ()))
