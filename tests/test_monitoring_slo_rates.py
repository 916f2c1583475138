"""Burn rates scaled to a window, what chance would show as often, and how soon an outage calls."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.stats import binom

from monitoring.slo.arithmetic import budget_left, burn_down
from monitoring.slo.burn import (
    BASE,
    GRAIN,
    LEAST_LONG,
    LookBack,
    Seen,
    Severity,
    burns,
    chance_at_most,
    outage_calls_after,
    rules_for,
)

quick = examples(max_examples=100, derandomize=True)


def test_the_workbooks_rules_over_thirty_days():
    assert [(r.long, r.short, r.severity) for r in rules_for(timedelta(days=30))] == [
        (timedelta(hours=1), timedelta(minutes=5), Severity.PAGE),
        (timedelta(hours=6), timedelta(minutes=30), Severity.PAGE),
        (timedelta(days=1), timedelta(hours=2), Severity.TICKET),
        (timedelta(days=3), timedelta(hours=6), Severity.TICKET),
    ]
    assert [r.rate for r in rules_for(timedelta(days=30))] == pytest.approx([14.4, 6, 3, 1])


@quick
@given(hours=st.integers(23, 100 * 24))
def test_scaled_rules_stand_for_the_same_share_of_any_window(hours):
    window = timedelta(hours=hours)

    for rule, (name, severity, share, _) in zip(rules_for(window), BASE, strict=True):
        assert (rule.name, rule.severity, rule.share) == (name, severity, share)
        assert rule.rate * (rule.long / window) == pytest.approx(share)
        assert rule.rate >= 0.95  # burning just in time never calls anybody, but for rounding to five minutes
        assert rule.long % GRAIN == rule.short % GRAIN == timedelta()
        assert LEAST_LONG <= rule.long < window
        assert GRAIN <= rule.short < rule.long


def test_a_window_too_short_for_rules_is_refused():
    with pytest.raises(ValueError, match="window="):
        rules_for(timedelta(minutes=15))


RULES = rules_for(timedelta(days=30))
FAST = RULES[0]


def look(long, short=(0, 0), middle=(0, 0), *, objective=0.99, slices=False, failed=None):
    backs = [LookBack(bad, total, bad if failed is None else failed) for bad, total in (long, middle, short)]
    return burns([FAST], {FAST.name: Seen(*backs)}, objective=objective, slices=slices)[0]


@pytest.mark.parametrize(
    ("long", "short", "burning"),
    [
        ((150, 1000), (15, 100), True),
        ((150, 1000), (14, 100), False),
        ((140, 1000), (15, 100), False),
        ((0, 0), (0, 0), None),
    ],
)
def test_a_rule_burns_only_in_both_look_backs_and_nothing_is_no_data(long, short, burning):
    assert look(long, short).burning is burning


@pytest.mark.parametrize("objective", [0.9, 0.99, 0.999, 0.99999])
def test_of_ten_requests_an_hour_a_single_failure_calls_nobody_and_an_outage_does(objective):
    one, two = (look((bad, 10), (bad, 3), objective=objective) for bad in (1, 2))

    assert one.burning is not True
    assert two.burning is not True
    assert one.is_thin is (objective > 0.99)  # fast enough, by too little
    # An hour without an answer. Of a promise of 90%, 14.4 times too fast is more than all.
    assert look((10, 10), (3, 3), objective=objective).burning is (objective > 0.9)
    by_slow = burns([RULES[1]], {"slow": Seen(*[LookBack(bad, bad, bad) for bad in (60, 15, 5)])}, objective=objective)
    assert by_slow[0].burning is True


def test_many_failures_that_a_kept_promise_would_show_as_often_call_nobody():
    days = RULES[3]

    def burning(bad, total):
        back = LookBack(bad, total, bad)
        return burns([days], {"days": Seen(back, back, back)}, objective=0.99)[0].burning

    assert [burning(8, 720), burning(20, 720)] == [None, True]  # 7 of 720 spend the budget just in time
    assert [burning(10_100, 1_000_000), burning(10_400, 1_000_000)] == [None, True]


def test_a_short_look_back_with_too_few_events_reaches_further():
    assert look((8, 10), (0, 1), (3, 4)).widened == FAST.short * 3
    assert look((8, 10), (0, 1), (3, 4)).burning is True
    assert look((8, 10), (0, 1), (2, 2)).widened == FAST.long
    assert look((8, 10), (0, 3), (3, 6)).burning is False


def test_no_data_and_too_few_failures_never_end_what_burns():
    assert look((8, 10)).burning is True  # nobody asked lately: that is no recovery
    assert look((1, 1)).burning is None
    assert look((0, 0)).burning is None


def test_of_time_slices_the_failures_within_them_count_and_of_cost_none_do():
    assert look((2, 3), (1, 1), slices=True, failed=2).burning is None
    assert look((2, 3), (1, 1), slices=True, failed=3).burning is True
    doubtful = {"days": Seen(*[LookBack(8, 720, 8)] * 3)}
    told = [burns([RULES[3]], doubtful, objective=0.99, slices=slices)[0].burning for slices in (True, False)]
    assert told == [True, None]  # slices that follow each other are no trials, so that chance is not asked
    bare = LookBack(2, 3)
    assert burns([FAST], {FAST.name: Seen(bare, bare, bare)}, objective=0.99, slices=True)[0].burning is True


def test_how_soon_an_outage_calls_a_person_at_once():
    def after(per_hour, objective=0.999):
        counted = {rule.name: Seen(LookBack(0, per_hour * rule.long_s // 3600, 0)) for rule in RULES}
        return outage_calls_after(burns(RULES, counted, objective=objective), objective=objective)

    assert after(10) == timedelta(minutes=18)
    assert after(1) == timedelta(hours=3)  # by the rule that looks back six hours
    assert after(100_000) == timedelta(hours=1) * 0.01441
    assert after(1, objective=0.93) == timedelta(hours=4)  # three of six may still be chance, four are not
    assert after(0) is None
    assert after(10, objective=0.8) is None  # 6 times 20% is more than all


@quick
@given(total=st.integers(1, 200), share=st.floats(0.001, 0.9), data=st.data())
def test_the_bound_of_chance_is_never_below_the_exact_tail(total, share, data):
    bad = data.draw(st.integers(0, total))
    exact = float(binom.sf(bad - 1, total, share))

    assert exact <= chance_at_most(bad, total, share) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("bad", "total", "share", "chance"),
    [
        (10, 10, 0.5, 0.5**10),  # all of them
        (3, 4, 0.25, (1 / 3) ** 3 * 3),
        (1, 1, 0.01, 0.01),
        (5, 10, 0.5, 1),  # no more than was to be expected
        (6, 10, 0.5, (5 / 6) ** 6 * (5 / 4) ** 4),
        (0, 10, 0.5, 1),
        (0, 0, 0.5, 1),
    ],
)
def test_the_bound_of_chance_is_hoeffdings(bad, total, share, chance):
    assert chance_at_most(bad, total, share) == pytest.approx(chance)


@pytest.mark.parametrize(("bad", "total", "share"), [(2, 1, 0.5), (-1, 1, 0.5), (1, 1, 0.0), (1, 1, 1.0)])
def test_chances_out_of_range_are_refused(bad, total, share):
    with pytest.raises(ValueError, match=f"^bad={bad} total={total} share={share}$"):
        chance_at_most(bad, total, share)


def test_what_burned_for_three_days_calls_nobody_once_it_has_stopped():
    burned, since = LookBack(20, 720, 20), LookBack(0, 60, 0)

    [found] = burns([RULES[3]], {"days": Seen(burned, since, since)}, objective=0.99)

    assert (found.is_fast, found.is_thin, found.burning) == (False, False, False)
    assert (found.long, found.short, found.counted, found.widened) == (
        pytest.approx(20 / 7.2),
        0,
        burned,
        RULES[3].short,
    )


@pytest.mark.parametrize("long", [(0, 0), (0, 30)])
def test_without_failures_nothing_burns(long):
    [found] = burns([RULES[3]], {"days": Seen(LookBack(*long, 0))}, objective=0.99)

    assert (found.is_fast, found.is_thin) == (False, False)
    assert found.widened == (RULES[3].long if long[1] else RULES[3].short)
    assert burns([RULES[3]], {}, objective=0.99)[0].counted == LookBack()


def test_an_outage_is_told_for_tickets_too_and_by_the_rules_that_have_traffic():
    counted = {rule.name: Seen(LookBack(0, 10 * rule.long_s // 3600, 0)) for rule in RULES}
    by_slow_alone = {"slow": counted["slow"]}

    def after(counted, **of):
        return outage_calls_after(burns(RULES, counted, objective=0.99), objective=0.99, **of)

    assert after(counted) == timedelta(hours=1) * (3 / 10)
    assert after(by_slow_alone) == timedelta(hours=6) * (5 / 60)  # four of 60 burn fast enough, and may still be chance
    assert after(counted, severity=Severity.TICKET) == timedelta(hours=24) * (9 / 240)
    assert after(by_slow_alone, severity=Severity.TICKET) is None
    three = burns([FAST], {"fast": Seen(LookBack(0, 3, 0))}, objective=0.999)
    assert outage_calls_after(three, objective=0.999) == timedelta(hours=1)  # it takes all of them


@quick
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair))), max_size=20
    )
)
def test_burn_down_never_rises_and_ends_at_what_is_left(steps):
    left = burn_down(steps, objective=0.9)
    bad, total = sum(b for b, _ in steps), sum(t for _, t in steps)

    assert left == sorted(left, reverse=True)
    assert (left[-1] if left else None) == budget_left(bad=bad, total=total, objective=0.9)


def test_look_backs_are_told_in_seconds():
    assert [(rule.long_s, rule.short_s) for rule in RULES] == [
        (3_600, 300), (21_600, 1_800), (86_400, 7_200), (259_200, 21_600),
    ]  # fmt: skip
    assert look((8, 10), (0, 1), (3, 4)).widened_s == 900


def test_two_requests_in_a_look_back_never_call_anybody():
    two = burns([FAST], {FAST.name: Seen(LookBack(0, 2, 0))}, objective=0.999)

    assert outage_calls_after(two, objective=0.999) is None
