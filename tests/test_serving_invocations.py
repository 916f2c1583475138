"""MLflow's scoring protocol at the gateway, beside MLflow's own scoring server with the same model and signature."""

import json

import mlflow.pyfunc
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema

from serving.invocations import MLFLOW, decode
from serving.protocol import Fault
from tests.gateways import (
    COLUMNS,
    ROW,
    boosted,
    make_boosted,
    make_route,
    make_table,
    probability,
    received,
    running_gateway,
)
from tests.test_serving_requests import JSON, Harness

NAMES = [column.name for column in COLUMNS]
ROWS = [ROW, ROW | {"carrier": "UA", "distance": None, "hour": 3, "wet": False}]
LISTS = [[row[name] for name in NAMES] for row in ROWS]
BY_COLUMN = {name: [row[name] for row in ROWS] for name in NAMES}
P = [probability(row) for row in ROWS]


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    harness = Harness(tmp_path_factory.mktemp("invocations"))
    yield harness
    harness.spool.close()


def post(harness, body, kind="application/json", **headers):
    """Return status and answer of version 1."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {b"content-type": kind.encode()} | {name.encode(): value.encode() for name, value in headers.items()}
    answer = harness.core.infer("flight-delay/versions/1", received(given, data, 1000.0, 0), dialect=MLFLOW)
    return answer.status, json.loads(answer.body)


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """The same trees, as MLflow serves them."""

    def predict(self, context, model_input, params=None):
        frame = model_input.astype({"distance": float})
        frame["carrier"] = pd.Categorical(frame["carrier"], categories=["AA", "B6", "UA"])
        return boosted(20).predict(frame[NAMES])


@pytest.fixture(scope="module")
def peer():
    """MLflow's own scoring server, as a function of body and content type."""
    schema = Schema([ColSpec(c.type, c.name, required=c.required) for c in COLUMNS])
    model = mlflow.pyfunc.PyFuncModel(
        Model(signature=ModelSignature(schema)),
        mlflow.pyfunc.model._PythonModelPyfuncWrapper(Scorer(), None, None),
    )

    def ask(body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            answer = scoring_server.invocations(data, kind, model, schema)
        except MlflowException as error:
            return error.get_http_status_code(), json.loads(error.serialize_as_json())
        return answer.status, json.loads(answer.response) if answer.status == 200 else answer.response

    return ask


CSV = b"carrier,distance,hour,wet\nAA,0.5,17,true\nUA,,3,false\n"
BOTH_ANSWER = [
    {"dataframe_split": {"columns": NAMES, "data": LISTS}},
    {"dataframe_split": {"columns": NAMES, "index": [0, 1], "data": LISTS}},
    {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in LISTS]}},
    {"dataframe_records": ROWS},
    {"dataframe_records": [ROW, {name: value for name, value in ROWS[1].items() if name != "distance"}]},
    {"dataframe_records": ROWS, "params": {}},
    {"dataframe_records": [ROW | {"hour": 17.0}, ROWS[1] | {"hour": 3.0}]},
    {"instances": [ROW, ROWS[1] | {"distance": 0.25}]},
    {"inputs": BY_COLUMN | {"distance": [0.5, 0.25]}},
]


@pytest.mark.parametrize("body", BOTH_ANSWER)
def test_what_mlflow_answers_is_answered_alike(harness, peer, body):
    status, answer = post(harness, body)

    assert (status, answer) == peer(body)
    assert status == 200
    assert len(answer["predictions"]) == 2


@pytest.mark.parametrize("data", [CSV, CSV.replace(b"\n", b"\r\n"), CSV.replace(b"true", b"True")])
def test_csv_is_answered_as_by_mlflow(harness, peer, data):
    assert post(harness, data, "text/csv") == peer(data, "text/csv") == (200, {"predictions": P})


def test_csv_with_the_index_that_pandas_writes(harness):
    data = pd.DataFrame(ROWS).to_csv().encode()

    assert post(harness, data, "text/csv; charset=utf-8") == (200, {"predictions": P})


def test_rows_may_come_in_the_signatures_order(harness):
    assert post(harness, {"instances": LISTS}) == (200, {"predictions": P})
    assert post(harness, {"inputs": LISTS}) == (200, {"predictions": P})


def test_columns_may_come_as_lists_of_one_value(harness):
    body = {"inputs": {name: [[value] for value in values] for name, values in BY_COLUMN.items()}}

    assert post(harness, body) == (200, {"predictions": P})


BOTH_REFUSE = [
    b"", b"[]", b"7", b"{", b"{}", b"\xff",
    {"dataframe_split": {"columns": NAMES, "data": LISTS}, "instances": LISTS},
    {"columns": NAMES, "data": LISTS},
    {"dataframe_split": {"columns": NAMES, "data": [LISTS[0][:2]]}},
    {"dataframe_records": [{"carrier": "AA"}]},
    {"dataframe_records": [ROW | {"hour": "noon"}]},
    {"dataframe_records": [ROW | {"distance": "far"}]},
    {"dataframe_records": 7},
    {"instances": 7},
    {"inputs": {**BY_COLUMN, "hour": [17]}},
]  # fmt: skip


@pytest.mark.parametrize("body", BOTH_REFUSE)
def test_what_mlflow_refuses_is_refused_in_its_shape(harness, peer, body):
    status, answer = post(harness, body)

    assert status == peer(body)[0] == 400
    assert (answer["error_code"], sorted(answer)) == ("BAD_REQUEST", ["error_code", "message"])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"dataframe_records": [ROW | {"gate": "B7"}]}, "column 'gate' is not one of the model's: carrier, distance"),
        ({"dataframe_records": [ROW | {"hour": 1.5}]}, "column hour, row 0: 1.5 is not a whole number"),
        (
            {"dataframe_records": [ROW, ROW | {"carrier": "ZZ"}]},
            "column carrier, row 1: 'ZZ' is none of its 3 categories",
        ),
        ({"dataframe_records": [ROW | {"hour": None}]}, "column hour, row 0: a value is required"),
        ({"dataframe_records": [ROW | {"wet": 2}]}, "column wet, row 0: 2 is neither 0 nor 1"),
        ({"dataframe_records": [ROW | {"hour": True}]}, "column hour, row 0: True is not a number"),
        ({"dataframe_records": [ROW | {"hour": 2**63}]}, "out of the range of INT64"),
        ({"dataframe_records": []}, "there are no rows"),
        ({"dataframe_split": {"columns": ["hour", "hour"], "data": [[1, 2]]}}, "a column is named twice"),
        ({"dataframe_split": {"columns": NAMES, "data": [LISTS[0][:2]]}}, "row 0 has 2 values for 4 columns"),
        ({"dataframe_split": {"data": LISTS}}, "missing required field `columns` - at `$.dataframe_split`"),
        ({"instances": [ROW, LISTS[0]]}, "some rows are objects, others are not"),
        ({"instances": [LISTS[0][:3]]}, "row 0: 3 values, but the model has 4 columns"),
        ({"inputs": {**BY_COLUMN, "hour": [17]}}, "column 'hour' has 1 rows, while those before it have 2"),
        ({"inputs": {**BY_COLUMN, "hour": 17}}, "column 'hour' must be a list of values"),
        ({}, "exactly one of dataframe_split, dataframe_records, instances, inputs; it holds none"),
        ({"inputs": [], "instances": []}, "it holds instances and inputs"),
        (b'{"inputs": NaN}', "invalid character"),
        (b'{"instances": ' + b"[" * 10_000, "nested too deeply"),
    ],
)
def test_refusal_names_what_is_wrong(harness, body, why):
    status, answer = post(harness, body)

    assert status == 400
    assert why in answer["message"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the CSV is empty"),
        (b"carrier,distance,hour,wet\n", "there are no rows"),
        (b"carrier,distance,hour,wet\nAA,0.5,17\n", "row 0: 3 values for 4 columns"),
        (b"carrier,distance,hour,wet\nAA,far,17,true\n", "column distance, row 0: 'far' is not a number"),
        (b"carrier,distance,hour,wet\nAA,inf,17,true\n", "column distance, row 0: inf is infinite"),
        (b"carrier,distance,hour,wet\nAA,0.5,,true\n", "column hour, row 0: a value is required"),
        (b"carrier,distance,hour,wet\nAA,0.5,17,maybe\n", "column wet, row 0: 'maybe' is not a number"),
        (b"hour,hour\n1,2\n", "names a column twice"),
        (b'carrier\n"AA', "the body is no CSV"),
        (b"carrier\n\xff", "the CSV is not UTF-8"),
    ],
)
def test_refusal_of_csv_names_what_is_wrong(harness, data, why):
    status, answer = post(harness, data, "text/csv")

    assert status == 400
    assert why in answer["message"]


@pytest.mark.parametrize(
    "kind",
    ["application/x-pickle", "application/octet-stream", "text/plain", "application/json; format=pandas-split",
     "application/json; charset=latin-1", "application/vnd.apache.parquet"],
)  # fmt: skip
def test_body_of_another_type_is_never_read(harness, kind):  # T8
    assert post(harness, b"\x80\x04cos\nsystem", kind)[0] == 415


def test_compressed_body_is_never_read():
    with pytest.raises(Fault, match="compressed"):
        decode(JSON | {b"content-encoding": b"gzip"}, b"")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("invocations")
    with running_gateway(home, make_table(make_route(make_boosted(home)))) as gateway:
        yield gateway


@pytest.mark.parametrize(
    "path", ["/invocations", "/models/flight-delay/invocations", "/models/flight-delay@champion/invocations"]
)
def test_addresses(gateway, path):
    answer = gateway.client.post(path, json={"dataframe_records": ROWS}, headers={"X-Request-Id": "i-1"})

    assert (answer.status_code, answer.json()) == (200, {"predictions": P})
    assert answer.headers["x-request-id"] == "i-1"


def test_unknown_model_and_wrong_method(gateway):
    unknown = gateway.client.post("/models/nobody/invocations", json={"instances": LISTS})
    wrong = gateway.client.get("/invocations")

    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert (wrong.status_code, wrong.headers["allow"], wrong.json()["error_code"]) == (
        405,
        "POST",
        "ENDPOINT_NOT_FOUND",
    )
    assert gateway.client.get("/ping").status_code == 200


def test_address_without_a_model_is_for_one_model_alone(gateway, tmp_path):
    other = make_route(make_boosted(tmp_path), model="other", model_id=2)
    served = make_route(make_boosted(tmp_path / "served"))
    gateway.publish(make_table(served, other, version=2))

    answer = gateway.client.post("/invocations", json={"dataframe_records": ROWS})

    assert answer.status_code == 404
    assert "not just one to call" in answer.json()["message"]
