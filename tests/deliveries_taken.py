"""Policy as the queue agent sees it: takes POST /v1/deliveries, or is away. For tests."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from harness import free_port


class DeliveriesTaken:
    """What was reported, in the order in which it came. `stop` and `start` again keep port and reports."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.port = free_port()
        self.taken = list[dict[str, Any]]()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def of(self, submission: str) -> list[dict[str, Any]]:
        return [one for one in list(self.taken) if one["submission"] == submission]

    def said(self, status: str) -> set[tuple[str, str]]:
        """Submission and recipient of each report with this status."""
        return {(one["submission"], one["recipient"]) for one in list(self.taken) if one["status"] == status}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_right = self.headers["Authorization"] == f"Bearer {outer.token}" and self.path == "/v1/deliveries"
                if is_right:
                    outer.taken += json.loads(body)["deliveries"]
                self.send_response(204 if is_right else 401)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Nothing: a test says what it saw."""

        return Handler
