"""Spans of what is done for a message, told to a collector (OTLP over HTTP): an option, off until start() has an URL.

    with tracing.span("relay"):
        tracing.note(queue_id=...)

A span has what note() has parameters for and nothing else: no address, no login, no content. Of an error it has the
class. Off, a span costs a call and a comparison, and OpenTelemetry is not even imported (extra `telemetry`).
"""

import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from service import VERSION
from service.settings import SettingError

if TYPE_CHECKING:  # imported by start()
    from opentelemetry.trace import Tracer

Name = Literal["message", "scan", "decision", "relay", "judgement"]

_STOP_WITHIN_S = 3
_OFF = nullcontext()
_on: "_Tracing | None" = None


def check(setting: str, url: str) -> None:
    """SettingError where spans are wanted and what tells them is not installed."""
    if url and not importlib.util.find_spec("opentelemetry.exporter"):
        raise SettingError(
            setting, "OpenTelemetry is not installed", "install the extra `telemetry`, or leave the setting out"
        )


def start(service: str, url: str) -> None:
    """In the process that has the spans, after it was forked; an empty URL leaves them off."""
    global _on  # noqa: PLW0603 - one for the process, as its log
    _on = _Tracing(service, url) if url else None


def stop() -> None:
    """Tell what is not told yet, for some seconds at most."""
    global _on  # noqa: PLW0603
    if _on:
        _on.provider.force_flush(_STOP_WITHIN_S * 1000)
        _on.provider.shutdown()
    _on = None


def span(name: Name) -> AbstractContextManager[None]:
    """A part of the span that is open in this task, or the first one of its trace."""
    return _on.part(name) if _on else _OFF


def part_of(fields: Iterable[tuple[bytes, bytes]], name: Name) -> AbstractContextManager[None]:
    """A part of another process's span, which is in the fields of its HTTP request; without it there is none."""
    if not _on:
        return _OFF
    parent = next((value for field, value in fields if field == b"traceparent"), b"")
    return _on.part(name, parent.decode("latin-1")) if parent else _OFF


def parent() -> bytes:
    """The open span as a field of an HTTP request, with its CRLF; empty where none is open."""
    return _on.field() if _on else b""


def note(*, submission: str = "", action: str = "", reason: str = "", rule: str = "", queue_id: str = "") -> None:
    """Of the open span. Each is a word of ours, an id, or empty."""
    if _on:
        said = {"submission": submission, "action": action, "reason": reason, "rule": rule, "queue_id": queue_id}
        _on.note({name: value for name, value in said.items() if value})


class _Tracing:
    """OpenTelemetry, which is loaded here."""

    def __init__(self, service: str, url: str) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - most installations have none
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._trace, self._propagator = trace, TraceContextTextMapPropagator()
        resource = Resource({"service.name": f"sallyport-{service}", "service.version": VERSION})
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        # What cannot be told is dropped, and nobody waits for it. Of stop() the exporter alone keeps the time.
        exporter = OTLPSpanExporter(url, timeout=_STOP_WITHIN_S)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self.provider.get_tracer("sallyport", VERSION)

    @contextmanager
    def part(self, name: Name, parent: str = "") -> Iterator[None]:
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context, record_exception=False, set_status_on_exception=False
        ) as opened:
            try:
                yield
            except BaseException as error:
                # Its text may be what a client sent.
                opened.set_status(self._trace.StatusCode.ERROR, type(error).__name__)
                raise

    def note(self, said: dict[str, str]) -> None:
        self._trace.get_current_span().set_attributes({f"sallyport.{name}": value for name, value in said.items()})

    def field(self) -> bytes:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        value = carrier.get("traceparent", "")
        return f"traceparent: {value}\r\n".encode() if value else b""
