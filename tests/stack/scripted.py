"""The gateway's two neighbours as a test wants them: a next hop and a policy that answer by a script.

Both do what the real ones do until they are told otherwise; the next hop keeps what it heard, octet by octet.
"""

import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO, Self

from harness import free_port

# What Postfix offers to the gateway.
POSTFIX = (
    "PIPELINING",
    "SIZE 26214400",
    "8BITMIME",
    "DSN",
    "SMTPUTF8",
    "CHUNKING",
    "XFORWARD NAME ADDR PROTO HELO IDENT",
)
CLOSES, SILENT = "closes", "silent"  # in place of a reply
GREETING, MESSAGE = "greeting", "message"  # what is answered and is no verb: the end of the content is one
_REPLIES: Mapping[str, str] = {
    GREETING: "220 next-hop.sallyport.test ESMTP",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 Go on",
    "QUIT": "221 2.0.0 Bye",
    MESSAGE: "250 2.0.0 Ok: queued as 4Bd0cX",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One message that was taken, with the commands that led to it, exactly as they came."""

    commands: tuple[bytes, ...]
    content: bytes


@dataclass
class ScriptedNextHop:
    """`script` has a reply for a verb, for GREETING or for MESSAGE, or CLOSES or SILENT."""

    port: int = field(default_factory=free_port)
    offers: tuple[str, ...] = POSTFIX
    script: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)  # all of them, those that led to nothing as well

    def start(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=50)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        self._listening.close()
        self.close_connections()

    def close_connections(self) -> None:
        """Those that the gateway keeps, too; it opens others when it needs them."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def behave(self, script: Mapping[str, str] | None = None) -> None:
        """From now on; what was heard is forgotten."""
        self.script = dict(script or {})
        self.heard, self.commands = [], []

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as octets, contextlib.suppress(OSError, EOFError):
            self._say(connection, GREETING)
            said: list[bytes] = []  # in this transaction
            for line in octets:
                command = line.removesuffix(b"\r\n")
                self.commands.append(command)
                verb = command.partition(b" ")[0].decode().upper()
                said = [command] if verb in ("MAIL", "RSET") else [*said, command]
                if verb == "BDAT":  # the gateway sends one chunk
                    self._take(connection, said, octets.read(int(command.split()[1])))
                    continue
                self._say(connection, verb)
                if verb == "DATA" and self._reply(verb).startswith("3"):
                    self._take(connection, said, _undotted(octets))
                if verb == "QUIT":
                    return

    def _take(self, connection: socket.socket, said: list[bytes], content: bytes) -> None:
        if self._reply(MESSAGE).startswith("2"):
            self.heard.append(Heard(tuple(said), content))
        self._say(connection, MESSAGE)

    def _reply(self, to: str) -> str:
        if to == "EHLO":
            lines = "".join(f"250-{line}\r\n" for line in ("next-hop.sallyport.test", *self.offers))
            return self.script.get(to, f"{lines}250 ENHANCEDSTATUSCODES")
        return self.script.get(to) or _REPLIES.get(to, "250 2.0.0 Ok")

    def _say(self, connection: socket.socket, to: str) -> None:
        reply = self._reply(to)
        if reply == CLOSES:
            connection.shutdown(socket.SHUT_RDWR)
            raise EOFError
        if reply != SILENT:
            connection.sendall(f"{reply}\r\n".encode())


def _undotted(octets: BinaryIO) -> bytes:
    content = b""
    while (line := octets.readline()) not in (b".\r\n", b""):
        content += line.removeprefix(b".")
    return content


class ScriptedPolicy:
    """Asks the real policy on `behind`, until `answers` has an answer for a question ("connect", "login", "message").

    An answer of None is a failure: 500.
    """

    def __init__(self, behind: int) -> None:
        self.port = free_port()
        self.answers: dict[str, str | None] = {}
        self.asked = Counter[str]()
        self.bodies: dict[str, bytes] = {}  # the last question of each kind
        policy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                question = self.path.rpartition("/")[2]
                policy.asked[question] += 1
                policy.bodies[question] = body
                if question in policy.answers:
                    answer = policy.answers[question]
                    status, octets = (500, b"") if answer is None else (200, answer.encode())
                else:
                    status, octets = _asked(behind, self.path, body, dict(self.headers))
                self.send_response(status)
                if status != HTTPStatus.NO_CONTENT:  # which has no length, RFC 9110 section 8.6
                    self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True

    def start(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _asked(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        asking.request("POST", path, body, {"Authorization": headers["Authorization"]})
        answer = asking.getresponse()
        return answer.status, answer.read()
    finally:
        asking.close()
