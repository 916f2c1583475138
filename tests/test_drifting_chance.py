"""What chance makes of a distance, against what is known of it in theory. No database."""

import numpy as np
import pytest
from scipy import stats

from monitoring.drifting import chance
from monitoring.drifting.chance import Chance, Sides, norm_of

LINE = np.arange(1, 1001) / 1000  # a thousand draws: as many beyond 0.9 as a hundred
EVEN = np.full(40, 1000)


def test_p_value_is_the_share_of_draws_beyond_with_a_standard_error():
    drawn = Chance(LINE)

    for distance, beyond in ((0.0005, 1000), (0.5, 501), (0.9, 101), (0.9001, 100), (0.98, 21), (0.981, 20)):
        assert drawn.p_value(distance) == pytest.approx(min((beyond + 1 + np.sqrt(beyond + 1)) / 1001, 1))
    assert drawn.p_value(0.5 + 1e-8) == drawn.p_value(0.5)  # as large but for rounding
    assert Chance(LINE, 2.0).p_value(1.0) == drawn.p_value(0.5)


def test_beyond_the_last_draws_the_tail_falls_on_as_it_fell():
    drawn = Chance(LINE)
    far, near = ((hits + 1 + np.sqrt(hits + 1)) / 1001 for hits in (20, 100))

    def tail(distance):  # through the 100th and the 20th draw from above
        return far * (far / near) ** ((distance - 0.981) / 0.08)

    for distance in (0.99, 1.0, 1.2, 2.0):
        beyond = np.sum(distance <= LINE)
        assert drawn.p_value(distance) == pytest.approx(min(tail(distance), (beyond + 1 + np.sqrt(beyond + 1)) / 1001))
    assert drawn.p_value(1e9) == 1e-300
    assert Chance(np.zeros(1000)).p_value(1.0) == pytest.approx(2 / 1001)  # nothing falls: nothing is drawn on


@pytest.mark.parametrize("level", [0.9, 0.5, 0.1, 0.03, 0.02, 1e-3, 1e-6])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_critical_distance_is_the_one_from_which_on_chance_is_so_rare(level, scale):
    drawn = Chance(LINE, scale)

    distance = drawn.critical(level)

    assert drawn.p_value(distance * 1.001) <= level
    assert drawn.p_value(distance * 0.998) > level


def test_what_is_critical_is_a_draw_where_draws_alone_decide():
    def level(beyond):
        return (beyond + 1 + np.sqrt(beyond + 1)) / 1001

    assert Chance(LINE).critical(level(100)) == LINE[-101]
    assert Chance(LINE).critical(level(100) * 0.9999) == LINE[-100]
    assert Chance(LINE).critical(level(21) * 0.9999) == LINE[-21]  # the tail begins one further
    assert (
        Chance(np.append(LINE[:980], [0.98] * 20)).critical(level(0) * 1.5) == 0.98
    )  # and leads no further than the last


def test_without_a_tail_the_draws_alone_say_what_is_critical():
    steps = Chance(np.array([1.0] * 985 + [2.0] * 10 + [3.0] * 5))

    assert steps.p_value(2.5) < 0.01 < steps.p_value(2.0) < 0.021
    assert (steps.critical(0.01), steps.critical(0.021)) == (2, 1)
    assert Chance(np.ones(1000)).critical(1e-9) == 1
    assert Chance(np.array([1.0] * 900 + [2.0] * 99 + [3.0])).critical(1e-9) == 3
    assert Chance(np.ones(1000), 3.0).critical(1e-9) == 3


def test_norms_of_one_difference_and_of_many():
    d, steps, shares = np.array([[-0.3, 0.1, 0.2], [0, 0, 0]]), np.array([1.0, 2.0]), np.array([0.5, 0.5, 0.0])

    for method, distance in (
        ("wasserstein", 0.3 + 2 * 0.2),
        ("ks", 0.3),
        ("total_variation", 0.3),
        ("chi2", np.sqrt(0.3**2 / 0.5 + 0.1**2 / 0.5)),  # a bin that neither side has counts for nothing
    ):
        assert norm_of(method, steps, shares)(d) == pytest.approx([distance, 0])
        assert norm_of(method, steps, shares)(d[0]) == pytest.approx(distance)
    assert norm_of("ks", steps, shares)(np.array([0.2, 0.1, -0.3])) == pytest.approx(0.3)
    assert norm_of("ks", steps[:0], shares[:1])(d[:, :1]).tolist() == [0, 0]


def drawn(method, counts, steps=None):
    """Return what chance makes between a reference of so many rows by bin and a window like it; in units of its scale."""
    counts = np.array(counts)
    found = Sides(counts, counts // 2, np.zeros(0) if steps is None else steps)
    made = found.chance(method, 0.0)
    scale = np.sqrt(1 / counts.sum() + 1 / (counts // 2).sum())
    assert made._scale == pytest.approx(scale)
    return made._drawn


def test_draws_of_ordered_bins_are_those_of_a_brownian_bridge():
    below = np.arange(1, 40) / 40
    steps = np.linspace(1, 3, 39)

    ks, wasserstein = (drawn(method, EVEN, steps) for method in ("ks", "wasserstein"))

    assert ks.size == wasserstein.size == chance.BRIDGES
    assert (np.diff(ks) >= 0).all()
    assert (np.diff(wasserstein) >= 0).all()
    assert wasserstein.mean() == pytest.approx((steps * np.sqrt(2 / np.pi * below * (1 - below))).sum(), rel=0.02)
    two = Sides(np.array([300, 700]), np.array([300, 700]), np.ones(1)).chance("ks", 0.0)._drawn
    assert stats.kstest(two, stats.halfnorm(scale=np.sqrt(0.21)).cdf).pvalue > 0.01
    fine = drawn("ks", np.full(64, 1000), np.ones(63))
    # Between edges a bridge goes on unseen: Siegmund's correction tells by how much.
    for level in (0.5, 0.1):
        assert np.quantile(fine, 1 - level) == pytest.approx(stats.kstwobign.isf(level) - 0.5826 / 8, abs=0.02)


@pytest.mark.parametrize("bins", [4, 64, 65, 130])
def test_draws_of_categories_have_the_moments_of_theory(bins):
    counts = np.arange(1, bins + 1) * 100
    p = counts / counts.sum()

    variation, chi2 = (drawn(method, counts) for method in ("total_variation", "chi2"))

    assert variation.mean() == pytest.approx(np.sqrt(2 / np.pi * p * (1 - p)).sum() / 2, rel=0.02)
    assert (chi2**2).mean() == pytest.approx(bins - 1, rel=0.02)
    assert (chi2**2).var() == pytest.approx(2 * (bins - 1), rel=0.06)
    assert (np.diff(variation) >= 0).all()
    assert (np.diff(chi2) >= 0).all()


def test_a_category_without_rows_plays_no_part_in_what_chance_makes():
    some, none = (Sides(np.array(side), np.array(side), np.zeros(0)) for side in ([600, 400], [600, 400, 0]))

    for method in ("total_variation", "chi2"):
        one, two = (side.chance(method, 0.0)._drawn for side in (some, none))
        assert one.mean() == pytest.approx(two.mean(), rel=0.03)


def test_where_few_rows_decide_they_are_dealt_out_anew():
    before, now = np.array([990, 10]), np.array([56, 4])

    found = Sides(before, now, np.zeros(0))
    distance = found.distance("total_variation")
    dealt = found.chance("total_variation", distance)

    assert distance == pytest.approx(4 / 60 - 0.01)
    assert dealt._drawn.size == chance.DEALS
    dealt_to = np.arange(15)  # of the 14 rare rows of both sides, how many come to the 60
    chances = stats.hypergeom(1060, 14, 60).pmf(dealt_to)
    apart = np.abs(dealt_to / 60 - (14 - dealt_to) / 1000)
    exact = chances[apart >= distance - 1e-9].sum()
    assert exact < dealt.p_value(distance) < exact + 0.003
    assert dealt._drawn.mean() == pytest.approx((chances * apart).sum(), rel=0.05)


@pytest.mark.parametrize(
    ("method", "before", "now", "steps", "dealt"),
    [
        ("total_variation", [500, 500], [50, 50], [], False),
        ("total_variation", [990, 10], [56, 4], [], True),
        ("total_variation", [985, 985, 30], [98, 99, 3], [], True),  # 0.12 of 0.12 + 0.5 + 0.5
        ("total_variation", [500, 500, 1], [100, 100, 3], [], False),  # a rare one makes little of the distance
        ("total_variation", [490, 490, 20], [29, 29, 2], [], True),
        ("chi2", [500, 500, 1], [100, 100, 3], [], True),  # and of this distance a third
        ("ks", [500, 500], [20, 30], [1.0], False),
        ("ks", [990, 10], [56, 4], [1.0], True),
        ("wasserstein", [500, 490, 10], [50, 46, 4], [1.0, 1.0], True),
        ("wasserstein", [500, 490, 10], [50, 46, 4], [1.0, 0.01], False),  # the rare edge is no way to go
        ("wasserstein", [500, 490, 10], [50, 46, 4], [0.01, 1.0], True),
        ("total_variation", [100, 100], [10, 10], [], False),  # ten rows are expected of either
        ("total_variation", [100, 100], [9, 9], [], True),
    ],
)
def test_rows_are_dealt_where_rare_bins_make_more_than_a_tenth(method, before, now, steps, dealt):
    sides = Sides(np.array(before), np.array(now), np.array(steps, float))

    scale = np.sqrt(1 / sum(before) + 1 / sum(now))
    bridges = sides.chance(method, 0.0)  # nothing is to be decided here
    doubtful = bridges.critical(0.01)

    assert bridges._drawn.size == chance.BRIDGES
    assert bridges._scale == pytest.approx(scale)
    assert (sides.chance(method, doubtful)._drawn.size == chance.DEALS) == dealt
    assert sides.chance(method, 1e3)._drawn.size == chance.BRIDGES


def test_same_sides_have_the_same_chance_again():
    sides = [Sides(np.array([990, 10]), np.array([56, 4]), np.zeros(0)) for _ in range(2)]

    one, two = (side.chance("chi2", side.distance("chi2"))._drawn for side in sides)

    assert one.tolist() == two.tolist()
    assert (np.diff(one) >= 0).all()
