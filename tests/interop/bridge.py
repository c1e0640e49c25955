"""Between gsasl and the gateway: says the EHLO that gsasl leaves out, and can sit inside the TLS session.

gsasl (its command line is made for trying mechanisms) sends STARTTLS right after the greeting, which RFC 5321 section
4.1.4 lets a server refuse, and ours does. What comes after STARTTLS is handed on as it is, so that the TLS session, and
what SCRAM binds to it, is between the two ends. With `inside` it is not: that is the man in the middle.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Inside:
    """Ends the client's TLS session and begins one of its own."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@contextlib.contextmanager
def bridge(port: int, inside: Inside | None = None) -> Iterator[int]:
    """Takes one connection on the port that it gives, and goes on to the gateway's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=_serve, args=(listening, port, inside), daemon=True)
        serving.start()
        yield listening.getsockname()[1]
        serving.join(10)


def _serve(listening: socket.socket, port: int, inside: Inside | None) -> None:
    listening.settimeout(20)
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        gateway = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
        client = stack.enter_context(listening.accept()[0])
        client.sendall(_line(gateway))
        gateway.sendall(b"EHLO bridge.test\r\n")
        while not _line(gateway).startswith(b"250 "):
            pass
        gateway.sendall(_line(client))  # STARTTLS
        client.sendall(_line(gateway))
        if inside:
            client = stack.enter_context(inside.server.wrap_socket(client, server_side=True))
            gateway = stack.enter_context(inside.client.wrap_socket(gateway, server_hostname="localhost"))
        _hand_on(client, gateway)


def _line(from_whom: socket.socket) -> bytes:
    """Octet by octet, so that nothing that comes after it is taken away."""
    line = b""
    while not line.endswith(b"\n"):
        octet = from_whom.recv(1)
        if not octet:
            raise ConnectionResetError
        line += octet
    return line


def _hand_on(client: socket.socket, gateway: socket.socket) -> None:
    """Until one of them closes."""
    other = {client: gateway, gateway: client}
    while True:
        for one in select.select(list(other), [], [], 20)[0]:
            octets = one.recv(65536)
            if not octets:
                return
            other[one].sendall(octets)
