"""The gateway as a process: standard clients, faults, switches under load, a killed process."""

import json
import os
import re
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton

from serving.contract import Arm, confirm_table, read_segment, sealed_segments
from tests.gateways import (
    COLUMNS,
    DATATYPE,
    ROW,
    RunningGateway,
    infer_body,
    make_boosted,
    make_pipeline,
    make_route,
    make_table,
    pipeline,
    probability,
    running_gateway,
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway that serves version 1 (20 trees), 2 (5 trees, an alias) and, as a model of its own, a pipeline."""
    home = tmp_path_factory.mktemp("gateway")
    boosted = make_route(make_boosted(home, 1, 20), make_boosted(home, 2, 5), aliases={"champion": 1, "next": 2})
    piped = make_route(make_pipeline(home / "pipeline"), model="piped")
    with running_gateway(home, make_table(boosted, piped), MAX_BODY_BYTES="100000") as gateway:
        gateway.wait_for("/v2/models/flight-delay@next/ready")
        yield gateway


def records(gateway):
    """All records on disk, sealed or not."""
    return [record for path in sorted(gateway.spool_root.glob("*/0*")) for record in read_segment(path)]


def test_health_and_metadata(gateway):
    get = gateway.client.get

    assert get("/v2/health/live").json() == {"live": True}
    ready = get("/v2/health/ready").json()
    assert (ready["ready"], ready["table_version"], ready["table_confirmed_s_ago"]) == (True, 1, None)
    assert ready["table_age_s"] > 0
    assert get("/v2").json() == {"name": "gateway", "version": "0.1.0", "extensions": ["binary_tensor_data"]}
    assert get("/v2/models/flight-delay/ready").json() == {"name": "flight-delay", "ready": True}
    assert get("/v2/models/flight-delay/versions/2").json() == {
        "name": "flight-delay/versions/2",
        "versions": ["1", "2"],
        "platform": "lightgbm",
        "inputs": [{"name": c.name, "datatype": DATATYPE[c.name], "shape": [-1]} for c in COLUMNS],
        "outputs": [{"name": "probability", "datatype": "FP64", "shape": [-1]}],
    }
    assert get("/v2/models/nobody").status_code == 404
    assert get("/v3").status_code == 404


def test_status_says_what_is_served(gateway):
    status = gateway.status()

    assert status["table"]["version"] == 1
    assert status["table"]["published_at"] == "2026-11-25T12:00:00+00:00"
    assert status["models"]["flight-delay"]["arms"] == [
        {"name": "champion", "version": 1, "weight_bp": 10_000, "loaded": True}
    ]
    assert [v["version"] for v in status["models"]["flight-delay"]["loaded"]] == [1, 2]
    assert status["refused"] == []


def test_metrics_count_by_version_and_arm(gateway):
    gateway.infer("flight-delay@next")

    text = gateway.client.get("/metrics").text

    assert 'gateway_requests_total{model="flight-delay",version="2",arm="pinned",status="200"} 1' in text
    assert 'gateway_latency_seconds_bucket{model="flight-delay",version="2",arm="pinned",le="+Inf"} 1' in text


def test_request_id_comes_back_in_body_and_header(gateway):
    answer = gateway.infer(body=infer_body(), X_Request_Id="abc-1")

    assert (answer.json()["id"], answer.headers["x-request-id"]) == ("abc-1", "abc-1")


def test_alias_may_be_encoded(gateway):
    assert gateway.infer("flight-delay%40next").json()["model_version"] == "2"


def test_pipeline_is_served_by_column_name(gateway):
    answer = gateway.infer("piped").json()

    expected = pipeline().predict_proba(pd.DataFrame([ROW]))[:, 1]
    assert answer["outputs"][0]["data"] == pytest.approx(expected.tolist())


def triton_inputs(binary):
    arrays = {
        "carrier": np.array(["AA", "UA"], dtype=object), "distance": np.array([0.5, np.nan]),
        "hour": np.array([17, 3]), "wet": np.array([True, False]),
    }  # fmt: skip
    inputs = []
    for name, array in arrays.items():
        inputs.append(triton.InferInput(name, [2], DATATYPE[name]))
        if name == "distance" and not binary:
            array = np.array([0.5, 0.25])  # JSON has no NaN
        inputs[-1].set_data_from_numpy(array, binary_data=binary)
    return inputs


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("ask", [True, False])
def test_tritons_client_is_answered(gateway, binary, ask):
    client = triton.InferenceServerClient(f"127.0.0.1:{gateway.port}")
    outputs = [triton.InferRequestedOutput("probability", binary_data=binary)] if ask else None

    answer = client.infer("flight-delay", triton_inputs(binary), outputs=outputs, request_id="t-1")

    second = ROW | {"carrier": "UA", "distance": None if binary else 0.25, "hour": 3, "wet": False}
    assert answer.as_numpy("probability").tolist() == [probability(), probability(second)]
    assert answer.get_response()["id"] == "t-1"


def test_tritons_client_reads_health_and_names_versions_and_faults(gateway):
    client = triton.InferenceServerClient(f"127.0.0.1:{gateway.port}")

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("flight-delay")
    assert client.is_model_ready("flight-delay", "2")
    assert not client.is_model_ready("flight-delay", "9")
    assert client.get_model_metadata("flight-delay")["platform"] == "lightgbm"
    named = client.infer("flight-delay", triton_inputs(True), model_version="2").get_response()
    assert named["model_version"] == "2"
    with pytest.raises(triton.InferenceServerException, match="inputs lack carrier"):
        client.infer("flight-delay", triton_inputs(True)[1:])


def test_oversize_body_is_refused_before_it_is_read(gateway):  # T27
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
        connection.sendall(
            b"POST /v2/models/flight-delay/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000000\r\n\r\n"
        )
        started = time.monotonic()
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - started < 1
    assert records(gateway)[-1].status == 413


def test_oversize_body_without_a_length_is_refused(gateway):
    def chunks():
        for _ in range(30):
            yield b" " * 10_000

    answer = gateway.client.post(
        "/v2/models/flight-delay/infer", content=chunks(), headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 413
    assert answer.json() == {"error": "the body is larger than 100000 bytes"}


def test_body_in_pieces_is_put_together(gateway):
    data = json.dumps(infer_body()).encode()
    answer = gateway.client.post(
        "/v2/models/flight-delay/infer",
        content=iter([data[:50], data[50:]]),
        headers={"Content-Type": "application/json"},
    )

    assert answer.json()["outputs"][0]["data"] == [probability()]


def test_large_batch_is_answered(gateway):
    body = infer_body()
    for tensor in body["inputs"]:
        tensor["shape"], tensor["data"] = [2_000], tensor["data"] * 2_000

    answer = gateway.infer(body=body)

    assert answer.json()["outputs"][0]["data"] == [probability()] * 2_000


@pytest.mark.parametrize(("method", "path", "status"), [
    ("POST", "/v2/health/live", 405), ("PUT", "/v2/models/flight-delay/infer", 405), ("DELETE", "/status", 405),
    ("GET", "/v2/models/flight-delay/infer", 405), ("POST", "/v2/models//infer", 404),
])  # fmt: skip
def test_other_methods_and_addresses_are_refused(gateway, method, path, status):
    answer = gateway.client.request(method, path)

    assert answer.status_code == status
    assert "error" in answer.json()


def test_killed_gateway_loses_no_acknowledged_record(tmp_path):
    with running_gateway(tmp_path, make_table(make_route(make_boosted(tmp_path)))) as gateway:
        acknowledged, stop = [], threading.Event()

        def ask(worker):
            with gateway.client.__class__(base_url=gateway.url) as client:
                while not stop.is_set():
                    body = infer_body(id=f"{worker}-{len(acknowledged)}")
                    try:
                        answer = client.post("/v2/models/flight-delay/infer", json=body)
                    except Exception:
                        return
                    if answer.status_code == 200:
                        acknowledged.append(answer.json()["id"])

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        gateway.kill()
        stop.set()
        for thread in threads:
            thread.join()

        assert len(acknowledged) > 50
        assert set(acknowledged) <= {record.request_id for record in records(gateway)}
        assert sealed_segments(gateway.spool_root) == []
        gateway.start()  # the next life seals what the dead one left
        sealed = {r.request_id for path in sealed_segments(gateway.spool_root) for r in read_segment(path)}
        assert set(acknowledged) <= sealed


def test_restart_with_everything_else_gone_serves_the_last_table_and_says_how_old_it_is(tmp_path):  # F8
    """Nothing but the folder is needed: no database, broker or control plane was ever told to this process."""
    table = make_table(make_route(make_boosted(tmp_path)), version=12)
    with running_gateway(tmp_path, msgspec.structs.replace(table, published_at=hours_ago(3).isoformat())) as gateway:
        confirm_table(gateway.table_path)
        os.utime(gateway.table_path.with_suffix(".confirmed"), (hours_ago(2).timestamp(),) * 2)
        gateway.kill()
        gateway.start()

        answers = [gateway.infer() for _ in range(200)]
        status, ready = gateway.status()["table"], gateway.client.get("/v2/health/ready").json()
        metrics = gateway.client.get("/metrics").text

    assert [answer.status_code for answer in answers] == [200] * 200
    assert (status["version"], ready["ready"]) == (12, True)
    for age, confirmed in ((status["age_s"], status["confirmed_s_ago"]), (ready["table_age_s"], ready["table_confirmed_s_ago"]),
                           (number_in(metrics, "gateway_table_age_seconds"), number_in(metrics, "gateway_table_confirmed_seconds"))):  # fmt: skip
        assert (age, confirmed) == (pytest.approx(3 * 3600, abs=300), pytest.approx(2 * 3600, abs=300))


def hours_ago(hours):
    return datetime.now(UTC) - timedelta(hours=hours)


def number_in(metrics, name):
    return float(re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)[1])


def test_gateway_before_the_first_table_is_live_and_says_what_is_missing(tmp_path):
    gateway = RunningGateway(tmp_path).start(ready=False)
    try:
        answer = gateway.infer()

        assert gateway.client.get("/v2/health/ready").status_code == 503
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"error": "no routing table is in force yet"}
        gateway.publish(make_table(make_route(make_boosted(tmp_path)), version=1))
        gateway.wait_for("/v2/health/ready")
        assert gateway.infer().status_code == 200
    finally:
        gateway.stop()


def test_canary_gets_its_share_and_sticks_to_keys(tmp_path):
    one, two = make_boosted(tmp_path, 1, 20), make_boosted(tmp_path, 2, 5)
    arms = [Arm("champion", 1, 8_000), Arm("canary", 2, 2_000)]
    with running_gateway(tmp_path, make_table(make_route(one, two, arms=arms))) as gateway:
        first = [gateway.infer(X_Route_Key=f"customer-{i}").json()["model_version"] for i in range(150)]
        again = [gateway.infer(X_Route_Key=f"customer-{i}").json()["model_version"] for i in range(150)]

    assert first == again
    assert 10 < first.count("2") < 55  # 30 expected, standard deviation 5


def test_several_workers_share_a_port_and_keep_spools_of_their_own(tmp_path):
    table = make_table(make_route(make_boosted(tmp_path)))
    with running_gateway(tmp_path, table, GATEWAY_WORKERS="2") as gateway:
        ids = {gateway.infer().json()["id"] for _ in range(20)}
        deadline = time.monotonic() + 15
        while len(list(gateway.spool_root.glob("*/state.json"))) < 2:
            assert time.monotonic() < deadline, gateway.log.read_text()
            time.sleep(0.05)

    assert ids == {record.request_id for record in records(gateway)}


def test_missing_setting_is_explained_in_one_line(tmp_path):
    gateway = RunningGateway(tmp_path, SPOOL_FSYNC="sometimes")

    with pytest.raises(AssertionError, match="gateway: SPOOL_FSYNC is 'sometimes'; it must be one of"):
        gateway.start()

    assert gateway.process.returncode == 2
    assert len(gateway.log.read_text().splitlines()) == 1
