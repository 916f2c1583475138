"""What a model's task adds to its answers: the order of a ranking and the horizon of a forecast, in both protocols."""

import hashlib
import json
import time

import lightgbm
import mlflow
import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from mlflow.models import Model
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputRegressor

from serving.artifacts import ArtifactError
from serving.contract import Column, File, Quantiles, read_segment, write_table
from serving.core import ANYONE, Core
from serving.describe import Describer
from serving.families import Ranking
from serving.fleet import Fleet
from serving.invocations import MLFLOW
from serving.loading import load
from serving.protocol import V2, InferAnswer
from serving.reading import read
from serving.runtimes import Output
from serving.settings import Settings
from serving.spool import Spool
from tests.gateways import make_artifact, make_route, make_table, received

JSON = {b"content-type": b"application/json"}
QUIET = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 2}
RANDOM = np.random.default_rng(3)
LAGS = RANDOM.normal(size=(300, 3))
CANDIDATES = [Column("price", "double"), Column("stops", "long")]


def boosted(rows, target, names, **settings):
    data = lightgbm.Dataset(
        rows, target, feature_name=names, **({"group": settings.pop("group")} if "group" in settings else {})
    )
    return lightgbm.train(QUIET | settings, data, 10)


class Served:
    """A core that serves one model, version 1, of a task."""

    def __init__(self, home, task, version):
        self.settings = Settings(home / "table.json", home / "spool")
        route = msgspec.structs.replace(make_route(version, model="m"), task=task)
        write_table(make_table(route), self.settings.routing_table_path)
        self.spool = Spool(self.settings)
        self.core = Core(self.spool)
        self.fleet = Fleet(self.settings.routing_table_path, lambda snapshot: setattr(self.core, "snapshot", snapshot))
        self.fleet.follow()

    def ask(self, body, dialect=V2):
        answer = self.core.infer(
            "m", received(JSON, json.dumps(body).encode(), 0.0, time.perf_counter_ns()), dialect=dialect
        )
        return answer.status, json.loads(answer.body)

    def records(self):
        return [record for path in sorted(self.spool.folder.glob("0*")) for record in read_segment(path)]


def tensors(columns, **more):
    kinds = {float: "FP64", int: "INT64", str: "BYTES"}
    return {"inputs": [
        {"name": n, "shape": [len(v)], "datatype": kinds[type(v[0])], "data": v} for n, v in columns.items()
    ], **more}  # fmt: skip


def make_ranker(home, objective="lambdarank"):
    rows = np.column_stack([RANDOM.normal(size=400), RANDOM.integers(0, 3, 400)])
    grade = (rows[:, 0] < 0).astype(int) * 2 + (rows[:, 1] == 0)
    booster = boosted(rows, grade, ["price", "stops"], objective=objective, group=[20] * 20)
    return booster, make_artifact(home, "model.lgb", booster.model_to_string().encode(), columns=CANDIDATES)


QUERY = {"price": [0.4, -1.0, 0.4, 2.0, -0.2], "stops": [1, 0, 1, 2, 0]}


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_ranking_answers_scores_and_order_and_records_each_place(tmp_path, objective):
    booster, version = make_ranker(tmp_path / "v1", objective)
    served = Served(tmp_path, "ranking", version)

    status, answer = served.ask(tensors(QUERY, id="query-1"))

    scores = booster.predict(np.column_stack([*QUERY.values()])).tolist()
    best_first = sorted(range(5), key=lambda row: -scores[row])  # which is stable: rows 0 and 2 are alike
    assert status == 200
    assert answer["outputs"] == [
        {"name": "value", "datatype": "FP64", "shape": [5], "data": scores},
        {"name": "order", "datatype": "INT64", "shape": [5], "data": best_first},
    ]
    assert best_first.index(0) + 1 == best_first.index(2)
    assert [(r.request_id, r.row, r.outputs) for r in served.records()] == [
        ("query-1", row, {"value": score, "position": best_first.index(row)}) for row, score in enumerate(scores)
    ]


def test_candidate_alone_is_first(tmp_path):
    served = Served(tmp_path, "ranking", make_ranker(tmp_path / "v1")[1])

    _, answer = served.ask(tensors({"price": [0.4], "stops": [1]}))

    assert answer["outputs"][1]["data"] == [0]


def test_order_alone_may_be_asked_for_and_as_binary(tmp_path):
    served = Served(tmp_path, "ranking", make_ranker(tmp_path / "v1")[1])
    _, whole = served.ask(tensors(QUERY))

    status, answer = served.ask(tensors(QUERY, outputs=[{"name": "order"}]))
    body = json.dumps(
        tensors(QUERY, outputs=[{"name": "order", "parameters": {"binary_data": True}}, {"name": "value"}])
    )
    mixed = served.core.infer("m", received(JSON, body.encode(), 0.0, 0))

    assert (status, answer["outputs"]) == (200, whole["outputs"][1:])
    head = int(dict(mixed.headers)[b"inference-header-content-length"])
    told = msgspec.json.decode(mixed.body[:head], type=InferAnswer)
    assert [(o.name, o.parameters, o.data) for o in told.outputs] == [
        ("order", {"binary_data_size": 40}, None), ("value", None, whole["outputs"][0]["data"]),
    ]  # fmt: skip
    assert np.frombuffer(mixed.body[head:], "<i8").tolist() == whole["outputs"][1]["data"]


def test_output_that_is_unknown_is_refused_with_those_there_are(tmp_path):
    served = Served(tmp_path, "ranking", make_ranker(tmp_path / "v1")[1])

    status, answer = served.ask(tensors(QUERY, outputs=[{"name": "rank"}]))

    assert (status, answer["error"]) == (400, "output 'rank' is unknown; the model answers 'value' and 'order'")


def test_mlflows_clients_get_predictions_alone_unless_they_ask(tmp_path):
    served = Served(tmp_path, "ranking", make_ranker(tmp_path / "v1")[1])
    _, whole = served.ask(tensors(QUERY))
    scores, order = (output["data"] for output in whole["outputs"])

    assert served.ask({"inputs": QUERY}, MLFLOW) == (200, {"predictions": scores})
    assert served.ask({"inputs": QUERY, "params": {"order": True}}, MLFLOW) == (
        200, {"predictions": scores, "order": order},
    )  # fmt: skip


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=16), min_size=1, max_size=30))
def test_order_is_best_first_stable_and_leaves_nothing_out(scores):
    (_, order), outputs = Ranking(Output("value")).answer(scores, len(scores))

    rank = [(score != score, -score if score == score else 0.0, row) for row, score in enumerate(scores)]
    assert order.data == [row for *_, row in sorted(rank)]
    assert [outputs["position"][row] for row in order.data] == list(range(len(scores)))


def test_model_of_several_numbers_a_row_ranks_nothing(tmp_path):
    rows = RANDOM.normal(size=(200, 2))
    booster = boosted(rows, RANDOM.integers(0, 3, 200), ["price", "stops"], objective="multiclass", num_class=3)
    version = make_artifact(tmp_path, "model.lgb", booster.model_to_string().encode(), columns=CANDIDATES)

    with pytest.raises(ArtifactError, match="a ranking needs one number a row, and the model answers 3"):
        load(version, "ranking", 0)


def lag_columns(*more):
    return [*(Column(f"lag_{i}", "double") for i in (1, 2, 3)), *more]


def make_by_column(home, **parameters):
    """A model that takes the step as a column, between the others."""
    rows = np.column_stack([LAGS[:, 0], RANDOM.integers(1, 13, 300), LAGS[:, 1]])
    booster = boosted(rows, rows[:, 0] * rows[:, 1], ["lag_1", "horizon", "lag_2"])
    columns = [Column("lag_1", "double"), Column("horizon", "long"), Column("lag_2", "double")]
    version = make_artifact(home, "model.lgb", booster.model_to_string().encode(), columns=columns)
    return booster, msgspec.structs.replace(version, parameters=parameters)


def make_by_lags(home):
    booster = boosted(LAGS, LAGS @ [0.6, 0.3, 0.1], ["lag_1", "lag_2", "lag_3"])
    return booster, make_artifact(home, "model.lgb", booster.model_to_string().encode(), columns=lag_columns())


def make_by_output(home):
    model = MultiOutputRegressor(LinearRegression()).fit(LAGS, LAGS @ RANDOM.normal(size=(3, 4)))
    data = skops.io.dumps(model)
    return model, make_artifact(home, "model.skops", data, format_name="skops", columns=lag_columns())


def test_model_that_takes_the_step_is_asked_for_each(tmp_path):
    booster, version = make_by_column(tmp_path / "v1", horizon=2, max_horizon=6)
    served = Served(tmp_path, "forecasting", version)
    series = {"lag_1": [0.5, -1.5], "lag_2": [0.1, 0.2]}

    status, answer = served.ask(tensors(series, id="f", parameters={"horizon": 3}))

    wide = np.array([[a, step, b] for a, b in zip(*series.values(), strict=True) for step in (1, 2, 3)])
    expected = booster.predict(wide).tolist()
    assert status == 200
    assert answer["outputs"] == [{"name": "forecast", "datatype": "FP64", "shape": [2, 3], "data": expected}]
    assert [(r.row, r.inputs, r.outputs) for r in served.records()] == [
        (row, {"lag_1": a, "lag_2": b, "horizon": int(step)}, {"forecast": expected[row]})
        for row, (a, step, b) in enumerate(wide.tolist())
    ]


def test_horizon_that_is_missing_is_the_signatures(tmp_path):
    served = Served(tmp_path, "forecasting", make_by_column(tmp_path / "v1", horizon=2, max_horizon=6)[1])

    _, answer = served.ask(tensors({"lag_1": [0.5], "lag_2": [0.1]}))

    assert answer["outputs"][0]["shape"] == [1, 2]


def test_model_of_one_step_is_fed_its_own_answers(tmp_path):
    booster, version = make_by_lags(tmp_path / "v1")
    served = Served(tmp_path, "forecasting", version)
    series = [[1.0, 0.5, 0.2], [-1.0, 0.3, 0.0]]
    columns = {f"lag_{i + 1}": [row[i] for row in series] for i in range(3)}

    _, answer = served.ask(tensors(columns, parameters={"horizon": 5}))

    expected = []
    for lags in (list(row) for row in series):
        for _ in range(5):
            expected.append(float(booster.predict(np.array([lags]))[0]))
            lags[:] = [expected[-1], *lags[:2]]
    assert answer["outputs"][0]["shape"] == [2, 5]
    assert answer["outputs"][0]["data"] == expected
    assert [r.inputs["lag_1"] for r in served.records()] == [1.0] * 5 + [-1.0] * 5


def test_model_that_answers_all_steps_at_once_is_asked_once_and_no_further(tmp_path):
    model, version = make_by_output(tmp_path / "v1")
    served = Served(tmp_path, "forecasting", version)
    columns = {f"lag_{i + 1}": [1.0 + i, 2.0 + i] for i in range(3)}

    _, answer = served.ask(tensors(columns, parameters={"horizon": 3}))
    status, refused = served.ask(tensors(columns, parameters={"horizon": 5}))

    expected = model.predict(np.column_stack([*columns.values()]))[:, :3]
    assert answer["outputs"][0]["shape"] == [2, 3]
    np.testing.assert_allclose(answer["outputs"][0]["data"], expected.ravel(), rtol=1e-12)
    assert (status, refused["error"]) == (400, "parameter horizon: '5' is not an integer from 1 to 4")


def test_mlflows_clients_ask_for_a_horizon_too(tmp_path):
    served = Served(tmp_path, "forecasting", make_by_lags(tmp_path / "v1")[1])
    columns = {"lag_1": [1.0, 2.0], "lag_2": [0.5, 0.5], "lag_3": [0.2, 0.2]}
    _, whole = served.ask(tensors(columns, parameters={"horizon": 2}))

    status, answer = served.ask({"inputs": columns, "params": {"horizon": 2}}, MLFLOW)
    _, default = served.ask({"inputs": columns}, MLFLOW)

    data = whole["outputs"][0]["data"]
    assert (status, answer) == (200, {"predictions": [data[:2], data[2:]]})
    assert default == {"predictions": [[data[0]], [data[2]]]}


@pytest.mark.parametrize("horizon", [0, -1, 7, 2.0, "3", True, None, [2]])
def test_horizon_that_makes_no_sense_is_named(served_forecast, horizon):
    status, answer = served_forecast.ask(tensors({"lag_1": [0.5], "lag_2": [0.1]}, parameters={"horizon": horizon}))

    assert status == 400
    assert answer["error"] == f"parameter horizon: {str(horizon)!r} is not an integer from 1 to 6"


@pytest.fixture(scope="module")
def served_forecast(tmp_path_factory):
    home = tmp_path_factory.mktemp("forecast")
    return Served(home, "forecasting", make_by_column(home / "v1", horizon=2, max_horizon=6)[1])


def test_forecasts_of_one_request_are_bounded(served_forecast, monkeypatch):
    monkeypatch.setattr("serving.horizons.MOST_PREDICTIONS", 11)

    status, answer = served_forecast.ask(tensors({"lag_1": [0.5] * 2, "lag_2": [0.1] * 2}, parameters={"horizon": 6}))

    assert (status, answer["error"]) == (400, "parameter horizon: 2 rows of 6 steps are more than 11 predictions")


def test_step_is_no_column_that_callers_send(served_forecast):
    status, answer = served_forecast.ask(tensors({"lag_1": [0.5], "lag_2": [0.1], "horizon": [1]}))

    assert (status, answer["error"]) == (400, "input 'horizon' is not a column of the model: lag_1, lag_2")


@pytest.mark.parametrize(
    ("columns", "parameters", "why"),
    [
        ([*lag_columns()[:2], Column("lag_4", "double")], {}, "must be floats without a gap"),
        ([Column("lag_1", "double"), Column("lag_2", "long"), Column("x", "double")], {}, "must be floats"),
        ([Column("a", "double"), Column("b", "double"), Column("c", "double")], {"horizon": 2}, "more than 1, the most"),
        (lag_columns(), {"horizon": 400}, "horizon of the signature is 400, which is more than 366, the most"),
        (lag_columns(), {"max_horizon": "12"}, "max_horizon of the signature is '12', which is no number of steps"),
        ([Column("a", "double"), Column("b", "double"), Column("c", "double")], {"max_horizon": 2},
         "max_horizon of the signature is 2, but the model answers no more than 1"),
    ],
)  # fmt: skip
def test_version_that_contradicts_itself_is_refused(tmp_path, columns, parameters, why):
    booster = boosted(LAGS, LAGS[:, 0], [column.name for column in columns])
    version = make_artifact(tmp_path, "model.lgb", booster.model_to_string().encode(), columns=columns)

    with pytest.raises(ArtifactError, match=why):
        load(msgspec.structs.replace(version, parameters=parameters), "forecasting", 0)


def test_metadata_says_what_is_answered(tmp_path, served_forecast):
    ranking = Served(tmp_path, "ranking", make_ranker(tmp_path / "v1")[1])

    def told(served):
        describer = Describer(served.settings, served.core, None, served.spool, None)
        return json.loads(describer.find("/v2/models/m")(ANYONE).body)

    assert told(ranking)["outputs"] == [
        {"name": "value", "datatype": "FP64", "shape": [-1]}, {"name": "order", "datatype": "INT64", "shape": [-1]},
    ]  # fmt: skip
    forecast = told(served_forecast)
    assert forecast["outputs"] == [{"name": "forecast", "datatype": "FP64", "shape": [-1, -1]}]
    assert forecast["parameters"] == {"horizon": {"default": 2, "maximum": 6}}
    assert [column["name"] for column in forecast["inputs"]] == ["lag_1", "lag_2"]


QUANTILES = Quantiles(
    [0.1, 0.5, 0.9], [[-1.0, 0.0, 2.0], [-3.0, 0.5, 3.0]], lags=2, power=0.5, least=0.25, usual=9.0, lowest=0.0
)


def with_quantiles(home, **changes):
    booster, version = make_by_lags(home / "plain")
    text = msgspec.json.encode(msgspec.structs.replace(QUANTILES, **changes))
    made = make_artifact(
        home / "spread", "model.lgb", booster.model_to_string().encode(), columns=lag_columns(), extra={"quantiles.json": text}.items()
    )  # fmt: skip
    return msgspec.structs.replace(made, parameters={"horizon": 2, "max_horizon": 3}), version


def test_quantiles_are_told_to_who_asks_in_both_protocols(tmp_path):
    version, _ = with_quantiles(tmp_path)
    served = Served(tmp_path, "forecasting", version)
    columns = {"lag_1": [9.0, 0.1], "lag_2": [7.0, 0.1], "lag_3": [0.2, 0.2]}

    _, plain = served.ask(tensors(columns))
    status, answer = served.ask(tensors(columns, parameters={"quantiles": True}))
    _, mlflow_answer = served.ask({"inputs": columns, "params": {"quantiles": True}}, MLFLOW)

    forecast, quantiles = answer["outputs"]
    assert (status, [forecast]) == (200, plain["outputs"])
    points = np.reshape(forecast["data"], (2, 2))
    expected = points[:, :, None] + np.sqrt([8.0, 0.25])[:, None, None] * np.array(QUANTILES.offsets)
    assert (quantiles["shape"], quantiles["parameters"]) == ([2, 2, 3], {"levels": [0.1, 0.5, 0.9]})
    assert quantiles["data"] == pytest.approx(np.maximum(expected, 0.0).ravel().tolist())
    assert (np.diff(np.reshape(quantiles["data"], (2, 2, 3)), axis=2) >= 0).all()
    assert mlflow_answer == {
        "predictions": points.tolist(), "quantiles": np.reshape(quantiles["data"], (2, 2, 3)).tolist(), "levels": [0.1, 0.5, 0.9],
    }  # fmt: skip
    assert [*served.records()[-1].outputs] == ["forecast"]  # the rest follows from it and the version
    told = json.loads(
        Describer(served.settings, served.core, None, served.spool, None).find("/v2/models/m")(ANYONE).body
    )
    assert told["outputs"][1] == {"name": "quantiles", "datatype": "FP64", "shape": [-1, -1, 3]}
    assert told["parameters"]["quantiles"] == {"default": False, "levels": [0.1, 0.5, 0.9], "maximum_horizon": 2}


def test_quantiles_that_are_not_known_are_refused_with_the_way_out(tmp_path, served_forecast):
    served = Served(tmp_path, "forecasting", with_quantiles(tmp_path)[0])
    row = {"lag_1": [9.0], "lag_2": [7.0], "lag_3": [0.2]}

    def refusal(of, rows, **parameters):
        status, answer = of.ask(tensors(rows, parameters=parameters))
        assert status == 400
        return answer["error"]

    assert "known for up to 2 steps, not 3" in refusal(served, row, quantiles=True, horizon=3)
    assert "'yes' is neither true nor false" in refusal(served, row, quantiles="yes")
    assert "this version has none" in refusal(served_forecast, {"lag_1": [0.5], "lag_2": [0.1]}, quantiles=True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"offsets": [[0.0, 2.0, 1.0]]}, "offsets are not one rising list"),
        ({"levels": [0.1, 0.1, 0.9]}, "rising shares between 0 and 1"),
        ({"offsets": []}, "offsets are not"),
        ({"power": 2.0}, "power not between 0 and 1"),
        ({"lags": 4}, "takes lag_4, which is no column"),
    ],
)
def test_version_whose_quantiles_make_no_sense_is_refused(tmp_path, changes, why):
    version, _ = with_quantiles(tmp_path, **changes)

    with pytest.raises(ArtifactError, match=why):
        load(version, "forecasting", 0)


def test_horizon_is_read_from_the_parameters_of_mlflows_signature(tmp_path):
    _, version = make_by_lags(tmp_path)
    signature = mlflow.models.infer_signature(
        pd.DataFrame([[0.5, 0.5, 0.5]], columns=["lag_1", "lag_2", "lag_3"]), np.array([0.5]),
        params={"horizon": 4, "max_horizon": 12, "quantiles": [0.1, 0.9]},
    )  # fmt: skip
    description = Model(signature=signature)
    description.add_flavor("lightgbm", data="model.lgb")
    text = description.to_yaml().encode()
    (tmp_path / "MLmodel").write_bytes(text)

    found = read(tmp_path, [*version.manifest, File("MLmodel", len(text), hashlib.sha256(text).hexdigest())])

    assert (found.refusal, found.unsound) == ("", "")
    assert found.parameters == {"horizon": 4, "max_horizon": 12}
