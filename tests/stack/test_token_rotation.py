"""A token is rotated while mail goes on: whoever reads the new file first, nobody hears anything but 250."""

import json
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import PLENTY, Login, Sallyport, Sink, policy_file, until

OLD, NEW, NEWEST = "0123456789" * 4, "abcdefghij" * 4, "ABCDEFGHIJ" * 4
SESSIONS = 4
MESSAGE = b"From: ada@example.org\r\nSubject: one of many\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def sallyport(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Sallyport]:
    """The gateway has a copy of the token: as in Kubernetes, where each pod gets a new one when its node says so."""
    folder = tmp_path_factory.mktemp("rotated")
    one = Sallyport(folder, sink.smtp_port, policy_file(folder, person=PLENTY))
    one.gateway.environment["GATEWAY_POLICY_TOKEN_FILE"] = str(folder / "gateways.token")
    for name in ("gateway.token", "gateways.token"):
        put(folder / name, OLD)
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(scope="module")
def login(sallyport: Sallyport) -> Login:
    return sallyport.new_login("ada", "ada@example.org")


def put(path: Path, *tokens: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text("".join(f"{one}\n" for one in tokens))
    draft.replace(path)


@dataclass
class Load:
    """People who send all the time: some in one session after the other, some in one long session."""

    sallyport: Sallyport
    login: Login
    stopping: threading.Event = field(default_factory=threading.Event)
    taken: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def send(self, is_long: bool) -> None:
        while not self.stopping.is_set():
            try:
                with self.sallyport.client(self.login, implicit_tls=True) as client:
                    self._hand_in(client)
                    while is_long and not self.stopping.is_set():
                        self._hand_in(client)
            except (smtplib.SMTPException, OSError) as error:
                self.refused.append(repr(error))

    def _hand_in(self, client: smtplib.SMTP) -> None:
        client.sendmail("ada@example.org", ["bob@example.net"], MESSAGE)
        self.taken.append(1)

    def goes_on(self) -> None:
        """Until each of them has sent a few more: whatever was changed has met them all."""
        before = len(self.taken) + len(self.refused)
        until(lambda: len(self.taken) + len(self.refused) >= before + 5 * SESSIONS, "more messages", 60)


@contextmanager
def load(sallyport: Sallyport, login: Login) -> Iterator[Load]:
    one = Load(sallyport, login)
    threads = [threading.Thread(target=one.send, args=(number % 2 == 0,)) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    try:
        yield one
    finally:
        one.stopping.set()
        for thread in threads:
            thread.join(60)


def test_nobody_hears_451_while_a_token_is_rotated(sallyport: Sallyport, login: Login) -> None:
    """Policy first, then the gateway, then the old one retired; and the next time the gateway first, all the way."""
    policy, gateway = sallyport.folder / "gateway.token", sallyport.folder / "gateways.token"
    with load(sallyport, login) as people:
        people.goes_on()
        for path, tokens in (
            (policy, (NEW, OLD)),
            (gateway, (NEW, OLD)),
            (policy, (NEW,)),
            (gateway, (NEW,)),
            # the gateway first
            (gateway, (NEWEST, NEW)),
            (policy, (NEWEST, NEW)),
            (gateway, (NEWEST,)),
            (policy, (NEWEST,)),
        ):
            reader, times = (sallyport.policy, 1) if path is policy else (sallyport.gateway, 2)  # two workers
            times += reader.text().count("token-read")
            put(path, *tokens)
            until(lambda reader=reader, times=times: reader.text().count("token-read") >= times, f"{path} is read")
            people.goes_on()
    assert people.refused == []
    assert "policy-failed" not in sallyport.gateway.text()
    assert len(people.taken) >= 9 * 5 * SESSIONS


def test_a_token_of_nobody_is_refused_and_a_bad_file_changes_nothing(sallyport: Sallyport, login: Login) -> None:
    """What is no token is said in the log; mail goes on with the one from before."""
    policy, gateway = sallyport.folder / "gateway.token", sallyport.folder / "gateways.token"
    with load(sallyport, login) as people:
        people.goes_on()
        gateway.write_text("short\n")
        until(lambda: sallyport.gateway.text().count("token-refused") >= 2, "both workers say so")
        people.goes_on()
    assert people.refused == []
    put(gateway, OLD)
    until(lambda: refused_by(sallyport, login) == 454, "the old token is worth nothing")
    put(policy, OLD)
    until(lambda: refused_by(sallyport, login) == 0, "it is again")


def refused_by(sallyport: Sallyport, login: Login) -> int:
    """The code of a refusal; 0 where there is none."""
    try:
        sallyport.client(login, implicit_tls=True).quit()
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    return 0


def test_the_commands_rotate_what_both_read(tmp_path: Path, sink: Sink) -> None:
    """As in the containers of one machine: one file for both, and the commands of docs/operating.md."""
    folder = tmp_path / "shared"
    one = Sallyport(folder, sink.smtp_port, policy_file(folder, person=PLENTY))
    try:
        one.start()
        login = one.new_login("ada", "ada@example.org")
        first = (folder / "gateway.token").read_text().split()
        with load(one, login) as people:
            people.goes_on()
            rotated = json.loads(one.cli("service-token", "rotate", "gateway", "--json"))
            people.goes_on()
            one.cli("service-token", "retire", "gateway", "--at-once")
            people.goes_on()
            last = (folder / "gateway.token").read_text().split()
    finally:
        one.stop()
    assert people.refused == []
    assert (rotated["name"], rotated["is_rotating"]) == ("gateway", True)
    assert len(last) == 1
    assert last != first
