"""LightGBM grown by two processes of a Dask cluster: as good as by one, in the same form, stopped by the same rule."""

from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from mlflow.models import Model

from experiments.pipelines.distributed import ClusterError, Stop, _cuts, _sizes, best_round, cluster
from experiments.training import flavor
from experiments.training.validating import validated
from serving.contract import Column
from serving.runtimes import lightgbm_text
from tests.test_pipelines import FEW, flights, rows_of, trained

FEATURES = ["carrier", "hour", "delay"]


@pytest.fixture(scope="module")
def workers():
    """The address of a scheduler with two worker processes."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as started:
        yield started.scheduler_address


@pytest.mark.parametrize(
    ("name", "task", "target", "metric", "close"),
    [
        ("lightgbm", "classification", "late", "validation_average_precision", 0.05),
        ("lambdamart", "ranking", "grade", "validation_ndcg_at_10", 0.05),
    ],
)
def test_two_workers_learn_what_one_process_does(workers, name, task, target, metric, close, tmp_path):
    frame, held = flights(np.random.default_rng(5))
    rows = rows_of(frame, target, FEATURES, held=held, categorical=["carrier"], query="query")
    alone, _ = trained(name, rows, **FEW)

    made, report = trained(name, replace(rows, cluster=workers), **FEW)

    found, expected = (validated(task, rows, one).metrics[metric] for one in (made, alone))
    assert found == pytest.approx(expected, abs=close)
    assert type(made.estimator[-1]) is type(alone.estimator[-1])
    assert 1 <= made.facts["trees"] <= FEW["trees"]
    assert made.booster.num_trees() == made.facts["trees"]
    curve = next(points for told, points in report.curves.items() if told == metric)
    assert int(np.argmax(curve)) + 1 == made.facts["trees"]

    kinds = {"carrier": "string", "hour": "long", "delay": "double"}
    some = rows.validation.dropna().head(20)
    signature = flavor.signature_of(kinds, optional=["delay"], trained=made)
    flavor.save_model(
        path=str(tmp_path / "m"), mlflow_model=Model(), trained=made, signature=signature, input_example=some.head(3)
    )
    words = {"carrier": ["AA", "UA", "WN"]}
    columns = [Column(name, kind, categories=words.get(name)) for name, kind in kinds.items()]
    served = lightgbm_text.load((tmp_path / "m/model.lgb").read_bytes(), columns)
    answer = served.predict([some[c].tolist() for c in kinds], len(some))
    assert np.ravel(answer) == pytest.approx(made.scores(some))


def test_the_best_round_is_the_one_that_early_stopping_finds():
    random = np.random.default_rng(7)
    x = pd.DataFrame(random.normal(size=(600, 4)), columns=list("abcd"))
    y = x["a"] + random.normal(size=600)
    model = lightgbm.LGBMRegressor(n_estimators=200, learning_rate=0.3, verbose=-1, n_jobs=1, seed=7)
    learn, seen = slice(0, 300), slice(300, 600)
    stopping = lightgbm.early_stopping(15, verbose=False)
    expected = model.fit(x[learn], y[learn], eval_X=x[seen], eval_y=y[seen], eval_metric="l2", callbacks=[stopping])
    whole = lightgbm.LGBMRegressor(n_estimators=200, learning_rate=0.3, verbose=-1, n_jobs=1, seed=7).fit(
        x[learn], y[learn]
    )
    stop = Stop("l2", x[seen], lambda raw: float(np.square(raw - y[seen]).mean()), 15, higher=False)

    rounds, curve = best_round(whole.booster_, stop)

    assert rounds == expected.best_iteration_ < 200
    assert len(curve) == rounds + 15


def test_queries_stay_whole_and_every_row_has_a_worker():
    groups = [3, 1, 4, 1, 5, 9, 2, 6]

    cuts = _cuts(31, 3, groups)

    assert cuts == [(0, 14), (14, 23), (23, 31)]
    assert [list(sizes) for sizes in _sizes(groups, [end for _, end in cuts])] == [[3, 1, 4, 1, 5], [9], [2, 6]]
    assert _cuts(10, 3, None) == [(0, 4), (4, 7), (7, 10)]


@pytest.mark.parametrize("named", ["local:0", "local:x", "local:"])
def test_a_cluster_that_is_none_is_named(named):
    with pytest.raises(ClusterError, match=f"{named} names no cluster"), cluster(named):
        pass
