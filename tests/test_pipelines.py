"""Every pipeline on small data of its family: it learns what is there, repeats itself to the byte, and its files answer the same."""

import hashlib
import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from mlflow.models import Model

from experiments.pipelines import forecast_baselines
from experiments.pipelines.catalogue import PIPELINES, PLUG_INS, TrainingPipeline, _all, pipelines_for
from experiments.pipelines.contract import TrainingRows
from experiments.pipelines.repeatable import repeatable
from experiments.training import flavor
from experiments.training.params import parse
from experiments.training.validating import validated
from serving.categories import with_categories
from serving.contract import QUANTILES_FILE, Column
from serving.loading import load
from serving.runtimes import load_runtime, skops_pipeline
from tests.gateways import as_columns, make_artifact


class Quiet:
    """A report that keeps what it is told."""

    def __init__(self):
        self.phases, self.curves = [], {}

    def progress(self, share, phase):
        self.phases.append((share, phase))

    def metric(self, name, value, step):
        self.curves.setdefault(name, []).append(value)


def rows_of(frame, target, features, *, held, categorical=(), **roles):
    learn, validate = frame[~held], frame[held]
    names = [*categorical, *(f for f in features if f not in categorical)]
    context = list(roles.values())
    return TrainingRows(
        learn[names], learn[target], validate[names], validate[target], list(categorical), learn[context], validate[context], roles
    )  # fmt: skip


def flights(random, n=1500):
    frame = pd.DataFrame({
        "carrier": random.choice(["AA", "UA", "WN"], n), "hour": random.integers(0, 24, n), "delay": random.normal(size=n),
        "query": np.repeat([f"q{i}" for i in range(n // 10)], 10),
    })  # fmt: skip
    frame.loc[::17, "delay"] = np.nan
    worth = frame["delay"].fillna(0) * 2 + (frame["carrier"] == "UA") + frame["hour"] / 24
    frame["number"] = worth
    frame["grade"] = pd.qcut(worth, 5, labels=False)
    frame["late"] = (worth + random.normal(size=n) > 1.5).astype(int)
    return frame, np.arange(n) >= 1000


def series(random, count=12, length=60, lags=8):
    parts = []
    for number in range(count):
        level, seasons = 20 + 5 * number, random.normal(scale=4, size=4)
        values = level + np.resize(seasons, length) + 0.05 * np.arange(length) + random.normal(scale=2.0, size=length)
        part = pd.DataFrame(
            {
                "series": f"s{number:02}",
                "time": pd.date_range("2000-01-01", periods=length, freq="QS", tz="UTC"),
                "y": values,
            }
        )
        for lag in range(1, lags + 1):
            part[f"lag_{lag}"] = part["y"].shift(lag)
        parts.append(part.assign(region="north" if number % 2 else "south", quarter=part["time"].dt.quarter))
    frame = pd.concat(parts, ignore_index=True)
    return frame, (frame["time"] >= "2013-01-01").to_numpy()


def trained(name, rows, **params):
    pipeline = PIPELINES[name]
    report = Quiet()
    return pipeline.train(rows, parse(pipeline.params, params), report), report


@pytest.fixture(scope="module")
def family():
    """The rows of each task."""
    random = np.random.default_rng(5)
    frame, held = flights(random)
    lagged, later = series(random)
    features = ["carrier", "hour", "delay"]
    odd = frame.assign(delay=frame["delay"].fillna(0), odd=(random.random(len(frame)) < 0.05).astype(int))
    odd.loc[odd["odd"] == 1, "delay"] += 9
    return {
        "classification": rows_of(frame, "late", features, held=held, categorical=["carrier"]),
        "ranking": rows_of(frame, "grade", features, held=held, categorical=["carrier"], query="query"),
        "regression": rows_of(frame, "number", features, held=held, categorical=["carrier"]),
        "anomaly": rows_of(odd, "odd", features, held=held, categorical=["carrier"]),
        "forecasting": rows_of(
            lagged, "y", ["region", "quarter", *(f"lag_{n}" for n in range(1, 9))], held=later, categorical=["region"],
            series="series", time="time",
        ),
    }  # fmt: skip


FEW = {"trees": 60, "rows_per_leaf": 20}
LEARNT = {
    "lightgbm": (FEW, "validation_average_precision", lambda value: value > 0.7),
    "xgboost": ({"trees": 60, "leaf_weight": 3.0}, "validation_average_precision", lambda value: value > 0.7),
    "lambdamart": (FEW, "validation_ndcg_at_10", lambda value: value > 0.95),
    "lightgbm-number": (FEW | {"trees": 150}, "validation_root_mean_squared_error", lambda value: value < 0.3),
    "isolation-forest": ({"trees": 100}, "validation_average_precision", lambda value: value > 0.6),
}


@pytest.mark.parametrize("name", LEARNT)
def test_each_family_learns_what_is_there(family, name):
    params, metric, good = LEARNT[name]
    (task,) = PIPELINES[name].tasks
    made, report = trained(name, family[task], **params)

    found = validated(task, family[task], made)

    assert good(found.metrics[metric]), found.metrics
    assert max(made.importance, key=made.importance.get) == "delay"
    assert report.phases[-1][0] > 0.5


def test_forecasts_are_held_beside_what_every_forecast_has_to_beat(family):
    naive, _ = trained("seasonal-naive", family["forecasting"])
    recursive, _ = trained("lightgbm-recursive", family["forecasting"], **FEW, learning_rate=0.2, smoothed_series=1)
    direct, _ = trained("lightgbm-direct", family["forecasting"], **FEW, learning_rate=0.2, smoothed_series=0)

    least = naive.facts["validation_mase"]
    assert least == pytest.approx(recursive.facts["validation_mase_seasonal_naive"])
    assert recursive.facts["validation_mase"] < 0.95 * least
    assert direct.facts["validation_mase"] < 1.5 * least  # one model for all steps takes more series than these
    assert recursive.facts["validation_mase_smoothing"] < least
    assert recursive.facts["smoothed_series"] == 1
    assert naive.inputs == [f"lag_{n}" for n in range(1, 9)]
    assert "quarter" in direct.inputs
    assert "quarter" not in recursive.inputs  # it does not hold for steps to come
    assert [(made.quantiles.steps, len(made.quantiles.levels)) for made in (naive, recursive, direct)] == [
        (5, 19)
    ] * 3  # 40 errors a step
    assert [made.parameters for made in (recursive, direct)] == [{"horizon": 8, "max_horizon": n} for n in (24, 8)]


def test_smoothing_goes_on_where_a_season_and_a_trend_do():
    steps = np.arange(40)
    history = 50 + 0.5 * steps + np.resize([5.0, -3.0, 1.0, -3.0], 40)

    ahead = forecast_baselines.smoothing(history, 4, 4)

    assert ahead == pytest.approx(50 + 0.5 * np.arange(40, 44) + np.array([5.0, -3.0, 1.0, -3.0]), abs=0.3)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "lambdamart", "lightgbm-direct", "isolation-forest"])
def test_same_rows_and_seed_give_the_same_file(family, name):
    rows = family[PIPELINES[name].tasks[0]]
    params = {"trees": 20} | ({"smoothed_series": 0} if name == "lightgbm-direct" else {})
    digests = []
    for seed in (7, 7, 8):
        made, _ = trained(name, rows, **params, seed=seed)
        archive = repeatable(skops.io.dumps(made.estimator))
        saved = {"lightgbm": lambda b: b.model_to_string().encode(), "xgboost": lambda b: bytes(b.save_raw("ubj"))}
        booster = saved[name.split("-")[0].replace("lambdamart", "lightgbm")](made.booster) if made.booster else b""
        digests.append(hashlib.sha256(archive + booster).hexdigest())

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("name", ["xgboost", "lambdamart", "isolation-forest", "lightgbm-recursive", "seasonal-naive"])
def test_what_is_saved_answers_as_what_was_trained(family, name, tmp_path):
    (task,) = PIPELINES[name].tasks
    rows = family[task]
    made, _ = trained(
        name,
        rows,
        **({"trees": 20} if name != "seasonal-naive" else {}),
        **({"smoothed_series": 0} if name == "lightgbm-recursive" else {}),
    )
    takes = made.inputs or list(rows.train.columns)
    kinds = {
        c: "string" if c in rows.categorical else "long" if rows.train[c].dtype.kind == "i" else "double" for c in takes
    }
    signature = flavor.signature_of(kinds, optional=[c for c in takes if kinds[c] == "double"], trained=made)
    some = rows.validation[takes].dropna().head(20)

    flavor.save_model(
        path=str(tmp_path / "m"), mlflow_model=Model(), trained=made, signature=signature, input_example=some.head(3)
    )

    expected = made.scores(some)
    answer = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(some)
    if made.method == "score_samples":  # MLflow's clients get the decision alone
        assert set(answer) <= {1, -1}
        assert expected[answer == -1].min() > expected[answer == 1].max()
    else:
        assert (answer[:, 1] if answer.ndim == 2 else answer) == pytest.approx(expected)
    if name == "xgboost":
        content = (tmp_path / "m/model.ubj").read_bytes()
        columns = with_categories("xgboost", content, [Column(c, kinds[c], required=False) for c in takes])
        assert columns[0].categories == ["AA", "UA", "WN"]
        served = load_runtime("xgboost", content, columns)
        gone = some.assign(delay=None, carrier=None)
        assert served.predict(as_columns(some), len(some)) == pytest.approx(expected.tolist(), abs=1e-7)
        assert served.predict(as_columns(gone), len(gone)) == pytest.approx(
            made.scores(gone.astype({"delay": float})), abs=1e-7
        )
        stock = mlflow.xgboost.load_model(str(tmp_path / "m"))
        known = some.assign(carrier=pd.Categorical(some["carrier"], ["WN", "AA", "UA"]))  # it goes by words
        assert stock.predict(xgboost.DMatrix(known, enable_categorical=True)) == pytest.approx(expected, abs=1e-6)
    elif made.booster is None:
        columns = [Column(c, kinds[c]) for c in takes]
        served = skops_pipeline.load((tmp_path / "m/model.skops").read_bytes(), columns)
        assert served.predict([some[c].tolist() for c in takes], len(some)) == pytest.approx(expected.tolist())
    else:
        booster = lightgbm.Booster(model_file=str(tmp_path / "m/model.lgb"))
        known = {c: pd.Categorical(some[c], sorted(rows.train[c].unique())) for c in rows.categorical if c in takes}
        assert booster.predict(some.assign(**known)) == pytest.approx(expected)
    assert (signature.params is not None) is (task == "forecasting")
    assert (tmp_path / "m" / QUANTILES_FILE).exists() is (task == "forecasting")
    if task == "forecasting":
        columns = [Column(c, kinds[c]) for c in takes]
        served, documented = told_around(tmp_path / "m", columns, some), as_documented(tmp_path / "m", some)
        assert served.shape == (len(some), 19)
        assert served == pytest.approx(documented)


def told_around(folder, columns, rows):
    """Return the quantiles of the next step that a gateway tells to who asks."""
    name = "model.lgb" if (folder / "model.lgb").exists() else "model.skops"
    data = (folder / name).read_bytes()
    version = make_artifact(
        folder / "served", name, data, format_name="lightgbm" if name == "model.lgb" else "skops",
        columns=with_categories("lightgbm", data, columns) if name == "model.lgb" else columns,
        extra={QUANTILES_FILE: (folder / QUANTILES_FILE).read_bytes()}.items(),
    )  # fmt: skip
    loaded = load(version, "forecasting", 0)
    wide, count = loaded.family.widen(None, [rows[c.name].tolist() for c in columns], len(rows))
    values = loaded.runtime.predict(wide, count)
    (told,) = loaded.family.beside({"quantiles": True}, wide, values, len(rows))
    return np.reshape(told.data, (len(rows), -1))


def as_documented(folder, rows):
    """Return the same by the lines that docs/training.md gives to notebooks."""
    block = (
        (Path(__file__).parent.parent / "docs/training.md").read_text().split("```python\nfolder = ")[1].split("```")[0]
    )
    names = {
        "mlflow": SimpleNamespace(artifacts=SimpleNamespace(download_artifacts=lambda _: str(folder))), "json": json, "np": np,
        "rows": rows, "model": mlflow.pyfunc.load_model(str(folder)),
    }  # fmt: skip
    exec(f"folder = {block}", names)  # noqa: S102  our own documentation
    return names["quantiles"]


@pytest.mark.parametrize("name", ["baseline", "lightgbm", "xgboost"])
def test_every_classifier_weighs_positives(family, name):
    rows = family["classification"]
    some = {} if name == "baseline" else {"trees": 30}
    usual, heavier = (
        trained(name, rows, **some, positive_weight=weight)[0].scores(rows.validation).mean() for weight in (1.0, 9.0)
    )

    assert heavier > usual + 0.1


def test_data_without_lags_are_refused_by_name(family):
    rows = family["regression"]

    with pytest.raises(ValueError, match="lag_1, lag_2, … without a gap; the data have none"):
        trained("lightgbm-recursive", rows)


class Point:
    """An entry point of an installed package."""

    group, value = PLUG_INS, "team_pipelines:GOOD"

    def __init__(self, load):
        self.load = load


def test_a_teams_own_pipeline_is_offered_and_a_broken_one_keeps_nobody_from_training(monkeypatch, caplog):
    theirs = TrainingPipeline("team-rules", "Rules", "Ours.", dict, "team_pipelines", tasks=("anomaly",))
    taken = TrainingPipeline("lightgbm", "Mine", "Not yours.", dict, "team_pipelines")
    points = [Point(lambda: theirs), Point(lambda: taken), Point(lambda: 1 / 0)]
    monkeypatch.setattr("experiments.pipelines.catalogue.entry_points", lambda group: points)

    found = _all()

    assert found["team-rules"] is theirs
    assert found["lightgbm"].title.startswith("Gradient")
    assert "cannot be loaded" in caplog.text
    assert [p.name for p in pipelines_for("forecasting")] == ["lightgbm-recursive", "lightgbm-direct", "seasonal-naive"]


def test_the_teams_package_in_examples_declares_an_entry_point_that_learns(family, monkeypatch):
    place = Path(__file__).parent.parent / "examples/team-rules"
    monkeypatch.syspath_prepend(place)
    declared = tomllib.loads((place / "pyproject.toml").read_text())["project"]["entry-points"]
    points = [EntryPoint(name, value, PLUG_INS) for name, value in declared[PLUG_INS].items()]
    monkeypatch.setattr("experiments.pipelines.catalogue.entry_points", lambda group: points)
    rows, report = family["classification"], Quiet()

    pipeline = _all()["shallow-rules"]
    made = pipeline.train(rows, parse(pipeline.params, {"depth": 3}), report)

    assert validated("classification", rows, made).metrics["validation_roc_auc"] > 0.8
    assert made.estimator["tree"].get_depth() == 3
    assert report.phases == [(1.0, "Grown")]
    assert set(skops.io.get_untrusted_types(data=skops.io.dumps(made.estimator))) <= set(flavor.TRUSTED)
