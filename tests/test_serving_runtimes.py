"""Each runtime answers what its library answers, and refuses what it should not load."""

import pickle
import threading

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from serving.contract import Column
from serving.probe import probe
from serving.runtimes import ModelError, Output, load_runtime
from tests.gateways import COLUMNS, as_columns, boosted, flights, pipeline

BOOSTED = boosted().model_to_string().encode()
NUMBERS = [Column("distance", "double", required=False), Column("hour", "long")]


def one_by_one(runtime, columns, rows):
    return [value for i in range(rows) for value in runtime.predict_row([values[i] for values in columns])]


def test_lightgbm_answers_what_the_library_answers():
    rows, _ = flights()
    runtime = load_runtime("lightgbm", BOOSTED, COLUMNS)
    expected = boosted().predict(rows).tolist()

    assert runtime.output == Output("probability")
    assert runtime.predict(as_columns(rows), len(rows)) == expected
    assert one_by_one(runtime, as_columns(rows), len(rows)) == expected


def test_lightgbm_finds_its_features_by_name():
    rows, _ = flights()
    shuffled = ["wet", "hour", "carrier", "distance"]
    columns = [next(c for c in COLUMNS if c.name == name) for name in shuffled]

    runtime = load_runtime("lightgbm", BOOSTED, columns)

    assert runtime.predict(as_columns(rows[shuffled]), len(rows)) == boosted().predict(rows).tolist()


def test_lightgbm_with_several_classes_answers_a_probability_each():
    rows, _ = flights()
    rows = rows[["distance", "hour"]]
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1}, lightgbm.Dataset(rows, rows.hour % 3), 3
    )
    runtime = load_runtime("lightgbm", booster.model_to_string().encode(), NUMBERS)

    assert runtime.output == Output("probabilities", 3)
    assert runtime.predict(as_columns(rows), len(rows)) == booster.predict(rows).ravel().tolist()
    assert one_by_one(runtime, as_columns(rows), 5) == booster.predict(rows[:5]).ravel().tolist()


def test_lightgbm_with_numbered_categories_and_a_regression():
    rows, _ = flights()
    rows = rows[["hour", "distance"]].assign(hour=pd.Categorical(rows.hour))
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(rows, rows.distance.fillna(0)), 3)
    columns = [Column("hour", "long", categories=[str(h) for h in range(24)]), Column("distance", "double", False)]
    runtime = load_runtime("lightgbm", booster.model_to_string().encode(), columns)

    assert runtime.output == Output("value")
    assert runtime.predict(as_columns(rows), len(rows)) == booster.predict(rows).tolist()


def test_lightgbm_answers_the_same_from_many_threads():
    rows, _ = flights()
    columns = as_columns(rows)
    runtime = load_runtime("lightgbm", BOOSTED, COLUMNS)
    answers = {}
    threads = [
        threading.Thread(target=lambda i=i: answers.update({i: one_by_one(runtime, columns, 200)})) for i in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(answers.values()) == [boosted().predict(rows[:200]).tolist()] * 4


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (COLUMNS[1:], "columns are not the model's features; they differ in carrier"),
        ([*COLUMNS, Column("extra", "double")], "differ in extra"),
        ([Column("carrier", "string"), *COLUMNS[1:]], "text without categories"),
        ([Column("carrier", "string", categories=["UA", "B6", "AA"]), *COLUMNS[1:]], "in their order"),
        ([Column("carrier", "string", categories=["AA", "B6"]), *COLUMNS[1:]], "categories are not those"),
    ],
)
def test_lightgbm_that_the_signature_does_not_fit_is_refused(columns, why):
    with pytest.raises(ModelError, match=why):
        load_runtime("lightgbm", BOOSTED, columns)


@pytest.mark.parametrize("data", [b"", b"tree", pickle.dumps({"a": 1}), b"\xff" * 100, b"tree\n\x00"])
def test_what_is_no_lightgbm_text_is_refused_before_the_library_sees_it(data):
    with pytest.raises(ModelError, match="not a LightGBM text file"):
        load_runtime("lightgbm", data, COLUMNS)


@pytest.mark.parametrize(
    "data",
    [
        BOOSTED.replace(b"num_leaves=", b"num_leaves=9"),
        BOOSTED.replace(b"left_child=", b"left_child=99999 "),
        BOOSTED.replace(b"split_feature=", b"split_feature=900000 "),
    ],
)
def test_lightgbm_text_that_kills_the_library_kills_a_child_alone(data):  # T10
    with pytest.raises(ModelError, match="killed a trial process"):
        probe("lightgbm", data, COLUMNS)


def test_sound_models_pass_the_trial():
    probe("lightgbm", BOOSTED, COLUMNS)
    probe("skops", skops.io.dumps(pipeline()), COLUMNS)


def test_trial_passes_on_what_is_wrong():
    with pytest.raises(ModelError, match="not a skops file that can be read here: BadZipFile"):
        probe("skops", pickle.dumps(pipeline()), COLUMNS)  # T6


def test_skops_pipeline_answers_what_the_library_answers():
    rows, _ = flights()
    runtime = load_runtime("skops", skops.io.dumps(pipeline()), COLUMNS)
    expected = pipeline().predict_proba(rows)[:, 1]

    assert runtime.output == Output("probability")
    assert runtime.predict(as_columns(rows), len(rows)) == expected.tolist()
    assert one_by_one(runtime, as_columns(rows), 20) == pytest.approx(expected[:20].tolist(), rel=1e-12)


@pytest.mark.parametrize(
    "estimator", [RandomForestClassifier(5), HistGradientBoostingClassifier(max_iter=5), LogisticRegression(), Ridge()]
)
def test_estimators_on_the_trusted_list(estimator):
    rows, late = flights()
    rows = rows[["distance", "hour"]].fillna(0)
    fitted = estimator.fit(rows, late)
    runtime = load_runtime("skops", skops.io.dumps(fitted), NUMBERS)

    expected = fitted.predict(rows) if isinstance(fitted, Ridge) else fitted.predict_proba(rows)[:, 1]
    assert runtime.predict(as_columns(rows), len(rows)) == expected.tolist()


def test_skops_without_column_names_takes_them_in_order():
    rows, late = flights()
    plain = rows[["distance", "hour"]].fillna(0)
    fitted = LogisticRegression().fit(plain.to_numpy(), late % 2 + (plain.hour > 20))
    runtime = load_runtime("skops", skops.io.dumps(fitted), NUMBERS)

    assert runtime.output == Output("probabilities", 3)
    answer = np.array(runtime.predict(as_columns(plain), len(plain))).reshape(-1, 3)
    assert answer == pytest.approx(fitted.predict_proba(plain.to_numpy()), rel=1e-12)


class Foreign:
    def __init__(self):
        self.value = 1


def test_skops_file_that_names_a_foreign_type_is_refused():
    with pytest.raises(ModelError, match=r"not trusted: tests\.test_serving_runtimes\.Foreign"):
        load_runtime("skops", skops.io.dumps(Foreign()), COLUMNS)


def test_skops_file_of_another_signature_is_refused():
    with pytest.raises(ModelError, match="they differ in carrier, wet"):
        load_runtime("skops", skops.io.dumps(pipeline()), NUMBERS)


def test_skops_file_without_an_estimator_is_refused():
    with pytest.raises(ModelError, match="no scikit-learn estimator"):
        load_runtime("skops", skops.io.dumps({"a": 1}), COLUMNS)
