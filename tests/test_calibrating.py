"""Probabilities are set right on rows that nothing else saw, and every reader of the artifact answers the same."""

from dataclasses import replace

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model
from sklearn.isotonic import IsotonicRegression

from experiments.pipelines.calibrating import CalibrationError, set_apart
from experiments.pipelines.catalogue import PIPELINES
from experiments.training import flavor
from experiments.training.fitting import fit
from experiments.training.params import parse
from registry.errors import InvalidError
from serving.categories import with_categories
from serving.contract import Calibration, Column, calibrated_text, calibration_of_text, read_calibration
from serving.runtimes import ModelError, load_runtime
from tests.gateways import COLUMNS, as_columns, boosted
from tests.test_pipelines import Quiet, flights, rows_of

FILES = {
    "baseline": ("skops", "model.skops"),
    "lightgbm": ("lightgbm", "model.lgb"),
    "xgboost": ("xgboost", "model.ubj"),
}


@pytest.fixture(scope="module")
def rows():
    frame, _ = flights(np.random.default_rng(5), 4500)
    frame["time"] = pd.date_range("2026-01-01", periods=len(frame), freq="h", tz="UTC")
    frame = frame.sample(frac=1, random_state=2, ignore_index=True)
    held = (frame["time"] >= frame["time"].sort_values().iloc[3000]).to_numpy()
    return rows_of(frame, "late", ["carrier", "hour", "delay"], held=held, categorical=["carrier"], time="time")


def fitted(rows, name, **params):
    pipeline = PIPELINES[name]
    some = {} if name == "baseline" else {"trees": 40}
    return fit(pipeline, parse(pipeline.params, some | params), rows, Quiet())


@pytest.mark.parametrize(("name", "method"), [(n, m) for n in FILES for m in ("sigmoid", "isotonic")])
def test_weighted_scores_become_probabilities_and_pyfunc_and_gateway_agree(rows, name, method, tmp_path):
    made, checked = fitted(rows, name, positive_weight=8.0, calibration=method)

    # What weights bent is set right, on rows that came after those it was fitted on.
    assert checked.rows == 375
    assert checked.metrics["calibration_error_after"] < 0.4 * checked.metrics["calibration_error_before"]
    assert checked.metrics["brier_score_after"] < checked.metrics["brier_score_before"]
    assert {len(table) > 5 for table in checked.reliability.values()} == {True}

    # The artifact answers the same, however it is read.
    some = rows.validation.dropna().head(300)
    expected = made.scores(some)
    kinds = {"carrier": "string", "hour": "long", "delay": "double"}
    signature = flavor.signature_of(kinds, optional=["delay"], trained=made)
    folder = tmp_path / "m"
    flavor.save_model(
        path=str(folder), mlflow_model=Model(), trained=made, signature=signature, input_example=some.head(3)
    )
    stock = mlflow.pyfunc.load_model(str(folder)).predict(some)
    kind, file = FILES[name]
    content = (folder / file).read_bytes()
    columns = with_categories(kind, content, [Column(c, kinds[c], required=c != "delay") for c in kinds])
    served = load_runtime(kind, content, columns)
    assert stock[:, 1] == pytest.approx(expected, abs=1e-12)
    assert served.output.name == "probability"
    assert served.predict(as_columns(some), len(some)) == pytest.approx(expected.tolist(), abs=1e-7)
    assert served.predict_row([values[4] for values in as_columns(some)]) == pytest.approx([expected[4]], abs=1e-7)


def test_rows_to_calibrate_by_are_the_newest_and_stop_nothing(rows):
    stop, newest = set_apart(rows)

    assert stop.train.equals(rows.train.reset_index(drop=True))
    assert stop.validation_context["time"].max() < newest.validation_context["time"].min()
    assert rows.train_context["time"].max() < stop.validation_context["time"].min()
    assert len(stop.validation) + len(newest.validation) == len(rows.validation)
    bare = rows.part(np.arange(3000), np.arange(3000, 4500))
    bare = replace(bare, train_context=pd.DataFrame(), validation_context=pd.DataFrame(), roles={})
    parts = set_apart(bare)
    assert sum(len(part.validation) for part in parts) == 1500
    assert not set(parts[0].validation.index) & set(parts[1].validation.index)


def test_none_is_as_usual_and_too_few_rows_are_refused(rows):
    made, checked = fitted(rows, "lightgbm")

    assert (made.calibration, checked) == (None, None)
    few = rows.part(np.arange(3000), np.arange(3000, 3200))
    with pytest.raises(CalibrationError, match=r"isotonic takes 200 rows of either label .* Choose sigmoid or none"):
        fitted(few, "lightgbm", calibration="isotonic")
    upside_down = replace(rows, validation_labels=1 - rows.validation_labels)
    with pytest.raises(CalibrationError, match="do not rise with the outcome"):
        fitted(upside_down, "baseline", calibration="sigmoid")
    with pytest.raises(InvalidError, match="calibration is one of none, sigmoid, isotonic"):
        parse(PIPELINES["xgboost"].params, {"calibration": "platt"})


def test_the_curve_is_scikit_learns(rows):
    random = np.random.default_rng(0)
    scores = random.random(400).round(2)
    curve = IsotonicRegression(out_of_bounds="clip").fit(scores, (random.random(400) < scores**2).astype(float))
    ours = Calibration("isotonic", scores=curve.X_thresholds_.tolist(), shares=curve.y_thresholds_.tolist())

    asked = np.concatenate([np.linspace(0, 1, 501), curve.X_thresholds_])
    assert [ours.probability(value) for value in asked] == pytest.approx(curve.predict(asked).tolist(), abs=1e-12)
    same = Calibration("sigmoid")
    assert [same.probability(value) for value in (0.0, 0.3, 1.0)] == pytest.approx([0.0, 0.3, 1.0], abs=1e-11)


@pytest.mark.parametrize(
    "said",
    [
        "{", '{"method":"beta"}', '{"method":"sigmoid","slope":-1}', '{"method":"isotonic"}', '{"method":"sigmoid","more":1}',
        '{"method":"isotonic","scores":[0.5,0.1],"shares":[0,1]}', '{"method":"isotonic","scores":[0.1,0.5],"shares":[0,2]}',
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused_by_the_gateway(said):
    text = boosted().model_to_string()
    spoilt = text.replace("\n\n", f"\ncalibration={said}\n\n", 1)

    with pytest.raises(ValueError):  # noqa: PT011  whatever the message
        read_calibration(said)
    with pytest.raises(ModelError):
        load_runtime("lightgbm", spoilt.encode(), COLUMNS)
    sound = Calibration("sigmoid", 2.0, -1.0)
    assert calibration_of_text(calibrated_text(text, sound)) == sound
    assert calibration_of_text(text) is None
