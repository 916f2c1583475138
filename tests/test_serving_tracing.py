"""Spans of the gateway at a collector; and that nothing of OpenTelemetry is loaded without one."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.gateways import ROOT, make_boosted, make_route, make_table, running_gateway

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector():
    """A collector that keeps the spans it is sent."""
    spans = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(s for r in sent["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def test_span_joins_the_callers_trace(tmp_path, collector):
    url, spans = collector
    table = make_table(make_route(make_boosted(tmp_path)))
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER_ARG": "0"}
    with running_gateway(tmp_path, table, **environment) as gateway:
        gateway.infer(traceparent=f"00-{TRACE}-{SPAN}-01", X_Request_Id="t-1", Authorization="Bearer cp_secret")
        gateway.infer("nobody", traceparent=f"00-{TRACE}-{SPAN}-01")
        gateway.infer()  # begins a trace of its own, of which no share is kept
        gateway.client.get("/v2", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})

    told = [{a["key"]: next(iter(a["value"].values())) for a in span["attributes"]} for span in spans]
    assert {(s["traceId"], s["parentSpanId"], s["kind"]) for s in spans} == {(TRACE, SPAN, 2)}
    assert told == [
        {"url.path": "/v2/models/flight-delay/infer", "http.response.status_code": "200", "request.id": "t-1"},
        {"url.path": "/v2/models/nobody/infer", "http.response.status_code": "404"},
    ]
    assert all(int(s["endTimeUnixNano"]) > int(s["startTimeUnixNano"]) for s in spans)
    assert "cp_secret" not in json.dumps(spans)


def test_without_a_collector_nothing_of_it_is_imported():
    code = "import sys, serving.gateway; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
