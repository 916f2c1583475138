"""Estimated performance against simulated truth: close under covariate shift, blind to concept drift, and said so."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from monitoring.estimating import direct
from monitoring.estimating.cbpe import Calibration, estimate
from monitoring.estimating.direct import Input
from monitoring.estimating.isotonic import calibrated
from monitoring.quality.metrics import BY_KIND, measure
from monitoring.quality.sums import ALL, BINS, NO, YES, Kind, middles, probabilities


def world(n, seed, *, centre=0.0, turned=0.0):
    """Inputs, what came of them, and a model's scores, overconfident by half; the world's rule is turned by ``turned``."""
    random = np.random.default_rng(seed)
    x = random.normal(centre, 1.0, n)
    happens = 1 / (1 + np.exp(-(1.2 * x - 1.0 + turned)))
    scores = 1 / (1 + np.exp(-1.5 * (1.2 * x - 1.0)))
    return probabilities(scores, (random.random(n) < happens).astype(float), threshold=0.5)


@pytest.fixture(scope="module")
def calibration():
    reference = world(20_000, 1)
    return Calibration.fit(reference.bins(NO), reference.bins(YES))


def estimated(sums, calibration):
    return estimate(sums.bins(ALL), calibration, threshold=0.5)


def test_calibration_is_the_isotonic_regression():
    sums = world(5000, 2)
    no, yes = sums.bins(NO), sums.bins(YES)
    used = np.flatnonzero(no + yes)
    theirs = IsotonicRegression().fit(middles()[used], yes[used] / (no + yes)[used], (no + yes)[used])

    ours = calibrated(no, yes)

    assert ours[used] == pytest.approx(theirs.predict(middles()[used]), abs=1e-12)
    assert (np.diff(ours) >= 0).all()
    assert len(ours) == BINS


@pytest.mark.parametrize("centre", [0.0, -0.8, 0.8])
def test_under_covariate_shift_the_estimate_is_close_to_the_truth(calibration, centre):
    sums = world(40_000, 3, centre=centre)
    truth, found = measure(Kind.PROBABILITY, sums), estimated(sums, calibration)

    assert set(found) == set(BY_KIND[Kind.PROBABILITY])
    for name in ("average_precision", "roc_auc", "brier_score", "accuracy", "precision", "recall", "calibration_error"):
        assert found[name].value == pytest.approx(truth[name].value, abs=0.02), name
    assert found["recall_at_5pct_alerts"].value == pytest.approx(truth["recall_at_5pct_alerts"].value, abs=0.03)


def test_the_shift_itself_is_seen(calibration):
    usual, shifted = (estimated(world(40_000, 4, centre=centre), calibration) for centre in (0.0, -0.8))

    assert usual["average_precision"].low > shifted["average_precision"].high


def test_intervals_hold_what_labels_then_show(calibration):
    names = ("average_precision", "roc_auc", "brier_score", "accuracy", "recall")
    held = dict.fromkeys(names, 0)
    rounds = 30
    for seed in range(rounds):
        sums = world(1500, 100 + seed, centre=-0.4)
        truth, found = measure(Kind.PROBABILITY, sums), estimated(sums, calibration)
        for name in names:
            held[name] += found[name].low <= truth[name].value <= found[name].high

    # 0.95 of 30 is 28.5 with a standard deviation of 1.2
    assert all(count >= 25 for count in held.values()), held


def test_concept_drift_is_not_seen(calibration):
    """The documented limit: the same inputs come to mean another outcome, and the estimate stays where it was."""
    as_ever, drifted = world(40_000, 5), world(40_000, 5, turned=-1.5)
    truth = [measure(Kind.PROBABILITY, sums)["average_precision"] for sums in (as_ever, drifted)]
    found = [estimated(sums, calibration)["average_precision"] for sums in (as_ever, drifted)]

    assert truth[1].high < truth[0].low - 0.1  # much worse
    assert found[1] == found[0]  # and nothing of it shows
    assert not found[1].low <= truth[1].value <= found[1].high


def test_the_same_reference_gives_the_same_estimate(calibration):
    reference, sums = world(20_000, 1), world(3000, 6)
    again = Calibration.fit(reference.bins(NO), reference.bins(YES))

    assert estimated(sums, again) == estimated(sums, calibration)


def test_a_reference_with_one_outcome_says_nothing():
    with pytest.raises(ValueError, match="fewer than 5 rows of one outcome"):
        Calibration.fit(np.full(BINS, 3), np.zeros(BINS, int))


def test_a_handful_of_predictions_is_not_estimated(calibration):
    assert estimated(world(20, 7), calibration) == {}


INPUTS = [Input("size"), Input("kind", ["calm", "wild"])]


def quantities(n, seed, *, wild=0.3, off=0.0):
    """Rows of inputs and a model's errors: large for wild ones and growing with size; ``off`` shifts the outcome unseen."""
    random = np.random.default_rng(seed)
    size = random.uniform(1, 10, n)
    is_wild = random.random(n) < wild
    rows = [{"size": float(s), "kind": "wild" if w else "calm"} for s, w in zip(size, is_wild, strict=True)]
    return rows, random.normal(0, np.where(is_wild, 4.0, 1.0) * size / 5) + off


@pytest.fixture(scope="module")
def losses():
    return direct.fit(INPUTS, *quantities(4000, 1))


def expected(losses, rows):
    absolute, squares = losses.losses(rows)
    spread = losses.spread_absolute, losses.spread_squares
    return direct.estimate(len(rows), absolute.sum(), squares.sum(), spread)


@pytest.mark.parametrize("wild", [0.0, 0.3, 0.9])
def test_errors_of_numbers_are_estimated_under_covariate_shift(losses, wild):
    rows, error = quantities(5000, 2, wild=wild)

    found = expected(losses, rows)

    assert found["mean_absolute_error"].value == pytest.approx(np.abs(error).mean(), rel=0.07)
    assert found["root_mean_squared_error"].value == pytest.approx(np.sqrt((error**2).mean()), rel=0.07)


def test_intervals_of_estimated_errors_hold_what_labels_then_show(losses):
    held = 0
    for seed in range(40):
        rows, error = quantities(400, 50 + seed, wild=0.3)
        found = expected(losses, rows)["mean_absolute_error"]
        held += found.low <= np.abs(error).mean() <= found.high

    assert held >= 35  # 0.95 of 40 is 38 with a standard deviation of 1.4


def test_concept_drift_of_numbers_is_not_seen(losses):
    """The documented limit, once more."""
    rows, error = quantities(5000, 2, off=6.0)
    as_ever, _ = quantities(5000, 2)

    assert np.abs(error).mean() > 2 * expected(losses, rows)["mean_absolute_error"].high
    assert expected(losses, rows) == expected(losses, as_ever)


def test_the_same_rows_teach_the_same(losses):
    assert direct.fit(INPUTS, *quantities(4000, 1)) == losses


def test_unseen_categories_and_missing_numbers_are_missing():
    matrix = direct.encoded(INPUTS, [{"size": None, "kind": "odd"}, {"size": 2, "kind": "wild"}, {}])

    assert np.isnan(matrix[0]).all()
    assert np.isnan(matrix[2]).all()
    assert matrix[1].tolist() == [2.0, 1.0]


def test_a_small_reference_teaches_nothing():
    with pytest.raises(ValueError, match="199 rows; 200 are the least"):
        direct.fit(INPUTS, *quantities(199, 1))
