"""Connections that callers, proxies and attackers make: two meanings, wrong order, no end; and how a process ends them."""

import json
import re
import signal
import socket
import time

import psutil
import pytest

from serving.contract import read_segment
from tests.gateways import infer_body, make_boosted, make_pipeline, make_route, make_table, running_gateway

INFER = b"/v2/models/flight-delay/infer"
PIPED = b"/v2/models/piped/infer"


def request(body=None, *headers, path=INFER, version=b"1.1", method=b"POST"):
    body = json.dumps(infer_body()).encode() if body is None else body
    lines = [b"%s %s HTTP/%s" % (method, path, version), b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def numbered(i, path=INFER):
    return request(json.dumps(infer_body(id=f"p-{i}")).encode(), path=path)


def chunked(*headers, trailer=b""):
    body = json.dumps(infer_body()).encode()
    pieces = b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer)
    head = [
        b"POST %s HTTP/1.1" % INFER,
        b"Host: x",
        b"Content-Type: application/json",
        *headers,
        b"Transfer-Encoding: chunked",
    ]
    return b"\r\n".join([*head, b"", pieces])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("wire")
    routes = [make_route(make_boosted(home)), make_route(make_pipeline(home / "p"), model="piped", model_id=2)]
    with running_gateway(home, make_table(*routes), BODY_TIMEOUT_SECONDS="1", KEEP_ALIVE_SECONDS="0.3") as gateway:
        yield gateway


def connect(gateway):
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=10)


def talk(gateway, data):
    """Send ``data`` over one connection; return all that comes back until the gateway closes it."""
    answer = b""
    with connect(gateway) as connection:
        connection.sendall(data)
        while part := connection.recv(65536):
            answer += part
    return answer


def statuses(answer):
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)


@pytest.mark.parametrize(
    "ambiguous",
    [
        request(b"", b"Transfer-Encoding: chunked"),
        request(b"", b"Content-Length: 3"),
        request(b"", b"Content-Length : 3"),
        request(b"", b"Content-Length: +3"),
        request(b"", b"Content-Length: 1, 1"),
        request(b"", b"Content-Length:\x0b3"),
        chunked(b"Transfer-Encoding: identity"),
        chunked(b"Transfer-Encoding: chunked, identity"),
        chunked().replace(b"chunked", b"xchunked"),
        chunked().replace(b"chunked", b"chunked;q=1"),
        chunked().replace(b"\r\n0\r\n", b"\n0\n"),
        chunked().replace(b"HTTP/1.1", b"HTTP/1.0"),
        request(None, b"X-Folded: a\r\n b"),
        request(None, b"X-Bare: a\rX-Route-Arm: canary"),
        request(None, b"X-Nul: a\x00b"),
        request(None, b"Host: y"),
        request(None, b"X-Route-Key: a", b"x-route-key: b"),
        request(None, b"Authorization: Bearer a", b"Authorization: Bearer b"),
        request().replace(b"Host: x\r\n", b""),
        request(version=b"2.0"),
        request(version=b"0.9"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_request_with_two_meanings_is_refused_and_what_follows_is_not_read(gateway, ambiguous):
    second = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    found = statuses(talk(gateway, ambiguous + second))

    assert found == [b"400"]


def test_trailer_is_no_header(gateway):
    answer = talk(gateway, chunked(b"Connection: close", trailer=b"X-Route-Arm: nobody\r\nX-Request-Id: trailed\r\n"))

    assert statuses(answer) == [b"200"]
    assert b"trailed" not in answer


def test_pipelined_answers_keep_their_order_also_behind_a_slow_model(gateway):
    asked = [numbered(i, PIPED if i % 3 == 0 else INFER) for i in range(40)]
    last = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    answer = talk(gateway, b"".join(asked) + last)

    assert re.findall(rb'"id":"(p-\d+)"', answer) == [b"p-%d" % i for i in range(40)]
    assert statuses(answer) == [b"200"] * 41


def test_malformed_request_is_refused_after_those_before_it_are_answered(gateway):
    answer = talk(gateway, numbered(0, PIPED) + numbered(1) + b"\x16\x03\x01\r\n\r\n")

    assert statuses(answer) == [b"200", b"200", b"400"]


def test_request_that_comes_byte_by_byte_is_answered(gateway):
    data = request(None, b"Connection: close")
    with connect(gateway) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
        answer = connection.recv(65536)

    assert statuses(answer) == [b"200"]


def test_resting_connection_is_closed_without_a_word(gateway):
    with connect(gateway) as connection:
        connection.sendall(request())
        answered, rest = connection.recv(65536), connection.recv(65536)

    assert (statuses(answered), rest) == ([b"200"], b"")


@pytest.mark.parametrize(("headers", "says"), [([], b"close"), ([b"Connection: keep-alive"], b"keep-alive")])
def test_client_of_http_1_0_is_told_what_becomes_of_the_connection(gateway, headers, says):
    answer = talk(gateway, request(None, *headers, version=b"1.0"))

    assert statuses(answer) == [b"200"]
    assert b"connection: %s\r\n" % says in answer


@pytest.mark.parametrize("to", [b"h2c", b"websocket"])
def test_caller_that_would_rather_speak_something_else_is_answered_in_http_1_1(gateway, to):
    """Java's own client asks for h2c with its first request."""
    wish = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: %s" % to, b"HTTP2-Settings: AAEAAEAAAAIAAAAB"]

    answer = talk(gateway, request(None, *wish) * 2 + request(None, b"Connection: close"))

    assert statuses(answer) == [b"200"] * 3


def test_gateway_is_no_proxy(gateway):
    answer = talk(gateway, b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n")

    assert statuses(answer) == [b"405"]


def test_whole_address_is_read_like_its_path(gateway):
    answer = talk(gateway, request(None, b"Connection: close", path=b"http://gateway.example" + INFER + b"?a=b"))

    assert statuses(answer) == [b"200"]


def test_stranger_is_refused_before_its_body_comes(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_boosted(tmp_path))), GATEWAY_AUTH="required") as gateway:
        with connect(gateway) as connection:
            connection.sendall(request(None, b"Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
            answer = connection.recv(65536)

        assert statuses(answer) == [b"401"]
        assert b"connection: close" in answer


def test_caller_that_goes_away_leaves_a_record(gateway):
    with connect(gateway) as connection:
        connection.sendall(request(None, b"X-Request-Id: gone")[:-5])
        time.sleep(0.1)

    def recorded():
        records = [r for path in gateway.spool_root.glob("*/0*") for r in read_segment(path)]
        return [(r.status, "closed the connection" in r.error) for r in records if r.request_id == "gone"]

    gateway.wait_until(recorded)
    assert recorded() == [(400, True)]


def fill(connection, data):
    """Send until nothing more is taken."""
    connection.settimeout(0.2)
    for _ in range(100):
        connection.sendall(data)


def drip(connection):
    """Read a little now and then."""
    connection.settimeout(20)
    while connection.recv(1_000_000):
        time.sleep(0.5)


def test_caller_that_does_not_read_is_held_back_and_then_cut_off(gateway):
    """Its answers wait in the sockets' buffers and a bounded one of ours; then nothing more is read of it."""
    with connect(gateway) as connection:
        with pytest.raises(TimeoutError):
            fill(connection, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50_000)
        with pytest.raises(ConnectionResetError):
            drip(connection)
    assert gateway.infer().status_code == 200


def test_one_connection_more_than_may_be_is_answered_503(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_boosted(tmp_path))), MAX_CONNECTIONS="3") as gateway:
        gateway.client.close()
        open_ = [connect(gateway) for _ in range(3)]
        for connection in open_:  # each is taken up
            connection.sendall(request())
            assert statuses(connection.recv(65536)) == [b"200"]

        refused = talk(gateway, b"")
        open_[0].close()
        gateway.wait_until(lambda: statuses(talk(gateway, request(None, b"Connection: close"))) == [b"200"])

        assert statuses(refused) == [b"503"]
        assert b"retry-after: 1" in refused
        for connection in open_:
            connection.close()


def test_process_that_is_told_to_stop_answers_what_it_was_asked(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_pipeline(tmp_path), model="piped"))) as gateway:
        with connect(gateway) as busy, connect(gateway) as resting:
            resting.sendall(request(path=PIPED))
            assert statuses(resting.recv(65536)) == [b"200"]
            begun = request(path=PIPED)
            busy.sendall(begun[:-10])
            time.sleep(0.2)
            gateway.process.send_signal(signal.SIGTERM)
            assert resting.recv(65536) == b""
            busy.sendall(begun[-10:])
            answer = busy.recv(65536)

        assert statuses(answer) == [b"200"]
        assert b"connection: close" in answer
        assert gateway.process.wait(timeout=20) == 0
        assert not list(gateway.spool_root.glob("*/*.open"))


def workers_of(gateway):
    return [child for child in psutil.Process(gateway.process.pid).children() if "serving.workers" in child.cmdline()]


@pytest.fixture
def pair(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_boosted(tmp_path))), GATEWAY_WORKERS="2") as gateway:
        gateway.wait_until(lambda: len(list(gateway.spool_root.glob("*/state.json"))) == 2)
        yield gateway


def test_worker_that_dies_is_replaced_while_the_other_answers(pair):
    dead, other = workers_of(pair)

    dead.kill()
    answered = [pair.client.__class__(base_url=pair.url).get("/v2/health/live").status_code for _ in range(20)]
    pair.wait_until(lambda: {w.pid for w in workers_of(pair)} - {dead.pid, other.pid})

    assert answered == [200] * 20
    assert other.is_running()


def test_workers_stop_with_their_supervisor_even_if_it_is_killed(pair):
    workers = workers_of(pair)

    pair.kill()

    gone, alive = psutil.wait_procs(workers, timeout=30)
    assert (len(gone), alive) == (2, [])


def test_supervisor_stops_its_workers_in_peace(pair):
    workers = workers_of(pair)

    pair.process.terminate()

    assert pair.process.wait(timeout=30) == 0
    assert not [w for w in workers if w.is_running()]
    assert not list(pair.spool_root.glob("*/*.open"))
