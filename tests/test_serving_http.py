"""The gateway on the wire: methods, slow and malformed requests, its OpenAPI document held against what it does, metrics."""

import json
import re
import select
import socket
from http.client import HTTPConnection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from serving.contract import read_segment
from tests.gateways import (
    DATATYPE,
    ROOT,
    ROW,
    infer_body,
    make_boosted,
    make_route,
    make_table,
    probability,
    running_gateway,
)

OPENAPI = json.loads((ROOT / "serving/openapi.json").read_text())
INFER = "/v2/models/flight-delay/infer"
HEAD = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % INFER.encode()
BODY = json.dumps(infer_body()).encode()
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("http")
    timeouts = {"HEAD_TIMEOUT_SECONDS": "0.5", "BODY_TIMEOUT_SECONDS": "0.5"}
    with running_gateway(home, make_table(make_route(make_boosted(home))), **timeouts) as gateway:
        yield gateway


def wire(gateway, *pieces, pause=0.0, wait=10):
    """Send pieces over one connection; return all that comes back until the gateway closes it or nothing more comes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=wait) as connection:
        for piece in pieces:
            connection.sendall(piece)
            if select.select([connection], [], [], pause)[0]:
                break
        try:
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
    return answer


def test_silent_connection_is_closed(gateway):
    assert wire(gateway).startswith(b"HTTP/1.1 408 ")


def test_head_that_drips_is_closed(gateway):
    drips = [HEAD[i : i + 1] for i in range(len(HEAD))]

    assert b"408" in wire(gateway, *drips, pause=0.05)[:20]


def test_body_that_never_comes_is_answered_408_and_recorded(gateway):
    answer = wire(gateway, HEAD + b"Content-Length: 100\r\n\r\n{")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "the body was not complete after 0.5 seconds"}
    records = [r for path in gateway.spool_root.glob("*/0*") for r in read_segment(path)]
    assert [r.status for r in records if r.status == 408] == [408]


def test_endless_head_is_refused(gateway):
    answer = wire(gateway, HEAD, *[b"X-%d: %s\r\n" % (i, b"a" * 8000) for i in range(12)], wait=2)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert gateway.infer().status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost : x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(gateway, request_):
    answer = wire(gateway, request_, wait=2)

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
    assert b'{"error":' in answer


def test_pipelined_requests_are_answered_in_order(gateway):
    bodies = [json.dumps(infer_body(id=f"p-{i}")).encode() for i in range(3)]

    answer = wire(gateway, b"".join(HEAD + b"Content-Length: %d\r\n\r\n" % len(b) + b for b in bodies), wait=2)

    assert re.findall(rb'"id":"(p-\d)"', answer) == [b"p-0", b"p-1", b"p-2"]


def test_connection_is_kept_between_requests_and_closed_on_wish(gateway):
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    statuses, sockets = [], set()
    for _ in range(2):
        connection.request("POST", INFER, BODY, {"Content-Type": "application/json"})
        sockets.add(connection.sock)
        with connection.getresponse() as answer:
            statuses.append(answer.status)
            answer.read()
    connection.close()
    closed = wire(gateway, WHOLE.replace(b"Host: x", b"Host: x\r\nConnection: close"))

    assert (statuses, len(sockets)) == ([200, 200], 1)
    assert closed.count(b"HTTP/1.1 200 OK") == 1


def test_caller_that_expects_to_be_told_to_continue_is_told(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        told = connection.recv(1000)
        connection.sendall(BODY)
        answer = connection.recv(65536)

    assert told.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/v2", "/v2/health/ready", "/v2/models/flight-delay", "/metrics", "/openapi.json"])
def test_head_answers_like_get_without_a_body(gateway, path):
    got, head = gateway.client.get(path), gateway.client.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # which changes meanwhile
        assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(("path", "allow"), [
    (INFER, "POST"), ("/v2/models/flight-delay/versions/1/infer", "POST"), ("/invocations", "POST"),
    ("/v2/health/live", "GET, HEAD"), ("/v2", "GET, HEAD"), ("/v2/models/flight-delay", "GET, HEAD"),
    ("/status", "GET, HEAD"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_wrong_method_is_405_and_told_the_right_one(gateway, method, path, allow):
    answer = gateway.client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/", "//", "/v1/models/x:predict", "/v2/health", "/v2/models", "/v2/models/", "/models",
                                  "/v2/models/../../etc/passwd", "/v2/models/%2e%2e%2fx", "/v2/%00"])  # fmt: skip
def test_address_that_is_none_is_404(gateway, path):
    answer = gateway.client.get(path)

    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_trailing_slash_changes_nothing(gateway):
    assert gateway.client.get("/v2/health/live/").json() == {"live": True}
    assert gateway.client.post(f"{INFER}/", json=infer_body()).status_code == 200


def test_kserves_client_is_answered_in_the_shapes_it_reads(gateway):
    """The client itself asks in `make conformance`, from an environment of its own."""
    body = {
        "inputs": [{"name": n, "shape": [1], "datatype": DATATYPE[n], "data": [v]} for n, v in ROW.items()],
        "id": "c6f4c9ad-3a0f-4d3e-9d2c-6b7a6a0f7a11", "parameters": {},
    }  # fmt: skip

    assert gateway.client.get("/v2/health/live").json()["live"] is True
    assert gateway.client.get("/v2/health/ready").json()["ready"] is True
    assert gateway.client.get("/v2/models/flight-delay/ready").json()["ready"] is True
    answer = gateway.client.post(INFER, json=body).json()
    assert answer["id"] == body["id"]
    assert answer["outputs"][0]["data"] == [probability()]


def test_document_is_valid_and_served(gateway):
    validate(OPENAPI)
    assert gateway.client.get("/openapi.json").json() == OPENAPI


def resolved(node):
    return OPENAPI["components"]["responses"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def check_documented(path, method, answer):
    """Hold an answer against the document: its status, headers, content type and body are among those promised."""
    operation = OPENAPI["paths"][path][method]
    assert str(answer.status_code) in operation["responses"], answer.text
    assert answer.status_code not in (500, 503)
    promised = resolved(operation["responses"][str(answer.status_code)])
    kind = answer.headers["content-type"].partition(";")[0]
    schema = promised["content"][kind]["schema"]
    if kind == "application/json":
        OAS31Validator({**schema, "components": OPENAPI["components"]}).validate(answer.json())


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
tensor = st.fixed_dictionaries(
    {"name": st.sampled_from([*ROW, "gate"]) | st.text(max_size=5), "shape": st.lists(st.integers(-1, 3), max_size=3),
     "datatype": st.sampled_from([*DATATYPE.values(), "FP32", "UINT8", "X"])},
    optional={"data": st.lists(junk, max_size=3), "parameters": junk},
)  # fmt: skip
request = st.fixed_dictionaries(
    {"inputs": st.lists(tensor, max_size=5)}, optional={"id": junk, "outputs": junk, "parameters": junk}
)
row = st.fixed_dictionaries({}, optional=dict.fromkeys([*ROW, "gate"], junk))
invocation = st.dictionaries(
    st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"]),
    junk | st.lists(row, max_size=3) | row | st.fixed_dictionaries({"columns": junk, "data": junk}), max_size=2,
)  # fmt: skip
kinds = st.sampled_from(["application/json", "text/csv", "application/octet-stream", "text/html"])
headers = st.fixed_dictionaries(
    {}, optional={"X-Request-Id": st.text("abc \t~é", max_size=140).map(str.strip), "X-Route-Arm": st.text("abc", max_size=5),
                  "Inference-Header-Content-Length": st.text("0123456789-x", max_size=14), "Content-Type": kinds},
)  # fmt: skip


@pytest.mark.parametrize(("path", "body"), [
    ("/v2/models/{model_name}/infer", request), ("/models/{model_name}/invocations", invocation), ("/invocations", invocation),
])  # fmt: skip
def test_whatever_is_sent_the_answer_is_one_of_the_document(gateway, path, body):
    data = st.one_of(
        body.map(lambda b: json.dumps(b).encode()), junk.map(lambda b: json.dumps(b).encode()), st.binary(max_size=40)
    )

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(data=data, headers=headers)
    def send(data, headers):
        given = {
            name: value.encode("latin-1") for name, value in ({"Content-Type": "application/json"} | headers).items()
        }
        answer = gateway.client.post(path.format(model_name="flight-delay"), content=data, headers=given)
        check_documented(path, "post", answer)

    send()


@pytest.mark.parametrize("path", [path for path, item in OPENAPI["paths"].items() if "get" in item])
def test_whatever_is_named_the_answer_is_one_of_the_document(gateway, path):
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["flight-delay", "flight-delay@champion", "nobody"]), st.sampled_from(["1", "9", "x"]))
    def ask(name, number):
        check_documented(path, "get", gateway.client.get(path.format(model_name=name, model_version=number)))

    ask()


SAMPLE = re.compile(r'(?P<name>[a-z_]+)(\{(?P<labels>([a-z_]+="([^"\\\n]|\\["\\n])*",?)*)\})? (?P<value>-?[0-9.e+-]+)$')


def test_metrics_are_prometheus_text(gateway):
    """Each sample belongs to the family above it, no series is given twice, and histograms add up."""
    gateway.infer()
    gateway.client.post(INFER, content=b"{")
    text = gateway.client.get("/metrics").text

    kinds, series, family = {}, {}, ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in kinds
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family
            kinds[family] = line.split()[3]
        else:
            sample = SAMPLE.match(line)
            assert sample, line
            assert re.sub("_(bucket|sum|count)$", "", sample["name"]) in (family, sample["name"])
            assert sample["name"].startswith(family)
            key = (sample["name"], sample["labels"])
            assert key not in series, line
            series[key] = float(sample["value"])
    assert all(name.endswith("_total") for name, kind in kinds.items() if kind == "counter")
    arm = 'model="flight-delay",version="1",arm="champion"'
    count = series[("gateway_latency_seconds_count", arm)]
    assert series[("gateway_latency_seconds_bucket", f'{arm},le="+Inf"')] == count
    statuses = [value for (name, labels), value in series.items() if name == "gateway_requests_total" and arm in labels]
    assert (len(statuses) >= 2, sum(statuses)) == (True, count)
    assert series[("gateway_loaded_version", 'model="flight-delay",version="1"')] == 1
    assert series[("gateway_table_version", None)] == 1
    assert series[("gateway_auth_failures_total", 'reason="unknown"')] == 0
    assert series[("gateway_limited_total", 'limit="rate"')] == 0
    for gauge in ("in_flight_requests", "spool_bytes", "records_dropped_total", "callers_version", "refused_versions"):
        assert (f"gateway_{gauge}", None) in series
