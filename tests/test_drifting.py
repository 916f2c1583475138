"""Drift from bins: merging, distances, calibration, robustness, breaks and ranking. No database."""

from functools import reduce
from operator import add

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.drift.features import cells_of, features_of
from monitoring.drifting import Binned, EffectFloor, Finding, binned_of, distances, judge, reference_of
from registry.histograms import bins_of, category_histogram, number_histogram

SIZES = st.integers(2, 40)
COUNTS = SIZES.flatmap(lambda size: st.tuples(*[st.lists(st.integers(0, 500), min_size=size, max_size=size)] * 3))


def numbers(values, name="x", importance=None):
    histogram = number_histogram(values)
    return reference_of(features_of({name: histogram})[0], histogram, importance)


def window(reference, values, **others):
    bins = bins_of(reference.edges, np.asarray(values, float))
    return Binned(np.bincount(bins, minlength=len(reference.edges) + 1), **others)


def categories(names, name="c"):
    histogram = category_histogram(names)
    return reference_of(features_of({name: histogram})[0], histogram)


def of_categories(reference, names):
    return Binned(
        np.array([names.count(name) for name in reference.categories]),
        unseen=sum(name not in reference.categories for name in names),
    )


def draw(seed):
    return np.random.default_rng(seed)


REFERENCE = numbers(draw(1).normal(size=20_000))


@given(COUNTS)
def test_windows_add_up_in_any_order(counts):
    one, two, three = (Binned(np.array(side), missing=side[0], unseen=side[1], broken=side[0]) for side in counts)

    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert (one + two).rows == one.rows + two.rows


def test_24_windows_judge_as_the_day_they_make_up():
    values = draw(2).normal(0.05, 1, size=24_000)
    parts = [window(REFERENCE, part, missing=3) for part in np.split(values, 24)]

    day = reduce(add, parts)

    assert day == window(REFERENCE, values, missing=72)
    assert judge([(REFERENCE, day)]) == judge([(REFERENCE, window(REFERENCE, values, missing=72))])


DISTANCES = [
    distances.kolmogorov_smirnov, distances.total_variation, distances.jensen_shannon, distances.population_stability, distances.chi_squared,
    lambda before, now: distances.wasserstein(before, now, np.ones(before.size - 1)),
]  # fmt: skip


@given(COUNTS)
def test_distances_are_zero_between_equals_and_do_not_ask_which_came_first(counts):
    one, two = (np.array(side) + 1 for side in counts[:2])

    for distance in DISTANCES:
        assert distance(one, one) == pytest.approx(0, abs=1e-7)
        assert distance(one, two) >= 0
        assert distance(one, two) == pytest.approx(distance(two, one))


@given(COUNTS, st.booleans())
def test_pooled_bins_hold_enough_and_lose_nothing(counts, ordered):
    one, two = (np.array(side) + 1 for side in counts[:2])

    before, now = distances.pooled(one, two, ordered=ordered)

    assert (before.sum(), now.sum()) == (one.sum(), two.sum())
    assert before.size <= distances.MOST_POOLED
    expected = (before + now) / (before + now).sum() * min(before.sum(), now.sum())
    assert before.size == 1 or expected.min() >= distances.LEAST_EXPECTED


@pytest.mark.parametrize("statistic", ["wasserstein", "ks", "jensen_shannon", "psi", "chi2"])
def test_a_larger_shift_is_a_larger_distance(statistic):
    values = draw(3).normal(size=20_000)

    found = [
        judge([(REFERENCE, window(REFERENCE, values + shift))])[0].statistics[statistic]
        for shift in (0, 0.1, 0.25, 0.5, 1, 2)
    ]

    assert found == sorted(found)
    assert found[-1] > 2 * found[2]


@given(st.floats(-0.5, 0.5), st.floats(0.1, 100))
def test_wasserstein_of_a_shift_is_its_size_in_standard_deviations_in_any_unit(shift, unit):
    values = draw(4).normal(size=20_000)
    reference = numbers(values * unit)

    found = judge([(reference, window(reference, np.clip(values + shift, values.min(), values.max()) * unit))])[0]

    assert found.distance == pytest.approx(abs(shift), abs=0.02)


def test_whole_numbers_stand_where_they_are():
    values = np.repeat([0.0, 1.0, 2.0], [500, 300, 200])
    reference = numbers(values)

    found = judge([(reference, window(reference, np.repeat([0.0, 1.0, 2.0], [400, 400, 200])))])[0]

    assert found.statistics["wasserstein"] == pytest.approx(0.1 / values.std())


SHAPES = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal": lambda random, n: random.lognormal(0, 2, n),
    "heavy tails": lambda random, n: random.standard_cauchy(n),
    "whole numbers": lambda random, n: random.poisson(2, n).astype(float),
    "mostly zero": lambda random, n: np.where(random.random(n) < 0.95, 0, random.exponential(size=n)),
    "a rare flag": lambda random, n: (random.random(n) < 0.01).astype(float),
    "constant": lambda random, n: np.full(n, 3.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [50, 400])
def test_clean_windows_seldom_alarm(shape, n):
    random = draw(5)
    alarms = 0
    for _ in range(4):
        reference = numbers(SHAPES[shape](random, 2_000))
        pairs = [(reference, window(reference, SHAPES[shape](random, n))) for _ in range(50)]
        alarms += sum(one.alone or bool(one.breaks) for one in judge(pairs, fdr=0.99))

    assert alarms <= 6  # of 200: at a rate of 1%, 7 or more come once in 200 tries


def test_a_quarter_of_a_standard_deviation_is_found_in_500_rows():
    random = draw(6)

    found = judge([(REFERENCE, window(REFERENCE, random.normal(0.25, 1, 500))) for _ in range(40)], fdr=0.99)

    assert sum(one.alone for one in found) >= 38


def test_a_shift_under_a_long_tail_is_found_where_single_values_are_louder_than_it():
    random = draw(13)
    reference = numbers(random.lognormal(0, 2, 20_000))

    found = judge([(reference, window(reference, random.lognormal(0, 2, 300) + 0.7))])[0]

    assert found.drifted
    assert found.method == "ks"


def test_a_large_window_does_not_cry_over_a_hundredth():
    found = judge([(REFERENCE, window(REFERENCE, draw(7).normal(0.02, 1, 1_000_000)))])[0]

    assert found.p_value < 0.01
    assert not found.drifted
    assert found.threshold == found.effect_floor == EffectFloor().number


def test_one_outlier_neither_hides_a_shift_nor_makes_one():
    values = draw(8).normal(size=1_000)
    with_outlier = numbers(np.append(draw(9).normal(size=20_000), 1e9))

    for reference in (REFERENCE, with_outlier):
        steady, shifted = (window(reference, np.append(side, 1e6)) for side in (values, values + 0.5))
        found = {one.name: one for one in judge([(reference, steady)])}["x"]
        assert not found.drifted
        assert not found.breaks
        assert judge([(reference, shifted)])[0].drifted


def test_many_features_are_allowed_for():
    random = draw(10)
    reference = numbers(random.normal(size=20_000))
    clean = [(reference, window(reference, random.normal(size=500))) for _ in range(300)]
    shifted = [(reference, window(reference, random.normal(0.4, 1, 500))) for _ in range(3)]

    found = judge(clean + shifted)

    assert sum(one.drifted for one in found[:3]) == 3
    assert not any(one.drifted for one in found[3:])


def test_few_rows_say_nothing():
    found = judge([(REFERENCE, window(REFERENCE, np.full(49, 3.0))), (REFERENCE, window(REFERENCE, []))])

    assert [(one.enough, one.drifted) for one in found] == [(False, False)] * 2


COLOURS = categories(["red"] * 600 + ["green"] * 300 + ["blue"] * 100)


def test_categories_that_swapped_places_have_drifted():
    names = ["red"] * 20 + ["green"] * 20 + ["blue"] * 20

    found = judge([(COLOURS, of_categories(COLOURS, names))])[0]

    assert found.drifted
    assert found.method == "total_variation"
    assert found.distance == pytest.approx((1 / 3 - 0.1) + (1 / 3 - 0.3))


def test_a_rare_category_that_grows_is_found_beside_common_ones():
    reference = categories([f"common {i}" for i in range(10)] * 1_000 + ["rare"] * 5)

    found = judge([(reference, of_categories(reference, [f"common {i}" for i in range(10)] * 9 + ["rare"] * 6))])[0]

    assert found.drifted
    assert found.method == "chi2"
    assert found.effect == pytest.approx(6 / 96 - 5 / 10_005)


def test_findings_are_plain_values():
    found = judge([(REFERENCE, window(REFERENCE, draw(14).normal(1, 1, 200), missing=50))])

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=list[Finding]) == found


def test_breaks_are_scored_apart():
    few = draw(11).normal(size=500)
    names = ["red"] * 300 + ["green"] * 150 + ["blue"] * 50

    missing = judge([(REFERENCE, window(REFERENCE, few, missing=20))])[0]
    beyond = judge([(REFERENCE, window(REFERENCE, np.append(few, np.full(8, 50.0))))])[0]
    broken = judge([(REFERENCE, window(REFERENCE, few, broken=5))])[0]
    new = judge([(COLOURS, of_categories(COLOURS, [*names, *["mauve"] * 20]))])[0]

    assert [one.breaks for one in (missing, beyond, broken, new)] == [
        ("missing",),
        ("range",),
        ("type",),
        ("new categories",),
    ]
    assert not any(one.drifted for one in (missing, beyond, broken, new))
    assert (missing.missing.reference, missing.missing.current) == (0, 20 / 520)


def test_another_constant_is_out_of_range():
    reference = numbers([3.0] * 1_000)

    assert judge([(reference, window(reference, [4.0] * 200))])[0].breaks == ("range",)


def test_a_reference_seen_in_part_expects_categories_it_has_not_seen():
    seen_once = categories(["red"] * 900 + [f"rare {i}" for i in range(100)])

    found = judge([(seen_once, of_categories(seen_once, ["red"] * 455 + [f"other {i}" for i in range(45)]))])[0]

    assert found.breaks == ()


def test_what_moved_is_ranked_by_how_much_the_model_depends_on_it():
    random = draw(12)
    made = {"far": (1.0, 0.2), "near": (0.4, 0.5), "still": (0.0, 0.3)}
    pairs = [
        (numbers(random.normal(size=5_000), name, importance), window(REFERENCE, random.normal(shift, 1, 2_000)))
        for name, (shift, importance) in made.items()
    ]

    found = judge(pairs)

    assert [(one.name, one.cause) for one in found] == [("near", 0.25), ("far", 0.2), ("still", 0.0)]


def test_counts_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="x: 3 bins, but its reference has"):
        judge([(REFERENCE, Binned(np.zeros(3, np.int64)))])


def test_counts_as_the_shipper_keeps_them_are_a_window():
    rows = [{"x": value, "c": name} for value, name in zip([1.0, 2.0, None, 2.0], ["a", "b", "b", "z"], strict=True)]
    features = features_of({"c": category_histogram(["a", "b"]), "x": number_histogram([1.0, 2.0])})

    c, x = (binned_of(feature, counts) for feature, counts in cells_of(features, rows).by_feature(features))

    assert c == Binned(np.array([1, 2]), unseen=1)
    assert x == Binned(np.array([0, 1, 2, 0]), missing=1)
