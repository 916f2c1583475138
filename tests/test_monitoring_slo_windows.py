"""Windows of the calendar across changed clocks, burn rates scaled to a window, and counts that add up: by properties."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

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
from monitoring.slo.cost import Price, Used, cost, per_1000, price_at
from monitoring.slo.tally import Counted, CountKey, Tally, is_stale, plus, tally, text_of
from monitoring.slo.windows import Calendar, calendar, midnight, rolling
from tests.factories import NOON, make_record

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
]
instants = st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
quick = examples(max_examples=100, derandomize=True)


@quick
@given(now=instants, unit=st.sampled_from(list(Calendar)), zone=st.sampled_from(ZONES))
def test_calendar_windows_follow_each_other_without_gap_or_overlap(now, unit, zone):
    window = calendar(unit, zone=zone, now=now)
    after = calendar(unit, zone=zone, now=window.end)
    before = calendar(unit, zone=zone, now=window.start - timedelta(microseconds=1))

    assert window.start <= now < window.end
    assert (before.end, after.start) == (window.start, window.end)


@quick
@given(now=instants, unit=st.sampled_from(list(Calendar)), zone=st.sampled_from(ZONES))
def test_calendar_windows_begin_with_the_first_moment_of_a_day_of_their_zone(now, unit, zone):
    window = calendar(unit, zone=zone, now=now)
    local, just_before = (
        at.astimezone(ZoneInfo(zone)) for at in (window.start, window.start - timedelta(microseconds=1))
    )

    assert just_before.date() == local.date() - timedelta(days=1)
    assert unit is not Calendar.WEEK or local.weekday() == 0
    assert unit not in (Calendar.MONTH, Calendar.QUARTER) or local.day == 1
    assert unit is not Calendar.QUARTER or local.month % 3 == 1


@quick
@given(now=instants, unit=st.sampled_from(list(Calendar)), zone=st.sampled_from(ZONES))
def test_steps_of_a_window_rise_and_part_it_up_to_now(now, unit, zone):
    window = calendar(unit, zone=zone, now=now)
    steps = window.steps(now)

    assert steps == sorted(set(steps))
    assert steps[0] <= window.start < steps[0] + timedelta(hours=25)
    assert steps[-1] <= now < steps[-1] + timedelta(hours=25)


@pytest.mark.parametrize(
    ("at", "zone", "hours"),
    [
        (datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/Berlin", 23),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Berlin", 25),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), "UTC", 24),
        (datetime(2026, 4, 5, 3, tzinfo=UTC), "Australia/Lord_Howe", 24.5),
    ],
)
def test_a_day_lasts_as_long_as_its_clocks_say(at, zone, hours):
    assert calendar("day", zone=zone, now=at).length == timedelta(hours=hours)


def test_a_month_with_changed_clocks_has_another_budget_in_minutes():
    march = calendar("month", zone="Europe/Berlin", now=datetime(2026, 3, 10, tzinfo=UTC))

    assert (march.start, march.end) == (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC))
    assert march.minutes == 31 * 24 * 60 - 60


def test_where_the_clocks_skip_midnight_the_day_begins_after_the_gap():
    assert midnight(date(2026, 4, 24), ZoneInfo("Africa/Cairo")) == datetime(2026, 4, 23, 22, tzinfo=UTC)


@pytest.mark.parametrize(("unit", "zone"), [("year", "UTC"), ("month", "Mars/Olympus")])
def test_units_and_zones_that_do_not_exist_are_refused(unit, zone):
    with pytest.raises((ValueError, KeyError)):
        calendar(unit, zone=zone, now=datetime(2026, 1, 1, tzinfo=UTC))


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


records = st.lists(
    st.builds(
        lambda after, arm, status, slow, origin, pinned: make_record(
            after=float(after), arm=arm, status=status, latency_us=60_000 if slow else 900, pinned=pinned,
            inputs={"origin": origin, "taken": NOON + after - (7200 if slow else 10)},
        ),
        st.integers(0, 3600), st.sampled_from(["champion", "canary", "shadow"]), st.sampled_from([200, 200, 422, 503]),
        st.booleans(), st.sampled_from(["JFK", "EWR"]), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip
COUNTED = {
    1: [
        Counted(1, "availability", {"origin": "JFK"}),
        Counted(2, "latency", threshold_us=50_000),
        Counted(3, "freshness", column="taken", holds="instant", max_age_s=3600),
        Counted(4, "cost"),
    ]
}


@quick
@given(records=records, cut=st.integers(0, 30))
def test_counts_of_two_parts_add_up_to_those_of_the_whole(records, cut):
    whole, head, tail = (tally(part, COUNTED) for part in (records, records[:cut], records[cut:]))

    assert whole == {key: plus(head.get(key, Tally()), tail.get(key, Tally())) for key in {*head, *tail}}
    assert all(0 <= of.bad <= of.total for of in whole.values())


@quick
@given(records=records)
def test_parts_of_the_inputs_add_up_to_all(records):
    slices = {1: [Counted(1, "latency", {"origin": origin}, threshold_us=50_000) for origin in ("JFK", "EWR")]}
    parts, whole = tally(records, slices), tally(records, {1: [Counted(1, "latency", threshold_us=50_000)]})

    assert parts == whole


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOON - 3600, False),
        (NOON - 3601, True),
        ((NOON - 3601) * 1000, True),
        ("2026-11-25T11:30:00Z", False),
        ("2026-11-25T11:30:00", False),
        ("2026-11-25T12:30:00+02:00", True),
        ("last week", True),
        (None, True),
        (True, True),
        (float("nan"), True),
        ("hashed:00", None),
        ("•••", None),
    ],
)
def test_an_instant_is_stale_by_its_age_when_asked(value, expected):
    assert is_stale(Counted(1, "freshness", column="t", holds="instant", max_age_s=3600), value, at=NOON) is expected


def test_a_request_counts_once_however_many_rows_it_has():
    rows = [make_record(request_id="r", row=n, latency_us=1_000_000, inputs={"age": age, "origin": origin})
            for n, (age, origin) in enumerate([(5, "EWR"), (9_000, "JFK"), (5, "JFK")])]  # fmt: skip
    of = {1: [
        Counted(1, "freshness", column="age", holds="age", max_age_s=60),
        Counted(2, "cost", {"origin": "JFK"}),
        Counted(3, "availability", {"origin": "LGA"}),
    ]}  # fmt: skip

    found = {key.slo_id: counts for key, counts in tally(rows, of).items()}

    assert found == {1: Tally(1, 1), 2: Tally(1, 0, 2, 666_667)}


def test_values_of_a_slice_are_compared_as_text():
    values = 1, 1.0, 1.5, True, False, "JFK", None

    assert [text_of(value) for value in values] == ["1", "1", "1.5", "true", "false", "JFK", ""]


def test_costs_by_the_price_that_was_in_force():
    at = datetime(2026, 11, 25, tzinfo=UTC)
    prices = [
        Price(None, at, Decimal(2), Decimal(0), "EUR"),
        Price(7, at, Decimal(0), Decimal(36), "EUR"),
        Price(None, at + timedelta(days=1), Decimal(3), Decimal(0), "EUR"),
    ]
    early, late = Used(5, at, 1000, 0), Used(5, at + timedelta(days=1), 1000, 0)
    own = Used(7, at + timedelta(days=2), 500, 100_000_000)

    assert cost([early, late, own], prices) == 2 + 3 + 1
    assert per_1000([early, own], prices) == 2
    assert price_at(prices, 5, at - timedelta(seconds=1)) is None
    assert cost([Used(5, at - timedelta(days=1), 1, 0)], prices) is None
    assert per_1000([Used(5, at, 0, 5)], prices) is None


def test_a_rolling_window_is_so_many_times_24_hours():
    now = datetime(2026, 3, 30, tzinfo=UTC)

    assert rolling(7, now=now, zone="Europe/Berlin").length == timedelta(days=7)


def test_a_rolling_window_is_parted_by_the_days_of_its_zone_and_a_short_one_by_the_hour():
    now = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
    month, week = rolling(30, now=now, zone="Europe/Berlin"), rolling(7, now=now)

    assert month.steps(now)[-2:] == [datetime(2026, 11, day, 23, tzinfo=UTC) for day in (23, 24)]
    assert len(month.steps(now)) == 31
    assert week.steps(now)[0] == datetime(2026, 11, 18, 12, tzinfo=UTC)
    assert len(week.steps(now)) == 7 * 24 + 1
    assert (rolling(8, now=now).by_hour, week.by_hour) == (False, True)
    assert rolling(30, now=now).steps(now)[-1] == datetime(2026, 11, 25, tzinfo=UTC)
    uneven = now.replace(second=59, microsecond=999_999)
    assert rolling(1, now=uneven).steps(uneven)[0] == datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_window_still_to_end_is_parted_up_to_now_and_one_that_ended_up_to_its_end():
    day = calendar("day", zone="UTC", now=datetime(2026, 11, 25, 12, 30, tzinfo=UTC))

    assert len(day.steps(datetime(2026, 11, 25, 12, 30, tzinfo=UTC))) == 13
    assert day.steps(datetime(2026, 12, 24, tzinfo=UTC))[-1] == datetime(2026, 11, 25, 23, tzinfo=UTC)


def test_look_backs_are_told_in_seconds():
    assert [(rule.long_s, rule.short_s) for rule in RULES] == [
        (3_600, 300), (21_600, 1_800), (86_400, 7_200), (259_200, 21_600),
    ]  # fmt: skip
    assert look((8, 10), (0, 1), (3, 4)).widened_s == 900


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (200, Tally(1)),
        (399, Tally(1)),
        (400, None),  # the caller's fault
        (499, None),
        (500, Tally(1, 1)),
    ],
)
def test_a_failure_is_what_is_nobody_elses_fault(status, counts):
    found = tally([make_record(status=status)], {1: [Counted(1, "availability")]})

    assert list(found.values()) == ([counts] if counts else [])


def test_answers_as_slow_as_allowed_are_not_slow():
    of = {1: [Counted(1, "latency", threshold_us=50_000)]}

    assert [next(iter(tally([make_record(latency_us=us)], of).values())) for us in (50_000, 50_001)] == [
        Tally(1),
        Tally(1, 1),
    ]


def test_the_rest_of_a_batch_cut_in_two_counts_its_rows_and_no_second_request():
    rest = make_record(row=7, latency_us=9_000)

    assert tally([rest], {1: [Counted(1, "availability"), Counted(2, "latency", threshold_us=50)]}) == {}
    assert list(tally([rest], {1: [Counted(1, "cost")]}).values()) == [Tally(rows=1)]


def test_a_failed_request_costs_its_time_and_made_no_prediction():
    failed = make_record(status=503, latency_us=9_000)

    assert list(tally([failed], {1: [Counted(1, "cost")]}).values()) == [Tally(1, 0, 0, 9_000)]
    assert tally([failed], {1: [Counted(1, "latency", threshold_us=50)]}) == {}


def test_counts_are_kept_by_objective_version_arm_and_five_minutes():
    of = {1: [Counted(8, "availability"), Counted(9, "latency", threshold_us=50_000)]}
    rows = [
        make_record(number=3, arm="canary", after=299, latency_us=900),
        make_record(number=3, arm="canary", after=299, latency_us=900, model_id=2),  # nothing is promised of this one
        make_record(number=3, arm="canary", after=299, pinned=True),
    ]
    began = datetime.fromtimestamp(NOON, UTC)

    assert tally(rows, of) == {CountKey(slo, 1, 3, "canary", began): Tally(1) for slo in (8, 9)}


@pytest.mark.parametrize("other", [{"request_id": "s"}, {"number": 4}, {"arm": "shadow"}, {"after": 1.0}])
def test_requests_that_differ_in_anything_count_each(other):
    rows = [make_record(request_id="r"), make_record(**{"request_id": "r"} | other)]

    assert sum(counts.total for counts in tally(rows, {1: [Counted(1, "availability")]}).values()) == 2


def test_a_row_of_a_slice_counts_where_it_is_in_all_of_it():
    of = {1: [Counted(1, "availability", {"origin": "JFK", "dest": "LAX"})]}

    def counted(**inputs):
        return len(tally([make_record(inputs=inputs)], of))

    assert counted(origin="JFK", dest="LAX") == 1
    assert counted(origin="JFK", dest="EWR") == counted(dest="LAX") == counted() == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(60, False), (60.5, True), (-5, False), ("60", True), (None, True), (float("nan"), True), ("hashed:00", None)],
)
def test_an_age_is_stale_by_itself(value, expected):
    assert is_stale(Counted(1, "freshness", column="t", holds="age", max_age_s=60), value, at=NOON) is expected
