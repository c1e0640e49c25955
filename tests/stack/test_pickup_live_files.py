"""Dovecot takes another certificate or token while sessions go on, and never a pair that clients would refuse."""

import imaplib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Login, Sallyport, Sink, until
from mail_program import is_alive
from pickup import Pickup

from policy.certificate import new_key, self_signed

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def pickup(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Pickup]:
    """With a certificate of its own, which the test may replace."""
    sallyport = Sallyport(tmp_path_factory.mktemp("live"), sink.smtp_port)
    one = Pickup(sallyport)
    one.environment["DOVECOT_TLS_CERT"] = str(one.folder / "cert.pem")
    one.environment["DOVECOT_TLS_KEY"] = str(one.folder / "key.pem")
    sallyport.policy_environment["POLICY_DOVEADM_URL"] = f"http://127.0.0.1:{one.doveadm_port}"
    try:
        sallyport.start()
        put(one, *pair())
        one.start().start_watch()
        yield one
    finally:
        one.stop()
        sallyport.stop()


@pytest.fixture(scope="module")
def login(pickup: Pickup) -> Login:
    return pickup.sallyport.new_login("ada", "ada@example.org")


def pair(made_at: float | None = None) -> tuple[bytes, bytes]:
    """A certificate of that moment, now by default, and its key."""
    key = new_key()
    return self_signed("mail.sallyport.test", key, made_at or time.time()), key


def put(pickup: Pickup, certificate: bytes | None = None, key: bytes | None = None) -> None:
    for name, content in (("DOVECOT_TLS_CERT", certificate), ("DOVECOT_TLS_KEY", key)):
        if content is not None:
            path = Path(pickup.environment[name])
            path.with_suffix(".new").write_bytes(content)
            path.with_suffix(".new").replace(path)


def served(pickup: Pickup) -> bytes:
    return ssl.get_server_certificate(("127.0.0.1", pickup.port), timeout=10).encode()


def session(pickup: Pickup, login: Login) -> imaplib.IMAP4_SSL:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = imaplib.IMAP4_SSL("localhost", pickup.port, ssl_context=context, timeout=30)
    try:
        client.login(login.login, login.secret)
    except imaplib.IMAP4.error:
        client.shutdown()
        raise
    return client


def test_another_certificate_is_served_and_sessions_go_on(pickup: Pickup, login: Login) -> None:
    """The certificate first and its key later, as two copies are written: half a pair is no pair."""
    before, open_one = served(pickup), session(pickup, login)
    certificate, key = pair()
    put(pickup, certificate)
    until(lambda: "are no certificate with its key" in pickup.watch.text(), f"half a pair\n{pickup.watch.text()}")
    assert served(pickup) == before
    put(pickup, key=key)
    until(lambda: served(pickup) == certificate, f"the new one is served\n{pickup.watch.text()}")
    assert is_alive(open_one), pickup.process.text()[-1500:]
    open_one.shutdown()
    session(pickup, login).logout()


def test_an_expired_pair_leaves_the_old_one(pickup: Pickup, login: Login) -> None:
    """It is said once, and so is that the files are in order again."""
    good, seen = served(pickup), len(pickup.watch.text())
    put(pickup, *pair(time.time() - 2000 * DAY_S))
    until(lambda: "has expired or is not valid yet" in pickup.watch.text()[seen:], "it is said")
    assert served(pickup) == good
    session(pickup, login).logout()
    put(pickup, *pair_as_served(pickup))
    until(lambda: "are in order again" in pickup.watch.text()[seen:], "it is well")
    assert pickup.watch.text()[seen:].count("what was there before stays in use") == 1
    assert served(pickup) == good


def pair_as_served(pickup: Pickup) -> tuple[bytes, bytes]:
    folder = pickup.config / "tls"
    return (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()


def test_a_token_is_rotated_while_people_log_in(pickup: Pickup, login: Login) -> None:
    """In both directions: Dovecot asks policy of logins, and policy asks Dovecot to end sessions."""
    sallyport, config = pickup.sallyport, pickup.config / "doveadm.conf"
    before = config.read_text()
    older = session(pickup, login)
    sallyport.cli("service-token", "rotate", "dovecot")
    until(lambda: logs_in(pickup, login) and config.read_text() != before, f"the new key\n{pickup.watch.text()}")
    sallyport.cli("service-token", "retire", "dovecot", "--at-once")
    newer = session(pickup, login)
    assert is_alive(older)
    sallyport.cli("contain", login.login, "--no-wait")  # there is no queue, and nothing to wait for
    for name, one in (("older", older), ("newer", newer)):
        until(lambda one=one: not is_alive(one), f"the {name} session is ended\n{sallyport.policy.text()[-2000:]}")
        one.shutdown()
    assert config.stat().st_mode & 0o777 == 0o600


def logs_in(pickup: Pickup, login: Login) -> bool:
    """Whoever is refused raises. A login that is under way while Dovecot reloads may be cut off: programs try again."""
    try:
        session(pickup, login).logout()
    except imaplib.IMAP4.abort:
        return False
    return True
