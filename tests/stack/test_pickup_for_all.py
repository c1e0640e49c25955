"""Stolen logins take mail pickup away from nobody else: with a real Dovecot, from many addresses of one network.

Dovecot alone counts the sessions of one address, and has had room for a hundred in all.
"""

import contextlib
import imaplib
import socket
from collections.abc import Iterator

import pytest
from harness import Login, Sallyport, Sink
from pickup import Pickup

from policy.rulebook import shipped

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")

LIMIT = 60  # of one identity, at home


class From(imaplib.IMAP4_SSL):
    """A mail program at an address."""

    def __init__(self, pickup: Pickup, address: str) -> None:
        self._address = address
        super().__init__("localhost", pickup.port, ssl_context=pickup.sallyport.tls(), timeout=30)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout, (self._address, 0))
        return self.ssl_context.wrap_socket(plain, server_hostname=self.host)


@pytest.fixture(scope="module")
def pickup(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Pickup]:
    sallyport = Sallyport(tmp_path_factory.mktemp("for-all"), sink.smtp_port)
    one = Pickup(sallyport)
    sallyport.policy_environment["POLICY_DOVEADM_URL"] = f"http://127.0.0.1:{one.doveadm_port}"
    try:
        sallyport.start()
        yield one.start()
    finally:
        one.stop()
        sallyport.stop()


def all_that_go(pickup: Pickup, login: Login, network: str) -> list[From]:
    """The sessions of a thief who opens one after the other, until he is told to come later: not that it is wrong."""
    opened = list[From]()
    for number in range(LIMIT):
        opened.append(From(pickup, f"{network}.{1 + number // 8}"))
        opened[-1].login(login.login, login.secret)
    opened.append(From(pickup, f"{network}.99"))
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        opened[-1].login(login.login, login.secret)
    return opened


def test_stolen_logins_leave_room_for_others(pickup: Pickup) -> None:
    """Two thieves have more sessions than Dovecot had room for; a third person is let in, and they when some end."""
    assert shipped().limits_of("person", "ada").sessions * 12 == LIMIT
    ada, bob, eve = (pickup.sallyport.new_login(one, f"{one}@sallyport.test") for one in ("ada", "bob", "eve"))
    opened = list[From]()
    try:
        for number, stolen in enumerate((ada, bob)):
            opened += all_that_go(pickup, stolen, f"127.0.{20 + number}")
        assert pickup.login(eve.login, eve.secret) == ""
        for one in opened[:10]:
            one.logout()
        assert pickup.login(ada.login, ada.secret) == "", "what has ended is not counted"
    finally:
        for one in opened:
            with contextlib.suppress(OSError):
                one.shutdown()
