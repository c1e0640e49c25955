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
        protocol_version = "HTTP/1.1"  # connections are kept

        def do_POST(self) -> None:
            taken.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            self.close_connection = True  # as policy does a minute later, and says nothing

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
    assert PolicySays(f"http://127.0.0.1:{policy.port}", SharedToken("t" * 20)).deliveries([told]) == ""
    (body,) = policy.bodies
    assert Deliveries.model_validate_json(body).deliveries == (told,)


def test_a_report_after_a_quiet_while_is_taken_at_once(policy: Policy) -> None:
    """The first one failed, with a warning in the log, because the connection had been closed meanwhile."""
    says = PolicySays(f"http://127.0.0.1:{policy.port}", SharedToken("t" * 20))
    told = Delivery(submission="s1", recipient="eve@example.org", outcome=DeliveryOutcome.DELIVERED)
    assert [says.deliveries([told]) for _ in range(3)] == [""] * 3
    assert len(policy.bodies) == 3
