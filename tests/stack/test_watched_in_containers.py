"""compose.metrics.yaml and compose.traces.yaml as they run: all are asked, an alert arrives, a message is one trace.

Prometheus has the shipped files, but for how often it looks and how long it waits, and with the Alertmanager that
monitoring/prometheus.yml shows. Alertmanager is Debian's; whom it tells, and whom the tracers tell, is told.py.
"""

import base64
import json
import re
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose import Compose, engine_answers
from harness import ROOT, until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(not engine_answers(), reason="needs a container engine with Compose"),
]

MONITORING = ROOT / "monitoring"
JOBS = [one["job_name"] for one in yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]]
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
OVERLAYS = ("compose.metrics.yaml", "compose.traces.yaml", "tests/stack/compose.watched.yaml")
SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
RECEIVER = {
    "route": {"receiver": "told", "group_by": ["alertname", "job"], "group_wait": "0s", "group_interval": "1s"},
    "receivers": [{"name": "told", "webhook_configs": [{"url": "http://collector:4318/alerts"}]}],
}


class Watched:
    """The stack, seen through its Prometheus and through what it tells."""

    def __init__(self, stack: Compose) -> None:
        self.stack = stack

    def ask(self, path: str) -> Any:
        """The data of an answer of Prometheus's HTTP API, asked where it listens."""
        url = f"http://prometheus-metrics:9090/api/v1/{path}"
        fetch = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=5).read().decode())"
        done = self.stack.inside("collector", "python3", "-c", fetch)
        return json.loads(done.stdout)["data"] if done.returncode == 0 else {}

    def told(self, path: str) -> list[bytes]:
        lines = (line.split(" ") for line in self.stack.logs("collector").splitlines())
        return [base64.b64decode(body) for where, body in lines if where == path]

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """What Alertmanager has told of one, the oldest first."""
        groups = [json.loads(body)["alerts"] for body in self.told("/alerts")]
        return [one for group in groups for one in group if one["labels"]["alertname"] == name]

    def spans(self) -> dict[str, tuple[str, Span]]:
        """By name, with their service."""
        found = dict[str, tuple[str, Span]]()
        for body in self.told("/v1/traces"):
            for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                (service,) = (one.value.string_value for one in part.resource.attributes if one.key == "service.name")
                found |= {span.name: (service, span) for scope in part.scope_spans for span in scope.spans}
        return found


def quick_files(folder: Path) -> None:
    """The shipped files; a look each second, no wait before an alert, and the lines about an Alertmanager in force."""
    shipped = (MONITORING / "prometheus.yml").read_text()
    shown = re.search(r"^# alerting:\n(?:#   .*\n)+", shipped, re.MULTILINE)
    assert shown
    given = yaml.safe_load(shipped.replace(shown[0], re.sub("^# ", "", shown[0], flags=re.MULTILINE)))
    assert given.keys() - yaml.safe_load(shipped).keys() == {"alerting"}
    given["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    rules = [rule | {"for": "1s"} for rule in RULES]
    files = {
        "prometheus": given,
        "alerts": {"groups": [{"name": "sallyport", "rules": rules}]},
        "alertmanager": RECEIVER,
    }
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    quick_files(folder)
    stack = Compose("sallyport-watched", test=True, settings={"SALLYPORT_WATCHED": str(folder)}, overlays=OVERLAYS)
    try:
        yield Watched(stack.start())
    finally:
        stack.stop()


def test_all_targets_are_up_and_all_rules_are_read(watched: Watched) -> None:
    """Each service of the stack, under the name that it has there; each rule is evaluated, and none speaks."""

    def targets() -> dict[str, tuple[str, str]]:
        found = {one["labels"]["job"]: one for one in watched.ask("targets")["activeTargets"]}
        return {name: (one["health"], one["lastError"]) for name, one in found.items()}

    until(lambda: targets() == dict.fromkeys(JOBS, ("up", "")), f"all are up: {targets()}", pause_s=0.5)
    (group,) = watched.ask("rules")["groups"]
    assert {rule["name"]: (rule["health"], rule["alerts"]) for rule in group["rules"]} == {
        rule["alert"]: ("ok", []) for rule in RULES
    }


def test_an_alert_reaches_whom_alertmanager_tells(watched: Watched) -> None:
    """Postfix is gone: the gateway says so to Prometheus, and Alertmanager tells; and that it is over."""
    name = "SallyportRelayFailing"
    assert watched.alerts(name) == []
    watched.stack.run("kill", "postfix")
    (told,) = until(lambda: watched.alerts(name), "it is told", 40, pause_s=0.2)
    assert (told["status"], told["labels"]["job"]) == ("firing", "sallyport-gateway")
    assert told["labels"]["severity"] == "critical"
    assert told["annotations"]["summary"].startswith("The next hop does not take messages")
    watched.stack.run("start", "postfix")
    until(lambda: watched.alerts(name)[-1]["status"] == "resolved", "and that it is over", 40, pause_s=0.2)


def test_a_message_is_one_trace(watched: Watched) -> None:
    """Of gateway and policy, in their own containers, told to a collector on the network of both."""
    login, context = watched.stack.new_login("ada", SENDER), ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP_SSL("127.0.0.1", watched.stack.submissions_port, context=context) as client:
        client.login(login.login, login.secret)
        client.sendmail(SENDER, FRIEND, f"From: {SENDER}\r\nSubject: traced\r\n\r\nhello\r\n")
    names = {"message", "scan", "decision", "judgement", "relay"}
    until(lambda: watched.spans().keys() >= names, "all spans were told", pause_s=0.2)
    found = watched.spans()
    assert found.keys() == names
    assert {name: service for name, (service, _) in found.items() if service != "sallyport-gateway"} == {
        "judgement": "sallyport-policy"
    }
    assert len({span.trace_id for _, span in found.values()}) == 1
    assert found["judgement"][1].parent_span_id == found["decision"][1].span_id
