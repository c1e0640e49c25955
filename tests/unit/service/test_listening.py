"""A port that cannot be had: the sentence names the setting that is wrong, the port or the address."""

import socket

import pytest

from service.listening import listen
from service.settings import SettingError

WRONG = [
    # what it shows, address, the sentence
    ("a name that nobody knows", "nosuchname.invalid", "POLICY_BIND: nosuchname.invalid:7587 cannot be bound"),
    ("what is no name", "ä..b", "POLICY_BIND: ä..b:7587 cannot be bound (no name of a host)"),
    ("somebody else's address", "192.0.2.1", "POLICY_BIND: 192.0.2.1:7587 cannot be bound"),
]


@pytest.mark.parametrize(("address", "sentence"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_an_address_that_is_not_ours(address: str, sentence: str) -> None:
    with pytest.raises(SettingError) as told:
        listen("POLICY_PORT", address, 7587)
    assert sentence in str(told.value)
    assert str(told.value).endswith("; choose an address of this machine")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held, pytest.raises(SettingError) as told:
        listen("POLICY_PORT", "127.0.0.1", held.getsockname()[1])
    assert str(told.value).startswith("POLICY_PORT: 127.0.0.1:")
    assert str(told.value).endswith("; choose another port, or stop what holds it")
