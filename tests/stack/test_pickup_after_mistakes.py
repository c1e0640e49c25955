"""Mistakes at mail pickup: policy's walls count them, and Dovecot has no penalty of its own for an address.

Dovecot's own one made the owner's right secret wait 15 seconds after three wrong ones, and everybody behind the address
of one phone with an old secret.
"""

import secrets
import time
from collections.abc import Iterator

import pytest
from harness import Login, Sallyport
from pickup import Pickup

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")

NOT_A_PENALTY_S = 8  # Dovecot's own were 15; with its delay of 2 for a refusal this is far from both


@pytest.fixture(scope="module")
def pickup(sallyport: Sallyport) -> Iterator[Pickup]:
    one = Pickup(sallyport)
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(scope="module")
def ada(sallyport: Sallyport) -> Login:
    return sallyport.new_login("ada", "ada@sallyport.test")


def timed(pickup: Pickup, login: str, secret: str) -> tuple[str, float]:
    """What Dovecot says, and after how many seconds."""
    begun = time.monotonic()
    said = pickup.login(login, secret)
    took_s = time.monotonic() - begun
    print(f"{said or 'granted'}: {took_s:.1f} s")
    return said, took_s


def test_a_right_secret_after_three_wrong_ones(pickup: Pickup, ada: Login) -> None:
    """Each is answered for what it is, and the right one at once; so is a colleague's behind the same address."""
    bob = pickup.sallyport.new_login("bob", "bob@sallyport.test")
    for _ in range(3):
        said, took_s = timed(pickup, ada.login, secrets.token_hex(8))
        assert "AUTHENTICATIONFAILED" in said
        assert took_s < NOT_A_PENALTY_S
    for login in (ada, bob):
        said, took_s = timed(pickup, login.login, login.secret)
        assert said == ""
        assert took_s < NOT_A_PENALTY_S
