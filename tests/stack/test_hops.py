"""Our Postfix counts hops as far as the gateway does: no message is a loop to one of the two alone."""

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Postfix, Sink

HOP = "Received: from a by b; Tue, 24 Nov 2026 12:00:00 +0000\r\n"
MESSAGE = "From: ada@sallyport.test\r\nSubject: {0}\r\n\r\ntext\r\n"


@pytest.fixture
def postfix(tmp_path: Path, sink: Sink) -> Iterator[Postfix]:
    one = Postfix(tmp_path, sink.smtp_port)
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.mark.skipif(not Postfix.is_possible(), reason="needs Postfix, and root")
def test_as_many_hops_as_the_gateway_lets_pass(postfix: Postfix, sink: Sink) -> None:
    """99 of the client's and the gateway's own one; what has more is a loop."""
    for hops, is_taken in ((100, True), (102, False)):
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
            client.ehlo()
            assert client.mail("ada@sallyport.test")[0] == 250
            assert client.rcpt("far@sink.example")[0] == 250
            code, _ = client.data(HOP * hops + MESSAGE.format(f"{hops} hops"))
        assert (code == 250) == is_taken
    (found,) = sink.messages("recipient=far@sink.example&wait=60")
    assert found["subject"] == "100 hops"
