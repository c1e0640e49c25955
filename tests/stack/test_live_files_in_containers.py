"""In containers: Dovecot takes a renewed certificate, and the tokens of Dovecot and of the queue agent are rotated."""

import imaplib
import json
import ssl
from collections.abc import Iterator

import pytest
from compose import Compose, engine_answers
from harness import Login, until
from mail_program import is_alive

RENEW = """
import time
from pathlib import Path
from policy.certificate import new_key, self_signed
key = new_key()
Path("/tls/key.pem").write_bytes(key)
Path("/tls/cert.pem").write_bytes(self_signed("mail.sallyport.test", key, time.time() + {ahead_s}))
"""
pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(not engine_answers(), reason="needs a container engine with Compose"),
]

PARTS = ("policy", "postfix", "queue-agent", "dovecot")
SOON_S = 60.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Compose]:
    one = Compose("sallyport-live-files", test=False)
    try:
        one.run("down", "--volumes", "--timeout", "1")
        one.run("up", "--build", "--wait", "--quiet-pull", *PARTS)
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def login(stack: Compose) -> Login:
    return stack.new_login("ada", "ada@sallyport.test")


def renew(stack: Compose, ahead_s: float = 0) -> None:
    done = stack.inside("policy", "python3", "-c", RENEW.format(ahead_s=ahead_s))
    assert done.returncode == 0, done.stderr


def served(stack: Compose) -> str:
    return ssl.get_server_certificate(("127.0.0.1", stack.imaps_port), timeout=10)


def session(stack: Compose, login: Login) -> imaplib.IMAP4_SSL:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = imaplib.IMAP4_SSL("127.0.0.1", stack.imaps_port, ssl_context=context, timeout=30)
    client.login(login.login, login.secret)
    return client


def logs(stack: Compose, service: str) -> str:
    return stack.run("logs", "--no-log-prefix", service)


def test_a_renewed_certificate_is_served_and_a_broken_one_is_not(stack: Compose, login: Login) -> None:
    before, older = served(stack), session(stack, login)
    renew(stack, ahead_s=86_400)
    until(lambda: "has expired or is not valid yet" in logs(stack, "dovecot"), "a certificate of tomorrow", SOON_S)
    assert served(stack) == before
    renew(stack)
    until(lambda: served(stack) != before, f"the new one is served\n{logs(stack, 'dovecot')}", SOON_S)
    assert is_alive(older)
    older.shutdown()


def test_it_serves_again_when_it_is_started_again(stack: Compose, login: Login) -> None:
    """The folders in memory are what they were at the first start."""
    stack.run("restart", "--timeout", "5", "dovecot")

    def answers() -> bool:
        try:
            session(stack, login).logout()
        except (OSError, imaplib.IMAP4.error):
            return False
        return True

    until(answers, "Dovecot serves again", SOON_S, 0.5)


def test_tokens_are_rotated_while_everything_goes_on(stack: Compose, login: Login) -> None:
    older = session(stack, login)
    for token, reader in (("dovecot", "dovecot"), ("queue-agent", "queue-agent")):
        assert json.loads(stack.cli("service-token", "rotate", token, "--json"))["is_rotating"]
        read = {"dovecot": "certificate or token is in use", "queue-agent": "lines=2"}[reader]
        times = 2 if reader == "dovecot" else 1  # once for the certificate above
        until(lambda reader=reader, read=read, times=times: logs(stack, reader).count(read) >= times, reader, SOON_S)
        session(stack, login).logout()
        stack.cli("service-token", "retire", token, "--at-once")
        session(stack, login).logout()
        stack.cli("queue", "statistics")  # by the queue agent, or it fails
    assert is_alive(older)
    stack.cli("contain", login.login, "--no-wait")
    until(lambda: not is_alive(older), f"the session is ended\n{logs(stack, 'policy')[-2000:]}", SOON_S)
    older.shutdown()
