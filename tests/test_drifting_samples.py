"""Exact statistics and decisions in figures that can be worked out by hand, or by SciPy and NumPy. No database."""

import warnings
from math import erfc, sqrt

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitoring.drifting import evidently_rules, exact, samples
from monitoring.drifting.samples import STATISTICS, Categories, Numbers


def numbers(reference, current):
    return Numbers.of(pl.Series(reference, dtype=pl.Float64), pl.Series(current, dtype=pl.Float64))


def categories(reference, current):
    return Categories.of(pl.Series(reference, dtype=pl.String), pl.Series(current, dtype=pl.String))


def normals(n, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, n)


def test_few_numbers_are_counted_by_value():
    pair = numbers([1, 1, 2, 5], [2, 3, 3, None, 3])

    assert (pair.kind, pair.n, pair.reference_n, pair.missing, pair.distinct) == ("number", 4, 4, (0, 1), 3)
    assert pair.values == [1, 2, 3, 5]
    assert [side.tolist() for side in pair.counts] == [[2, 1, 0, 1], [0, 1, 3, 0]]
    assert pair.std == pytest.approx(np.std([1, 1, 2, 5]))
    found = pair.statistics()
    assert list(found) == list(STATISTICS)
    assert found["ks"] == pytest.approx(0.5)
    assert found["ks_p_value"] == pytest.approx(stats.ks_2samp([1, 1, 2, 5], [2, 3, 3, 3]).pvalue)
    assert found["wasserstein"] == pytest.approx(stats.wasserstein_distance([1, 1, 2, 5], [2, 3, 3, 3]) / pair.std)
    assert found["jensen_shannon"] == pytest.approx(jensenshannon([2, 1, 0, 1], [0, 1, 3, 0]))
    assert found["chi2"] == np.inf  # a 3, where there was none
    assert found["chi2_p_value"] == 0


def test_chi_squared_takes_the_shares_of_the_reference_as_known():
    found = numbers([1, 1, 2, 5], [1, 2, 2, 2, 5, 5, 5, 5]).statistics()
    known = stats.chisquare([1, 3, 4], [4, 2, 2])

    assert (found["chi2"], found["chi2_p_value"]) == pytest.approx((known.statistic, known.pvalue))
    two = numbers([1, 1, 2, 2], [1, 2, 2, 2]).statistics()
    assert two["chi2_p_value"] == pytest.approx(stats.chisquare([1, 3], [2, 2]).pvalue)


def test_a_value_that_is_new_is_no_cause_for_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert samples.chi_squared(np.array([0, 5]), np.array([1, 4])) == np.inf


def test_a_constant_has_no_p_value_and_its_distance_no_small_divisor():
    pair = numbers([3, 3], [3, 3.5])
    same = numbers([3, 3], [3, 3])

    assert pair.statistics()["wasserstein"] == pytest.approx(0.25 / 0.001)
    assert (same.statistics()["chi2"], same.statistics()["chi2_p_value"]) == (0, None)
    assert categories(["a"], ["a"]).statistics()["chi2_p_value"] is None
    assert categories(["a", "b"], ["a", "b"]).statistics()["chi2_p_value"] == 1


@pytest.mark.parametrize("made", [numbers, categories])
@pytest.mark.parametrize(("reference", "current"), [([], [1]), ([1], []), ([], [])])
def test_an_empty_side_has_no_statistics(made, reference, current):
    pair = made(
        [str(x) for x in reference] if made is categories else reference,
        current if made is numbers else [str(x) for x in current],
    )

    assert pair.statistics() == dict.fromkeys(STATISTICS)
    assert (pair.n, pair.reference_n) == (len(current), len(reference))
    assert getattr(pair, "std", 0) == 0
    assert getattr(pair, "distinct", len(reference)) == len(reference)


@pytest.mark.parametrize(("distinct", "by_value"), [(20, True), (21, False)])
def test_up_to_twenty_numbers_of_the_reference_are_their_own_bins(distinct, by_value):
    current = np.arange(100.0)

    pair = numbers(np.repeat(np.arange(distinct), 2), current)

    assert (pair.values is not None) == by_value
    assert (pair.statistics()["chi2"] is not None) == (pair.statistics()["chi2_p_value"] is not None) == by_value
    if by_value:
        assert pair.counts[0].tolist() == [2] * 20 + [0] * 80
        assert pair.counts[1].tolist() == [1] * 100
    else:
        both = np.concatenate([pair.reference, current])
        edges = np.histogram_bin_edges(both, "sturges")
        assert [side.tolist() for side in pair.counts] == [
            np.histogram(side, edges)[0].tolist() for side in (pair.reference, current)
        ]


def test_bins_of_equal_width_are_those_of_sturges_over_both_sides():
    one, two = normals(300), normals(200, 1, 3.0)

    for before, now in ((one, two), (two, one)):
        edges = np.histogram_bin_edges(np.concatenate([before, now]), "sturges")
        found = numbers(before, now).counts
        assert [side.tolist() for side in found] == [np.histogram(side, edges)[0].tolist() for side in (before, now)]


def test_index_takes_an_empty_bin_for_a_ten_thousandth_or_a_millionth_of_the_smallest_share():
    def index(before, now):
        return float(((np.array(before) - now) * np.log(np.array(before) / now)).sum())

    assert samples.population_stability(np.array([5, 5]), np.array([8, 2])) == pytest.approx(
        index([0.5, 0.5], [0.8, 0.2])
    )
    assert samples.population_stability(np.array([5, 5]), np.array([10, 0])) == pytest.approx(
        index([0.5, 0.5], [1, 1e-4])
    )
    assert samples.population_stability(np.array([0, 10]), np.array([5, 5])) == pytest.approx(
        index([1e-4, 1], [0.5, 0.5])
    )
    small = np.array([9_999, 1, 0]), np.array([5, 3, 2])
    assert samples.population_stability(*small) == pytest.approx(
        index([0.9999, 1e-4, 1e-10], [0.5, 0.3, 0.2]), rel=1e-9
    )


def test_categories_are_counted_by_name_and_what_is_missing_apart():
    pair = categories(["b", "a", None, "b"], ["c", None, None, "a"])

    assert (pair.kind, pair.n, pair.reference_n, pair.missing) == ("category", 2, 3, (1, 2))
    assert pair.values == ["a", "b", "c"]
    assert [side.tolist() for side in pair.counts] == [[1, 2, 0], [1, 0, 1]]
    found = pair.statistics()
    assert list(found) == list(STATISTICS)
    assert found["ks"] is found["ks_p_value"] is found["wasserstein"] is None
    assert found["psi"] == pytest.approx(samples.population_stability(*pair.counts))
    assert found["jensen_shannon"] == pytest.approx(jensenshannon([1, 2, 0], [1, 0, 1]))
    assert (found["chi2"], found["chi2_p_value"]) == (np.inf, 0)
    wide = Categories.of(pl.Series([1.0, np.nan, np.inf, 2.0]), pl.Series([1.0, None, 1.0]))
    assert (wide.reference, wide.current, wide.missing) == ({"1.0": 1, "2.0": 1}, {"1.0": 2}, (2, 1))


@pytest.mark.parametrize(("n", "m"), [(10_000, 300), (10_001, 300), (300, 10_001)])
def test_p_value_of_a_distance_is_exact_up_to_ten_thousand_rows(n, m):
    one, two = normals(n), normals(m, 1, 0.1)

    exactly = stats.ks_2samp(one, two)
    nearly = stats.kstwo.sf(exactly.statistic, round(n * m / (n + m)))

    assert numbers(one, two).ks_p_value == pytest.approx(exactly.pvalue if n == 10_000 else nearly, abs=1e-12)
    assert abs(exactly.pvalue - nearly) > 1e-6 or n != 10_000


def two_of(a, b):
    return ["a"] * a + ["b"] * b


def z_p_value(hits, n, hits_now, m):
    share = (hits + hits_now) / (n + m)
    z = (hits / n - hits_now / m) / sqrt(share * (1 - share) * (1 / n + 1 / m))
    return erfc(abs(z) / sqrt(2))


@pytest.mark.parametrize("rows", [1000, 1001])
def test_evidently_tests_up_to_a_thousand_values_and_measures_more(rows):
    smooth = numbers(normals(rows), normals(300, 1, 0.3))
    few = numbers(np.arange(rows) % 5, [0, 1, 2, 3, 4, 4])
    six = numbers(np.arange(rows) % 6, [0, 1, 2, 3, 4, 5])
    named = categories(two_of(rows - 400, 400), two_of(40, 60))
    three = categories([*two_of(rows - 600, 400), *["c"] * 200], [*two_of(20, 20), *["c"] * 20])

    told = [evidently_rules.decide(pair) for pair in (smooth, few, six, named, three)]

    if rows > 1000:
        assert [(name, threshold) for name, _, threshold, _ in told] == [
            ("Wasserstein distance (normed)", 0.1),
            ("Jensen-Shannon distance", 0.1),
            ("Wasserstein distance (normed)", 0.1),
            ("Jensen-Shannon distance", 0.1),
            ("Jensen-Shannon distance", 0.1),
        ]
        assert [score for _, score, _, _ in told] == pytest.approx(
            [
                smooth.wasserstein,
                jensenshannon(*few.counts),
                six.wasserstein,
                jensenshannon(*named.counts),
                jensenshannon(*three.counts),
            ]
        )
        assert [drifted for *_, drifted in told] == [score >= 0.1 for _, score, _, _ in told]
    else:
        assert [(name, threshold) for name, _, threshold, _ in told] == [
            ("K-S p_value", 0.05),
            ("chi-square p_value", 0.05),
            ("K-S p_value", 0.05),
            ("Z-test p_value", 0.05),
            ("chi-square p_value", 0.05),
        ]
        assert [score for _, score, _, _ in told] == pytest.approx(
            [
                smooth.ks_p_value,
                samples.chi_squared_p_value(*few.counts),
                six.ks_p_value,
                z_p_value(rows - 400, rows, 40, 100),
                samples.chi_squared_p_value(*three.counts),
            ]
        )
        assert [drifted for *_, drifted in told] == [score < 0.05 for _, score, _, _ in told]
    assert {drifted for *_, drifted in told} == {True, False}


def test_one_value_alone_has_not_drifted_by_evidentlys_rules():
    assert evidently_rules.decide(categories(["a"] * 9, ["a"] * 5)) == ("Z-test p_value", 1.0, 0.05, False)


def test_evidently_decides_at_its_thresholds_themselves():
    class Told(Numbers):
        @property
        def ks_p_value(self):
            return self.kind

        wasserstein = ks_p_value

    tested, measured = (np.arange(float(n)) for n in (1000, 1001))
    for values, score, drifted in (
        (tested, 0.05, True),
        (tested, 0.0501, False),
        (measured, 0.1, True),
        (measured, 0.0999, False),
    ):
        assert evidently_rules.decide(Told(values, values, (0, 0), score))[1:] == (
            score,
            0.05 if values is tested else 0.1,
            drifted,
        )


def test_a_data_set_drifts_from_half_of_its_columns_on():
    assert [evidently_rules.drifted([True] * hits + [False] * (4 - hits)) for hits in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]


TABLES = (
    pl.DataFrame({"x": [1.0, 2.0, None, 2.0], "c": ["b", "a", "b", None]}),
    pl.DataFrame({"x": [2.0, 3.0, 0.0, None, None], "c": ["a", "z", None, None, "z"]}),
)


def test_columns_are_compared_whole_by_evidentlys_rules():
    x, c = exact.compare(*TABLES, {"x": "number", "c": "category"}, mode="evidently")

    pair = numbers(TABLES[0]["x"], TABLES[1]["x"])
    assert (x.name, x.kind, x.n, x.reference_n, x.finding) == ("x", "number", 3, 3, None)
    assert (x.method, x.score, x.threshold, x.drifted) == evidently_rules.decide(pair)
    assert x.statistics == pair.statistics()
    assert (c.name, c.kind, c.n, c.reference_n, c.method) == ("c", "category", 3, 3, "chi-square p_value")
    [brief] = exact.compare(*TABLES, {"x": "number"}, mode="evidently", everything=False)
    assert (brief.statistics, brief.score) == ({}, x.score)


def test_columns_are_compared_whole_by_our_rules():
    found = {one.name: one for one in exact.compare(*TABLES, {"x": "number", "c": "category"}, importances={"x": 0.25})}

    x, c = found["x"], found["c"]
    assert x.statistics == numbers(TABLES[0]["x"], TABLES[1]["x"]).statistics()
    assert c.statistics == categories(TABLES[0]["c"], TABLES[1]["c"]).statistics()
    for one in (x, c):
        told = one.finding
        assert (one.kind, one.method, one.score, one.threshold, one.drifted, one.n, one.reference_n) == (
            told.kind, told.method, told.distance, told.threshold, told.drifted, told.n, told.reference_n,
        )  # fmt: skip
    assert (x.finding.importance, c.finding.importance) == (0.25, None)
    assert (x.finding.missing.reference, x.finding.missing.current) == (1 / 4, 2 / 5)
    assert (x.finding.out_of_range.reference, x.finding.out_of_range.current) == (0, 2 / 3)
    assert (c.finding.missing.reference, c.finding.missing.current) == (1 / 4, 2 / 5)
    assert (c.finding.unseen.reference, c.finding.unseen.current) == (0, 2 / 3)
    assert (x.finding.n, x.finding.reference_n, c.finding.n, c.finding.reference_n) == (3, 3, 1, 3)


def test_rare_categories_beyond_the_commonest_two_hundred_are_one():
    names = [f"v{i:03}" for i in range(201)]
    reference = pl.DataFrame({"c": names * 2 + names[1:]})

    [found] = exact.compare(reference, pl.DataFrame({"c": [*names, "v000"]}), {"c": "category"})

    assert (found.n, found.reference_n) == (200, 600)
    assert found.finding.unseen.reference == pytest.approx(2 / 602)  # v000, the rarest
    assert found.finding.unseen.current == pytest.approx(2 / 202)


def test_a_reference_without_numbers_takes_every_number_for_new():
    none, some = pl.DataFrame({"x": [None, None]}), pl.DataFrame({"x": [1.0, 2.0, None]})

    [found] = exact.compare(none, some, {"x": "number"})

    assert (found.n, found.reference_n, found.finding.enough) == (0, 0, False)
    assert found.finding.out_of_range.current == 1
    assert (found.finding.missing.reference, found.finding.missing.current) == (1, 1 / 3)


@pytest.mark.parametrize("values", [[True, False], [1, 2], [1.5, 2.5], [None, None]])
def test_truth_values_and_whole_numbers_are_numbers(values):
    table = pl.DataFrame({"x": values})

    assert exact.compare(table, table, {"x": "number"})[0].kind == "number"


def test_a_fault_names_its_column_and_its_table():
    good, names = pl.DataFrame({"x": [1.0]}), pl.DataFrame({"x": ["a"]})
    empty = pl.DataFrame({"x": pl.Series([None], dtype=pl.Float64)})

    for sides, words in (
        ((good, good.rename({"x": "y"})), "x: the current table has no such column"),
        ((good, names), "x: String in the current table, where numbers are expected"),
        ((empty, good), "x: no values in the reference table"),
        ((good, empty), "x: no values in the current table"),
    ):
        with pytest.raises(ValueError, match=f"^{words}$"):
            exact.compare(*sides, {"x": "number"}, mode="evidently")


@pytest.mark.parametrize("name", ["rows", "count", "value"])
def test_a_category_may_have_any_name(name):
    table = pl.DataFrame({name: ["a", "b", "a"]})

    [found] = exact.compare(table, table, {name: "category"}, mode="evidently")

    assert (found.name, found.score, found.drifted) == (name, 1.0, False)


def test_what_is_judged_holds_what_is_told_of_a_column():
    numeric, _ = exact._binned("x", numbers([1, 2, 2, 5], [2, 3]), 0.25)
    named, _ = exact._binned("c", categories(["b", "a", "b"], ["a"]), 0.5)

    assert (numeric.name, numeric.kind, numeric.categories, numeric.importance) == ("x", "number", (), 0.25)
    assert numeric.std == pytest.approx(np.std([1, 2, 2, 5]))
    assert (named.name, named.kind, named.categories, named.importance) == ("c", "category", ("a", "b"), 0.5)
    assert (named.edges.size, named.std) == (0, None)
