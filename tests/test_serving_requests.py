"""What the gateway's core answers, request by request: names, tensors, faults, and the record of each."""

import json
import struct
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.callers import Caller
from serving.calls import as_key
from serving.contract import Arm, Column, key_hash, read_segment, read_table, write_table
from serving.core import Core
from serving.exposition import of_counts
from serving.fleet import Fleet
from serving.inputs import Signature
from serving.invocations import MLFLOW
from serving.protocol import Fault, InputTensor, decode_request
from serving.settings import Settings, SettingsError, read_settings
from serving.spool import Spool
from tests.gateways import (
    COLUMNS,
    DATATYPE,
    ROW,
    infer_body,
    make_boosted,
    make_route,
    make_table,
    probability,
    received,
)

JSON = {b"content-type": b"application/json"}
ARMS = [Arm("champion", 1, 9_000), Arm("canary", 2, 1_000)]
P1, P2 = probability(trees=20), probability(trees=5)


class Harness:
    """A core with version 1 (20 trees) and its canary 2 (5 trees), and the records it keeps."""

    def __init__(self, home, **settings):
        self.settings = Settings(home / "table.json", home / "spool", **settings)
        versions = [make_boosted(home, 1, 20), make_boosted(home, 2, 5)]
        route = make_route(*versions, arms=ARMS, aliases={"champion": 1, "next": 2})
        write_table(make_table(route, version=7), self.settings.routing_table_path)
        self.spool = Spool(self.settings)
        self.core = Core(self.spool)
        self.fleet = Fleet(
            self.settings.routing_table_path, lambda snapshot: setattr(self.core, "snapshot", snapshot)
        )  # fmt: skip
        self.fleet.follow()

    def post(self, body, name="flight-delay", headers=JSON):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.core.infer(name, received(headers, data, 1000.25, time.perf_counter_ns()))
        kind = dict(answer.headers)[b"content-type"]
        return answer.status, json.loads(answer.body) if kind == b"application/json" else answer

    def told(self):
        """What a scraper is told of requests."""
        return "".join(of_counts(self.core.metrics.counts())).encode()

    def records(self):
        return [record for path in sorted(self.spool.folder.glob("0*")) for record in read_segment(path)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    harness = Harness(tmp_path_factory.mktemp("core"))
    yield harness
    harness.spool.close()


@pytest.fixture
def harness(shared):
    """The shared core, with no record of what other tests asked."""
    with shared.spool._lock:
        shared.spool._finish()
    shared.spool._seal_finished()
    for path in shared.spool.folder.glob("0*"):
        path.unlink()
    return shared


def key_for(arm):
    wanted = (f"key-{i}" for i in range(10_000))
    return next(k for k in wanted if (key_hash("model-1", k) * 10_000 >> 64 >= 9_000) == (arm == "canary"))


def test_one_row_is_answered_and_recorded(harness):
    status, answer = harness.post(infer_body(id="r-1"), headers=JSON | {b"x-route-key": key_for("champion").encode()})

    assert (status, answer) == (
        200,
        {
            "model_name": "flight-delay", "model_version": "1", "id": "r-1",
            "outputs": [{"name": "probability", "datatype": "FP64", "shape": [1], "data": [P1]}],
        },
    )  # fmt: skip
    (record,) = harness.records()
    assert record.inputs == ROW
    assert record.outputs == {"probability": P1}
    assert (record.request_id, record.row, record.at, record.status, record.error) == ("r-1", 0, 1000.25, 200, "")
    assert (record.model, record.model_id, record.number, record.arm) == ("flight-delay", 1, 1, "champion")
    assert (record.table_version, record.weight_bp, record.pinned) == (7, 9_000, False)
    assert record.key_hash == key_hash("model-1", key_for("champion"))
    assert 0 < record.latency_us < 1_000_000


def test_key_decides_the_arm_and_the_request_id_where_there_is_none(harness):
    canary = key_for("canary")

    by_key = harness.post(infer_body(), headers=JSON | {b"x-route-key": canary.encode()})
    by_id = harness.post(infer_body(id=canary))
    by_header = harness.post(infer_body(), headers=JSON | {b"x-request-id": canary.encode()})

    assert [status for status, _ in (by_key, by_id, by_header)] == [200, 200, 200]
    assert [answer["model_version"] for _, answer in (by_key, by_id, by_header)] == ["2", "2", "2"]
    assert by_header[1]["id"] == canary
    assert {(r.arm, r.weight_bp, r.key_hash) for r in harness.records()} == {
        ("canary", 1_000, key_hash("model-1", canary))
    }


def route_by(harness, column):
    """Put a table in force whose route names the column that holds the key."""
    table = read_table(harness.settings.routing_table_path)
    routes = [msgspec.structs.replace(table.routes[0], key_column=column)]
    write_table(
        msgspec.structs.replace(table, version=table.version + 1, routes=routes), harness.settings.routing_table_path
    )
    harness.fleet.follow()


def test_column_may_hold_the_key(tmp_path):
    """In whichever protocol, type and shape it comes; a header goes before it, and where it is missing the id routes."""
    harness = Harness(tmp_path)
    route_by(harness, "hour")
    expected = key_hash("model-1", "17")
    split = {"dataframe_split": {"columns": [*ROW], "data": [[*ROW.values()], [*(ROW | {"hour": 3}).values()]]}}

    harness.post(infer_body())
    harness.post(changed("hour", datatype="FP64", data=[17.0]))
    harness.post(changed("hour", shape=[1, 1], data=[[17]]))
    body, headers = binary(binary_row())
    harness.post(body, headers=headers)
    harness.core.infer("flight-delay", received(JSON, json.dumps(split).encode(), 1.0, 0), dialect=MLFLOW)
    assert {r.key_hash for r in harness.records()} == {expected}
    assert len(harness.records()) == 6

    harness.post(infer_body(), headers=JSON | {b"x-route-key": b"customer"})
    harness.post(infer_body({"hour": None}, id="nobody"))
    assert [r.key_hash for r in harness.records()[-2:]] == [key_hash("model-1", k) for k in ("customer", "nobody")]


@pytest.mark.parametrize(
    ("value", "key"), [(7, "7"), (7.0, "7"), ("a", "a"), (7.5, "7.5"), (None, ""), ([7], ""), (float("inf"), "inf")]
)
def test_value_routes_by_its_text(value, key):
    assert as_key(value) == key


def test_record_says_whose_token_asked(harness):
    harness.core.infer(
        "flight-delay", received(JSON, json.dumps(infer_body()).encode(), 1.0, 0), caller=Caller(7, frozenset([1]))
    )  # fmt: skip
    harness.core.infer("flight-delay", received(JSON, b"{", 1.0, 0), caller=Caller(8))

    assert [(r.status, r.caller_id) for r in harness.records()] == [(200, 7), (400, 8)]


def test_generated_ids_differ(harness):
    ids = {harness.post(infer_body())[1]["id"] for _ in range(5)}

    assert len(ids) == 5


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [("flight-delay@next", 2, P2), ("flight-delay@champion", 1, P1), ("flight-delay/versions/2", 2, P2)],
)
def test_naming_a_version_or_alias_pins_the_request(harness, name, number, expected):
    status, answer = harness.post(infer_body(), name)

    assert (status, answer["model_version"]) == (200, str(number))
    assert answer["outputs"][0]["data"] == [expected]
    (record,) = harness.records()
    assert (record.number, record.arm, record.weight_bp, record.pinned) == (number, "pinned", 0, True)


def test_forcing_an_arm_pins_the_request(harness):
    _, answer = harness.post(infer_body(), headers=JSON | {b"x-route-arm": b"canary"})

    assert answer["model_version"] == "2"
    assert [(r.arm, r.weight_bp, r.pinned) for r in harness.records()] == [("canary", 1_000, True)]
    assert harness.post(infer_body(), headers=JSON | {b"x-route-arm": b"chanary"}) == (
        400,
        {"error": "X-Route-Arm: flight-delay has no arm 'chanary'"},
    )
    assert harness.records()[-1].arm in {"champion", "canary"}


def test_many_rows_are_answered_in_order_with_one_record_each(harness):
    rows = [ROW, ROW | {"carrier": "UA", "distance": None}, ROW | {"hour": 0, "wet": False}]
    tensors = [
        {"name": "wet", "shape": [3], "datatype": "BOOL", "data": [r["wet"] for r in rows]},
        {"name": "hour", "shape": [3, 1], "datatype": "FP64", "data": [[r["hour"]] for r in rows]},
        {"name": "distance", "shape": [3, 1], "datatype": "FP32", "data": [r["distance"] for r in rows]},
        {"name": "carrier", "shape": [3], "datatype": "BYTES", "data": [r["carrier"] for r in rows]},
    ]
    status, answer = harness.post({"inputs": tensors, "id": "many"}, "flight-delay/versions/1")

    assert status == 200
    assert answer["outputs"][0]["shape"] == [3]
    assert answer["outputs"][0]["data"] == [probability(row) for row in rows]
    assert [(r.request_id, r.row, r.inputs) for r in harness.records()] == [
        ("many", i, row) for i, row in enumerate(rows)
    ]


def test_column_that_is_not_required_may_be_left_out(harness):
    row = {name: value for name, value in ROW.items() if name != "distance"}

    status, answer = harness.post(infer_body(row), "flight-delay/versions/1")

    assert (status, answer["outputs"][0]["data"]) == (200, [probability(ROW | {"distance": None})])
    assert harness.records()[0].inputs == ROW | {"distance": None}


def test_requested_output_in_binary(harness):
    body = infer_body(outputs=[{"name": "probability", "parameters": {"binary_data": True}}])

    status, answer = harness.post(body, "flight-delay/versions/1")

    size = int(dict(answer.headers)[b"inference-header-content-length"])
    assert (status, struct.unpack("<d", answer.body[size:])) == (200, (P1,))
    assert json.loads(answer.body[:size])["outputs"][0]["parameters"] == {"binary_data_size": 8}


def matrix(*data, datatype="FP64", shape=(1, 2)):
    return {"inputs": [{"name": "rows", "shape": list(shape), "datatype": datatype, "data": list(data)}]}


@pytest.mark.parametrize("data", [[0.5, 3, 0.25, None], [[0.5, 3], [0.25, None]]])
def test_one_tensor_may_hold_all_columns_flat_or_nested(data):
    signature = Signature([Column("distance", "double"), Column("hour", "long", required=False)])
    request = decode_request(json.dumps(matrix(*data, shape=(2, 2))).encode(), None)

    assert signature.read(request.inputs) == ([[0.5, 0.25], [3, None]], 2)


@given(st.data())
def test_quick_way_to_read_one_row_of_a_matrix_agrees_with_the_general_one(data):
    """Also with the reading of each element, which another column's type asks for."""
    number = st.one_of(
        st.floats(), st.floats(), st.integers(-(2**65), 2**65), st.sampled_from([None, True, "1", [0.5]])
    )
    elements = data.draw(st.lists(number, min_size=2, max_size=2))
    tensor = InputTensor("rows", [1, 2], data.draw(st.sampled_from(["FP64", "FP32", "INT64", "BYTES"])), data=elements)
    plain = Signature([Column("a", "double"), Column("b", "float", required=False)])
    each = Signature([*plain.columns, Column("c", "long")])
    wider = InputTensor("rows", [1, 3], tensor.datatype, data=[*elements, 1 if tensor.datatype == "INT64" else 1.0])

    quick = plain.read_row([tensor])
    try:
        columns, _ = plain.read([tensor])
    except Fault:
        assert quick is None
        with pytest.raises(Fault):
            each.read([wider])
    else:
        assert quick in (None, [value for (value,) in columns])
        assert each.read([wider])[0][:2] == columns


values = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(-(2**65), 2**65), st.sampled_from(["AA", "UA", "ZZ", ""]),
    st.lists(st.integers(), max_size=1),
)  # fmt: skip
datatypes = st.sampled_from(["BOOL", "INT8", "INT64", "UINT64", "FP32", "FP64", "BYTES", "FP128"])


def test_quick_way_leaves_a_missing_value_of_a_wrong_datatype_to_the_general_one():
    signature = Signature([Column("distance", "double", required=False)])

    assert signature.read_row([InputTensor("distance", [1], "BOOL", data=[None])]) is None
    assert signature.read_row([InputTensor("distance", [1], "FP64", data=[None])]) == [None]


@given(st.data())
def test_quick_way_to_read_one_row_agrees_with_the_general_one(data):
    signature = Signature(COLUMNS)
    tensors = []
    for name in data.draw(st.permutations([*DATATYPE])):
        datatype, value = data.draw(st.one_of(st.just((DATATYPE[name], ROW[name])), st.tuples(datatypes, values)))
        tensors.append(
            InputTensor(name, data.draw(st.sampled_from([[1], [1], [1], [1, 1], [2]])), datatype, data=[value])
        )

    quick = signature.read_row(tensors)
    try:
        columns, rows = signature.read(tensors)
    except Fault:
        assert quick is None
    else:
        in_the_usual_shape = all(tensor.shape == [1] for tensor in tensors)
        assert (quick is not None) == in_the_usual_shape
        assert quick is None or (quick, 1) == ([value for (value,) in columns], rows)


def changed(column, **fields):
    body = infer_body()
    next(tensor for tensor in body["inputs"] if tensor["name"] == column).update(fields)
    return body


FAULTS = [
    (b"", "the body is no inference request: Input data was truncated"),
    (b"[]", "Expected `object`, got `array`"),
    (b'{"inputs": NaN}', "invalid character"),  # T27
    (b'{"inputs": []}', "there are no rows"),
    (b'{"id": 7, "inputs": []}', "Expected `str | null`, got `int` - at `$.id`"),
    (b'{"inputs": [{"name": "hour"}]}', "missing required field `shape` - at `$.inputs[0]`"),
    (b"\xff\xfe", "the body is no inference request"),
    (infer_body(id="a\r\nb"), "id: must be up to 128 printable ASCII characters"),
    (infer_body(id="x" * 129), "id: must be up to 128 printable ASCII characters"),
    (infer_body({"hour": 1}), "inputs lack carrier, wet"),
    (infer_body(ROW | {"hour": None}), "column hour, row 0: a value is required"),
    (changed("hour", name="houer"), "input 'houer' is not a column of the model: carrier, distance, hour, wet"),
    (changed("hour", name="wet", datatype="BOOL", data=[True]), "input 'wet' is given twice"),
    (changed("hour", data=["17"]), "column hour, row 0: '17' is not INT64"),
    (changed("hour", data=[True]), "column hour, row 0: True is not INT64"),
    (changed("hour", data=[1.5]), "column hour, row 0: 1.5 is not INT64"),
    (changed("hour", data=[[1]]), "column hour, row 0: [1] is not INT64"),
    (changed("hour", data=[2**63]), "column hour, row 0: 9223372036854775808 is out of the range of INT64"),
    (changed("hour", datatype="UINT64", data=[2**63]), "is out of the range of INT64"),
    (changed("hour", datatype="INT8", data=[128]), "column hour, row 0: 128 is out of the range of INT8"),
    (changed("hour", datatype="FP64", data=[1.5]), "column hour, row 0: 1.5 is not a whole number"),
    (changed("hour", datatype="FP64", data=[1e300]), "column hour, row 0: 1e+300 is not a whole number"),
    (changed("hour", datatype="BYTES", data=["1"]), "column hour: is long, so FP16, FP32, FP64, INT8"),
    (changed("hour", datatype="INT65"), "not 'INT65'"),
    (changed("distance", data=["far"]), "column distance, row 0: 'far' is not a number"),
    (changed("distance", datatype="BOOL"), "column distance: is double, so FP16, FP32, FP64, INT8"),
    (changed("wet", data=[1]), "column wet, row 0: 1 is not true or false"),
    (changed("wet", datatype="UINT8", data=[2]), "column wet, row 0: 2 is neither 0 nor 1"),
    (changed("wet", datatype="FP32", data=[0.5]), "column wet, row 0: 0.5 is neither 0 nor 1"),
    (changed("carrier", data=["ZZ"]), "column carrier, row 0: 'ZZ' is none of its 3 categories"),
    (changed("carrier", data=[7]), "column carrier, row 0: 7 is not text"),
    (changed("hour", data=None), "input hour: has no data"),
    (changed("hour", data=[1, 2]), "input hour: shape [1] asks for 1 elements, not 2"),
    (changed("hour", shape=[2], data=[1, 2]), "input hour: 2 rows, while the inputs before it have 1"),
    (changed("hour", shape=[1, 2], data=[1, 2]), "input hour: shape [1, 2] should be [rows] or [rows, 1]"),
    (changed("hour", shape=[-1]), "input hour: shape [-1] should be [rows] or [rows, 1]"),
    (changed("hour", shape=[]), "input hour: shape [] should be"),
    (changed("hour", shape=[10**30]), "asks for 1000000000000000000000000000000 elements, not 1"),
    (changed("hour", shape=["1"]), "Expected `int`, got `str` - at `$.inputs[2].shape[0]`"),
    (matrix(1, 2), "input rows: 2 columns, but the model has 4: carrier, distance, hour, wet"),
    (matrix(1, 2, 3, shape=(1, 4)), "input rows: shape [1, 4] asks for 4 elements, not 3"),
    (matrix([1, 2], shape=(1, 4)), "input rows: each row should hold 4 elements"),
    (matrix(shape=(0, 4)), "there are no rows"),
    (matrix(0.5, 1, 2, 3, shape=(1, 4)), "column carrier: is string, so BYTES; not 'FP64'"),
    (infer_body(outputs=[{"name": "risk"}]), "output 'risk' is unknown; the model answers 'probability'"),
]


@pytest.mark.parametrize(("body", "why"), FAULTS)
def test_callers_fault_is_named_and_recorded(harness, body, why):
    status, answer = harness.post(body)

    assert status == 400
    assert why in answer["error"]
    (record,) = harness.records()
    assert (record.status, record.error, record.inputs, record.outputs) == (400, answer["error"][:500], {}, {})
    assert record.arm in {"champion", "canary"}


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_nesting_bomb_is_refused_at_once(harness, depth):  # T27
    tensor = b'{"inputs": [{"name": "hour", "shape": [1], "datatype": "INT64", "data": %s}]}'
    body = tensor % (b"[" * depth + b"]" * depth)
    started = time.monotonic()

    assert harness.post(body) == (400, {"error": "the JSON is nested too deeply"})

    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "kind", [b"application/x-pickle", b"application/octet-stream", b"text/plain", b"application/x-www-form-urlencoded"]
)
def test_body_that_is_not_json_is_never_read(harness, kind):  # T8
    status, answer = harness.post(b"\x80\x04cos\nsystem", headers={b"content-type": kind})

    assert status == 415
    assert "send application/json" in answer["error"]
    assert [r.status for r in harness.records()] == [415]


def test_compressed_body_is_refused(harness):
    status, answer = harness.post(b"", headers=JSON | {b"content-encoding": b"gzip"})

    assert (status, answer) == (415, {"error": "the body is compressed; send it as it is"})


def binary(row, size=None):
    tensors, data = row
    head = json.dumps({"inputs": tensors}).encode()
    return head + data, {b"inference-header-content-length": b"%d" % (len(head) if size is None else size)}


def binary_row(**overrides):
    """One row in binary; ``overrides`` replace a tensor's bytes."""
    packed = {
        "carrier": struct.pack("<I2s", 2, b"AA"), "distance": struct.pack("<d", 0.5), "hour": struct.pack("<q", 17),
        "wet": b"\x01",
    } | overrides  # fmt: skip
    kinds = {"carrier": "BYTES", "distance": "FP64", "hour": "INT64", "wet": "BOOL"}
    tensors = [
        {"name": n, "shape": [1], "datatype": kinds[n], "parameters": {"binary_data_size": len(data)}}
        for n, data in packed.items()
    ]
    return tensors, b"".join(packed.values())


def odd_tensor(**overrides):
    tensor = {"name": "hour", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}}
    return [tensor | overrides], bytes(8)


def test_binary_row_is_read_like_any_other(harness):
    body, headers = binary(binary_row(distance=struct.pack("<d", float("nan"))))

    status, answer = harness.post(body, "flight-delay/versions/1", headers)

    assert (status, answer["outputs"][0]["data"]) == (200, [probability(ROW | {"distance": None})])
    assert harness.records()[0].inputs == ROW | {"distance": None}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (binary(binary_row(), size=10**6), "is more than the body holds"),
        (binary((binary_row()[0], binary_row()[1] + b"x")), "1 bytes follow the last binary tensor"),
        (binary((binary_row()[0], binary_row()[1][:-1])), "input wet: binary_data_size 1 does not fit the body"),
        (binary(binary_row(hour=b"1234567")), "input hour: 7 bytes are no whole number of INT64"),
        (binary(binary_row(hour=bytes(16))), "input hour: shape [1] asks for 1 elements, not 2"),
        (binary(binary_row(carrier=b"\x02\x00")), "input carrier: element 0 is cut short"),
        (binary(binary_row(carrier=b"\xff\xff\xff\xffAA")), "input carrier: element 0 is cut short"),
        (binary(binary_row(carrier=b"\x01\x00\x00\x00\xff")), "input carrier: element 0 is not UTF-8"),
        (binary(binary_row(distance=struct.pack("<d", float("inf")))), "column distance, row 0: inf is infinite"),
        (
            binary(odd_tensor(parameters={"binary_data_size": -1})),
            "input hour: binary_data_size -1 does not fit the body",
        ),
        (
            binary(odd_tensor(data=[1])),
            "input hour: has both data and binary data",
        ),
        (
            binary(odd_tensor(datatype="X")),
            "input hour: datatype 'X' is not one of",
        ),
        ((b"{}", {b"inference-header-content-length": b"-2"}), "is not a number of bytes"),
    ],
)  # fmt: skip
def test_callers_fault_in_binary_is_named(harness, request_, why):
    body, headers = request_

    status, answer = harness.post(body, headers=headers)

    assert status == 400
    assert why in answer["error"]


def test_required_column_refuses_a_binary_nan():
    signature = Signature([Column("distance", "double")])
    with pytest.raises(Fault, match="column distance, row 1: a value is required"):
        signature.read([InputTensor("distance", [2], "FP64", data=[1.0, float("nan")])])


def test_unknown_names_are_404_and_leave_no_record(harness):
    for name in ("flight", "flight-delay@prod", "flight-delay/versions/9", "flight-delay/versions/1/x", ""):
        status, answer = harness.post(infer_body(), name)

        assert status == 404
        assert "no model, alias or version" in answer["error"]
    assert harness.records() == []


def test_model_that_fails_is_our_fault_and_says_nothing_of_its_inside(harness, monkeypatch):
    servable = harness.core.snapshot.routes["flight-delay"].servables[1]
    monkeypatch.setattr(servable.runtime, "predict_row", lambda row: 1 / 0)

    status, answer = harness.post(infer_body(), "flight-delay@champion")

    assert (status, answer) == (500, {"error": "the model failed to answer; the gateway's log says more"})
    assert [r.status for r in harness.records()] == [500]


def test_full_spool_refuses_and_keeps_what_it_acknowledged(tmp_path):  # F9
    harness = Harness(tmp_path, spool_max_bytes=2_000)
    keyed = JSON | {b"x-route-key": key_for("champion").encode()}
    statuses = []

    while 503 not in statuses:
        answer = harness.core.infer("flight-delay", received(keyed, json.dumps(infer_body()).encode(), 1.0, 0))
        statuses.append(answer.status)

    assert (b"retry-after", b"1") in answer.headers
    assert b"cannot be recorded: the spool is full" in answer.body
    assert len(harness.records()) == statuses.count(200) > 3
    assert b'gateway_requests_total{model="flight-delay",version="1",arm="champion",status="503"} 1' in harness.told()


def test_full_spool_may_drop_records_instead(tmp_path):
    harness = Harness(tmp_path, spool_max_bytes=0, when_full="drop")

    assert harness.post(infer_body())[0] == 200

    assert harness.spool.dropped == 1
    assert harness.records() == []


def test_settings_name_the_variable_that_is_wrong():
    needed = {"ROUTING_TABLE_PATH": "t.json", "SPOOL_ROOT": "s"}

    assert read_settings(needed).port == 8080
    for environ, why in [
        ({}, "ROUTING_TABLE_PATH is not set"),
        (needed | {"GATEWAY_PORT": "http"}, "GATEWAY_PORT is 'http'; it must be a number"),
        (needed | {"GATEWAY_WORKERS": "0"}, "GATEWAY_WORKERS is 0; it must be at least 1"),
        (needed | {"SPOOL_FSYNC": "often"}, "SPOOL_FSYNC is 'often'; it must be one of record, interval, never"),
    ]:
        with pytest.raises(SettingsError, match=why):
            read_settings(environ)


def test_signature_of_an_unservable_type_is_refused():
    with pytest.raises(ValueError, match="column day is of type datetime, which cannot be served"):
        Signature([*COLUMNS, Column("day", "datetime")])
