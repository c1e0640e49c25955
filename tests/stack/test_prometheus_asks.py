"""Debian's Prometheus asks real services, with the rules and the dashboard that are shipped: nothing of them is empty.

Everything runs as a process, as on one machine without containers; the containers differ in names and ports alone
(tests/unit/test_monitoring.py holds those). There is no Grafana: it asks what its JSON says, and so does this.
"""

import json
import shutil
import smtplib
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import PLENTY, ROOT, Postfix, Process, Sallyport, Sink, answers, free_port, policy_file, until
from queue_stage import TOKEN, staged

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed"),
]

MONITORING = ROOT / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "sallyport.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
RULES = [rule["alert"] for rule in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]]
SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
MESSAGE = f"From: {SENDER}\r\nSubject: counted\r\n\r\nhello\r\n"
TRAP = "harvested@elsewhere.example"
LINES = f'modes.recipients = "observe"\ntraps.recipients = ["{TRAP}"]'
# Of what there is not here; each has its own tests.
WITHOUT_AN_ANSWER = {
    "time() - sallyport_queue_agent_oldest_timestamp_seconds": "no mail waits",
    'sum(rate(sallyport_policy_pickup_logins_total{reason=~"secret|walled-.*"}[5m]))': "there is no Dovecot",
}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Asked by its HTTP API."""

    port: int

    def ask(self, path: str, **values: str) -> Any:
        """The data of an answer; an error of its is an error here."""
        query = urllib.parse.urlencode(values)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=20) as answer:
            return json.load(answer)["data"]

    def is_ready(self) -> bool:
        """It answers sooner than that."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=20).close()
        except OSError:
            return False
        return True

    def found(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=query)["result"]
        return found

    def value(self, query: str) -> float:
        """Of all series together."""
        return sum(float(one["value"][1]) for one in self.found(query))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Prometheus]:
    """It has asked everybody since before the traffic, or a counter would never have been seen to grow."""
    folder = tmp_path_factory.mktemp("monitored")
    with ExitStack() as ends:
        queue = ends.enter_context(staged(folder / "queue", next_hop=sink.smtp_port))
        (folder / "queue.token").write_text(TOKEN)
        console, status = free_port(), free_port()
        settings = policy_file(folder / "rules", LINES, person=PLENTY | {"recipients": "3/day"}) | {
            "POLICY_QUEUE_URL": queue.agent.url,
            "POLICY_QUEUE_TOKEN_FILE": str(folder / "queue.token"),
            "POLICY_CONSOLE_PORT": str(console),
            "POLICY_CONSOLE_URL": f"https://localhost:{console}",
            "POLICY_CONSOLE_STATUS_PORT": str(status),
        }
        sallyport = Sallyport(folder / "sallyport", queue.postfix.port, settings)
        ends.callback(sallyport.stop)
        sallyport.start()
        queue.agent.process.environment["QUEUE_AGENT_POLICY_URL"] = f"http://127.0.0.1:{sallyport.policy_port}"
        queue.agent.stop()
        queue.agent.start()
        command, log = [sys.executable, "-m", "policy.console"], sallyport.folder / "console.log"
        pages = Process(command, sallyport.policy_environment, log).start()
        ends.callback(pages.stop)
        until(lambda: answers(console) and answers(status), f"the console answers\n{pages.text()}", 60)
        agent = urllib.parse.urlsplit(queue.agent.url).port
        ports = {"gateway": sallyport.status_port, "policy": sallyport.policy_port, "queue-agent": agent}
        one = Prometheus(free_port())
        started = Process(
            _command(folder, one.port, ports | {"console": status}), {}, folder / "prometheus.log"
        ).start()
        ends.callback(started.stop)
        until(one.is_ready, f"Prometheus answers\n{started.text()}", 60)
        until(lambda: one.value('count(up{job=~"sallyport-.*"})') == len(ports) + 1, "everybody was asked", 60)
        _send(sallyport, console, sink)
        yield one


def _command(folder: Path, port: int, ports: dict[str, int | None]) -> list[str]:
    """With the shipped configuration, but for addresses, and for how often."""
    given = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    given["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    given["rule_files"] = [str(MONITORING / name) for name in given["rule_files"]]
    jobs = {job["job_name"].removeprefix("sallyport-"): job for job in given["scrape_configs"]}
    given["scrape_configs"] = [
        jobs[name] | {"static_configs": [{"targets": [f"127.0.0.1:{where}"]}]} for name, where in ports.items()
    ]
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(given))
    kept = folder / "numbers"
    return [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={kept}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip


def _send(sallyport: Sallyport, console: int, sink: Sink) -> None:
    """What people do; and a guess, a slip, a trap, and a rule that only watches."""
    before = len(sink.messages())
    login = sallyport.new_login("ada", SENDER)
    with sallyport.client(login) as client:
        client.sendmail(SENDER, [FRIEND], MESSAGE)
        client.sendmail(SENDER, [f"friend{number}@elsewhere.example" for number in range(3)], MESSAGE)
        with pytest.raises(smtplib.SMTPResponseException):
            client.sendmail(SENDER, [FRIEND], MESSAGE.replace(SENDER, "somebody@sallyport.test"))
        until(lambda: len(sink.messages()) >= before + 2, "both have left: the trap puts on hold what is still queued")
        with pytest.raises(smtplib.SMTPResponseException):
            client.sendmail(SENDER, [TRAP], MESSAGE)
    with sallyport.client() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(login.login, "no secret of hers")
    urllib.request.urlopen(f"https://localhost:{console}/sign-in", timeout=20, context=sallyport.tls()).close()


def test_everybody_is_up(prometheus: Prometheus) -> None:
    """With what they serve, to the last line: Prometheus refuses a whole answer for one that it cannot read."""
    targets = until(lambda: _all_known(prometheus.ask("targets")["activeTargets"]), "all were asked")
    assert {one["labels"]["job"]: (one["health"], one["lastError"]) for one in targets} == {
        f"sallyport-{name}": ("up", "") for name in ("gateway", "policy", "queue-agent", "console")
    }


def _all_known(targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [] if any(one["health"] == "unknown" for one in targets) else targets


def test_every_rule_is_evaluated_and_none_speaks(prometheus: Prometheus) -> None:
    def evaluated() -> list[dict[str, Any]]:
        (group,) = prometheus.ask("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return [] if any(one["health"] == "unknown" for one in rules) else rules

    rules = until(evaluated, "each rule was evaluated")
    assert [one["name"] for one in rules] == RULES
    assert {(one["health"], one.get("lastError", "")) for one in rules} == {("ok", "")}
    assert not [one["name"] for one in rules if one["alerts"]]


COUNTED = [
    ('sallyport_gateway_messages_total{outcome="relayed"}', 2),
    ('sallyport_policy_messages_total{outcome="accept"}', 2),
    ('sallyport_policy_messages_total{reason="author-not-owned"}', 1),
    ('sallyport_policy_logins_total{reason="secret"}', 1),
    ('sallyport_policy_observed_total{rule="recipients"}', 1),
    ('sallyport_policy_signals_total{kind="trap"}', 1),
    ('sallyport_console_requests_total{method="GET",code="200"}', 1),
]


@pytest.mark.parametrize(("query", "number"), COUNTED)
def test_what_was_done_is_counted(prometheus: Prometheus, query: str, number: int) -> None:
    assert until(lambda: prometheus.value(query) >= number, query)


def test_what_became_of_mail_is_told_by_both(prometheus: Prometheus) -> None:
    """The queue agent, who reads it in Postfix's log, and policy, whom it tells."""
    for service in ("policy", "queue_agent"):
        query = f'sallyport_{service}_deliveries_total{{outcome="delivered"}}'
        assert until(lambda query=query: prometheus.value(query) >= 4, query, 60)  # type: ignore[misc]  # a default


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, query: str) -> None:
    """A panel that stays empty is one that nobody has tried."""
    if query in WITHOUT_AN_ANSWER:
        prometheus.ask("query", query=query)
    else:
        assert until(lambda: prometheus.found(query), f"an answer to {query}")
