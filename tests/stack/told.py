"""Prints what it is told over HTTP, a line for each request: path, and body in base64. Standard library alone."""

import base64
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 4318  # OTLP over HTTP


class Taker(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sys.stdout.write(f"{self.path} {base64.b64encode(body).decode()}\n")
        sys.stdout.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing else is printed."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Taker).serve_forever()
