"""What became of recipients, as policy hears it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from queue_agent.reporting import PolicySays
from service.shared_token import SharedToken


@dataclass
class Policy:
    """Takes whatever comes."""

    port: int
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def policy() -> Iterator[Policy]:
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    taken = Policy(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield taken
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "recipient", ["ren\u00e9@example.org", "\u0438\u0440\u0430@\u043f\u0440\u0438\u043c\u0435\u0440.example"]
)
def test_recipients_in_utf8_are_reported(policy: Policy, recipient: str) -> None:
    """The oldest goes first: one that policy can never take kept it from all that came later, for ever."""
    told = Delivery(submission="s1", recipient=recipient, outcome=DeliveryOutcome.UNKNOWN_RECIPIENT)
    says = PolicySays(f"http://127.0.0.1:{policy.port}", SharedToken("t" * 20))
    try:
        assert says.deliveries([told]) == ""
    finally:
        says.close()
    (body,) = policy.bodies
    assert Deliveries.model_validate_json(body).deliveries == (told,)
