"""Stolen logins take mail pickup away from nobody else: with a real Dovecot, from many addresses of one network.

Dovecot alone counts the sessions of one address, and has had room for a hundred in all.
"""

import contextlib
import imaplib
from collections.abc import Iterator

import pytest
from harness import Login, Sink
from mail_program import MailProgram, pickup_with_doveadm
from pickup import Pickup

from policy.rulebook import shipped

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")

LIMIT = 60  # of one identity, at home


@pytest.fixture(scope="module")
def pickup(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Pickup]:
    with pickup_with_doveadm(tmp_path_factory.mktemp("for-all"), sink) as one:
        yield one


def all_that_go(pickup: Pickup, login: Login, network: str) -> list[MailProgram]:
    """The sessions of a thief who opens one after the other, until he is told to come later: not that it is wrong."""
    opened = list[MailProgram]()
    for number in range(LIMIT):
        opened.append(MailProgram(pickup, f"{network}.{1 + number // 8}"))
        opened[-1].login(login.login, login.secret)
    opened.append(MailProgram(pickup, f"{network}.99"))
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        opened[-1].login(login.login, login.secret)
    return opened


def test_stolen_logins_leave_room_for_others(pickup: Pickup) -> None:
    """Two thieves have more sessions than Dovecot had room for; a third person is let in, and they when some end."""
    assert shipped().limits_of("person", "ada").sessions * 12 == LIMIT
    ada, bob, eve = (pickup.sallyport.new_login(one, f"{one}@sallyport.test") for one in ("ada", "bob", "eve"))
    opened = list[MailProgram]()
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
