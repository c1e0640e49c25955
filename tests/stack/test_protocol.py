"""The SMTP edge, octet by octet: what a client sends on a raw connection, and what then reaches the next hop.

What one conversation shows is a dialog (tests/dialogs/); here is what needs many of them, a clock, or every octet of
the message compared. docs/conformance.md says which requirement each test is for.
"""

import base64
import itertools
import random
import re
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import HOSTNAME, PLENTY, Login, Sallyport, policy_file, until
from hypothesis import given, settings
from scripted import ScriptedNextHop
from session_model import Play, plays
from wire import Wire

from gateway import scan
from gateway.settings import Settings
from policy.engine.judging import SLOW_S

SENDER, FRIEND = "ada@sallyport.test", "bob@elsewhere.example"
# Complete, so that the gateway adds nothing but its trace field.
HEAD = (
    f"From: {SENDER}\r\nTo: {FRIEND}\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@sallyport.test>\r\n\r\n"
).encode()
ENVELOPE = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{FRIEND}>\r\n".encode()
TRACE = re.compile(
    rb"Received: from submission by mail\.sallyport\.test with ESMTPSA\r\n\t\(TLSv1\.3:TLS_[A-Z0-9_]+\)\r\n"
    rb"\tid ([0-9a-f]{28}); [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n"
)
# Budgets of a session that these tests would use up
ROOMY = {
    "GATEWAY_MAX_ERRORS": "100000",
    "GATEWAY_MAX_LOGIN_FAILURES": "100000",
    "GATEWAY_MAX_COMMANDS_BEFORE_LOGIN": "100000",
}


@pytest.fixture(scope="module")
def next_hop() -> Iterator[ScriptedNextHop]:
    """Takes everything, and keeps it octet by octet."""
    one = ScriptedNextHop().start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, next_hop: ScriptedNextHop) -> Iterator[Sallyport]:
    """Gateway and policy in front of it."""
    folder = tmp_path_factory.mktemp("stack")
    one = Sallyport(folder, next_hop.port, policy_file(folder, person=PLENTY), ROOMY)
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(scope="module")
def ada(stack: Sallyport) -> Login:
    """A login that owns SENDER."""
    return stack.new_login("ada", SENDER)


@pytest.fixture
def client(stack: Sallyport, ada: Login, next_hop: ScriptedNextHop) -> Iterator[Wire]:
    """A session that is logged in; the next hop has forgotten what was before."""
    next_hop.behave()
    with logged_in(stack, ada) as one:
        yield one


@pytest.fixture
def other_stack(tmp_path: Path, next_hop: ScriptedNextHop) -> Iterator[Sallyport]:
    """Another gateway, not yet started, for settings of its own."""
    one = Sallyport(tmp_path, next_hop.port, policy_file(tmp_path, person=PLENTY), ROOMY)
    yield one
    one.stop()


def under_tls(stack: Sallyport) -> Wire:
    client = Wire(stack.submissions_port).start_tls(stack.tls())
    assert client.line() == f"220 {HOSTNAME} ESMTP Sallyport"
    client.ask("EHLO client.example")
    return client


def logged_in(stack: Sallyport, login: Login) -> Wire:
    client = under_tls(stack)
    assert client.ask(f"AUTH PLAIN {plain(login.login, login.secret)}").startswith("235 ")
    return client


def plain(login: str, secret: str) -> str:
    return base64.b64encode(f"\0{login}\0{secret}".encode()).decode()


def by_data(client: Wire, content: bytes) -> str:
    """Send a message, its dots doubled; the reply to its end."""
    client.say(ENVELOPE + b"DATA\r\n")
    assert [client.line()[:3] for _ in range(3)] == ["250", "250", "354"]
    client.say(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
    return client.line()


def by_chunks(client: Wire, content: bytes) -> str:
    """Likewise, in two chunks, envelope and all in one write."""
    middle = len(content) // 2
    chunks = b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (middle, content[:middle], len(content) - middle, content[middle:])
    client.say(ENVELOPE + chunks)
    assert [client.line()[:3] for _ in range(3)] == ["250", "250", "250"]
    return client.line()


def without_trace(content: bytes) -> bytes:
    """What the client sent, out of what the next hop got: one trace field stands on top and nothing else is new."""
    match = TRACE.match(content)
    assert match, content[:300]
    return content[match.end() :]


# Where a message ends

BREAKS = {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r", "crcrlf": b"\r\r\n", "lfcr": b"\n\r", "nothing": b"", "nul": b"\0"}
NULS = {"crlf-nul-dot-crlf": b"\r\n\0.\r\n", "crlf-dot-nul-crlf": b"\r\n.\0\r\n", "crlf-dot-cr-crlf": b"\r\n.\r\r\n"}
ENDS = {
    f"{before}-dot-{after}": BREAKS[before] + b"." + BREAKS[after]
    for before, after in itertools.product(BREAKS, repeat=2)
    if (before, after) not in (("crlf", "crlf"), ("crcrlf", "crlf"))
} | NULS
FINE = {
    "nothing-dot-nothing",
    "nothing-dot-crlf",
    "crlf-dot-nothing",
}  # content like any other, with an ASCII dot in it


@pytest.mark.parametrize("end", ENDS)
def test_nothing_else_ends_a_message(client: Wire, next_hop: ScriptedNextHop, end: str) -> None:
    """Octets that some server takes for the end stay content: the message is passed on as it is, or refused whole."""
    client.say(ENVELOPE + b"DATA\r\n")
    assert [client.line()[:3] for _ in range(3)] == ["250", "250", "354"]
    client.say(HEAD + b"x" + ENDS[end] + b"MAIL FROM:<evil@elsewhere.example>\r\n.\r\n")
    reply = client.line()
    if end in FINE:
        assert reply.startswith("250 2.0.0 ")
        (heard,) = next_hop.heard
        dotless = ENDS[end].replace(b"\r\n.", b"\r\n")
        assert without_trace(heard.content) == HEAD + b"x" + dotless + b"MAIL FROM:<evil@elsewhere.example>\r\n"
    else:
        assert reply.startswith("554 5.6.0 ")
        assert not next_hop.heard
    assert client.ask("NOOP") == "250 2.0.0 Ok"


def test_the_end_is_an_end_behind_a_bare_cr_as_well(client: Wire, next_hop: ScriptedNextHop) -> None:
    """CR CRLF.CRLF has CRLF.CRLF in it: an end, of a message that is refused."""
    client.say(ENVELOPE + b"DATA\r\n")
    assert [client.line()[:3] for _ in range(3)] == ["250", "250", "354"]
    client.say(HEAD + b"x\r\r\n.\r\nNOOP\r\n")
    assert client.line().startswith("554 5.6.0 ")
    assert client.line() == "250 2.0.0 Ok"
    assert not next_hop.heard


def test_the_end_is_found_wherever_the_network_cuts(client: Wire, next_hop: ScriptedNextHop) -> None:
    """A packet for each octet, envelope and content."""
    content = HEAD + b".\r\n..\r\n\r\n.x\r\n"
    for octet in ENVELOPE + b"DATA\r\n":
        client.say(bytes((octet,)))
    assert [client.line()[:3] for _ in range(3)] == ["250", "250", "354"]
    for octet in re.sub(rb"(?m)^\.", b"..", content) + b".\r\n":
        client.say(bytes((octet,)))
    assert client.line().startswith("250 2.0.0 ")
    (heard,) = next_hop.heard
    assert without_trace(heard.content) == content


def test_the_order_of_replies_does_not_depend_on_packets(client: Wire) -> None:
    """RFC 2920 section 3.2: a group cut at every octet gets the same replies in the same order."""
    group = ENVELOPE + b"RCPT TO:<nonsense>\r\nNOOP\r\nRSET\r\n"
    for cut in range(1, len(group)):
        client.say(group[:cut])
        client.say(group[cut:])
        assert [client.line()[:3] for _ in range(5)] == ["250", "250", "501", "250", "250"], cut


# What reaches the next hop

EVERY_ASCII = bytes(octet for octet in range(1, 128) if octet not in b"\r\n")
CONTENTS = {
    "no body": b"",
    "empty lines": b"\r\n" * 3000,
    "dots": b".\r\n..\r\n...\r\n.x\r\n" * 100,
    "every ASCII character": (EVERY_ASCII + b"\r\n") * 20,
    "line ends of other standards": "\v\f\x1c\x85\u2028x\r\n".encode(),
    "Latin-1": bytes(range(128, 256)) + b"\r\n",
    "lines of 998 octets": (b"x" * 998 + b"\r\n") * 10,
    "64 kB": (b"0123456789abcdef" * 40 + b"\r\n") * 103,
    "more than memory holds": (b"x" * 900 + b"\r\n") * 1200,
}


@pytest.mark.parametrize("send", [by_data, by_chunks], ids=["DATA", "BDAT"])
@pytest.mark.parametrize("content", CONTENTS)
def test_a_message_arrives_as_it_was_sent(client: Wire, next_hop: ScriptedNextHop, content: str, send: object) -> None:
    """RFC 5321 section 4.5.2: every octet, with one trace field on top."""
    assert callable(send)
    assert send(client, HEAD + CONTENTS[content]).startswith("250 2.0.0 ")
    (heard,) = next_hop.heard
    assert without_trace(heard.content) == HEAD + CONTENTS[content]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_next_hop_without_chunking_gets_the_same(content: str, dotted: "Dotted") -> None:
    """By DATA, with dots doubled on the way."""
    dotted.next_hop.behave()
    with logged_in(dotted.stack, dotted.login) as client:
        assert by_chunks(client, HEAD + CONTENTS[content]).startswith("250 2.0.0 ")
    (heard,) = dotted.next_hop.heard
    assert heard.commands[-1] == b"DATA"
    assert without_trace(heard.content) == HEAD + CONTENTS[content]


class Dotted:
    """A gateway in front of a next hop that has no CHUNKING."""

    def __init__(self, folder: Path) -> None:
        self.next_hop = ScriptedNextHop(offers=("PIPELINING", "8BITMIME", "SMTPUTF8")).start()
        self.stack = Sallyport(folder, self.next_hop.port, policy_file(folder, person=PLENTY), ROOMY).start()
        self.login = self.stack.new_login("ada", SENDER)

    def stop(self) -> None:
        self.stack.stop()
        self.next_hop.stop()


@pytest.fixture(scope="module")
def dotted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dotted]:
    """Shared by the tests that need one."""
    one = Dotted(tmp_path_factory.mktemp("dotted"))
    yield one
    one.stop()


def test_the_trace_field_is_the_one_of_the_reply(client: Wire, next_hop: ScriptedNextHop) -> None:
    """RFC 5321 section 4.4: from, by, with, id and date; the id is the one that the client was told."""
    reply = by_data(client, HEAD + b"x\r\n")
    match = TRACE.match(next_hop.heard[0].content)
    assert match
    assert reply == f"250 2.0.0 Ok: queued as {match[1].decode()}"
    assert not [name for name in (b"127.0.0.1", b"client.example") if name in next_hop.heard[0].content]


def test_what_the_next_hop_says_too_much_is_believed_to_nobody(client: Wire, next_hop: ScriptedNextHop) -> None:
    """Replies that nobody asked for (GHSA-vxj7-4xrp-5vr4) would be read as those to the next message."""
    next_hop.behave({"RCPT": "250 2.1.5 Ok\r\n250 2.0.0 Ok: queued as INJECTED"})
    assert by_data(client, HEAD).startswith("451 4.4.")
    next_hop.behave()
    assert by_data(client, HEAD + b"after it\r\n").startswith("250 2.0.0 ")
    (heard,) = next_hop.heard
    assert heard.content.endswith(b"\r\n\r\nafter it\r\n")
    assert any(command.startswith(b"EHLO ") for command in next_hop.commands), "on a connection of its own"


# Whatever is said

VERBS = ["EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "XCLIENT", "AUTH", "BOGUS"]
WORDS = [
    *(
        "FROM:<ada@sallyport.test>",
        "TO:<bob@elsewhere.example>",
        "FROM:<>",
        "TO:<postmaster>",
        "SIZE=1",
        "BODY=8BITMIME",
    ),
    *(
        "SMTPUTF8",
        "RET=FULL",
        "NOTIFY=NEVER",
        "ORCPT=rfc822;x",
        "=",
        "<",
        ">",
        "@",
        '"',
        "\\",
        "%",
        "[",
        "[]",
        "xn--",
        "ü",
    ),
    *("\0", "\r", "\x1b", "\x7f", "\u2028", "client.example", "", " ", "PLAIN", "AAAA", "{", "x" * 300, "x" * 3000),
]


def test_every_line_gets_one_reply(stack: Sallyport, ada: Login) -> None:
    """Two thousand lines put together by dice, in groups, and each answered once and in form (RFC 5321 section 4.2)."""
    dice = random.Random(20261124)  # noqa: S311 - it has to be the same each time
    for _ in range(50):
        with logged_in(stack, ada) as client:
            for _ in range(10):
                lines = [" ".join([dice.choice(VERBS), *dice.choices(WORDS, k=dice.randrange(4))]) for _ in range(4)]
                # EHLO ends its group
                lines.sort(key=lambda line: line.startswith("EHLO "))
                if lines[2].startswith("EHLO "):
                    continue
                client.say("".join(f"{line}\r\n" for line in lines).encode())
                for line in lines:
                    assert client.reply(), line
            assert client.ask("NOOP") == "250 2.0.0 Ok"
    assert "session-failed" not in stack.gateway.text()


MECHANISMS = ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL", "OAUTHBEARER", "PLA\u0131N", ""]
RESPONSES = ["", "=", "*", "A A", "=AAA", "AAAA", "AGEAYg==", "biwsbj1hLHI9Yg==", "ü", "\u017f", "\x7f", 13000 * "A"]


def test_every_line_of_an_exchange_gets_one_reply(stack: Sallyport) -> None:
    """Whatever a stranger says with AUTH and after it: the reply is one of the exchange's, and no error of ours."""
    dice = random.Random(20261127)  # noqa: S311 - it has to be the same each time
    heard = set[str]()
    with under_tls(stack) as client:
        for mechanism, response in itertools.product(MECHANISMS, RESPONSES):
            reply = client.ask(f"AUTH {mechanism} {response}")
            while reply.startswith("334 "):
                reply = client.ask(dice.choice(RESPONSES))
            heard.add(reply[:9])
    assert heard <= {"500 5.5.2", "500 5.5.6", "501 5.5.2", "501 5.7.0", "504 5.5.4", "535 5.7.8"}
    assert "session-failed" not in stack.gateway.text()


# Strangers


def test_a_client_that_trickles_is_cut_off(other_stack: Sallyport, next_hop: ScriptedNextHop) -> None:
    """A piece now and then keeps a message alive for GATEWAY_DATA_TIMEOUT_S; from there on there is a least rate."""
    other_stack.gateway.environment |= {"GATEWAY_DATA_TIMEOUT_S": "2", "GATEWAY_MIN_DATA_RATE": "1000"}
    ada = other_stack.start().new_login("ada", SENDER)
    next_hop.behave()
    with logged_in(other_stack, ada) as client:
        client.say(ENVELOPE + b"DATA\r\n")
        assert [client.line()[:3] for _ in range(3)] == ["250", "250", "354"]
        client.say(HEAD)
        started = time.monotonic()
        while not client.has_something(within_s=0.2):
            client.say(b"x\r\n")
            assert time.monotonic() - started < 60, "it may go on for ever"
        assert client.line() == "421 4.4.2 Timeout, closing the connection"
    assert not next_hop.heard


def test_a_client_that_does_not_read_is_cut_off(other_stack: Sallyport) -> None:
    """Its replies wait in the gateway, so its commands are not read any more, and after a while it is gone."""
    other_stack.gateway.environment |= {
        "GATEWAY_COMMAND_TIMEOUT_S": "2",
        "GATEWAY_MAX_COMMANDS_BEFORE_LOGIN": "100000000",
    }
    other_stack.start()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", other_stack.submission_port))
        raw.settimeout(30)
        assert raw.recv(4096).startswith(b"220 ")
        noops = memoryview(b"NOOP\r\n" * 10_000_000)
        with pytest.raises(ConnectionError):
            raw.sendall(noops)
    until(lambda: b"sessions_expired_total 1.0" in metrics(other_stack), "it is counted")


def metrics(stack: Sallyport) -> bytes:
    with socket.create_connection(("127.0.0.1", stack.status_port)) as asking:
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: asking.recv(65536), b""))


def test_the_cap_of_an_address_holds_over_all_workers(other_stack: Sallyport) -> None:
    """Whichever worker a connection comes to; and a place that is given back can be taken."""
    other_stack.gateway.environment |= {"GATEWAY_MAX_SESSIONS_PER_ADDRESS": "6", "GATEWAY_WORKERS": "3"}
    other_stack.start()
    until(lambda: b"sessions_open 0.0" in metrics(other_stack), "nobody is there")
    clients = [Wire(other_stack.submission_port) for _ in range(10)]
    codes = [client.line()[:3] for client in clients]
    assert (codes.count("220"), codes.count("421")) == (6, 4)
    for client in clients:
        client.close()
    until(lambda: b"sessions_open 0.0" in metrics(other_stack), "their places are given back")
    with Wire(other_stack.submission_port) as client:
        assert client.line().startswith("220 ")


def test_sessions_share_no_state(stack: Sallyport) -> None:
    """What one says, and how often, changes no limit of another."""
    with under_tls(stack) as one, under_tls(stack) as other:
        for _ in range(50):
            one.ask("EHLO client.example")
        for client in (one, other):
            assert client.ask("NOOP " + "x" * 2041) == "250 2.0.0 Ok"
            assert client.ask("NOOP " + "x" * 2042) == "500 5.5.2 Line too long"


def test_refusals_take_the_same_time(stack: Sallyport, ada: Login) -> None:
    """An unknown login and a wrong secret, by turns: no ranking (Mann and Whitney) tells them apart, or 50 us at most.

    The row of a login that somebody has costs some microseconds to read; `python -m bench.timing` says how many. On a
    busy machine everything costs more: there it is a tenth of what a refusal costs.
    """
    attempts = {"wrong": plain(ada.login, "wrong"), "unknown": plain("fosem-4k7q-talir", "wrong")}
    took: list[tuple[float, str]] = []
    with under_tls(stack) as client:
        for number in range(400):
            who = ("wrong", "unknown")[number % 2]
            before = time.perf_counter()
            assert client.ask(f"AUTH PLAIN {attempts[who]}") == "535 5.7.8 Authentication credentials invalid"
            took.append((time.perf_counter() - before, who))
    ranks = [rank for rank, (_, who) in enumerate(sorted(took), 1) if who == "wrong"]
    n = len(ranks)
    u = sum(ranks) - n * (n + 1) / 2
    deviation = (u - n * n / 2) / (n * n * (2 * n + 1) / 12) ** 0.5
    medians = [statistics.median(s for s, one in took if one == who) for who in attempts]
    limit_s = max(50e-6, min(medians) / 10)
    assert abs(deviation) < 4.4 or abs(medians[0] - medians[1]) < limit_s  # the first by chance once in 100,000 runs


def test_no_secret_is_in_a_log(stack: Sallyport, ada: Login, next_hop: ScriptedNextHop) -> None:
    """Right or wrong, in its place or sent in clear as a command, and nothing of a message's content."""
    next_hop.behave()
    with Wire(stack.submission_port) as client:
        client.line()
        client.ask("EHLO client.example")
        client.ask("AUTH LOGIN")
        client.ask(base64.b64encode(b"in-clear-" + ada.secret.encode()).decode())
    with logged_in(stack, ada) as client:
        assert by_data(client, HEAD + b"Quite private\r\n").startswith("250 ")
    with under_tls(stack) as client:
        client.ask(f"AUTH PLAIN {plain(ada.login, 'a-wrong-secret')}")
    logged = stack.gateway.text() + stack.policy.text()
    secrets = (ada.secret, "in-clear", "a-wrong-secret", "Quite private")
    for secret in (*secrets, *(base64.b64encode(one.encode()).decode()[:12] for one in secrets)):
        assert secret not in logged, secret
    assert plain(ada.login, ada.secret) not in logged
    assert "login-answered" in logged


# TLS


def test_tls_ends_with_close_notify(stack: Sallyport) -> None:
    """RFC 8314 section 3.4: an end that was not cut short by somebody in between. Each dialog asserts it, too."""
    with under_tls(stack) as client:
        assert client.ask("QUIT") == "221 2.0.0 Bye"
        assert client.ended() == ""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_renegotiation_is_refused(stack: Sallyport) -> None:
    """RFC 9325 section 3.5; under TLS 1.2, because 1.3 has none."""
    where = f"127.0.0.1:{stack.submissions_port}"
    command = ["openssl", "s_client", "-connect", where, "-tls1_2", "-crlf", "-CAfile", str(stack.folder / "cert.pem")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as talking:
        assert talking.stdin
        assert talking.stdout
        said = "".join(iter(talking.stdout.readline, f"220 {HOSTNAME} ESMTP Sallyport\n"))
        assert "Verify return code: 0" in said
        talking.stdin.write("R\n")
        talking.stdin.flush()
        assert "no renegotiation" in talking.stdout.read()


# All of it together


def test_any_session_is_the_models(stack: Sallyport, ada: Login, next_hop: ScriptedNextHop) -> None:
    """On either port. What was cut off before its reply may have been taken, if its last octet was sent."""
    next_hop.behave()
    numbers = itertools.count(1)
    must, may = set[bytes](), set[bytes]()

    @settings(max_examples=25)
    @given(plays())
    def perform(play: Play) -> None:
        with Wire(stack.submissions_port if play.is_tls_port else stack.submission_port) as wire:
            session = play.perform(wire, stack.tls(), plain(ada.login, ada.secret), numbers)
        must.update(session.model.taken[: session.told])
        may.update(session.model.taken[session.told : session.sent])

    perform()
    until(lambda: "sallyport_gateway_sessions_open 0" in stack.status("metrics"), "all sessions have ended")
    heard = [without_trace(one.content) for one in next_hop.heard]
    assert len(set(heard)) == len(heard)
    assert must <= set(heard) <= must | may
    assert must


# Numbers that an RFC gives


def test_deadlines_are_those_of_the_rfcs() -> None:
    """RFC 5321 section 4.5.3.2.7: five minutes for a command. RFC 6409 section 5.3: an answer within two."""
    default = {name: field.default for name, field in Settings.model_fields.items()}
    assert default["command_timeout_s"] >= 300
    assert default["login_timeout_s"] == 60  # docs/settings.md says that strangers do not get the five minutes
    largest = {
        name: [rule.le for rule in Settings.model_fields[name].metadata if hasattr(rule, "le")] for name in default
    }
    assert sum(largest["policy_timeout_s"] + largest["relay_timeout_s"]) + SLOW_S < 120
    scan_s = default["scan_timeout_s"] + scan._TURN_S
    assert default["policy_timeout_s"] + default["relay_timeout_s"] + scan_s + SLOW_S < 120


def test_limits_are_not_below_those_of_the_rfcs() -> None:
    """RFC 5321 section 4.5.3.1: 64 kB (.7) and 100 recipients (.8), which is policy's default."""
    assert Settings.model_fields["max_message_bytes"].default >= 64 * 1024
