"""The arithmetic of retraining: conditions, turns, holds, and the parts of the rows by time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.state_table import IllegalMoveError
from monitoring.quality.points import QualityPoint
from monitoring.retraining.checks import policy_document, read_policy
from monitoring.retraining.findings import (
    Finding,
    budget_found,
    drift_found,
    holds,
    in_one_sentence,
    labels_found,
    quality_found,
)
from monitoring.retraining.holds import Situation, held_by
from monitoring.retraining.parts import Condition, PolicyError
from monitoring.retraining.splitting import SplitError, split
from monitoring.retraining.states import OPEN, RETRAINING, Event, State
from monitoring.retraining.turns import last_turn, next_turns, quiet_until
from tests.retraining import document

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_policy_survives_being_kept():
    kept = policy_document(
        read_policy(document(quiet={"begins": "22:00", "ends": "06:00", "time_zone": "Europe/Paris"}))
    )

    assert policy_document(read_policy(kept)) == kept


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"when": {"kind": "drift", "features": 3}}, "when.kind"),
        ({"when": {"kind": "any"}}, "when.conditions"),
        ({"when": {"kind": "any", "conditions": [{"kind": "schedule", "cron": "0 2 * *", "time_zone": "UTC"}]}},
         "when.conditions[0].cron"),
        ({"when": {"kind": "any", "conditions": [{"kind": "schedule", "cron": "0 2 31 2 *", "time_zone": "UTC"}]}},
         "when.conditions[0].cron"),
        ({"when": {"kind": "any", "conditions": [{"kind": "schedule", "cron": "0 2 * * *", "time_zone": "Mars"}]}},
         "when.conditions[0].time_zone"),
        ({"when": {"kind": "any", "conditions": [{"kind": "drift", "features": 3, "share": 0.5}]}}, "when.conditions[0]"),
        ({"when": {"kind": "any", "conditions": [{"kind": "drift", "features": 3, "labels": 9}]}},
         "when.conditions[0].labels"),
        ({"when": {"kind": "any", "conditions": [{"kind": "quality", "metric": "roc_auc"}]}}, "when.conditions[0]"),
        ({"when": {"kind": "any", "conditions": [{"kind": "labels"}]}}, "when.conditions[0].labels"),
        ({"when": {"kind": "any", "conditions": [{"kind": "budget", "left_below": 2.0}]}},
         "when.conditions[0].left_below"),
        ({"when": {"kind": "any", "conditions": [{"kind": "all", "conditions": [{"kind": "any", "conditions": [
            {"kind": "labels", "labels": 5}]}]}]}}, "when.conditions[0].conditions[0].kind"),
        ({"when": {"kind": "any", "conditions": [{"kind": "weather"}]}}, "when.conditions[0].kind"),
        ({"held_out": 0.9}, "held_out"),
        ({"window_days": 1, "maturity_s": 86_400}, "window_days"),
        ({"quiet": {"begins": "25:00", "ends": "06:00", "time_zone": "UTC"}}, "quiet.begins"),
        ({"automation": "always"}, "automation"),
        ({"colour": "red"}, "policy"),
    ],
)  # fmt: skip
def test_a_policy_that_contradicts_itself_is_refused_by_field(changes, field):
    with pytest.raises(PolicyError) as refused:
        read_policy(document(**changes))

    assert refused.value.field == field


def test_turns_follow_the_zones_clock_over_both_changes_of_it():
    spring, autumn = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)

    in_spring = next_turns("30 2 * * *", "Europe/Paris", after=spring, count=2)
    in_autumn = next_turns("30 2 * * *", "Europe/Paris", after=autumn, count=2)

    assert [t.astimezone(UTC) for t in in_spring] == [
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]  # fmt: skip
    assert [t.astimezone(UTC) for t in in_autumn] == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("after", "until", "turn"),
    [
        (AT - 3 * DAY, AT, AT),
        (AT - 3 * DAY, AT - timedelta(seconds=1), AT - DAY),
        (AT, AT + HOUR, None),
        (AT - timedelta(seconds=1), AT + 5 * DAY, AT + 5 * DAY),
    ],
)
def test_of_missed_turns_the_latest_counts_once(after, until, turn):
    assert last_turn("0 12 * * *", "UTC", after=after, until=until) == turn


def test_quiet_hours_last_over_midnight():
    assert quiet_until("22:00", "06:00", "UTC", AT.replace(hour=23)) == AT.replace(hour=6) + DAY
    assert quiet_until("22:00", "06:00", "UTC", AT.replace(hour=5)) == AT.replace(hour=6)
    assert quiet_until("22:00", "06:00", "UTC", AT.replace(hour=6)) is None
    assert quiet_until("13:00", "14:00", "Europe/Paris", AT).astimezone(UTC) == AT + HOUR


def condition(kind, **fields):
    return Condition(kind, **fields)


def test_any_is_one_and_all_is_each_and_what_is_unknown_is_neither():
    yes, no, unknown = Finding("labels", True, "y"), Finding("drift", False, "n"), Finding("quality", None, "?")
    leaf = condition("labels", labels=1)
    nested = condition("any", conditions=[leaf, condition("all", conditions=[leaf, leaf])])

    assert holds(condition("any", conditions=[leaf, leaf]), [no, yes])
    assert not holds(condition("all", conditions=[leaf, leaf]), [yes, unknown])
    assert holds(nested, [no, yes, yes])
    assert not holds(nested, [unknown, yes, no])
    assert in_one_sentence([yes, no, unknown]) == "labels: y"


def test_drift_is_held_against_count_share_name_and_severity():
    drifted = {"a": True, "b": False, "c": True, "d": False}

    assert drift_found(condition("drift", features=3), drifted).text == "2 of 4 features, limit 3"
    assert drift_found(condition("drift", features=3), drifted).holds is False
    assert drift_found(condition("drift", share=0.5), drifted).holds is True
    assert drift_found(condition("drift", feature="a"), drifted).holds is True
    assert drift_found(condition("drift", feature="b"), drifted).holds is False
    assert drift_found(condition("drift", feature="z"), drifted).holds is None
    assert drift_found(condition("drift", features=1), None).holds is None
    assert drift_found(condition("drift", severity="critical"), {}, severity="warning").holds is False
    assert drift_found(condition("drift", severity="warning"), {}, severity="critical").holds is True


def point(value, low=None, high=None, hour=0):
    return QualityPoint(AT + hour * HOUR, value, low, high, 90, 100, None, None, False)


def test_quality_is_beyond_its_limit_only_interval_and_all_and_as_often_as_asked():
    twice = condition("quality", metric="average_precision", below=0.4, spans=2)

    surely, maybe = point(0.3, 0.25, 0.35), point(0.38, 0.33, 0.43)
    assert quality_found(twice, [surely, surely]).holds is True
    assert quality_found(twice, [surely, maybe]).holds is False
    assert quality_found(twice, [maybe, surely, surely]).holds is True
    assert quality_found(twice, [point(None), surely]).holds is None
    assert quality_found(condition("quality", metric="brier_score", above=0.2), [point(0.3, 0.25, 0.35)]).holds is True
    assert (
        quality_found(condition("quality", metric="brier_score", above=0.28), [point(0.3, 0.25, 0.35)]).holds is False
    )
    text = quality_found(twice, [surely, surely]).text
    assert text == "Average precision 0.300 (0.250 to 0.350), at least 0.4"


def test_labels_and_budgets_are_held_against_their_limits():
    assert labels_found(condition("labels", labels=100), 99, since=AT).holds is False
    assert labels_found(condition("labels", labels=100), 100, since=AT).holds is True
    left = {"availability": 0.5, "latency": 0.05, "quiet": None}
    assert budget_found(condition("budget", left_below=0.1), left).text == "5% left of latency, limit 10%"
    assert budget_found(condition("budget", left_below=0.1, objective="availability"), left).holds is False
    assert budget_found(condition("budget", left_below=0.1), {"quiet": None}).holds is None


RULES = read_policy(
    document(
        cooldown_s=3600, runs_per_week=2, min_labels=500,
        quiet={"begins": "22:00", "ends": "06:00", "time_zone": "UTC"},
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "rule"),
    [
        (Situation(AT.replace(hour=23), labels=900), "quiet"),
        (Situation(AT, labels=900, last_ended=AT - HOUR / 2), "cooldown"),
        (Situation(AT, labels=900, last_ended=AT - HOUR), None),
        (Situation(AT, labels=900, starts=[AT - DAY, AT - 2 * DAY]), "budget"),
        (Situation(AT, labels=900, starts=[AT - DAY, AT - 7 * DAY]), None),
        (Situation(AT, labels=499), "labels"),
        (Situation(AT, labels=None), "labels"),
        (Situation(AT, labels=900, promotion="Promotion 3"), "promotion"),
        (Situation(AT.replace(hour=23), labels=900, asked=True, last_ended=AT, starts=[AT, AT]), None),
        (Situation(AT, labels=499, asked=True), "labels"),
        (Situation(AT, labels=900), None),
    ],
)
def test_what_is_due_is_held_by_the_first_rule_that_does(situation, rule):
    hold = held_by(RULES, situation)

    assert (hold.rule if hold else None) == rule


def test_a_hold_says_until_when():
    hold = held_by(RULES, Situation(AT, labels=900, starts=[AT - DAY, AT - 2 * DAY, AT - 3 * DAY]))

    assert hold.until == AT + 5 * DAY  # of the two newest starts the older one has left the week by then


def test_what_is_proposed_alone_waits_for_a_person():
    rules = read_policy(document(automation="propose"))

    assert held_by(rules, Situation(AT, labels=9000)).rule == "person"
    assert held_by(rules, Situation(AT, labels=9000, asked=True)) is None


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(
    st.lists(st.integers(0, 10_000), min_size=60, max_size=300, unique=True),
    st.floats(0.05, 0.6), st.floats(0.05, 0.4), st.integers(0, 600), st.integers(-100, 9_000),
)  # fmt: skip
def test_no_part_knows_what_a_later_one_shows(seconds, held_out, validation, embargo, known):
    times = sorted(AT + timedelta(seconds=s) for s in seconds)
    gap, known_until = timedelta(seconds=embargo), AT + timedelta(seconds=known)
    try:
        parts = split(times, held_out=held_out, validation=validation, embargo=gap, known_until=known_until)
    except SplitError:
        return

    train, later, newest = parts["train"], parts["validation"], parts["held_out"]
    assert train.ends + gap <= later.begins <= later.ends
    assert later.ends + gap <= newest.begins
    assert newest.begins > known_until
    assert newest.ends > times[-1]
    assert all(sum(p.begins <= at < p.ends for at in times) >= 20 for p in parts.values())


def test_rows_that_the_champion_learnt_from_judge_nobody():
    times = [AT + timedelta(minutes=n) for n in range(100)]

    with pytest.raises(SplitError, match="champion has learnt from all rows"):
        split(times, held_out=0.25, validation=0.15, embargo=timedelta(0), known_until=times[-1])
    with pytest.raises(SplitError, match="train would have"):
        split(times, held_out=0.25, validation=0.15, embargo=timedelta(minutes=30), known_until=AT - HOUR)


def test_states_end_and_begin_as_the_table_says():
    assert {before for before, _ in RETRAINING} == set(OPEN)
    for (before, event), after in RETRAINING.items():
        assert RETRAINING.after(before, event) is after
    with pytest.raises(IllegalMoveError, match="A retraining that is promoted cannot be trained"):
        RETRAINING.after(State.PROMOTED, Event.TRAIN)
