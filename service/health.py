"""What a service says of itself over HTTP, in one form for all of them; and the question, for whoever watches over it.

    GET /health/live     200 {"live": true}: the process answers
    GET /health/ready    200 or 503 {"ready": ..., "faults": [...], "warnings": [...], "made_of": [...]}

A fault keeps the service from its work, and makes the answer a 503; a warning wants somebody to look. Both are our own
sentences and never an error's words: whoever reaches the port may read them. What they are made of (ailments.py) stands
beside them, for each fault and then for each warning, for who says them in another language.

    python3 health.py URL      asks URL/health/ready and prints the sentences; exit code 0 where it is ready, else 1
    is-well URL                the same for the health check of a container, and cheaper where there is nothing to print
"""

import http.client
import json
import ssl
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

LIVE = b'{"live": true}\n'

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """As of one moment. `made_of` is what `read` has found beside the sentences, as it was: sentence.py knows it."""

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    made_of: tuple[Any, ...] = ()

    @property
    def is_ready(self) -> bool:
        return not self.faults

    @property
    def status(self) -> HTTPStatus:
        return HTTPStatus.OK if self.is_ready else HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def body(self) -> bytes:
        said = {"ready": self.is_ready, "faults": self.faults, "warnings": self.warnings}
        # Not imported from sentence.py: a health check runs this file alone.
        made_of = [getattr(one, "told", []) for one in (*self.faults, *self.warnings)]
        return json.dumps({**said, "made_of": made_of} if any(made_of) else said).encode() + b"\n"


def read(octets: bytes) -> Health:
    """ValueError for what is no such answer."""
    try:
        said = json.loads(octets)
        return Health(_sentences(said["faults"]), _sentences(said["warnings"]), _made_of(said.get("made_of", [])))
    except (TypeError, KeyError, RecursionError):
        raise ValueError("not a health answer") from None


def asked(url: str) -> Health:
    """Of the service at `url`, whatever its certificate is: it is its own. OSError or ValueError where none comes."""
    where = urlsplit(url)
    if where.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return read(connection.getresponse().read())
    except http.client.HTTPException:
        raise ValueError("not an answer") from None
    finally:
        connection.close()


def main() -> int:
    try:
        health = asked(sys.argv[1])
    except (OSError, ValueError) as error:
        print(f"it does not answer ({type(error).__name__})")
        return 1
    for sentence in (*health.faults, *health.warnings):
        print(sentence)
    return 0 if health.is_ready else 1


def _sentences(given: Any) -> tuple[str, ...]:  # noqa: ANN401 - what JSON holds
    if not isinstance(given, list):
        raise TypeError
    return tuple(str(one) for one in given)


def _made_of(given: Any) -> tuple[Any, ...]:  # noqa: ANN401 - what JSON holds
    return tuple(given) if isinstance(given, list) else ()


if __name__ == "__main__":
    sys.exit(main())
