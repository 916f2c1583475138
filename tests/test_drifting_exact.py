"""Exact statistics against SciPy's and Evidently's own, and decisions in either mode. No database."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring.drifting import exact, samples
from monitoring.drifting.evidently_rules import drifted

VALUES = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e3, 1e3)), min_size=1, max_size=60)


@given(VALUES, VALUES)
def test_distances_are_scipys_also_with_ties(one, two):
    one, two = np.sort(one), np.sort(two)

    assert samples.wasserstein(*samples.placed(one, two)) == pytest.approx(
        stats.wasserstein_distance(one, two), abs=1e-9
    )
    assert samples.wasserstein(*samples.placed(one, two)) == pytest.approx(
        samples.wasserstein(*samples.placed(two, one)), abs=1e-9
    )
    assert samples.kolmogorov_smirnov(*samples.placed(one, two)) == pytest.approx(
        stats.ks_2samp(one, two).statistic, abs=1e-12
    )


def test_large_samples_lose_nothing():
    random = np.random.default_rng(1)
    one, two = np.sort(random.lognormal(0, 2, 20_000) + 1e6), np.sort(random.lognormal(0.1, 2, 300_000) + 1e6)

    assert samples.wasserstein(*samples.placed(one, two)) == pytest.approx(
        stats.wasserstein_distance(one, two), abs=1e-9 * one.std()
    )


@pytest.mark.parametrize("n", [300, 6_000, 9_091])
@pytest.mark.parametrize("z2", [0.1, 1, 2.3, 2.5, 3, 5, 9.9, 10, 40])
def test_p_values_of_large_samples_are_scipys(n, z2):
    distance = np.sqrt(z2 / n)

    found = samples.kolmogorov_smirnov_p_value(distance, n)

    assert found == pytest.approx(stats.kstwo.sf(distance, n), abs=1e-9)
    assert found > 0


@pytest.mark.parametrize("n", [6_000, 9_091])
@pytest.mark.parametrize("z2", [10, 12])
def test_small_p_values_are_scipys_but_for_a_hundredth(n, z2):
    distance = np.sqrt(z2 / n)

    assert samples.kolmogorov_smirnov_p_value(distance, n) == pytest.approx(stats.kstwo.sf(distance, n), rel=0.012)


def test_what_is_no_number_is_left_out():
    values = [np.nan, 2.0, -np.inf, None, 1.0, np.inf, -1.0, np.nan]

    pair = samples.Numbers.of(pl.Series(values), pl.Series([np.inf, np.nan]))

    assert pair.reference.tolist() == [-1.0, 1.0, 2.0]
    assert pair.current.tolist() == []
    assert pair.missing == (5, 2)


def table(n, shift, seed):
    """Return n rows: smooth, heavy-tailed, whole, few, two, one, with gaps; and categories alike."""
    random = np.random.default_rng(seed)
    gaps = random.normal(shift, 1, n)
    gaps[random.random(n) < 0.1] = np.nan
    gaps[:2] = np.inf
    names = random.choice(list("abcd"), n).astype(object)
    names[random.random(n) < 0.05] = None
    return pd.DataFrame(
        {
            "smooth": random.normal(shift, 1, n),
            "steady": random.normal(0, 1, n),
            "heavy": random.standard_cauchy(n) + shift,
            "whole": random.poisson(3 + shift, n),
            "few": random.integers(0, 4, n).astype(float),
            "two": (random.random(n) < 0.3 + shift / 5).astype(int),
            "one": np.ones(n),
            "gaps": gaps,
            "c three": random.choice(list("abc"), n, p=[0.5 - shift / 5, 0.3, 0.2 + shift / 5]),
            "c two": random.choice(list("xy"), n),
            "c one": ["k"] * n,
            "c gaps": names,
            "c many": [f"v{i}" for i in random.zipf(1.6, n) % 50],
        }
    )


KINDS = {name: "category" if name.startswith("c ") else "number" for name in table(10, 0, 0)}


@pytest.mark.parametrize(("before", "now"), [(400, 300), (1_000, 11_000), (1_001, 200), (5_000, 20_000)])
def test_evidently_mode_is_evidentlys_own_decision(before, now):
    from evidently.legacy.calculations.stattests import get_stattest

    reference, current = table(before, 0, 2), table(now, 0.2, 3)

    found = exact.compare(pl.from_pandas(reference), pl.from_pandas(current), KINDS, mode="evidently")

    assert len(found) == len(KINDS)
    for one in found:
        kind = "cat" if one.kind == "category" else "num"
        sides = [side[one.name].replace([-np.inf, np.inf], np.nan).dropna() for side in (reference, current)]
        test = get_stattest(*sides, kind, None)
        said = test(*sides, test.allowed_feature_types[0] if len(test.allowed_feature_types) == 1 else kind, None)
        assert (one.method, one.threshold, one.drifted) == (test.display_name, said.actual_threshold, said.drifted), one
        assert one.score == pytest.approx(said.drift_score, abs=1e-9), one
    assert {one.drifted for one in found} == {True, False}


def test_other_statistics_are_evidentlys_too():
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    reference, current = table(2_000, 0, 4), table(3_000, 0.2, 5)

    found = exact.compare(pl.from_pandas(reference), pl.from_pandas(current), KINDS, mode="evidently")

    for one in found:
        kind = ColumnType.Categorical if one.kind == "category" else ColumnType.Numerical
        sides = [side[one.name].replace([-np.inf, np.inf], np.nan).dropna() for side in (reference, current)]
        asked = {
            "psi": stattests.psi_stat_test,
            "jensen_shannon": stattests.jensenshannon_stat_test,
            "chi2_p_value": stattests.chi_stat_test,
            "ks_p_value": stattests.ks_stat_test,
        }
        for name, test in asked.items():
            if one.statistics[name] is not None:
                assert one.statistics[name] == pytest.approx(test(*sides, kind, None).drift_score, abs=1e-9), (
                    one.name,
                    name,
                )
    assert {one.name for one in found if one.statistics["ks"] is None} == {
        name for name in KINDS if name.startswith("c ")
    }


def test_our_mode_judges_the_same_columns_with_thresholds_that_know_the_sizes():
    reference, current = table(20_000, 0, 6), table(2_000, 0.5, 7)

    found = exact.compare(
        pl.from_pandas(reference),
        pl.from_pandas(current),
        KINDS,
        importances=dict.fromkeys(KINDS, 0.01) | {"gaps": 1.0},
    )

    assert found[0].name == "gaps"
    assert {one.name for one in found if one.drifted} >= {"smooth", "whole", "two", "gaps", "c three"}
    assert not {one.name for one in found if one.drifted} & {"steady", "few", "one", "c two", "c one", "c gaps"}
    smooth = next(one for one in found if one.name == "smooth")
    assert smooth.finding is not None
    assert smooth.score == pytest.approx(smooth.statistics["wasserstein"], abs=0.02)
    assert smooth.finding.statistics["ks"] == pytest.approx(smooth.statistics["ks"], abs=0.01)


def test_a_single_value_far_away_hides_half_a_standard_deviation_from_evidentlys_index_alone():
    random = np.random.default_rng(8)
    reference = pl.DataFrame({"x": random.normal(size=10_000)})
    current = pl.DataFrame({"x": np.append(random.normal(0.5, 1, 999), 1e4)})

    found = exact.compare(reference, current, {"x": "number"})[0]

    assert found.statistics["psi"] < 0.1  # Evidently's threshold: steady
    assert found.drifted


def test_whole_numbers_that_come_to_lie_between_their_places_are_seen_by_exact_statistics_alone():
    random = np.random.default_rng(9)
    reference = pl.DataFrame({"x": random.poisson(3, 5_000).astype(float)})
    current = pl.DataFrame({"x": random.poisson(3, 2_000) + 0.4})

    [found] = exact.compare(reference, current, {"x": "number"})

    assert not found.drifted
    assert found.statistics["wasserstein"] == pytest.approx(0.4 / reference["x"].std(), abs=0.05)
    assert found.statistics["ks_p_value"] < 1e-9


def test_a_data_set_drifts_by_the_share_of_its_columns():
    assert drifted([True, False])
    assert not drifted([True, False, False])
    assert not drifted([])


def test_a_column_that_cannot_be_compared_is_named():
    one, two = pl.DataFrame({"x": [1.0], "c": ["a"]}), pl.DataFrame({"x": [None], "c": ["a"]})

    with pytest.raises(ValueError, match="y: the reference table has no such column"):
        exact.compare(one, two, {"y": "number"})
    with pytest.raises(ValueError, match="c: String in the reference table, where numbers are expected"):
        exact.compare(one, two, {"c": "number"})
    with pytest.raises(ValueError, match="x: no values in the current table"):
        exact.compare(one, two, {"x": "number"}, mode="evidently")
    assert not exact.compare(one, two, {"x": "number"})[0].finding.enough
