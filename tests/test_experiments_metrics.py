"""The metrics agree with scikit-learn and keep their promises at the edges."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sk

from experiments import metrics as m
from experiments.bootstrap import intervals, paired_average_precision


def sample(rows=4000, *, ties=False, seed=3):
    random = np.random.default_rng(seed)
    scores = random.beta(1, 8, rows)
    labels = (random.random(rows) < scores).astype(int)
    return labels, scores.round(2) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_agrees_with_scikit_learn(ties):
    labels, scores = sample(ties=ties)

    assert m.average_precision(m.ranked(labels, scores)) == pytest.approx(sk.average_precision_score(labels, scores))


def test_weighted_average_precision_agrees_with_scikit_learn():
    labels, scores = sample(ties=True)
    counts = np.random.default_rng(1).integers(0, 4, len(labels))

    value = m.average_precision(m.ranked(labels, scores), counts)

    assert value == pytest.approx(sk.average_precision_score(labels, scores, sample_weight=counts))


@pytest.mark.parametrize("ties", [False, True])
def test_area_under_roc_agrees_with_scikit_learn(ties):
    labels, scores = sample(ties=ties)

    assert m.roc_auc(labels, scores).value == pytest.approx(sk.roc_auc_score(labels, scores))


def test_delong_interval_agrees_with_the_bootstrap():
    labels, scores = sample(2000)

    delong = m.roc_auc(labels, scores)
    (drawn,) = intervals(
        [lambda w: sk.roc_auc_score(labels, scores, sample_weight=w)], rows=len(labels), resamples=400, seed=5
    )

    assert delong.low == pytest.approx(drawn.low, abs=0.01)
    assert delong.high == pytest.approx(drawn.high, abs=0.01)


def test_brier_score_agrees_with_scikit_learn():
    labels, scores = sample()

    assert m.brier_score(labels, scores) == pytest.approx(sk.brier_score_loss(labels, scores))


def test_recall_and_precision_count_the_highest_scores():
    labels = [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    rows = m.ranked(labels, np.linspace(0.9, 0.0, 10))

    assert m.recall_at(rows, 0.3) == pytest.approx(2 / 3)
    assert m.precision_at(rows, 0.3) == pytest.approx(2 / 3)
    assert m.threshold_at(rows, 0.3) == pytest.approx(0.7)


def test_a_limit_among_equal_scores_gives_the_expected_share():
    rows = m.ranked([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5])

    assert m.recall_at(rows, 0.5) == 0.5
    assert m.precision_at(rows, 0.5) == 0.25


def test_calibration_error_of_bins_done_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 1])
    scores = np.array([0.1, 0.1, 0.1, 0.6, 0.8, 0.7])
    bins = m.reliability(scores, bins=2)

    assert m.calibration_error(labels, scores, bins) == pytest.approx((0.3 + 0.9) / 6)
    low, high = m.reliability_table(labels, scores, bins)
    assert low == pytest.approx((0.1, 0.0, 3))
    assert high == pytest.approx((0.7, 1.0, 3))


def test_calibrated_scores_have_a_small_error():
    labels, scores = sample(50_000)

    assert m.calibration_error(labels, scores, m.reliability(scores)) < 0.01
    assert m.calibration_error(labels, scores**0.5, m.reliability(scores)) > 0.1


def test_curves_are_thin_and_end_where_they_must():
    labels, scores = sample()
    rows = m.ranked(labels, scores)

    pr, roc = m.precision_recall_curve(rows), m.roc_curve(rows)

    assert len(pr) <= 200
    assert len(roc) <= 200
    everyone = labels[scores >= scores[labels == 1].min()]
    assert pr[-1] == pytest.approx((1.0, everyone.mean()), abs=1e-5)
    assert roc[-1] == (1.0, 1.0)


def test_wilson_interval_of_a_known_case():
    found = m.wilson_interval(81, 263)  # Newcombe 1998, table I

    assert found[1:] == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    truth = m.recall_at(m.ranked(*sample(200_000, seed=99)), 0.2)

    covered = 0
    for seed in range(60):
        rows = m.ranked(*sample(600, seed=seed))
        (found,) = intervals([partial(m.recall_at, rows, 0.2)], rows=600, resamples=150, seed=seed)
        covered += found.low <= truth <= found.high

    assert 52 <= covered <= 60


def test_paired_interval_finds_a_better_ranking_and_not_a_copy():
    labels, scores = sample(5000)
    noisy = np.clip(scores + np.random.default_rng(2).normal(0, 0.05, len(scores)), 0, 1)

    better = paired_average_precision(labels, scores, noisy, resamples=200)
    same = paired_average_precision(labels, scores, scores, resamples=20)

    assert better.low > 0
    assert same == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval():
    labels, scores = sample(500)

    first, second = (paired_average_precision(labels, scores, scores**2 + 0.01, resamples=30, seed=4) for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("labels", "scores"), [([0, 1], [0.1]), ([0, 0], [0.1, 0.2]), ([0, 1], [0.1, float("nan")]), ([0, 2], [0.1, 0.2])]
)
def test_input_that_cannot_be_ranked_is_refused(labels, scores):
    with pytest.raises(ValueError, match=r"labels|scores"):
        m.ranked(labels, scores)


def test_shares_and_counts_out_of_range_are_refused():
    rows = m.ranked([0, 1], [0.1, 0.2])

    with pytest.raises(ValueError, match="share"):
        m.recall_at(rows, 0.0)
    with pytest.raises(ValueError, match="hits"):
        m.wilson_interval(3, 2)
    with pytest.raises(ValueError, match="two rows"):
        m.roc_auc([0, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="resamples"):
        intervals([], rows=10, resamples=0)
