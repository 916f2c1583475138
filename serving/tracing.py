"""OpenTelemetry spans of predictions, where a collector is named. Nothing of OpenTelemetry is imported otherwise.

Spans go to the collector as OTLP over HTTP in its JSON form, which takes no library beyond the SDK; a background thread sends them
in batches, and a collector that is away costs spans, never a request.
"""

import json
import logging
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

logger = logging.getLogger("serving")

TIMEOUT_S = 5
SERVER, ERROR = 2, 2  # in OTLP: kind of a span, code of a status


class Tracing:
    """Makes a span of each prediction, in the caller's trace where it sends a ``traceparent``."""

    def __init__(self, endpoint: str, share: float) -> None:
        """Send to ``endpoint`` the spans of ``share`` of the traces that begin here, and of those that callers sample."""
        resource = Resource.create({"service.name": "gateway"})
        self._provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(share)))
        self._provider.add_span_processor(BatchSpanProcessor(JsonExporter(endpoint)))
        self._tracer = self._provider.get_tracer("serving")
        self._propagator = TraceContextTextMapPropagator()

    def start(self, path: str, headers: Mapping[bytes, bytes]) -> Span:
        """Return the span of one request, which :meth:`finish` ends."""
        parent = self._propagator.extract(headers, getter=_Headers())
        return self._tracer.start_span("infer", parent, SpanKind.SERVER, {"url.path": path})

    @staticmethod
    def finish(span: Span, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Say on a span how the request ended."""
        span.set_attribute("http.response.status_code", status)
        for name, value in headers:
            if name == b"x-request-id":
                span.set_attribute("request.id", value.decode("latin-1"))
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _Headers(Getter[Mapping[bytes, bytes]]):
    def get(self, carrier: Mapping[bytes, bytes], key: str) -> list[str] | None:
        value = carrier.get(key.encode())
        return None if value is None else [value.decode("latin-1")]

    def keys(self, carrier: Mapping[bytes, bytes]) -> list[str]:
        return [name.decode("latin-1") for name in carrier]


class JsonExporter(SpanExporter):
    """Posts spans to a collector as OTLP in JSON."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/traces"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch once; what cannot be sent is lost."""
        request = urllib.request.Request(  # noqa: S310  the operator names the collector
            self._url, json.dumps(as_otlp(spans)).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
                return SpanExportResult.SUCCESS
        except OSError as error:
            logger.warning("%d spans are lost: %s", len(spans), error)
            return SpanExportResult.FAILURE


def as_otlp(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Return spans of one process in OTLP's JSON form."""
    return {
        "resourceSpans": [{
            "resource": {"attributes": _attributes(spans[0].resource.attributes)},
            "scopeSpans": [{"scope": {"name": "serving"}, "spans": [_span(span) for span in spans]}],
        }]
    }  # fmt: skip


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None  # noqa: S101  a span that ended has one
    told = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "name": span.name,
        "kind": SERVER,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": ERROR} if span.status.status_code is StatusCode.ERROR else {},
    }
    return told | ({"parentSpanId": f"{span.parent.span_id:016x}"} if span.parent else {})


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
        for key, value in attributes.items()
    ]
