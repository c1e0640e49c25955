"""Logins while policy hangs, or answers octet by octet: nobody waits for longer than Dovecot is told to.

A timeout of 2.3 and 2.4 for a request begins anew with each octet. Then Dovecot itself gave up, after a minute.
"""

import socket
import threading
from collections.abc import Iterator

import pytest
from harness import Sallyport, free_port
from pickup import Pickup, dovecot_image

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nada"  # which lets in

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")


class SlowPolicy:
    """Says yes to everything, an octet each second; or nothing at all."""

    def __init__(self) -> None:
        self.port, self.is_silent = free_port(), False
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                for octet in ANSWER:
                    if not self.is_silent:
                        connection.sendall(bytes([octet]))
                    if self._ended.wait(1):
                        return
            except OSError:
                return  # it was given up

    def stop(self) -> None:
        self._ended.set()
        self._listening.close()


@pytest.fixture(params=["native", pytest.param("container", marks=pytest.mark.containers)], scope="module")
def slow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pickup, SlowPolicy]]:
    image = "" if request.param == "native" else dovecot_image()
    sallyport = Sallyport(tmp_path_factory.mktemp("slow"), free_port())
    sallyport.cli("init")
    policy = SlowPolicy()
    pickup = Pickup(sallyport, image)
    pickup.environment["DOVECOT_POLICY_URL"] = f"http://127.0.0.1:{policy.port}"
    try:
        yield pickup.start(), policy
    finally:
        pickup.stop()
        policy.stop()


@pytest.mark.parametrize("is_silent", [False, True], ids=["octet by octet", "silent"])
def test_a_login_is_given_up(slow: tuple[Pickup, SlowPolicy], is_silent: bool) -> None:
    pickup, policy = slow
    policy.is_silent = is_silent
    assert "UNAVAILABLE" in pickup.login("ada", "secret")
