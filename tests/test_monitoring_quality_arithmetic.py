"""Sums that add up, and metrics read off them: held against the definitions on the rows themselves."""

import numpy as np
import pytest

from experiments import metrics
from monitoring.quality.metrics import BY_KIND, LEAST, Measured, measure
from monitoring.quality.sums import (
    ALL,
    BINS,
    NO,
    YES,
    Kind,
    Sums,
    add_all,
    categories,
    numbers,
    probabilities,
    rankings,
)


def drawn(n=4000, seed=1, rate=0.2):
    random = np.random.default_rng(seed)
    labels = (random.random(n) < rate).astype(float)
    scores = np.clip(random.normal(0.25 + 0.3 * labels, 0.2), 0, 1)
    return scores, labels


def counted(scores, labels, threshold=0.5):
    return probabilities(np.asarray(scores, float), np.asarray(labels, float), threshold=threshold)


def said(sums):
    return sums.predictions, sums.labelled, sums.right, sums.cells, sums.sums


def test_probabilities_are_counted_by_bin_and_label():
    sums = counted([0.0, 0.0005, 0.5, 1.0, np.nan, 1.5], [0, np.nan, 1, 0, 1, 1])

    assert (sums.predictions, sums.labelled, sums.right) == (4, 3, 2)
    assert [np.flatnonzero(sums.bins(row)).tolist() for row in (ALL, NO, YES)] == [
        [0, 500, BINS - 1],
        [0, BINS - 1],
        [500],
    ]
    assert sums.bins(ALL)[0] == 2
    assert sums.sums == {"error": 0.5, "squares": 1.25, "quads": 1.0625, "hits": 1.0, "alarms": 2.0, "events": 1.0}


def test_parts_add_up_to_the_whole_in_any_order():
    scores, labels = drawn(999)
    parts = [counted(scores[at : at + 111], labels[at : at + 111]) for at in range(0, 999, 111)]
    whole = counted(scores, labels)

    for order in (parts, parts[::-1]):
        added = add_all(order)
        assert said(added)[:4] == said(whole)[:4]
        assert added.sums == pytest.approx(whole.sums, rel=1e-14)
    assert said(parts[0] + parts[1]) == said(parts[1] + parts[0])
    assert said(add_all([])) == said(Sums())


def test_metrics_are_those_of_the_rows_up_to_half_a_bin():
    scores, labels = drawn()
    found = measure(Kind.PROBABILITY, counted(scores, labels))
    rows = metrics.ranked(labels, scores)

    assert found["average_precision"].value == pytest.approx(metrics.average_precision(rows), abs=2e-3)
    assert found["recall_at_5pct_alerts"].value == pytest.approx(metrics.recall_at(rows, 0.05), abs=2e-3)
    assert found["precision_at_5pct_alerts"].value == pytest.approx(metrics.precision_at(rows, 0.05), abs=5e-3)
    assert found["brier_score"].value == pytest.approx(metrics.brier_score(labels, scores), abs=1e-12)
    area = metrics.roc_auc(labels, scores)
    assert found["roc_auc"].value == pytest.approx(area.value, abs=5e-4)
    assert found["roc_auc"].high - found["roc_auc"].low == pytest.approx(area.high - area.low, rel=0.01)
    error = metrics.calibration_error(labels, scores, metrics.reliability(scores))
    assert found["calibration_error"].value == pytest.approx(error, abs=2e-3)


def test_on_scores_in_the_middle_of_bins_nothing_is_lost():
    scores, labels = drawn()
    scores = (np.minimum((scores * BINS).astype(int), BINS - 1) + 0.5) / BINS
    found = measure(Kind.PROBABILITY, counted(scores, labels))
    rows = metrics.ranked(labels, scores)

    assert found["average_precision"].value == pytest.approx(metrics.average_precision(rows), abs=1e-12)
    assert found["roc_auc"].low == pytest.approx(metrics.roc_auc(labels, scores).low, abs=1e-12)
    error = metrics.calibration_error(labels, scores, metrics.reliability(scores))
    assert found["calibration_error"].value == pytest.approx(error, abs=1e-12)


def test_decisions_at_the_threshold_count_events():
    scores, labels = drawn()
    found = measure(Kind.PROBABILITY, counted(scores, labels, threshold=0.4))
    flagged = scores >= 0.4

    assert (found["accuracy"].good, found["accuracy"].total) == ((flagged == labels).sum(), 4000)
    assert (found["precision"].good, found["precision"].total) == ((flagged & (labels == 1)).sum(), flagged.sum())
    assert (found["recall"].good, found["recall"].total) == ((flagged & (labels == 1)).sum(), labels.sum())
    assert found["recall"].low < found["recall"].value < found["recall"].high


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth = {name: found.value for name, found in measure(Kind.PROBABILITY, counted(*drawn(400_000, 99))).items()}
    names = (
        "average_precision",
        "roc_auc",
        "recall_at_5pct_alerts",
        "precision_at_5pct_alerts",
        "brier_score",
        "accuracy",
    )
    rounds = 60
    held = dict.fromkeys(names, 0)
    for seed in range(rounds):
        found = measure(Kind.PROBABILITY, counted(*drawn(800, 1000 + seed)))
        for name in names:
            held[name] += found[name].low <= truth[name] <= found[name].high

    # 0.95 of 60 is 57 with a standard deviation of 1.7; percentiles are a little short for few events
    assert all(count >= 51 for count in held.values()), held


def test_numbers():
    sums = numbers(np.array([1.0, 4.0, np.nan, 10.0, 2.0]), np.array([2.0, 4.5, 1.0, np.nan, 2.0]), tolerance=0.5)

    assert (sums.predictions, sums.labelled, sums.right) == (4, 3, 2)
    assert sums.sums == {
        "error": -1.5, "absolute": 1.5, "squares": 1.25, "quads": 1.0625, "size": 8.5, "size_squares": 28.25, "cross": 4.25,
    }  # fmt: skip


def test_errors_of_numbers():
    random = np.random.default_rng(3)
    labels = random.gamma(2, 10, 5000)
    values = labels + random.normal(1, 3, 5000)
    found = measure(Kind.NUMBER, numbers(values, labels, tolerance=3.0))
    error = np.abs(values - labels)

    assert found["mean_absolute_error"].value == pytest.approx(error.mean())
    assert found["mean_absolute_error"].high == pytest.approx(
        error.mean() + 1.96 * error.std() / np.sqrt(5000), rel=1e-3
    )
    assert found["root_mean_squared_error"].value == pytest.approx(np.sqrt((error**2).mean()))
    assert found["weighted_absolute_percentage_error"].value == pytest.approx(error.sum() / labels.sum())
    assert found["within_tolerance"].good == (error <= 3).sum()
    assert measure(Kind.NUMBER, numbers(values, labels, tolerance=None))["within_tolerance"].value is None


def test_categories():
    sums = categories([("a", "a"), ("a", "b"), (1, "1"), (None, "a"), ("b", None)])

    assert (sums.predictions, sums.labelled, sums.right) == (4, 3, 2)


def test_rankings_follow_the_definition():
    best = (np.array([0.9, 0.5, 0.1]), np.array([2.0, 1.0, 0.0]))
    worst = (np.array([0.1, 0.5, 0.9]), np.array([2.0, 1.0, 0.0]))
    partly = (np.array([0.1, 0.5]), np.array([1.0, np.nan]))
    hopeless = (np.array([0.1, 0.5]), np.array([0.0, 0.0]))
    sums = rankings([best, worst, partly, hopeless])

    ideal = 3 + 1 / np.log2(3)
    assert (sums.predictions, sums.labelled) == (4, 2)
    assert sums.sums["gain"] == pytest.approx(1 + (1 / np.log2(3) + 3 / 2) / ideal)
    assert sums.sums["top"] == pytest.approx(2 * 2 / 3)


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (Sums(), "no predictions"),
        (counted([0.5] * 50, [np.nan] * 50), f"0 of 50 labelled; {LEAST} are the least"),
        (counted([0.1] * 50, [1] + [0] * 49), "1 of the rarer outcome; 5 are the least"),
    ],
)
def test_few_labels_say_nothing(sums, reason):
    found = measure(Kind.PROBABILITY, sums)["average_precision"]

    assert found == Measured(reason=reason)


def test_one_metric_alone_is_the_same():
    sums = counted(*drawn(500))

    for name in BY_KIND[Kind.PROBABILITY]:
        assert measure(Kind.PROBABILITY, sums, only=name)[name] == measure(Kind.PROBABILITY, sums)[name]
