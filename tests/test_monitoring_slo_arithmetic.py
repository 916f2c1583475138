"""Burn rates and budgets, by exact values."""

import pytest

from monitoring.slo.arithmetic import (
    Standing,
    bad_of_total,
    budget_left,
    budget_minutes,
    burn_down,
    burn_rate,
    good_share,
    slower_than,
    standing,
)
from monitoring.telemetry import LATENCY_BINS, Counts


@pytest.mark.parametrize(
    ("bad", "total", "objective", "expected"),
    [(0, 1000, 0.99, 0.0), (10, 1000, 0.99, 1.0), (144, 1000, 0.99, 14.4), (1000, 1000, 0.5, 2.0)],
)
def test_burn_rate(bad, total, objective, expected):
    assert burn_rate(bad=bad, total=total, objective=objective) == pytest.approx(expected)


def test_no_traffic_is_no_good_data():
    assert burn_rate(bad=0, total=0, objective=0.99) is None
    assert budget_left(bad=0, total=0, objective=0.99) is None
    assert good_share(bad=0, total=0) is None
    assert burn_down([(0, 0), (0, 0)], objective=0.99) == []


@pytest.mark.parametrize(("bad", "total", "objective"), [(2, 1, 0.9), (-1, 1, 0.9), (0, 1, 0.0), (0, 1, 1.0)])
def test_burn_rate_refuses_what_cannot_be(bad, total, objective):
    with pytest.raises(ValueError, match=f"^bad={bad} total={total} objective={objective}$"):
        burn_rate(bad=bad, total=total, objective=objective)


def test_budget():
    assert budget_minutes(objective=0.999, window_minutes=30 * 24 * 60) == pytest.approx(43.2)
    assert budget_left(bad=29, total=100_000, objective=0.999) == pytest.approx(0.71)
    assert budget_left(bad=200, total=100_000, objective=0.999) == pytest.approx(-1.0)
    assert good_share(bad=29, total=100_000) == pytest.approx(0.99971)


def test_slow_requests_are_counted_by_whole_bins():
    histogram = [1] * LATENCY_BINS

    assert slower_than(histogram, 10_000_000) == 1
    assert slower_than(histogram, 50_000) == 8
    assert slower_than(histogram, 50) == LATENCY_BINS - 1


@pytest.mark.parametrize(
    ("threshold_us", "bins"),
    [(0, LATENCY_BINS), (51, LATENCY_BINS), (30_000, LATENCY_BINS), (50, LATENCY_BINS - 1), (50, LATENCY_BINS + 1)],
)
def test_a_threshold_within_a_bin_and_bins_of_another_histogram_are_refused(threshold_us, bins):
    with pytest.raises(ValueError, match=f"^threshold_us={threshold_us} bins={bins}$"):
        slower_than([0] * bins, threshold_us)


def test_latency_objectives_look_at_answered_requests_alone():
    latency = [0] * LATENCY_BINS
    latency[3], latency[10] = 90, 10
    counts = Counts(requests=105, errors=5, latency=tuple(latency))

    assert bad_of_total(counts, None) == (5, 105)
    assert bad_of_total(counts, 50_000) == (10, 100)


def test_burn_down_ends_at_the_budget_left():
    left = burn_down([(0, 400), (2, 400), (0, 0), (3, 200)], objective=0.99)

    assert left == pytest.approx([1.0, 0.8, 0.8, 0.5])
    assert left[-1] == pytest.approx(budget_left(bad=5, total=1000, objective=0.99))


@pytest.mark.parametrize(
    ("left", "burning", "stands"),
    [
        (None, False, Standing.NO_DATA),
        (None, True, Standing.NO_DATA),  # no data is not good data, and not bad data either
        (0.5, False, Standing.MET),
        (0.5, True, Standing.BURNING),
        (0.0, False, Standing.MET),  # all of it is spent, and no more
        (-0.01, False, Standing.MISSED),
        (-0.01, True, Standing.MISSED),
    ],
)
def test_an_objective_is_missed_once_more_than_its_budget_is_spent(left, burning, stands):
    assert standing(left=left, burning=burning) is stands
