"""While Dovecot is away its mail waits: a container that is stopped has no name, and that gives no mail back."""

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Postfix, Sink, until

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]


@pytest.fixture
def postfix(tmp_path: Path, sink: Sink) -> Iterator[Postfix]:
    """One whose mailbox server has a name that nobody knows."""
    one = Postfix(tmp_path, sink.smtp_port)
    one.environment["POSTFIX_LMTP"] = "inet:nowhere.invalid:2424"
    try:
        yield one.start()
    finally:
        one.stop()


def test_mail_for_mailboxes_waits(postfix: Postfix) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        client.sendmail("ada@sallyport.test", "ben@sallyport.test", "From: ada@sallyport.test\r\n\r\ntext\r\n")
    until(lambda: "to=<ben@sallyport.test>" in postfix.log(), "it was tried")
    assert "status=deferred" in postfix.log()
    assert "status=bounced" not in postfix.log()
