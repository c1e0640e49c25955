"""Spans of a message: off and not even loaded by default; on, a collector gets gateway's and policy's as one trace."""

import asyncio
import gzip
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.edge import timed
from gateway.policy_client import PolicyClient
from gateway.scoreboard import Scoreboard
from policy.contract import Action, MessageFacts, MessageVerdict
from service import tracing
from service.settings import SettingError
from service.shared_token import SharedToken

ROOT = Path(__file__).parent.parent.parent
SECRET = "text that a client sent"
FACTS = MessageFacts(
    submission="cafe",
    session="s",
    listener="submission",
    client_address="192.0.2.7",
    client_name="client",
    credential=1,
    reverse_path="ada@example.org",
    recipients=("bob@example.net",),
    authors=("ada@example.org",),
    senders=(),
    names=(),
    message_bytes=28,
)


class Collector:
    """OTLP over HTTP, as much of it as a receiver needs."""

    def __init__(self) -> None:
        self.services: list[str] = []
        self.spans: dict[str, Span] = {}

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services += [one.value.string_value for one in part.resource.attributes if one.key == "service.name"]
            self.spans |= {span.name: span for scope in part.scope_spans for span in scope.spans}
        return web.Response(content_type="application/x-protobuf")

    def attributes(self, name: str) -> dict[str, str]:
        return {one.key: one.value.string_value for one in self.spans[name].attributes}


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    """The collector, and where it is."""
    one, app = Collector(), web.Application()
    app.add_routes([web.post("/v1/traces", one.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield one, f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    await runner.cleanup()


@pytest.fixture(autouse=True)
def is_off_again() -> Iterator[None]:
    yield
    tracing.stop()


async def policy_of_test(seen: list[str]) -> tuple[web.AppRunner, str]:
    """Policy as far as spans go: its part of the trace is what the request's fields say."""

    async def message(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent", ""))
        with tracing.part_of([(name.lower(), value) for name, value in request.raw_headers], "judgement"):
            tracing.note(submission="cafe", action="accept", rule="budgets")
        return web.json_response(text=MessageVerdict(action=Action.ACCEPT, reservation="r").model_dump_json())

    app = web.Application()
    app.add_routes([web.post("/v1/message", message)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def one_message(seen: list[str]) -> None:
    """As handover.py does it."""
    runner, url = await policy_of_test(seen)
    client, board = PolicyClient(url, SharedToken("token"), 5), Scoreboard(1)
    with tracing.span("message"):
        tracing.note(submission="cafe")
        with timed(board, "scan"):
            pass
        with timed(board, "decision"):
            verdict = await client.judge(FACTS)
        tracing.note(action=verdict.action, reason=verdict.reason or "")
        with pytest.raises(ValueError, match=SECRET), timed(board, "relay"):
            raise ValueError(SECRET)
    client.close()
    await runner.cleanup()


async def test_a_message_is_one_trace(collector: tuple[Collector, str]) -> None:
    """Parts below the message, policy's below the question; ids and our words alone; of an error its class."""
    got, url = collector
    seen = list[str]()
    tracing.start("gateway", url)
    await one_message(seen)
    await asyncio.to_thread(tracing.stop)  # the collector is in this loop
    assert set(got.spans) == {"message", "scan", "decision", "relay", "judgement"}
    assert len({span.trace_id for span in got.spans.values()}) == 1
    message = got.spans["message"]
    assert not message.parent_span_id
    for name in ("scan", "decision", "relay"):
        assert got.spans[name].parent_span_id == message.span_id, name
    assert got.spans["judgement"].parent_span_id == got.spans["decision"].span_id
    assert seen[0].split("-")[1:3] == [message.trace_id.hex(), got.spans["decision"].span_id.hex()]
    assert got.attributes("message") == {"sallyport.submission": "cafe", "sallyport.action": "accept"}
    assert got.attributes("judgement") == {
        "sallyport.submission": "cafe", "sallyport.action": "accept", "sallyport.rule": "budgets",
    }  # fmt: skip
    assert got.spans["relay"].status.code == Status.STATUS_CODE_ERROR
    assert got.spans["relay"].status.message == "ValueError"
    everything = b"".join(span.SerializeToString() for span in got.spans.values())
    for never in (SECRET, "192.0.2.7", "example", "token"):
        assert never.encode() not in everything
    assert set(got.services) == {"sallyport-gateway"}


async def test_off_policy_hears_nothing() -> None:
    seen = list[str]()
    await one_message(seen)
    assert seen == [""]
    assert tracing.parent() == b""


async def test_a_stranger_begins_no_trace_in_policy(collector: tuple[Collector, str]) -> None:
    """Without the gateway's field there is no part; a field that is none is a trace of its own and no error."""
    got, url = collector
    tracing.start("policy", url)
    with tracing.part_of([(b"host", b"policy")], "judgement"):
        assert tracing.parent() == b""
    with tracing.part_of([(b"traceparent", b"00-\xff\xff")], "judgement"):
        pass
    await asyncio.to_thread(tracing.stop)
    assert not got.spans["judgement"].parent_span_id


async def test_a_collector_that_is_away_costs_nothing() -> None:
    """Neither the message nor the end waits for it for long."""
    tracing.start("gateway", "http://127.0.0.1:9/v1/traces")
    await one_message([])
    async with asyncio.timeout(60):
        await asyncio.to_thread(tracing.stop)


def test_off_it_is_not_loaded() -> None:
    """Nor where the services have begun to use it."""
    program = (
        "import sys; from service import tracing; tracing.start('gateway', '')\n"
        "import gateway.handover\n"
        "with tracing.span('message'): tracing.note(submission='x')\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_without_the_extra_a_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence; and nothing is asked for where nobody wants spans."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    tracing.check("GATEWAY_OTLP_URL", "")
    with pytest.raises(SettingError, match="GATEWAY_OTLP_URL: OpenTelemetry is not installed; install the extra"):
        tracing.check("GATEWAY_OTLP_URL", "http://collector:4318/v1/traces")
