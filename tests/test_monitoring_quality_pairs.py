"""Challenger against champion on the same predictions: paired, so that what both find hard cancels out."""

import numpy as np
import pytest

from experiments import metrics
from experiments.metrics import bootstrap
from monitoring.quality.metrics import Measured
from monitoring.quality.pairs import BINS, add_pairs, compare, number_pairs, probability_pairs, unpaired
from monitoring.quality.sums import Kind


def drawn(n=3000, seed=1, better=0.1):
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.3).astype(float)
    hard = random.normal(0, 0.2, n)
    champion = np.clip(0.3 + 0.2 * labels + hard, 0, 1)
    return champion, np.clip(0.3 + (0.2 + better) * labels + hard + random.normal(0, 0.03, n), 0, 1), labels


def pairs_of(champion, challenger, labels):
    return probability_pairs(champion, challenger, labels, threshold=0.5)


def test_differences_are_those_of_the_rows():
    champion, challenger, labels = drawn()
    found = compare(Kind.PROBABILITY, pairs_of(champion, challenger, labels))

    ours, theirs = metrics.ranked(labels, challenger), metrics.ranked(labels, champion)
    truth = metrics.average_precision(ours) - metrics.average_precision(theirs)
    assert found["average_precision"].value == pytest.approx(truth, abs=5e-3)
    area = metrics.roc_auc(labels, challenger).value - metrics.roc_auc(labels, champion).value
    assert found["roc_auc"].value == pytest.approx(area, abs=3e-3)
    brier = metrics.brier_score(labels, challenger) - metrics.brier_score(labels, champion)
    assert found["brier_score"].value == pytest.approx(brier, abs=1e-12)
    right = ((challenger >= 0.5) == (labels == 1)).mean() - ((champion >= 0.5) == (labels == 1)).mean()
    assert found["accuracy"].value == pytest.approx(right, abs=1e-12)


def test_intervals_are_those_of_the_paired_bootstrap_of_rows():
    champion, challenger, labels = drawn(800)

    found = compare(Kind.PROBABILITY, pairs_of(champion, challenger, labels))["average_precision"]

    theirs = bootstrap.paired_average_precision(labels, challenger, champion, resamples=300)
    assert found.high - found.low == pytest.approx(theirs.high - theirs.low, rel=0.2)
    assert 0 < found.low < theirs.value < found.high


def test_one_difference_asked_for_alone_is_the_one_among_all():
    pairs = pairs_of(*drawn(800))
    together = compare(Kind.PROBABILITY, pairs)

    for name in ("average_precision", "roc_auc", "recall_at_5pct_alerts", "brier_score"):
        assert compare(Kind.PROBABILITY, pairs, only=name)[name] == together[name]
    assert "average_precision" not in compare(Kind.PROBABILITY, pairs, only="roc_auc")


def test_parts_add_up_to_the_whole():
    champion, challenger, labels = drawn(900)
    parts = [pairs_of(champion[i::3], challenger[i::3], labels[i::3]) for i in range(3)]
    whole, added = pairs_of(champion, challenger, labels), add_pairs(parts)

    assert (added.labelled, added.cells) == (whole.labelled, whole.cells)
    assert added.sums == pytest.approx(whole.sums)
    assert added.cells.places.max() < 2 * BINS * BINS


def test_who_is_no_better_is_not_said_to_be():
    champion, challenger, labels = drawn(200_000, 9, better=0.0)
    truth = metrics.brier_score(labels, challenger) - metrics.brier_score(labels, champion)
    wrong = 0
    for seed in range(12):
        found = compare(Kind.PROBABILITY, pairs_of(*drawn(600, 100 + seed, better=0.0)))["brier_score"]
        wrong += not found.low <= truth <= found.high

    assert wrong <= 3  # 0.6 are expected


def test_numbers_are_compared_by_their_errors():
    random = np.random.default_rng(4)
    labels = random.normal(50, 10, 500)
    champion, challenger = labels + random.normal(0, 3, 500), labels + random.normal(0, 2, 500)
    found = compare(Kind.NUMBER, number_pairs(champion, challenger, labels, tolerance=2.0))

    truth = np.abs(challenger - labels).mean() - np.abs(champion - labels).mean()
    assert found["mean_absolute_error"].value == pytest.approx(truth)
    assert found["mean_absolute_error"].high < 0
    within = (np.abs(challenger - labels) <= 2).mean() - (np.abs(champion - labels) <= 2).mean()
    assert found["within_tolerance"].value == pytest.approx(within)


def test_rows_without_label_or_either_answer_are_left_out():
    found = pairs_of(np.array([0.1, np.nan, 0.2, 0.3]), np.array([0.2, 0.2, np.nan, 0.3]), np.array([1, 1, 1, np.nan]))

    assert found.labelled == 1


def test_few_pairs_say_nothing():
    assert compare(Kind.PROBABILITY, pairs_of(*drawn(29))) == {}


def test_on_different_predictions_both_intervals_count():
    found = unpaired(Measured(0.5, 0.4, 0.7), Measured(0.6, 0.3, 0.8))

    assert (found.value, found.low, found.high) == pytest.approx(
        (0.1, 0.1 - np.hypot(0.3, 0.2), 0.1 + np.hypot(0.2, 0.1))
    )
    assert unpaired(Measured(0.5, 0.4, 0.7), Measured(reason="few labels")) == Measured(reason="few labels")
