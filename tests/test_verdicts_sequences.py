"""Sequences that hold at all times: the evidence behind them, and how wide they are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rollouts.verdicts.sequences import TIGHTEST_AT, critical, log_evidence, scale
from tests.mixtures import mixture

ALPHA = 0.05


@pytest.mark.parametrize("n", [100, 5_000, 200_000])
@pytest.mark.parametrize("z", [-4.0, 0.0, 1.0, 3.5])
def test_evidence_is_the_mixture_over_positive_drifts(z, n):
    assert log_evidence(z, n, ALPHA) == pytest.approx(mixture(z, n, ALPHA), abs=1e-4)


def test_the_scale_of_drifts_by_hand():
    """At 5%: -2 log 0.05 = 5.99146, log 6.99146 = 1.94469, and the root of 7.93615 / 5,000."""
    assert scale(0.05) == pytest.approx(0.0398401, rel=1e-5)


def test_evidence_against_a_mean_far_away_stays_finite():
    found = [log_evidence(z, 10_000, ALPHA) for z in (-20, -29.9, -35, -60, -1e6)]

    assert found == sorted(found, reverse=True)
    assert math.isfinite(found[-1])
    assert log_evidence(-35 - 1e-9, 10_000, ALPHA) == pytest.approx(log_evidence(-35 + 1e-9, 10_000, ALPHA))


@given(st.integers(200, 10**7), st.sampled_from([0.05, 0.01, 0.001]))
def test_the_half_width_is_where_evidence_reaches_its_limit(n, alpha):
    z = critical(n, alpha)

    assert log_evidence(z, n, alpha) == pytest.approx(-math.log(alpha), abs=1e-9)
    assert z > math.sqrt(2 * math.log(1 / alpha)) > 1.64  # wider than an interval for one look


@pytest.mark.parametrize("alpha", [0.9, 0.5, 1e-12])
def test_the_half_width_of_any_level(alpha):
    for n in (100, TIGHTEST_AT):
        assert log_evidence(critical(n, alpha), n, alpha) == pytest.approx(-math.log(alpha), abs=1e-9)


@pytest.mark.parametrize("u", [-29.9, -30.1, -35.0, -60.0])
def test_far_from_zero_the_normal_tail_is_scipys(u):
    information = 10_000 * scale(ALPHA) ** 2

    found = log_evidence(u * math.sqrt((information + 1) / information), 10_000, ALPHA)

    by_scipy = stats.norm.logcdf(u) + u**2 / 2
    assert found == pytest.approx(math.log(2) - math.log1p(information) / 2 + by_scipy, abs=2e-3)


def test_the_sequence_is_narrowest_for_its_height_where_it_was_set_to_be():
    """Other scales are no better there: the width at n in units of 1 / sqrt(n) as the scale moves."""
    here = critical(TIGHTEST_AT, ALPHA)

    assert here < critical(TIGHTEST_AT * 30, ALPHA)
    assert here < critical(TIGHTEST_AT // 30, ALPHA)
