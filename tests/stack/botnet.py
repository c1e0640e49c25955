"""A thief with a stolen credential and many addresses: real sessions through a listener with the PROXY protocol."""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from harness import Login

TRIED_S = 14.0  # a message that is answered slowly takes five
KINDS = ("", "greylist-")  # the sink takes the one at once, and the other when it comes again: it stays in the queue


class ProxiedClient(smtplib.SMTP_SSL):
    """As if it came from `source`: TLS from the first octet, behind a PROXY header (version 1)."""

    def __init__(self, port: int, source: str, context: ssl.SSLContext, timeout: float = 20) -> None:
        self._source = source
        super().__init__("localhost", port, "client.example", context=context, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        plain.sendall(f"PROXY TCP4 {self._source} 203.0.113.1 40000 465\r\n".encode())
        return self.context.wrap_socket(plain, server_hostname=host)


@dataclass
class Botnet:
    """Each address in a thread of its own, one session after the other, until `stop`. `answers` by what was said."""

    port: int
    login: Login
    sender: str
    context: ssl.SSLContext
    sources: int = 40
    recipients_per_message: int = 6
    answers: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _number: int = 0

    def run(self, seconds: float) -> None:
        """One address tries it for some seconds, as a seller would; then all of them, at full speed."""
        begun = time.monotonic()
        threads = [threading.Thread(target=self._bot, args=(f"198.51.{one}.7",)) for one in range(self.sources)]
        threads[0].start()
        self._over.wait(TRIED_S)
        for thread in threads[1:]:
            thread.start()
        self._over.wait(begun + seconds - time.monotonic())
        self._over.set()
        for thread in threads:
            thread.join()

    def _bot(self, source: str) -> None:
        while not self._over.is_set():
            try:
                self._session(source)
            except smtplib.SMTPAuthenticationError as error:
                self._count(f"login {error.smtp_code}")
            except smtplib.SMTPException as error:
                self._count(f"session {type(error).__name__}")
            except OSError as error:
                self._count(f"connection {type(error).__name__}")

    def _session(self, source: str) -> None:
        client = ProxiedClient(self.port, source, self.context)
        try:
            client.login(self.login.login, self.login.secret)
            self._count("login 235")
            while not self._over.is_set():
                self._message(client)
        finally:
            with contextlib.suppress(OSError):
                client.close()

    def _message(self, client: smtplib.SMTP) -> None:
        """To people whom nobody here knows."""
        to = [self._victim() for _ in range(self.recipients_per_message)]
        client.rset()
        client.mail(self.sender)
        for one in to:
            client.rcpt(one)
        code, _ = client.data(f"From: {self.sender}\r\nTo: you\r\nSubject: win\r\n\r\nCheap!\r\n".encode())
        self._count(f"message {code}")
        if code >= 500:
            raise smtplib.SMTPResponseException(code, "refused")

    def _victim(self) -> str:
        with self._lock:
            self._number += 1
            return f"{KINDS[self._number % len(KINDS)]}victim{self._number}@victims.example"

    def _count(self, what: str) -> None:
        with self._lock:
            self.answers[what] += 1
