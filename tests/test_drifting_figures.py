"""Drift in figures that can be worked out by hand, or by SciPy from the same counts. No database."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitoring.drift.features import BROKEN, MISSING, UNSEEN, features_of
from monitoring.drifting import Binned, EffectFloor, Reference, binned_of, distances, judge, reference_of
from monitoring.drifting.breaks import KINDS, shares_of
from monitoring.drifting.judging import ranked
from registry.histograms import category_histogram, number_histogram


def numbers(counts, **others):
    """Return a reference of whole numbers from 0 on, with so many of each."""
    edges = np.array([0.0, *np.arange(1, len(counts)) - 0.5, len(counts) - 1])
    binned = Binned(np.array([0, *counts, 0]), **others)
    return Reference("x", "number", edges, (), binned)


def categories(counts, **others):
    return Reference(
        "c", "category", np.empty(0), tuple(f"c{i:03}" for i in range(len(counts))), Binned(np.array(counts), **others)
    )


def test_shares_are_those_of_fishers_test():
    known = numbers([400, 600], missing=30, broken=2)
    window = Binned(np.array([3, 150, 150, 2]), missing=17, broken=4)
    named = categories([600, 300, 98, 1, 1], unseen=3)
    other = Binned(np.array([100, 50, 30, 0, 0]), missing=1, unseen=6)

    found = shares_of([(known, window), (named, other)], alpha=0.01, fdr=0.05, floor=0.005)

    def p(hit, rows, hit_then, rows_then, side="greater"):
        return stats.fisher_exact([[hit, rows - hit], [hit_then, rows_then - hit_then]], side).pvalue

    missing = min(2 * min(p(17, 326, 30, 1032, side) for side in ("greater", "less")), 1)
    fewer = min(2 * min(p(1, 187, 0, 1003, side) for side in ("greater", "less")), 1)
    expected = [
        [missing, 1, p(5, 305, 1, 1000), p(4, 326, 2, 1032)],
        [fewer, p(6, 186, 3 + 2, 1003), 1, 1],
    ]
    assert [[one.p_value for one in shares] for shares in found] == [pytest.approx(row) for row in expected]
    assert [one.adjusted_p for shares in found for one in shares] == pytest.approx(
        stats.false_discovery_control(np.ravel(expected))
    )
    assert [(one.reference, one.current) for one in found[0]] == [
        (30 / 1032, 17 / 326),
        (0, 0),
        (0, 5 / 305),
        (2 / 1032, 4 / 326),
    ]
    assert [(one.reference, one.current) for one in found[1]] == [(0, 1 / 187), (3 / 1003, 6 / 186), (0, 0), (0, 0)]
    assert shares_of([], alpha=0.01, fdr=0.05, floor=0.005) == []


def broke(reference, current, *, alpha=0.01, fdr=0.05, floor=0.005):
    [shares] = shares_of([(reference, current)], alpha=alpha, fdr=fdr, floor=floor)
    return dict(zip(KINDS, shares, strict=True))


@pytest.mark.parametrize("were", [0, 20])
def test_a_share_breaks_from_its_thresholds_on(were):
    reference, window = numbers([5000, 5000], missing=were), Binned(np.array([0, 970, 1000, 0]), missing=30)
    share = broke(reference, window)["missing"]

    assert share.broke
    gap = 30 / 2000 - were / (10_000 + were)
    for rule, least in (("alpha", share.p_value / 0.05), ("fdr", share.adjusted_p), ("floor", gap)):
        assert broke(reference, window, **{rule: least})["missing"].broke
        assert not broke(reference, window, **{rule: least * (1.001 if rule == "floor" else 0.999)})["missing"].broke


def test_a_share_of_one_row_is_all_or_nothing():
    one_missing, one_there = Binned(np.zeros(4, np.int64), missing=1), Binned(np.array([0, 1, 0, 0]))
    for before, now in ((one_missing, one_there), (one_there, one_missing)):
        share = broke(replace(numbers([0, 0]), binned=before), now)["missing"]
        assert (share.reference, share.current) == (before.missing, now.missing)
        assert share.p_value == 1
    # Of eleven rows one is there: the reference's, with a chance of one in eleven.
    assert broke(replace(numbers([0, 0]), binned=one_there), Binned(np.zeros(4, np.int64), missing=10))[
        "missing"
    ].p_value == pytest.approx(2 / 11)


def test_fewer_missing_values_are_a_break_too():
    reference, window = numbers([500, 500], missing=1000), Binned(np.array([0, 100, 100, 0]))

    assert broke(reference, window)["missing"].broke
    assert not broke(numbers([500, 500], broken=1000), window)["type"].broke


def test_without_rows_no_share_breaks():
    empty, full = Binned(np.zeros(4, np.int64)), Binned(np.array([0, 10, 10, 0]), missing=500, broken=500)
    nothing = replace(numbers([0, 0]), binned=empty)

    for pair in ((numbers([5, 5]), empty), (nothing, full)):
        assert [(one.p_value, one.broke) for one in broke(*pair).values()] == [(1, False)] * 4


def test_a_reference_without_values_has_all_numbers_beyond_it():
    none = Reference("x", "number", np.empty(0), (), Binned(np.empty(0, np.int64), missing=100))

    found = judge([(none, Binned(np.empty(0, np.int64), missing=50, unseen=50))])[0]

    assert (found.n, found.reference_n, found.enough, found.drifted) == (0, 0, False, False)
    assert (found.out_of_range.reference, found.out_of_range.current, found.out_of_range.p_value) == (0, 1, 1)
    assert found.breaks == ("missing",)


def test_a_window_is_what_its_histogram_names():
    number, category = number_histogram([1.0, 2.0, None, 2.0]), category_histogram(["a", "b", "b", None])
    x, c = sorted(features_of({"x": number, "c": category}), key=lambda feature: feature.name, reverse=True)

    assert binned_of(x, {0: 1, 2: 3, MISSING: 4, BROKEN: 5, UNSEEN: 6}) == Binned(np.array([1, 0, 3, 0]), 4, 6, 5)
    assert binned_of(c, {1: 3, UNSEEN: 6}) == Binned(np.array([0, 3]), unseen=6)
    assert binned_of(c, {1: 3, 2: 9}) == Binned(np.array([0, 3]))  # there is no third category
    told = reference_of(x, number, 0.5)
    assert (told.name, told.kind, told.categories, told.std, told.importance) == (
        "x",
        "number",
        (),
        number["std"],
        0.5,
    )
    assert told.edges.tolist() == number["edges"]
    assert told.binned == Binned(np.array([0, 1, 2, 0]), missing=1)
    told = reference_of(c, category)
    assert (told.name, told.kind, told.categories, told.std, told.importance) == (
        "c",
        "category",
        ("a", "b"),
        None,
        None,
    )
    assert told.binned == Binned(np.array([1, 2]), missing=1)


def test_windows_are_the_same_in_all_or_not_at_all():
    one = Binned(np.array([1, 2]), 3, 4, 5)

    assert one == Binned(np.array([1, 2]), 3, 4, 5)
    assert one.rows == 15
    assert one + one == Binned(np.array([2, 4]), 6, 8, 10)
    for other in (
        Binned(np.array([2, 2]), 3, 4, 5),
        *(replace(one, **{k: 9}) for k in ("missing", "unseen", "broken")),
        1,
    ):
        assert one != other


WIDE = EffectFloor(number=0.01, ks=0.01, category=0.01)


def test_a_number_is_told_in_standard_deviations_with_its_threshold():
    reference, window = numbers([400, 400, 200]), Binned(np.array([0, 300, 400, 300, 0]), missing=9)
    std = np.repeat([0, 1, 2], [400, 400, 200]).std()

    [found] = judge([(reference, window)], floor=WIDE)

    assert (found.name, found.kind, found.method) == ("x", "number", "wasserstein")
    assert found.distance == found.effect == pytest.approx(0.2 / std)
    assert (found.n, found.reference_n, found.effect_floor) == (1000, 1000, 0.01)
    assert found.statistics == pytest.approx(
        {
            "psi": distances.population_stability(np.array([400, 400, 200]), np.array([300, 400, 300])),
            "ks": 0.1,
            "wasserstein": 0.2 / std,
            "jensen_shannon": distances.jensen_shannon(np.array([400, 400, 200]), np.array([300, 400, 300])),
            "chi2": stats.chi2_contingency([[400, 400, 200], [300, 400, 300]], correction=False).statistic,
        }
    )
    # Its 1% of which four fifths are the shape's and half of these this method's: the distance that a normal sum has so rarely.
    assert 0.05 < found.threshold < 0.15 / std
    assert found.p_value == found.adjusted_p < 0.008
    assert (found.alone, found.drifted, found.enough) == (True, True, True)
    [bounded] = judge([(reference, window)], floor=replace(WIDE, number=0.5, ks=0.5))
    assert (bounded.threshold, bounded.effect_floor, bounded.alone) == (0.5, 0.5, False)


def test_a_rare_category_is_told_by_cohens_w_with_the_share_that_moved():
    reference = categories([10_000] * 10 + [50])
    now = np.array([90] * 10 + [60])
    were, shares = (side / side.sum() for side in (reference.binned.counts, now))
    both = (reference.binned.counts + now) / (reference.binned.counts + now).sum()

    [found] = judge([(reference, Binned(now))])

    assert (found.method, found.drifted, found.effect_floor) == ("chi2", True, 0.05)
    assert found.distance == pytest.approx(np.sqrt(((shares - were) ** 2 / both).sum()))
    assert found.effect == pytest.approx(np.abs(shares - were).sum() / 2)
    assert found.threshold < found.distance
    assert found.statistics["ks"] is found.statistics["wasserstein"] is None
    [bounded] = judge([(reference, Binned(now))], floor=EffectFloor(category=0.5))
    assert (bounded.method, bounded.alone, bounded.effect_floor) == ("total_variation", False, 0.5)
    assert bounded.distance == bounded.effect == found.effect


@pytest.mark.parametrize(("rows", "enough"), [(49, False), (50, True)])
def test_fifty_rows_of_either_side_are_enough(rows, enough):
    few, many = [0, rows, 0], [200, 200, 200]

    for reference, current in ((few, many), (many, few)):
        [found] = judge([(numbers(reference), Binned(np.array([0, *current, 0])))])
        assert (found.enough, found.drifted, found.alone) == (enough, enough, enough)


def test_a_side_without_values_is_no_drift():
    for reference, size, method, floor in (
        (numbers([9, 9]), 4, "wasserstein", 0.1),
        (categories([9, 9]), 2, "total_variation", 0.05),
    ):
        [found] = judge([(reference, Binned(np.zeros(size, np.int64)))])
        assert (found.method, found.distance, found.p_value, found.threshold) == (method, 0, 1, floor)
        assert (found.effect, found.effect_floor, found.n, found.reference_n) == (0, floor, 0, 18)
        assert (found.alone, found.drifted, found.adjusted_p) == (False, False, 1)
        assert found.statistics == dict.fromkeys(("psi", "ks", "wasserstein", "jensen_shannon", "chi2"))


def test_features_with_few_rows_do_not_count_among_those_looked_at():
    reference = numbers([200, 200, 200])
    windows = [Binned(np.array([0, *counts, 0])) for counts in ([60, 60, 90], [60, 60, 100], [5, 5, 5], [70, 60, 70])]

    found = judge([(replace(reference, name=str(i)), one) for i, one in enumerate(windows)])

    told = sorted((one for one in found if one.enough), key=lambda one: one.name)
    assert [one.name for one in told] == ["0", "1", "3"]
    assert [one.adjusted_p for one in told] == pytest.approx(
        stats.false_discovery_control([one.p_value for one in told])
    )
    assert next(one for one in found if not one.enough).adjusted_p == 1


def test_drift_begins_with_a_p_value_at_its_level():
    pair = numbers([400, 400, 200]), Binned(np.array([0, 320, 400, 280, 0]))
    [found] = judge([pair], floor=WIDE)
    assert 0.5 * 0.8 > found.p_value == found.adjusted_p > 1e-6

    def judged(**rates):
        [again] = judge([pair], floor=WIDE, **{"alpha": 0.5} | rates)
        return again.alone, again.drifted

    p, least = (
        found.p_value,
        next(a for a in (found.p_value / 0.8 * (1 + k * 1e-16) for k in range(9)) if 0.8 * a == found.p_value),
    )
    assert judged(fdr=p) == (True, True)
    assert judged(fdr=p * 0.999) == (True, False)
    assert judged(alpha=least, fdr=0.99) == (True, True)
    assert judged(alpha=least * 0.999, fdr=0.99) == (False, False)


def test_an_effect_of_just_the_floor_is_worth_speaking_of():
    pair = numbers([400, 400, 200]), Binned(np.array([0, 300, 400, 300, 0]))
    [found] = judge([pair], floor=WIDE)

    for factor, alone in ((1, True), (1.001, False)):
        floor = EffectFloor(number=found.effect * factor, ks=0.9)
        assert judge([pair], floor=floor)[0].alone is alone


@pytest.mark.parametrize("reference", [numbers([400, 400, 200]), categories([400, 400, 200])])
def test_alone_are_those_beyond_their_threshold(reference):
    told = []
    for moved in range(0, 200, 10):
        counts = [400 - moved, 400, 200 + moved]
        now = Binned(np.array([0, *counts, 0] if reference.kind == "number" else counts))
        told += judge([(reference, now)], floor=WIDE)

    assert [one.alone for one in told] == [one.distance > one.threshold for one in told]
    assert 2 < sum(one.alone for one in told) < 18
    assert (told[0].distance, told[0].p_value, told[0].threshold) == (0, 1, 0.01)


def test_bins_of_numbers_are_pooled_with_their_neighbours_and_categories_by_how_rare_they_are():
    before, now = np.array([1, 90, 2, 60, 3]), np.array([3, 80, 6, 60, 7])

    [number] = judge([(numbers(before), Binned(np.array([0, *now, 0])))])
    [category] = judge([(categories(before), Binned(now))])

    # A twentieth of all 312 rows are 15.6: 4 + 170 are enough, and 10 alone are too few to follow 8 + 120. Categories need ten of
    # both sides for five of either: 170, 120 and 10 are enough, and so are 8 + 4.
    neighbours, rare = ([91, 65], [83, 73]), ([90, 60, 3, 3], [80, 60, 7, 9])
    for found, sides in ((number, neighbours), (category, rare)):
        chi2 = stats.chi2_contingency(sides, correction=False).statistic
        assert found.statistics["chi2"] == pytest.approx(chi2)


@pytest.mark.parametrize(("alpha", "fdr"), [(0, 0.1), (1, 0.1), (0.1, 0), (0.1, 1), (float("nan"), 0.1)])
def test_rates_out_of_range_are_refused(alpha, fdr):
    with pytest.raises(ValueError, match=rf"^alpha={alpha} fdr={fdr}$"):
        judge([], alpha=alpha, fdr=fdr)


def test_likeliest_causes_come_first():
    [plain] = judge([(numbers([9, 9]), Binned(np.zeros(4, np.int64)))])

    def of(name, distance, importance, *, drifted=True, breaks=(), threshold=0.1):
        return replace(
            plain,
            name=name,
            distance=distance,
            threshold=threshold,
            importance=importance,
            drifted=drifted,
            breaks=breaks,
        )

    known = [
        of("far", 0.4, 0.1), of("near", 0.2, 0.3), of("unknown", 0.3, None), of("broken", 0.0, 0.2, drifted=False, breaks=("range",)),
        of("still", 0.05, 0.9, drifted=False), of("calm", 0.01, 0.9, drifted=False), of("bare", 0.0, 0.0, drifted=False, threshold=0.0),
    ]  # fmt: skip
    total = 0.1 + 0.3 + 0.4 + 0.2 + 0.9 + 0.9 + 0.0  # the unknown one has the mean of the six known

    found = ranked(known)

    assert [one.name for one in found] == ["unknown", "near", "far", "broken", "still", "calm", "bare"]
    assert [one.cause for one in found] == pytest.approx(
        [0.4 * 0.75 / total, 0.3 * 0.5 / total, 0.1 / total, 0.2 * 0.25 / total, 0, 0, 0]
    )
    assert [one.cause for one in ranked([of("b", 0.2, None), of("a", 0.2, None)])] == [0.5, 0.25]
    assert [one.cause for one in ranked([of("a", 0.2, 0.0)])] == [0]
    assert [one.name for one in ranked([of(name, 0.05, 1, drifted=False) for name in "ba"])] == ["a", "b"]
    broken_too = [of("far", 0.2, 1), of("broken", 0.15, 1, breaks=("range",))]
    assert [(one.name, one.cause) for one in ranked(broken_too)] == [("broken", 0.5), ("far", 0.25)]
    assert ranked([]) == []
