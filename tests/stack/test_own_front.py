"""The engine behind somebody else's real Postfix and Dovecot: this machine's (3.7, 2.3), newer ones in a container."""

import smtplib
import subprocess
import time
from collections.abc import Iterator

import pytest
from compose import engine_answers
from harness import Sink, until
from own_front import MASTER_PASSWORD, PASSWORD, OwnFront
from sqlalchemy import text

HOME, OFFICE, ELSEWHERE = "198.51.100.7", "192.0.2.7", "203.0.113.9"
MESSAGE = "From: {0}@example.org\r\nSubject: {1}\r\n\r\ntext\r\n"
IMAGE = "sallyport-test-front"
DOCKERFILE = """
FROM debian:trixie-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix dovecot-core \
 && rm -rf /var/lib/apt/lists/*
"""

native = pytest.mark.skipif(not OwnFront.is_possible(), reason="needs Postfix and Dovecot, and root")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[OwnFront]:
    """This machine's own programs."""
    one = OwnFront(tmp_path_factory.mktemp("policy"), sink.smtp_port)
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[OwnFront]:
    """Those of the next Debian."""
    command = ["docker", "build", "-t", IMAGE, "-"]
    built = subprocess.run(command, input=DOCKERFILE, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    one = OwnFront(tmp_path_factory.mktemp("newer"), sink.smtp_port, IMAGE)
    try:
        yield one.start()
    finally:
        one.stop()


def handed_in(client: smtplib.SMTP, user: str, subject: str, *recipients: str) -> list[tuple[int, bytes]]:
    """The replies to RCPT and to the message."""
    assert client.mail(f"{user}@example.org")[0] == 250
    replies = [client.rcpt(one) for one in recipients]
    if any(code == 250 for code, _ in replies):
        return [*replies, client.data(MESSAGE.format(user, subject))]
    client.rset()
    return replies


def codes(replies: list[tuple[int, bytes]]) -> list[int]:
    return [code for code, _ in replies]


def spent(front: OwnFront, name: str) -> int:
    return front.sallyport.spent(name)


def arrived(sink: Sink, subject: str) -> bool:
    return any(one["subject"] == subject for one in sink.messages())


def message_is_counted_spent_and_held(front: OwnFront, sink: Sink) -> None:
    """The life of one login: let through, counted once, the recipient too many refused, from elsewhere held."""
    with front.client("ada", HOME) as client:
        assert codes(handed_in(client, "ada", "first", "a@sink.example", "b@sink.example")) == [250, 250, 250]
        assert spent(front, "ada") == 2
        assert codes(handed_in(client, "ada", "second", "a@sink.example")) == [250, 250]
        assert spent(front, "ada") == 3, "another message of the session is another one"
        more = handed_in(client, "ada", "third", *(f"r{number}@sink.example" for number in range(4)))
        assert codes(more) == [250, 250, 250, 451, 250]
        assert more[3][1].startswith(b"4.7.1 <r3@sink.example>: Recipient address rejected: Too many recipients in")
        assert spent(front, "ada") == 6
        assert codes(handed_in(client, "ada", "fourth", "a@sink.example")) == [451]
    until(lambda: all(arrived(sink, one) for one in ("first", "second", "third")), "the messages arrive")
    with front.client("bob", HOME) as client:
        assert codes(handed_in(client, "bob", "from home", "a@sink.example")) == [250, 250]
    with front.client("bob", ELSEWHERE) as client:
        recipients = [f"x{number}@sink.example" for number in range(3)]
        assert codes(handed_in(client, "bob", "held", *recipients)) == [250, 250, 250, 250]
    (held,) = [one for one in front.queue() if one["queue_name"] == "hold"]
    assert sorted(one["address"] for one in held["recipients"]) == recipients
    assert not arrived(sink, "held")


def dovecot_asks(front: OwnFront) -> None:
    """Let in, refused by the block list with its words, walled after guesses, and the owner still let in."""
    assert front.doveadm_login("carol", PASSWORD, OFFICE)[0]
    until(lambda: networks_of(front, "carol") == ["192.0.2.0/24"], "the report of the success")
    assert not front.doveadm_login("carol", "wrong", OFFICE)[0]
    front.ask("addBLEntry", ip=ELSEWHERE, expire_secs=600, reason="botnet")
    is_in, said = front.doveadm_login("carol", PASSWORD, ELSEWHERE)
    assert not is_in
    assert "No logins from there, ask your administrator" in said
    front.ask("delBLEntry", ip=ELSEWHERE)
    assert front.doveadm_login("carol", PASSWORD, ELSEWHERE)[0]
    for number in range(5):
        assert not front.doveadm_login(f"nobody{number}", "wrong", "192.0.2.66")[0]
    until(lambda: front.ask("getDBStats", ip=OFFICE)["stats"]["walls"]["walled_secs"] > 0, "the reports of the guesses")
    is_in, said = front.doveadm_login("dave", PASSWORD, OFFICE)
    assert not is_in
    assert "Too many wrong passwords, try again later" in said
    assert front.doveadm_login("carol", PASSWORD, OFFICE)[0], "it is her network"
    assert front.doveadm_login("erin*root", MASTER_PASSWORD, ELSEWHERE)[0]
    assert front.doveadm_login("erin", PASSWORD, HOME)[0]
    until(lambda: networks_of(front, "erin"), "the report of the success")
    assert networks_of(front, "erin") == ["198.51.100.0/24"], "where a master user was is not hers"
    front.ask("addBLEntry", login="root", expire_secs=600, reason="left us")
    assert not front.doveadm_login("erin*root", MASTER_PASSWORD, ELSEWHERE)[0]
    assert front.doveadm_login("erin", PASSWORD, HOME)[0]


def networks_of(front: OwnFront, name: str) -> list[str]:
    with front.sallyport.store() as connection:
        asked = "SELECT network FROM network JOIN identity ON identity.id = identity_id WHERE name = :name ORDER BY 1"
        return list(connection.scalars(text(asked), {"name": name}))


@native
def test_postfix_37(front: OwnFront, sink: Sink) -> None:
    """Asked at RCPT over TCP and at the end over a Unix socket: it is one message."""
    message_is_counted_spent_and_held(front, sink)
    with front.sallyport.store() as connection:
        rows = connection.execute(text("SELECT queue_id, recipients FROM submission WHERE action = 'hold'")).all()
    (held,) = [one for one in front.queue() if one["queue_name"] == "hold"]
    assert [tuple(row) for row in rows] == [(held["queue_id"], 3)]


@native
def test_dovecot_23(front: OwnFront) -> None:
    dovecot_asks(front)


@native
def test_only_the_end_is_asked_about(front: OwnFront) -> None:
    """Recipients that nobody told count as new, and a message that does not fit is refused as a whole."""
    with front.client("erin", HOME, front.end_port) as client:
        assert codes(handed_in(client, "erin", "of strangers", *[f"s{n}@sink.example" for n in range(5)]))[-1] == 250
        refused = handed_in(client, "erin", "too much", "a@sink.example", "b@sink.example")
        assert refused[-1][0] == 451
        assert b"Too many recipients in a short time" in refused[-1][1]
    assert spent(front, "erin") == 5


@native
def test_a_login_is_locked(front: OwnFront) -> None:
    """Postfix hears it at the message, Dovecot at the login; its words come through Postfix to the mail program."""
    with front.client("frank", HOME) as client:
        front.sallyport.cli("identity", "suspend", "frank")
        replies = handed_in(client, "frank", "never", "a@sink.example")
        assert replies[0][0] == 550
        assert b"This login is locked, ask your administrator" in replies[0][1]
    with pytest.raises(smtplib.SMTPAuthenticationError, match="This login is locked, ask your administrator"):
        front.client("frank", HOME)
    assert not front.doveadm_login("frank", PASSWORD, HOME)[0]


@native
def test_guesses_at_one_login_wait(front: OwnFront) -> None:
    """The tarpit is Dovecot's to wait: from the tenth distinct wrong password on, a second and more."""
    for number in range(10):
        assert not front.doveadm_login("dave", f"wrong{number}", f"100.64.{number}.1")[0]
    counts = until(
        lambda: (found := front.ask("getDBStats", login="dave")["stats"]["walls"])["wrong_secrets_15min"] > 9 and found,
        "the reports of the guesses",
    )
    assert counts["wrong_secrets_24h"] == 10
    begun = time.monotonic()
    assert front.doveadm_login("dave", PASSWORD, "100.64.200.1")[0]
    assert time.monotonic() - begun >= 1


@native
def test_a_gateways_next_hop(front: OwnFront, sink: Sink) -> None:
    """What comes in at the second port stays. Nobody has logged in at either, whatever `main.cf` asks of people."""
    for port, subject in ((front.relay_port, "relayed"), (front.hold_port, "kept")):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.sendmail("ada@example.org", ["kept@sink.example"], MESSAGE.format("ada", subject))
    until(lambda: arrived(sink, "relayed"), "the message arrives")
    held = {one["recipients"][0]["address"]: one["queue_id"] for one in front.queue() if one["queue_name"] == "hold"}
    front.inside("postsuper", "-c", f"{front.folder}/postfix", "-d", held["kept@sink.example"])
    assert not arrived(sink, "kept")


@native
def test_policy_is_away(front: OwnFront) -> None:
    """Postfix says "later" and nothing gets through; when policy is back it goes on by itself."""
    with front.client("carol", HOME) as client:
        front.sallyport.policy.stop()
        try:
            replies = handed_in(client, "carol", "later", "a@sink.example")
            assert replies == [
                (451, b"4.3.5 <a@sink.example>: Recipient address rejected: Server configuration problem")
            ]
        finally:
            front.sallyport.start_policy()
    with front.client("carol", HOME) as client:
        assert codes(handed_in(client, "carol", "back again", "a@sink.example")) == [250, 250]


@pytest.mark.containers
@pytest.mark.skipif(not engine_answers(), reason="needs a container engine")
def test_postfix_310(newer: OwnFront, sink: Sink) -> None:
    assert newer.inside("postconf", "-d", "-h", "mail_version").stdout.startswith("3.10.")
    message_is_counted_spent_and_held(newer, sink)


@pytest.mark.containers
@pytest.mark.skipif(not engine_answers(), reason="needs a container engine")
def test_dovecot_24(newer: OwnFront) -> None:
    assert newer.inside("dovecot", "--version").stdout.startswith("2.4.")
    dovecot_asks(newer)
