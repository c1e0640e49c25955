"""What a client sees, what is delivered and what is counted when a part fails. Real Postfix, real processes.

In every row: a message that got 250 is delivered, one that did not is still the client's, and the budget holds what
was sent or may have been sent, and nothing else.
"""

import contextlib
import shutil
import signal
import smtplib
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from harness import PLENTY, Login, Postfix, Sallyport, Sink, answers, policy_file, until
from tap import Direction, Tap

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]

SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
MESSAGE = f"From: {SENDER}\r\nTo: {FRIEND}\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def postfix(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Postfix]:
    """A private Postfix that delivers to the sink."""
    one = Postfix(tmp_path_factory.mktemp("postfix"), sink.smtp_port).start()
    yield one
    one.stop()


@pytest.fixture
def tap(postfix: Postfix) -> Iterator[Tap]:
    """The line between gateway and Postfix."""
    one = Tap(postfix.port).start()
    yield one
    one.stop()


@pytest.fixture
def stack(tmp_path: Path, tap: Tap) -> Iterator[Sallyport]:
    """Gateway and policy with short timeouts, in front of the tap."""
    one = Sallyport(
        tmp_path,
        tap.port,
        policy_settings=policy_file(tmp_path, person=PLENTY | {"recipients": "5/hour"}),
        gateway_settings={"GATEWAY_RELAY_TIMEOUT_S": "3", "GATEWAY_POLICY_TIMEOUT_S": "3", "GATEWAY_DRAIN_S": "10"},
    )
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture
def ada(stack: Sallyport) -> Login:
    """A login that owns SENDER."""
    return stack.new_login("ada", SENDER)


def send(stack: Sallyport, login: Login, recipient: str = FRIEND) -> tuple[int, str]:
    """One whole submission; the reply to the end of DATA."""
    with stack.client(login) as client:
        client.mail(SENDER)
        client.rcpt(recipient)
        code, text = client.data(MESSAGE.encode())
        return code, text.decode()


def arrived(sink: Sink, recipient: str) -> int:
    return len(sink.messages(f"recipient={recipient}"))


def test_a_message_goes_all_the_way(stack: Sallyport, ada: Login, sink: Sink, tap: Tap, postfix: Postfix) -> None:
    """250 with our id, BDAT and XFORWARD on the inner leg, our id in Postfix's log, one recipient counted."""
    code, text = send(stack, ada, "path@elsewhere.example")
    assert code == 250
    submission = text.rpartition(" ")[2]
    assert len(sink.messages("recipient=path@elsewhere.example&wait=60")) == 1
    sent = bytes(tap.seen["to-next-hop"])
    assert b"\r\nBDAT " in sent
    assert f"IDENT={submission}".encode() in sent
    assert b"\r\nDATA\r\n" not in sent
    assert f"orig_queue_id={submission}" in postfix.log()
    assert stack.spent("ada") == 1


def test_connections_to_postfix_are_used_again(stack: Sallyport, ada: Login, tap: Tap) -> None:
    """Messages in a row need no more connections than there are workers."""
    assert [send(stack, ada)[0] for _ in range(5)] == [250] * 5
    assert bytes(tap.seen["to-next-hop"]).count(b"EHLO ") <= 2


def test_postfix_down(tmp_path: Path, sink: Sink) -> None:
    """Nobody listens: 451 4.4.1, and the budget is given back."""
    stack = Sallyport(tmp_path, next_hop=1)
    try:
        ada = stack.start().new_login("ada", SENDER)
        code, text = send(stack, ada, "down@elsewhere.example")
        assert (code, text[:5]) == (451, "4.4.1")
        until(lambda: stack.spent("ada") == 0, "the reservation is released")
        assert arrived(sink, "down@elsewhere.example") == 0
    finally:
        stack.stop()


def test_postfix_restarted_between_two_messages(stack: Sallyport, ada: Login, postfix: Postfix) -> None:
    """A pooled connection that died while idle costs the client nothing."""
    assert send(stack, ada)[0] == 250
    postfix.stop()
    postfix.start()
    assert send(stack, ada)[0] == 250


def test_postfix_refuses_the_gateway(tmp_path: Path, sink: Sink) -> None:
    """A next hop that does not trust the gateway is ours to mend: 451, never a 5yz that the client takes for final."""
    postfix = Postfix(tmp_path / "postfix", sink.smtp_port)
    postfix.environment["POSTFIX_CLIENTS"] = "192.0.2.0/24"
    stack = Sallyport(tmp_path / "sallyport", postfix.port)
    try:
        postfix.start()
        ada = stack.start().new_login("ada", SENDER)
        code, text = send(stack, ada)
        assert (code, text[:2]) == (451, "4.")
        until(lambda: stack.spent("ada") == 0, "the reservation is released")
    finally:
        stack.stop()
        postfix.stop()


def test_postfix_slow_before_the_message(stack: Sallyport, ada: Login, tap: Tap, sink: Sink) -> None:
    """No answer to the envelope in time: 451 4.4.1; nothing was sent, so nothing is counted."""
    tap.rule = lambda direction, piece: b"" if direction == "to-gateway" else piece
    code, text = send(stack, ada, "slow-envelope@elsewhere.example")
    assert (code, text[:5]) == (451, "4.4.1")
    until(lambda: stack.spent("ada") == 0, "the reservation is released")
    assert arrived(sink, "slow-envelope@elsewhere.example") == 0


def test_postfix_slow_after_the_message(stack: Sallyport, ada: Login, tap: Tap) -> None:
    """No answer to BDAT in time: 451 4.4.2; the message may be out, so it stays counted."""

    def withhold_the_last_reply(direction: Direction, piece: bytes) -> bytes | None:
        return b"" if direction == "to-gateway" and b"queued as" in piece else piece

    tap.rule = withhold_the_last_reply
    code, text = send(stack, ada)
    assert (code, text[:5]) == (451, "4.4.2")
    assert stack.spent("ada") == 1


def test_postfix_killed_between_bdat_and_its_reply(
    stack: Sallyport, ada: Login, tap: Tap, postfix: Postfix, sink: Sink
) -> None:
    """SIGKILL to all of Postfix with the message half sent: 451 4.4.2, and Postfix has no trace of it afterwards."""

    def kill_in_the_message(direction: Direction, piece: bytes) -> bytes | None:
        if direction == "to-next-hop" and b"BDAT " in tap.seen["to-next-hop"]:
            postfix.kill()
            return None
        return piece

    tap.rule = kill_in_the_message
    code, text = send(stack, ada, "killed@elsewhere.example")
    assert (code, text[:5]) == (451, "4.4.2")
    tap.rule = lambda _direction, piece: piece
    until(lambda: not answers(postfix.port), "Postfix is gone")
    (Path(str(postfix.queue)) / "pid" / "master.pid").unlink(missing_ok=True)
    postfix.start()
    # The next message has overtaken nothing: when it is there, the lost one would be, too.
    assert send(stack, ada, "after-kill@elsewhere.example")[0] == 250
    assert sink.messages("recipient=after-kill@elsewhere.example&wait=60")
    assert arrived(sink, "killed@elsewhere.example") == 0
    assert stack.spent("ada") == 2


def test_disk_full_before_the_message(tmp_path: Path, sink: Sink) -> None:
    """Less room than a message may need: 452 4.3.1 while there still is room for what was accepted."""
    with small_disk(tmp_path / "queue", "8m") as queue:
        assert reply_with_queue_on(queue, tmp_path, sink, minfree=None, size=100) == (452, "4.3.1")


def test_disk_full_in_the_middle_of_the_message(tmp_path: Path, sink: Sink) -> None:
    """The disk fills up while the message is written: 452 4.3.1, and nothing of it is kept."""
    with small_disk(tmp_path / "queue", "2m") as queue:
        assert reply_with_queue_on(queue, tmp_path, sink, minfree=0, size=4_000_000) == (452, "4.3.1")
        assert not [path for path in (queue / "incoming").iterdir() if path.stat().st_mode & 0o100]


def test_policy_down_at_login(stack: Sallyport, ada: Login) -> None:
    """454, never 535: a client that hears 535 asks its owner for another secret."""
    stack.policy.stop()
    with stack.client() as client:
        client.ehlo()
        code, text = client.docmd("AUTH", "PLAIN AGFkYQBzZWNyZXQ=")
    assert (code, text[:5]) == (454, b"4.7.0")


@pytest.mark.parametrize("how", ["down", "slow"])
def test_policy_fails_after_login(stack: Sallyport, ada: Login, sink: Sink, how: str) -> None:
    """Fails closed: 451 4.3.0, nothing relayed; when policy is back the same session goes on."""
    recipient = f"policy-{how}@elsewhere.example"
    with stack.client(ada) as client:
        if how == "down":
            stack.policy.stop()
        else:
            stack.policy.send(signal.SIGSTOP)
        client.mail(SENDER)
        client.rcpt(recipient)
        code, text = client.data(MESSAGE.encode())
        assert (code, text[:5]) == (451, b"4.3.0")
        assert arrived(sink, recipient) == 0
        if how == "down":
            stack.start_policy()
        else:
            stack.policy.send(signal.SIGCONT)
        client.sendmail(SENDER, [recipient], MESSAGE)
    assert sink.messages(f"recipient={recipient}&wait=60")


RUBBISH = [b"", b"<html>", b"null", b'{"outcome": "granted"', b'{"action": "accept", "x": 1}', b"x" * 1_000_000]


def test_policy_answers_rubbish(stack: Sallyport, ada: Login, sink: Sink) -> None:
    """What is not an answer is no permission: 454 at login, 451 at the message."""
    with stack.client(ada) as client:
        stack.policy.stop()
        for rubbish in RUBBISH:
            with answering(stack.policy_port, rubbish):
                client.mail(SENDER)
                client.rcpt("rubbish@elsewhere.example")
                assert client.data(MESSAGE.encode())[0] == 451, rubbish[:30]
                with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                    stack.client(ada)
                assert refused.value.smtp_code == 454, rubbish[:30]
    assert arrived(sink, "rubbish@elsewhere.example") == 0


def test_gateway_killed_in_data(stack: Sallyport, ada: Login, sink: Sink) -> None:
    """SIGKILL while the message comes in: the connection drops, nothing was relayed, nothing is counted."""
    with stack.client(ada) as client:
        client.mail(SENDER)
        client.rcpt("in-data@elsewhere.example")
        client.docmd("DATA")
        client.send(b"Subject: half")
        stack.gateway.stop()
        with pytest.raises((OSError, smtplib.SMTPServerDisconnected)):
            client.noop()
        client.close()
    stack.start_gateway()
    assert send(stack, ada)[0] == 250
    assert arrived(sink, "in-data@elsewhere.example") == 0
    assert stack.spent("ada") == 1


def test_gateway_killed_after_postfix_accepted(stack: Sallyport, ada: Login, tap: Tap, sink: Sink) -> None:
    """SIGKILL between Postfix's 250 and ours: the client tries again; what was sent is counted, if never reported."""
    recipient = "after-250@elsewhere.example"

    def kill_at_250(direction: Direction, piece: bytes) -> bytes | None:
        if direction == "to-gateway" and b"queued as" in piece:
            stack.gateway.stop()
            return None
        return piece

    tap.rule = kill_at_250
    with pytest.raises((OSError, smtplib.SMTPServerDisconnected)):
        send(stack, ada, recipient)
    assert len(sink.messages(f"recipient={recipient}&wait=60")) == 1
    assert stack.spent("ada") == 1


def test_client_gone_before_the_reply(stack: Sallyport, ada: Login, sink: Sink) -> None:
    """The transaction that policy accepted is brought to its end: delivered once and counted once."""
    recipient = "gone@elsewhere.example"
    client = stack.client(ada)
    client.mail(SENDER)
    client.rcpt(recipient)
    client.docmd("DATA")
    client.send(MESSAGE.encode() + b".\r\n")
    client.close()
    assert len(sink.messages(f"recipient={recipient}&wait=60")) == 1
    assert stack.spent("ada") == 1


def test_the_writer_of_postfixs_log_waits_as_long_as_all_others(postfix: Postfix) -> None:
    """Where it gave up sooner, master and all daemons waited for ever to log that it is gone."""
    asked = ["postconf", "-c", str(postfix.config), "-x", "-h", "postlogd_watchdog_timeout", "daemon_timeout"]
    of_the_log, of_all = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    assert of_the_log == of_all


def test_certificate_unreadable(stack: Sallyport) -> None:
    """One sentence that names the setting, exit code 2, no port opened."""
    stack.gateway.stop()
    (stack.folder / "cert.pem").write_text("rubbish")
    stack.gateway.log.unlink()
    assert stack.gateway.start().ended() == 2
    (line,) = stack.gateway.text().splitlines()
    assert line.startswith("gateway: GATEWAY_TLS_CERT: ")
    assert not answers(stack.submission_port)


def test_port_in_use(stack: Sallyport) -> None:
    """The setting, the port, the remedy; and the other port is not left open."""
    other = Sallyport(stack.folder, stack.next_hop)
    other.gateway.environment["GATEWAY_SUBMISSIONS_PORT"] = str(stack.submissions_port)
    other.gateway.log = stack.folder / "other.log"
    assert other.gateway.start().ended() == 2
    assert other.gateway.text().splitlines()[-1].startswith("gateway: GATEWAY_SUBMISSIONS_PORT: ")
    assert not answers(other.submission_port)


def test_sigterm_drains(stack: Sallyport, ada: Login, sink: Sink) -> None:
    """An idle session hears 421, a running transaction ends with 250, nobody new is let in, exit 0."""
    idle, busy = stack.client(), stack.client(ada)
    busy.mail(SENDER)
    busy.rcpt("drain@elsewhere.example")
    busy.docmd("DATA")
    stack.gateway.send(signal.SIGTERM)
    assert idle.getreply()[0] == 421
    until(lambda: not answers(stack.submission_port), "no new sessions")
    busy.send(MESSAGE.encode() + b".\r\n")
    assert busy.getreply()[0] == 250
    assert busy.getreply()[0] == 421
    busy.close()
    idle.close()
    assert stack.gateway.ended() == 0
    assert sink.messages("recipient=drain@elsewhere.example&wait=60")


def test_parallel_sessions_cannot_overshoot(stack: Sallyport, ada: Login) -> None:
    """Twelve sessions at once for a budget of five recipients: exactly five get 250, the rest 451 4.7.1."""
    replies: list[tuple[int, str]] = []
    start = threading.Barrier(12)

    def one() -> None:
        with stack.client(ada) as client:
            client.mail(SENDER)
            client.rcpt(FRIEND)
            start.wait()
            code, text = client.data(MESSAGE.encode())
            replies.append((code, text[:5].decode()))

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [(250, "2.0.0")] * 5 + [(451, "4.7.1")] * 7
    assert stack.spent("ada") == 5


def test_no_command_relays_without_login(stack: Sallyport, sink: Sink) -> None:
    """Every verb that could hand mail in, before TLS and under it, without AUTH."""
    attempts = ["MAIL FROM:<ada@sallyport.test>", "RCPT TO:<open@elsewhere.example>", "DATA", "BDAT 0 LAST", "EXPN x",
                "XFORWARD ADDR=127.0.0.1", "XCLIENT LOGIN=ada", "ETRN x", "SEND FROM:<ada@sallyport.test>"]  # fmt: skip
    with smtplib.SMTP("localhost", stack.submission_port) as client:
        client.ehlo()
        for attempt in attempts:
            assert client.docmd(attempt)[0] >= 500, attempt
    with stack.client() as client:
        client.ehlo()
        for attempt in attempts:
            assert client.docmd(attempt)[0] >= 500, attempt
    assert arrived(sink, "open@elsewhere.example") == 0


class small_disk:  # noqa: N801 - reads as what it is in a with statement
    """A tmpfs of a fixed size, unmounted at the end."""

    def __init__(self, path: Path, size: str) -> None:
        self._path, self._size = path, size

    def __enter__(self) -> Path:
        self._path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._size},mode=755", "none", self._path], check=True)
        return self._path

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", self._path], check=True)
        shutil.rmtree(self._path, ignore_errors=True)


def reply_with_queue_on(queue: Path, folder: Path, sink: Sink, minfree: int | None, size: int) -> tuple[int, str]:
    """The reply to a message of `size` octets, and its status; the budget must be given back."""
    postfix = Postfix(folder / "postfix", sink.smtp_port, queue=queue)
    stack = Sallyport(folder / "sallyport", postfix.port)
    try:
        postfix.start()
        if minfree is not None:
            subprocess.run(["postconf", "-c", postfix.config, "-e", f"queue_minfree={minfree}"], check=True)
            subprocess.run(["postfix", "-c", postfix.config, "reload"], check=True, capture_output=True)
        ada = stack.start().new_login("ada", SENDER)
        with stack.client(ada) as client:
            client.mail(SENDER)
            client.rcpt("disk@elsewhere.example")
            code, text = client.data(MESSAGE.encode() + (b"0123456789abcdef" * 4 + b"\r\n") * (size // 66))
        until(lambda: stack.spent("ada") == 0, "the reservation is released")
        assert arrived(sink, "disk@elsewhere.example") == 0
        return code, text[:5].decode()
    finally:
        stack.stop()
        postfix.stop()


class answering:  # noqa: N801 - reads as what it is in a with statement
    """An HTTP server that answers every POST with the same octets and 200."""

    def __init__(self, port: int, octets: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the gateway had enough
                    self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                pass

        HTTPServer.allow_reuse_address = True
        self._server = HTTPServer(("127.0.0.1", port), Handler)

    def __enter__(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
