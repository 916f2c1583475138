"""Windows of the calendar across changed clocks, and rolling ones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from monitoring.slo.windows import Calendar, calendar, midnight, rolling

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


def test_a_step_begins_with_its_first_microsecond():
    now = datetime(2026, 11, 25, 12, 0, 0, 1, tzinfo=UTC)

    assert rolling(1, now=now).steps(now)[-1] == now.replace(microsecond=0)
    assert rolling(1, now=now.replace(microsecond=0)).steps(now)[-1] == now.replace(hour=11, microsecond=0)


def test_days_are_those_of_the_windows_zone_wherever_the_process_runs(elsewhere):
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)

    month = calendar("month", zone="Europe/Berlin", now=now)
    rolled = rolling(9, now=datetime(2026, 11, 25, 4, tzinfo=UTC), zone="America/New_York")

    assert month.steps(now) == [datetime(2026, 10, 31, 23, tzinfo=UTC) + timedelta(days=n) for n in range(25)]
    assert {step.tzinfo for step in month.steps(now)} == {UTC}
    assert rolled.steps(now)[0] == datetime(2026, 11, 15, 5, tzinfo=UTC)
    assert midnight(date(2026, 11, 25), ZoneInfo("Asia/Tokyo")).tzinfo is UTC
