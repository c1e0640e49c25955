"""Mail programs that pick up mail from a Dovecot of a test, each at an address of loopback."""

import imaplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Sallyport, Sink
from pickup import Pickup


class MailProgram(imaplib.IMAP4_SSL):
    """One session."""

    def __init__(self, pickup: Pickup, address: str) -> None:
        self._address = address
        super().__init__("localhost", pickup.port, ssl_context=pickup.sallyport.tls(), timeout=30)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout, (self._address, 0))
        return self.ssl_context.wrap_socket(plain, server_hostname=self.host)


def is_alive(session: imaplib.IMAP4_SSL) -> bool:
    try:
        return session.noop()[0] == "OK"
    except (imaplib.IMAP4.error, OSError):
        return False


@contextmanager
def pickup_with_doveadm(folder: Path, sink: Sink, image: str = "", **environment: str) -> Iterator[Pickup]:
    """Gateway, policy, and a Dovecot that policy can ask, and tell to end sessions; `environment` is Dovecot's."""
    sallyport = Sallyport(folder, sink.smtp_port)
    one = Pickup(sallyport, image)
    one.environment.update(environment)
    sallyport.policy_environment["POLICY_DOVEADM_URL"] = f"http://127.0.0.1:{one.doveadm_port}"
    try:
        sallyport.start()
        yield one.start()
    finally:
        one.stop()
        sallyport.stop()
