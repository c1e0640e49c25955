"""Traces by real processes: a message is one trace of gateway and policy, and nothing in it is anybody's."""

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import PLENTY, Sallyport, Sink, policy_file
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
CONTENT = "what-nobody-else-reads"
MESSAGE = f"From: {SENDER}\r\nSubject: {CONTENT}\r\n\r\n{CONTENT}\r\n"


class Collector:
    """OTLP over HTTP, on a thread."""

    def __init__(self) -> None:
        self.octets = b""
        self.spans: list[tuple[str, Span]] = []  # service and span
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def take(self, body: bytes) -> None:
        self.octets += body
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = [one.value.string_value for one in part.resource.attributes if one.key == "service.name"]
            self.spans += [(names[0], span) for scope in part.scope_spans for span in scope.spans]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def found(self) -> dict[str, tuple[str, Span]]:
        return {span.name: (service, span) for service, span in self.spans}


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


def test_a_message_is_one_trace_of_two_processes(tmp_path: Path, sink: Sink, collector: Collector) -> None:
    """Policy's part lies below the gateway's question; all of it is told before the processes end."""
    sallyport = Sallyport(
        tmp_path,
        sink.smtp_port,
        policy_settings=policy_file(tmp_path, person=PLENTY) | {"POLICY_OTLP_URL": collector.url},
        gateway_settings={"GATEWAY_OTLP_URL": collector.url},
    )
    try:
        sallyport.start()
        with sallyport.client(sallyport.new_login("ada", SENDER)) as client:
            client.sendmail(SENDER, [FRIEND], MESSAGE)
        for process in (sallyport.gateway, sallyport.policy):
            process.send(signal.SIGTERM)
            process.ended()
    finally:
        sallyport.stop()
    names = {"message", "decision", "judgement", "relay"}
    found = collector.found()
    assert set(found) == names  # there is no scanner, and no other question is a span
    assert {service for service, _ in found.values()} == {"sallyport-gateway", "sallyport-policy"}
    spans = {name: span for name, (_, span) in found.items()}
    assert found["judgement"][0] == "sallyport-policy"
    assert len({span.trace_id for span in spans.values()}) == 1
    assert spans["judgement"].parent_span_id == spans["decision"].span_id
    assert spans["decision"].parent_span_id == spans["relay"].parent_span_id == spans["message"].span_id
    submissions = {
        one.value.string_value
        for span in spans.values()
        for one in span.attributes
        if one.key == "sallyport.submission"
    }
    (submission,) = submissions
    assert f"submission={submission}" in sallyport.policy.text()
    for never in (SENDER, FRIEND, CONTENT, "127.0.0.1", "elsewhere.example"):
        assert never.encode() not in collector.octets
