"""monitoring/: whom Prometheus asks, alert rules, dashboard. They name what there is, and promtool finds them right."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from told_metrics import families, told

ROOT = Path(__file__).parent.parent.parent
MONITORING = ROOT / "monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
CASES = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())["tests"]
DASHBOARD = json.loads((MONITORING / "grafana" / "sallyport.json").read_text())
PAGE = (ROOT / "docs" / "metrics.md").read_text()
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)"
)


def promtool(*words: str | Path) -> str:
    """What it says; an error of its is an error here."""
    done = subprocess.run(["promtool", *words], cwd=MONITORING, capture_output=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def panels() -> Iterator[dict[str, Any]]:
    """Those that show something."""
    return (one for one in DASHBOARD["panels"] if one["type"] != "row")


def expressions() -> list[str]:
    """Of the dashboard and of the alerts."""
    return [target["expr"] for panel in panels() for target in panel["targets"]] + [rule["expr"] for rule in RULES]


async def test_every_query_is_of_a_metric_that_there_is() -> None:
    """By name; and each label that is asked for is one of its own."""
    known = {"up": {"job", "instance"}}
    for text in (await told()).values():
        for name, family in families(text).items():
            labels = {label for sample in family.samples for label in sample.labels} | {"job", "instance"}
            known |= dict.fromkeys([f"{name}_bucket"] if family.type == "histogram" else [name], labels)
    for expression in expressions():
        names = re.findall(r"\b(?:sallyport_[a-z_]+|up)\b", expression)
        assert names, expression
        assert set(names) <= set(known), expression
        for name, matchers in re.findall(r"\b(sallyport_[a-z_]+|up)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= known[name], expression
        for grouped in re.findall(r"by \(([^)]*)\)", expression):
            wanted = {one.strip() for one in grouped.split(",")}
            assert all(wanted <= known[name] for name in names), expression


async def test_each_word_that_is_asked_for_is_said() -> None:
    """outcome="shed" of a counter that has no such outcome would never alert anybody."""
    said: dict[tuple[str, str], set[str]] = {}
    for text in (await told()).values():
        for name, family in families(text).items():
            for sample in family.samples:
                for label, value in sample.labels.items():
                    said.setdefault((name, label), set()).add(value)
    for expression in expressions():
        for name, matchers in re.findall(r"\b(sallyport_[a-z_]+_total)\{([^}]*)\}", expression):
            for label, sign, value in re.findall(r'(\w+)(=~?)"([^"]*)"', matchers):
                if label == "reason":  # policy.tally.LoginReason has those
                    continue
                words = value.split("|") if sign == "=~" else [value]
                assert set(words) <= said[name, label], expression


def test_the_dashboard_can_be_imported() -> None:
    """What Grafana asks of the JSON of a dashboard: ids and places of their own, a data source that is chosen."""
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(DASHBOARD)
    assert "id" not in DASHBOARD  # Grafana gives it
    ids = [one["id"] for one in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set[tuple[int, int]]()
    for one in DASHBOARD["panels"]:
        place = one["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, one["title"]
        assert not cells & taken, one["title"]
        taken |= cells
    variables = [one["name"] for one in DASHBOARD["templating"]["list"] if one["type"] == "datasource"]
    for one in panels():
        assert one["datasource"] == {"type": "prometheus", "uid": f"${{{variables[0]}}}"}
        references = [target["refId"] for target in one["targets"]]
        assert len(references) == len(set(references))


def test_every_alert_is_documented_tested_and_no_other() -> None:
    """In its row; as one that is silent while all is well, and as one that speaks."""
    names = {rule["alert"] for rule in RULES}
    assert len(names) == len(RULES)
    rows = re.findall(r"^\| ((?:`Sallyport\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == names
    expected = [(case["alertname"], bool(case["exp_alerts"])) for test in CASES for case in test["alert_rule_test"]]
    assert set(expected) == {(name, speaks) for name in names for speaks in (True, False)}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]


def test_prometheus_asks_those_who_are_there() -> None:
    """Each target is a name that compose.metrics.yaml or compose.yaml gives, and every service of ours is one."""
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in jobs}
    overlay = yaml.safe_load((ROOT / "compose.metrics.yaml").read_text())
    composed = [yaml.safe_load((ROOT / "compose.yaml").read_text())["services"], overlay["services"]]
    for job, target in targets.items():
        service = job.removeprefix("sallyport-")
        networks = [file[service]["networks"] for file in composed if "networks" in file.get(service, {})]
        names = {
            name: network
            for one in networks
            if isinstance(one, dict)
            for network, how in one.items()
            for name in (how or {}).get("aliases", ())
        }
        host = target.partition(":")[0]
        assert host in names, job
        assert names[host] in overlay["services"]["prometheus"]["networks"], job
    assert {"sallyport-gateway", "sallyport-policy", "sallyport-queue-agent", "sallyport-console"} <= set(targets)


def test_nothing_of_it_is_published_or_leaves() -> None:
    """Prometheus is on networks without a way out alone, as is the one that the overlay adds."""
    overlay = yaml.safe_load((ROOT / "compose.metrics.yaml").read_text())
    networks = yaml.safe_load((ROOT / "compose.yaml").read_text())["networks"] | overlay["networks"]
    assert all("ports" not in one for one in overlay["services"].values())
    for name in overlay["services"]["prometheus"]["networks"]:
        assert networks[name] == {"internal": True}, name


@needs_promtool
def test_promtool_reads_the_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "alerts.yml")
    assert "is valid prometheus config file" in promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_promtool_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    rules = [{"record": f"dashboard:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", file)


@needs_promtool
def test_the_alerts_say_what_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")
