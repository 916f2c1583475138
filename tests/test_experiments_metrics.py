"""The metrics agree with scikit-learn and keep their promises at the edges."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sk

from experiments import metrics as m
from experiments.metrics.bootstrap import (
    differences_of_sums,
    intervals,
    intervals_of_sums,
    paired_average_precision,
    paired_average_precision_binned,
)
from experiments.metrics.costs import CostMatrix, cheapest_threshold, paid, row_costs


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


def test_the_difference_of_two_areas_is_narrower_than_the_areas_apart():
    labels, scores = sample(3000)
    noisy = scores + np.random.default_rng(8).normal(0, 0.03, len(scores))

    found = m.roc_auc_difference(labels, scores, noisy)

    ours, theirs = m.roc_auc(labels, scores), m.roc_auc(labels, noisy)
    (drawn,) = intervals(
        [lambda w: sk.roc_auc_score(labels, scores, sample_weight=w) - sk.roc_auc_score(labels, noisy, sample_weight=w)],
        rows=len(labels), resamples=400, seed=5,
    )  # fmt: skip
    assert found.value == pytest.approx(ours.value - theirs.value)
    assert found[1:] == pytest.approx(drawn[1:], abs=0.002)
    assert found.high - found.low < (ours.high - ours.low) / 2
    assert m.roc_auc_difference(labels, scores, scores) == (0.0, 0.0, 0.0)


def test_thresholds_keep_what_they_promise():
    labels, scores = sample(4000, ties=True)
    rows = m.ranked(labels, scores)

    by_rate, by_precision = m.threshold_at_false_positive_rate(rows, 0.05), m.threshold_at_precision(rows, 0.4)

    def rate(threshold):
        return (scores[labels == 0] >= threshold).mean()

    below = scores[scores < by_rate].max()
    assert rate(by_rate) <= 0.05 < rate(below)
    assert labels[scores >= by_precision].mean() >= 0.4
    lower = np.unique(scores[scores < by_precision])
    assert all(labels[scores >= threshold].mean() < 0.4 for threshold in lower)
    worthless = m.ranked([0, 1], [0.9, 0.1])
    assert m.threshold_at_false_positive_rate(worthless, 0.5) == float("inf")
    assert m.threshold_at_precision(worthless, 0.6) == float("inf")


def test_costs_are_those_of_each_row():
    labels, amount = [1, 1, 0, 0], [100.0, 20.0, 70.0, 5.0]
    matrix = CostMatrix(false_negative="amount", false_positive=10.0, true_positive=1.0)
    scores = np.array([0.9, 0.2, 0.5, 0.1])

    costs = row_costs(matrix, labels, {"amount": amount})

    assert matrix.columns == ["amount"]
    assert costs.alerted.tolist() == [1, 1, 10, 10]
    assert costs.left.tolist() == [100, 20, 0, 0]
    assert paid(costs, scores >= 0.5).tolist() == [1, 20, 10, 0]
    rows = m.ranked(labels, scores)
    assert cheapest_threshold(rows, costs) == 0.2  # 1 + 10 + 1 + 0 beats every other
    dear = row_costs(CostMatrix(false_negative=1.0, false_positive=50.0, true_positive=2.0), labels, {})
    assert cheapest_threshold(rows, dear) == float("inf")
    for wrong in ({}, {"amount": [1.0]}, {"amount": [1.0, 2.0, 3.0, float("nan")]}):
        with pytest.raises(ValueError, match="amount"):
            row_costs(matrix, labels, wrong)


def test_differences_and_ratios_of_shares_of_known_cases():
    difference = m.share_difference((56, 70), (48, 80))  # Newcombe 1998, table II, method 10
    ratio = m.share_ratio((56, 70), (48, 80))

    assert difference == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert ratio.value == pytest.approx(4 / 3)
    assert np.log(ratio.high / ratio.value) == pytest.approx(np.log(ratio.value / ratio.low))
    error = np.sqrt(1 / 56 - 1 / 70 + 1 / 48 - 1 / 80)
    assert np.log(ratio.high / ratio.value) == pytest.approx(m.Z_95 * error)
    assert m.share_ratio((0, 70), (48, 80)) is None


def test_rows_of_one_customer_are_drawn_together():
    labels, scores = sample(1000)
    five_of_each = np.repeat(np.arange(1000), 5)
    rows = m.ranked(labels[five_of_each], scores[five_of_each])
    statistic = partial(m.recall_at, rows, 0.2)

    (apart,) = intervals([statistic], rows=5000, resamples=200)
    (together,) = intervals([statistic], rows=5000, blocks=five_of_each, resamples=200)
    (plain,) = intervals([partial(m.recall_at, m.ranked(labels, scores), 0.2)], rows=1000, resamples=200)

    assert together == pytest.approx(plain)  # copies of a row tell nothing new
    assert apart.high - apart.low < 0.6 * (together.high - together.low)


def test_intervals_of_sums_are_those_of_rows():
    random = np.random.default_rng(1)
    one, other = random.gamma(2, 1, (2, 400))
    statistics = {"ratio": lambda t: t["one"] / t["other"]}

    found = intervals_of_sums({"one": one, "other": other}, statistics, resamples=2000, seed=2)["ratio"]

    (drawn,) = intervals(
        [lambda w: np.average(one, weights=w) / np.average(other, weights=w)], rows=400, resamples=2000, seed=3
    )
    assert found.value == pytest.approx(drawn.value)
    assert found[1:] == pytest.approx(drawn[1:], abs=0.01)
    apart = differences_of_sums({"one": one, "other": other}, {"one": one, "other": other}, statistics, resamples=50)
    assert apart["ratio"] == (0.0, 0.0, 0.0)
    assert intervals_of_sums({"one": one, "other": 0 * one}, {"none": lambda t: t["other"] / np.nan}) == {}


def test_binned_scores_give_nearly_the_interval_of_all_rows():
    labels, scores = sample(20_000)
    noisy = np.clip(scores + np.random.default_rng(2).normal(0, 0.05, len(scores)), 0, 1)

    exact = paired_average_precision(labels, scores, noisy, resamples=400)
    binned = paired_average_precision_binned(labels, scores, noisy, resamples=400)

    assert binned.interval.value == exact.value
    width = exact.high - exact.low
    assert abs(binned.bias) < 0.2 * width
    assert binned.interval[1:] == pytest.approx(exact[1:], abs=0.15 * width)
    assert binned.cells < 20_000


def customers(random, count=150, most=12):
    """Rows of customers, some of whom have many: their rows share a risk that two models see through noise of their own."""
    sizes = random.integers(1, most, count)
    blocks = np.repeat(np.arange(count), sizes)
    risk = random.normal(scale=1.5, size=count)[blocks]
    labels = (risk + random.normal(size=len(blocks)) > 0.8).astype(int)
    seen = random.normal(size=count)[blocks]
    scores = risk + seen + random.normal(scale=0.5, size=len(blocks))
    other = risk - 0.3 * seen + random.normal(size=len(blocks))
    return labels, scores, other, blocks


def test_area_by_entity_agrees_with_the_bootstrap_of_entities():
    labels, scores, other, blocks = customers(np.random.default_rng(11))
    areas = [
        lambda w: sk.roc_auc_score(labels, scores, sample_weight=w),
        lambda w: sk.roc_auc_score(labels, scores, sample_weight=w) - sk.roc_auc_score(labels, other, sample_weight=w),
    ]

    drawn = intervals(areas, rows=len(labels), blocks=blocks, resamples=600, seed=5)

    found = m.roc_auc(labels, scores, blocks), m.roc_auc_difference(labels, scores, other, blocks)
    for ours, theirs in zip(found, drawn, strict=True):
        assert ours.value == pytest.approx(theirs.value)
        assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=0.12)
    alone = m.roc_auc(labels, scores)
    assert found[0].high - found[0].low > 1.3 * (
        alone.high - alone.low
    )  # rows of a customer tell less than they seem to


def test_area_by_entity_is_delongs_where_each_has_one_row():
    labels, scores, other, blocks = customers(np.random.default_rng(3))
    single = np.random.default_rng(0).permutation(len(labels))

    assert m.roc_auc(labels, scores, single) == pytest.approx(m.roc_auc(labels, scores), abs=1e-12)
    assert m.roc_auc_difference(labels, scores, other, single) == pytest.approx(
        m.roc_auc_difference(labels, scores, other), abs=1e-12
    )
    with pytest.raises(ValueError, match="at least two blocks"):
        m.roc_auc(labels, scores, np.zeros_like(blocks))
