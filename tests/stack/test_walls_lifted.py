"""Wrong secrets until the network is walled; an administrator sees it and lets it in: real gateway, real policy."""

import itertools
import json
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Sallyport, Sink, until

from policy.engine.guessing import NETWORK_LIMIT

NETWORK = "127.0.0.0/24"  # where all clients come from


@pytest.fixture
def sallyport(tmp_path: Path, sink: Sink) -> Iterator[Sallyport]:
    """Loopback is vouched for by nobody."""
    one = Sallyport(tmp_path, sink.smtp_port, {"POLICY_UNWALLED_NETWORKS": ""})
    try:
        yield one.start()
    finally:
        one.stop()


def code_of(sallyport: Sallyport, login: str, secret: str) -> int:
    """What a new connection hears, at its begin or to its login."""
    try:
        with sallyport.client() as client:
            client.ehlo()
            client.user, client.password = login, secret
            return client.auth("PLAIN", client.auth_plain)[0]  # login() would try again by LOGIN
    except (smtplib.SMTPConnectError, smtplib.SMTPAuthenticationError) as refused:
        return refused.smtp_code


def walls(sallyport: Sallyport) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(sallyport.cli("wall", "list", "--json"))
    return found


def test_an_office_is_walled_and_let_in(sallyport: Sallyport) -> None:
    """At the login and at the connection; also the wall that stands again after a restart."""
    ada = sallyport.new_login("ada", "ada@sallyport.test")
    numbers = itertools.count()

    def guessed() -> list[dict[str, object]]:
        code_of(sallyport, f"fosem-{next(numbers)}k7q-talir", "wrong")  # 535, then 454 or 421
        return walls(sallyport)

    (seen,) = until(guessed, "the network is walled")
    assert next(numbers) >= NETWORK_LIMIT
    assert code_of(sallyport, ada.login, ada.secret) in {421, 454}
    assert (seen["network"], seen["why"], seen["times"]) == (NETWORK, "guessing", 1)
    sallyport.policy.stop()
    sallyport.start_policy()
    assert walls(sallyport) == [seen]
    until(lambda: code_of(sallyport, ada.login, ada.secret) == 421, "nobody may connect")
    assert sallyport.cli("wall", "lift", "127.0.0.1").startswith(f"{NETWORK} was walled since ")
    assert walls(sallyport) == []
    until(lambda: code_of(sallyport, ada.login, ada.secret) == 235, "ada is let in")
