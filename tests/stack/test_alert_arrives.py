"""Alerts of a policy that is killed between the commit and the mail, and the sender alone, as processes."""

import http.server
import json
import signal
import smtplib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import Login, Process, Sallyport, Sink, free_port, until
from standardwebhooks.webhooks import Webhook

SETTINGS = {"POLICY_UNWALLED_NETWORKS": "192.0.2.0/24"}  # loopback, where all tests come from, is not vouched for


def close_a_trap(one: Sallyport) -> None:
    decoy = json.loads(one.cli("decoy", "add", "--label", "an old note", "--json"))["login"]
    with pytest.raises(smtplib.SMTPException):
        one.client(Login(decoy, "guess"))


def notices(one: Sallyport) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(one.cli("alert", "list", "--json"))
    return found


def is_sent_webhook(row: dict[str, object]) -> bool:
    return str(row["channel"]).startswith("webhook:") and row["sent_at"] is not None


def test_policy_is_killed_before_the_mail_is_sent(tmp_path: Path, sink: Sink) -> None:
    """It is sent after the restart: what happened is told, whatever died. No relay is there at first."""
    port = free_port()
    settings = {**SETTINGS, "POLICY_ALERT_RELAY": f"127.0.0.1:{port}", "POLICY_ALERT_TO": "killed@example.org"}
    one = Sallyport(tmp_path, sink.smtp_port, settings)
    try:
        close_a_trap(one.start())
        until(lambda: [row["kind"] for row in notices(one)] == ["trap-hit"], "the notice is on disk")
        one.policy.send(signal.SIGKILL)
        one.policy.ended()
        assert not sink.messages("recipient=killed@example.org")
        one.policy.environment["POLICY_ALERT_RELAY"] = f"127.0.0.1:{sink.smtp_port}"
        one.start_policy()
        (found,) = until(lambda: sink.messages("recipient=killed@example.org"), "the next try", 100)
        assert b"Subject: [Sallyport] A trap closed" in sink.raw(found["id"])
        until(lambda: notices(one)[0]["sent_at"], "it is noted as sent")
        assert "taken" in one.cli("alert", "test")
    finally:
        one.stop()


class _Receiver(http.server.BaseHTTPRequestHandler):
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    got: list[tuple[dict[str, str], bytes]] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Receiver", (_Receiver,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_sender_alone(tmp_path: Path, sink: Sink) -> None:
    """Policy has no way out: another process on its store sends the webhooks; a test says which channel took it."""
    settings = {**SETTINGS, "POLICY_ALERT_RELAY": f"127.0.0.1:{sink.smtp_port}", "POLICY_ALERT_TO": "two@example.org"}
    one = Sallyport(tmp_path, sink.smtp_port, settings)
    with receiver() as (url, got):
        environment = {**one.policy.environment, "POLICY_ALERT_WEBHOOKS": url}
        sender = Process([sys.executable, "-m", "policy.alerting"], environment, tmp_path / "sender.log")
        try:
            one.start()
            sender.start()
            until(lambda: "alerting-started" in sender.text(), "the sender runs")
            until(lambda: "webhook:127.0.0.1" in one.cli("alert", "test"), "its channel is known")
            close_a_trap(one)
            secret = one.cli("alert", "secret").strip()
            of_trap = until(lambda: [each for each in got if b"trap-hit" in each[1]], "the webhook came")
            assert Webhook(secret).verify(of_trap[0][1], of_trap[0][0])["type"] == "trap-hit"
            until(lambda: len([row for row in notices(one) if is_sent_webhook(row)]) == 2, "both are noted as sent")
            assert "2 notices are sent again" in one.cli("alert", "replay", "--since", "2020-01-01")
            until(lambda: len([each for each in got if b"trap-hit" in each[1]]) == 2, "and again")
            first, second = (each[0]["webhook-id"] for each in got if b"trap-hit" in each[1])
            assert first == second
        finally:
            sender.stop()
            one.stop()
