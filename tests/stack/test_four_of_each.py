"""Scenario A12 with four gateways, four policies, one PostgreSQL and one Valkey: no number of sessions overshoots."""

import smtplib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import valkey_server
from harness import PLENTY, Sallyport, Sink, policy_file, postgresql_url

import postgresql

NUMBER, SESSIONS, EACH, LIMIT = 4, 50, 4, 100
SENDER = "ada@sallyport.test"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    one = Sink(tmp_path / "sink").start()
    yield one
    one.stop()


@pytest.fixture
def pairs(sink: Sink, tmp_path: Path) -> Iterator[list[Sallyport]]:
    """Each gateway with a policy of its own; all policies have the same files, database and budgets."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    if not valkey_server.is_possible():
        pytest.skip(valkey_server.NOT_INSTALLED)
    with ExitStack() as ends:
        server = valkey_server.Server(appendonly="yes", appendfsync="always").start()
        ends.callback(server.close)
        settings = policy_file(tmp_path, person=PLENTY | {"recipients": f"{LIMIT}/day"}) | {
            "POLICY_DATABASE_URL": postgresql_url(),
            "POLICY_BUDGETS_URL": f"unix://{server.socket}",
        }
        made = [Sallyport(tmp_path / "all", sink.smtp_port, settings, {"GATEWAY_WORKERS": "1"}) for _ in range(NUMBER)]
        made[0].cli("init")
        for one in made:
            ends.callback(one.stop)
            one.start_policy()
            one.start_gateway()
        yield made


def test_fifty_sessions_over_four_gateways_and_four_policies(pairs: list[Sallyport], sink: Sink) -> None:
    """Two hundred messages, and room for a hundred: as many are taken, and as many arrive."""
    login = pairs[0].new_login("ada", SENDER)
    begin = threading.Barrier(SESSIONS)

    def session(number: int) -> Counter[tuple[int, int]]:
        gateway = number % NUMBER
        with pairs[gateway].client(login) as client:
            begin.wait(120)
            return Counter((gateway, answer(client, f"{number}-{one}")) for one in range(EACH))

    with ThreadPoolExecutor(SESSIONS) as pool:
        codes = sum(pool.map(session, range(SESSIONS)), Counter[tuple[int, int]]())
    taken = [codes[gateway, 250] for gateway in range(NUMBER)]
    assert sum(taken) == LIMIT, codes
    assert min(taken) > 0, "each gateway and its policy had a part in it"
    assert {code for _, code in codes} == {250, 451}
    assert codes.total() == SESSIONS * EACH
    assert len(sink.messages()) == LIMIT


def answer(client: smtplib.SMTP, name: str) -> int:
    client.mail(SENDER)
    client.rcpt(f"friend-{name}@example.net")
    try:
        code, _ = client.data(f"From: {SENDER}\r\nTo: friend-{name}@example.net\r\nSubject: {name}\r\n\r\nhello\r\n")
    except smtplib.SMTPDataError as error:
        code = int(error.smtp_code)
    if code != 250:
        client.rset()
    return code
