"""A trap that closes in a running policy becomes a mail at the next hop."""

import json
import smtplib
from pathlib import Path

import pytest
from harness import Login, Sallyport, Sink


def test_a_trap_is_mailed_to_the_postmaster(tmp_path: Path, sink: Sink) -> None:
    """Once, whatever follows; the mail names no login and no secret that was tried."""
    # Or loopback, where all tests come from, would be vouched for.
    settings = {"POLICY_ALERT_RELAY": f"127.0.0.1:{sink.smtp_port}", "POLICY_UNWALLED_NETWORKS": "192.0.2.0/24"}
    one = Sallyport(tmp_path, sink.smtp_port, settings)
    try:
        decoy = json.loads(one.start().cli("decoy", "add", "--label", "an old note", "--json"))["login"]
        for guess in ("guess-one", "guess-two"):
            with pytest.raises(smtplib.SMTPException):
                one.client(Login(decoy, guess))
        (found,) = sink.messages("recipient=postmaster@sallyport.test&wait=60")
        raw = sink.raw(found["id"])
        assert b"Subject: [Sallyport] " in raw
        assert b"sallyport network confirm NAME 127.0.0.0/24" in raw
        for tried in (decoy, "guess-"):
            assert tried.encode() not in raw
            assert tried not in one.policy.text()
    finally:
        one.stop()
