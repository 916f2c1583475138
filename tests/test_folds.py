"""Folds never learn from what they are measured on: no later time, no row of the gap, no entity."""

import numpy as np
import pandas as pd
import pytest

from experiments.pipelines.catalogue import PIPELINES
from experiments.rows.folds import FoldError, in_time, plan_folds
from experiments.training.fitting import cross_validated
from experiments.training.params import parse
from tests.test_pipelines import Quiet, rows_of

ROLES = {"time": "time", "entity": "card"}
GAP_HOURS = 12.0


def cards(n=4000, *, regulars=200):
    """Rows every half hour, six at a time; most of cards that come again, some of cards that are seen once."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({
        "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(30 * (np.arange(n) // 6), unit="min"),
        "card": [f"c{i}" for i in random.integers(0, regulars, n)],
        "amount": random.normal(size=n),
    })  # fmt: skip
    frame.loc[::10, "card"] = [f"once-{i}" for i in range(0, n, 10)]
    frame.loc[5::50, "card"] = None
    frame["fraud"] = (frame["amount"] + random.normal(size=n) > 1.5).astype(int)
    return frame.sample(frac=1, random_state=1, ignore_index=True)


@pytest.mark.parametrize("window", ["expanding", "rolling"])
def test_no_later_time_and_no_same_entity_is_learned_from(window):
    frame = cards()

    folds = plan_folds(frame, ROLES, folds=4, window=window, gap_hours=GAP_HOURS)

    gap = pd.Timedelta(hours=GAP_HOURS)
    for fold in folds:
        learn, stop, measure = (frame.iloc[places] for places in (fold.learn, fold.stop, fold.measure))
        assert learn["time"].max() < stop["time"].min() - gap
        assert stop["time"].max() < measure["time"].min() - gap
        seen = set(learn["card"].dropna()) | set(stop["card"].dropna())
        assert not seen & set(measure["card"].dropna())
        assert {name for name in measure["card"].dropna() if name.startswith("once-")}
        assert measure["card"].isna().any()  # a row without an entity is its own
    measured = np.concatenate([fold.measure for fold in folds])
    assert len(set(measured)) == len(measured)
    assert [frame.iloc[f.measure]["time"].min() for f in folds] == sorted(
        frame.iloc[f.measure]["time"].min() for f in folds
    )
    sizes = [len(fold.learn) + len(fold.stop) for fold in folds]
    if window == "expanding":
        assert sizes == sorted(sizes)
        assert sizes[-1] > 2 * sizes[0]
    else:
        assert max(sizes) < 1.5 * sizes[0]


def test_without_times_whole_entities_are_kept_apart_and_without_either_rows_are():
    frame = cards().drop(columns="time")

    by_card = plan_folds(frame, {"entity": "card"}, folds=3)
    by_row = plan_folds(pd.DataFrame(index=range(900)), {}, folds=3)

    for fold in by_card:
        learned = set(frame.iloc[np.concatenate([fold.learn, fold.stop])]["card"].dropna())
        assert not learned & set(frame.iloc[fold.measure]["card"].dropna())
    for found, rows in ((by_card, len(frame)), (by_row, 900)):
        assert sorted(np.concatenate([fold.measure for fold in found])) == list(range(rows))
        assert all(len({*fold.learn, *fold.stop, *fold.measure}) == rows for fold in found)


def test_rows_of_one_instant_stay_together():
    times = cards()["time"]

    parts = in_time(times, 5)

    assert set(parts) == set(range(5))
    assert (pd.Series(parts).groupby(times).nunique() == 1).all()
    assert np.bincount(parts).min() > 0.9 * len(times) / 5


def test_what_cannot_be_cut_says_what_to_choose():
    frame = cards(300)

    with pytest.raises(FoldError, match="2 folds or more"):
        plan_folds(frame, ROLES, folds=1)
    with pytest.raises(FoldError, match=r"Fold 1 of 5 has no rows to \w+ \w+\. Choose fewer folds or a shorter gap."):
        plan_folds(frame, ROLES, folds=5, gap_hours=500)


def test_a_pipeline_is_scored_fold_by_fold_and_a_search_may_stop_it():
    frame = cards()
    rows = rows_of(
        frame, "fraud", ["amount"], held=(frame["time"] > "2026-01-12").to_numpy(), time="time", entity="card"
    )
    pipeline = PIPELINES["baseline"]
    params = parse(pipeline.params, {"folds": 3, "fold_gap_hours": 24.0, "calibration": "isotonic"})
    report, told = Quiet(), []

    found = cross_validated(
        pipeline,
        params,
        rows,
        task="classification",
        report=report,
        on_fold=lambda fold, value: told.append((fold, value)),
    )

    assert found.metric == "average_precision"
    assert [value for _, value in told] == found.values() == report.curves["cv_average_precision"]
    assert all(0.3 < value < 0.9 for value in found.values())
    assert found.mean == pytest.approx(np.mean(found.values()))
    assert found.spread == pytest.approx(np.std(found.values(), ddof=1))
    assert (
        found.words
        == "each fold learns from all rows until 24 hours before those that it is measured on, and from other entities."
    )
    assert [share for share, _ in report.phases] == sorted(share for share, _ in report.phases)
    again = cross_validated(pipeline, params, rows, task="classification", report=Quiet())
    assert again.told() == found.told()
    with pytest.raises(StopIteration):  # as a search prunes
        cross_validated(
            pipeline, params, rows, task="classification", report=Quiet(), on_fold=lambda fold, value: next(iter(()))
        )
    alike = rows_of(
        frame.assign(fraud=0), "fraud", ["amount"], held=(frame["time"] > "2026-01-12").to_numpy(), time="time"
    )
    with pytest.raises(FoldError, match="Fold 1 of 3: "):
        cross_validated(pipeline, params, alike, task="classification", report=Quiet())
