"""Distances between counts, how bins are pooled, and where they stand: by hand, or by SciPy. No database."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitoring.drifting import distances
from monitoring.drifting.places import MOST_GROUPS, inside, line_of

BEFORE, NOW = np.array([50, 30, 20]), np.array([40, 80, 80])  # shares 0.5, 0.3, 0.2 and 0.2, 0.4, 0.4


def test_distances_of_three_bins():
    assert distances.differences(BEFORE, NOW) == pytest.approx([-0.3, 0.1, 0.2])
    assert distances.wasserstein(BEFORE, NOW, np.array([1.0, 2.0])) == pytest.approx(0.3 * 1 + 0.2 * 2)
    assert distances.kolmogorov_smirnov(BEFORE, NOW) == pytest.approx(0.3)
    assert distances.kolmogorov_smirnov(BEFORE[::-1], NOW[::-1]) == pytest.approx(0.3)
    assert distances.kolmogorov_smirnov(BEFORE[:1], NOW[:1]) == 0
    assert distances.total_variation(BEFORE, NOW) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("before", "now"),
    [(BEFORE, NOW), (np.array([7, 0, 3]), np.array([0, 5, 6])), (np.array([7, 1, 3]), np.array([4, 0, 6]))],
)
def test_distances_that_others_define_too(before, now):
    halves = [(side + 0.5) / (side.sum() + 1.5) for side in (before, now)]

    assert distances.jensen_shannon(before, now) == pytest.approx(jensenshannon(before, now))
    assert distances.population_stability(before, now) == pytest.approx(
        stats.entropy(*halves) + stats.entropy(*halves[::-1])
    )
    assert distances.chi_squared(before, now) == pytest.approx(
        stats.chi2_contingency([before, now], correction=False).statistic
    )


def test_a_category_that_neither_side_has_adds_nothing():
    with_none = np.insert(BEFORE, 1, 0), np.insert(NOW, 1, 0)

    assert distances.chi_squared(*with_none) == pytest.approx(distances.chi_squared(BEFORE, NOW))
    assert distances.jensen_shannon(*with_none) == pytest.approx(distances.jensen_shannon(BEFORE, NOW))


@pytest.mark.parametrize(
    ("before", "now", "ordered", "pooled"),
    [
        ([5, 5, 5], [5, 5, 5], True, ([5, 5, 5], [5, 5, 5])),  # just enough
        ([4, 6, 5], [5, 4, 6], True, ([10, 5], [9, 6])),  # 9 of 30, where 10 are to be expected
        ([5, 5, 4], [5, 5, 6], True, ([14], [16])),  # what is left over is too little for a second
        (
            [5, 5, 4, 6],
            [5, 4, 6, 5],
            True,
            ([5, 9, 6], [5, 10, 5]),
        ),  # the second has 9 of 40 alone, where 10 are asked for
        ([6, 6, 3], [6, 4, 5], True, ([6, 9], [6, 9])),  # what is left over joins the last
        ([5, 5, 5], [50, 50, 50], True, ([5, 5, 5], [50, 50, 50])),
        ([1, 90, 2, 60, 3], [1, 90, 2, 60, 3], False, ([90, 60, 6], [90, 60, 6])),
        ([2, 1], [3, 3], True, ([3], [6])),
        ([0, 0], [3, 3], True, ([0], [6])),
        ([10] * 40, [10] * 40, True, ([20] * 20, [20] * 20)),
        ([10] * 40, [10] * 40, False, ([10] * 19 + [210], [10] * 19 + [210])),
        # 102 and 100 in turn: those with as many stay in their order
        (
            range(1, 41),
            [100 + 2 * (n % 2) - n for n in range(1, 41)],
            False,
            ([*range(1, 38, 2), 459], [*range(101, 64, -2), 1643]),
        ),
    ],
)
def test_bins_are_pooled_until_five_rows_are_expected_on_either_side(before, now, ordered, pooled):
    found = distances.pooled(np.array(before), np.array(now), ordered=ordered)

    assert [side.tolist() for side in found] == list(pooled)
    assert all(side.dtype == np.int64 for side in found)


def line(edges, counts):
    """Return where each bin stands, from the first one's place on."""
    found = line_of(np.array(edges, float), np.array(counts))
    return np.cumsum([0, *found.steps])


@pytest.mark.parametrize(
    ("edges", "counts", "places"),
    [
        ([0, 1, 2, 4], [1, 2, 1], [0, 1.5, 3]),  # the last bin reaches no further than its neighbour is wide
        ([0, 5, 6, 7], [3, 1, 1], [4, 5.5, 7]),
        ([0, 1, 3, 9], [1, 1, 2], [0, 2, 5]),
        ([0, 5, 6, 16], [3, 1, 1], [4, 5.5, 7]),
        ([0, 1, 4], [1, 3], [0, 4]),
        ([0, 0, 4], [1, 3], [0, 4]),  # two numbers so near each other that nothing lies between them
        ([0, 0.5, 1.5, 2.5, 3], [5, 3, 1, 1], [0, 1, 2, 3]),
        ([0, 1, 2, 3, 1e6, 2e6], [5, 3, 0, 3, 0], None),
        ([0, 1, 2, 1000, 2000], [499, 500, 0, 1], [0, 1.5, 1.5 + 7485 / 490, 1.5 + 7485 / 490]),  # 10 (748.5 + x) / 500
        ([-2000, -1000, 0, 1, 2], [1, 0, 500, 499], [0, 0, 7485 / 490, 7485 / 490 + 1.5]),
    ],
)
def test_bins_stand_at_their_middle_and_never_far_out(edges, counts, places):
    found = line(edges, counts)
    standing = np.repeat(found, counts)

    assert standing.std() == pytest.approx(1)
    if places:
        away = np.array(places) - places[0]
        assert found == pytest.approx(away / np.repeat(away, counts).std(), rel=1e-5)
    middle = np.sort(standing)[(standing.size - 1) // 2]
    assert np.abs(found - middle).max() <= 10.001 * np.abs(standing[standing != middle] - middle).mean()


def test_a_constant_has_no_steps():
    assert line_of(np.array([3.0, 3.0]), np.array([9])).steps.tolist() == []
    assert line_of(np.array([0.0, 1, 2, 3]), np.array([0, 9, 0])).steps.tolist() == [0, 0]
    assert line_of(np.array([0.0, 1, 2, 3]), np.array([0, 1, 0])).steps.tolist() == [0, 0]
    assert np.isfinite(line_of(np.array([0.0, 1, 2, 3]), np.array([0, 0, 0])).steps).all()


def test_what_is_out_of_range_is_taken_into_the_outermost_bins():
    assert inside(np.array([1, 2, 3, 4, 5])).tolist() == [3, 3, 9]
    assert inside(np.array([1, 2, 3])).tolist() == [6]


@pytest.mark.parametrize("bins", [1, 2, 3, 64, 65, 128, 130, 256])
def test_neighbouring_bins_are_grouped_and_each_step_goes_to_the_nearest_border(bins):
    counts = np.arange(1, bins + 1)

    found = line_of(np.arange(bins + 1.0), counts)

    wide = -(-bins // MOST_GROUPS)
    assert found.starts.tolist() == list(range(0, bins, wide))
    assert found.grouped(counts).tolist() == [counts[at : at + wide].sum() for at in found.starts]
    borders = found.starts[1:]
    taken = np.zeros(borders.size)
    for at, step in enumerate(found.steps.tolist(), start=1):
        taken[np.abs(borders - at).argmin()] += step
    assert found.group_steps == pytest.approx(taken)
