"""Trials: opened and closed once, and what can be read of them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from monitoring.models import Trial, TrialPairs, TrialWindow
from monitoring.selectors import (
    ArmSums,
    AtWeight,
    Exposure,
    PairSums,
    pair_series,
    recorded,
    trial_evidence,
    trial_series,
)
from monitoring.services import trial_close, trial_open
from monitoring.trials.guards import Guard
from registry.errors import ConflictError, InvalidError
from tests.factories import NOON, make_model, make_version

ERRORS = Guard("errors", "errors")
GUARDS = [ERRORS, Guard("decisions", "agreement", threshold=0.5)]
AT = datetime.fromtimestamp(NOON, UTC)


@pytest.fixture
def champion(db):
    return make_version(make_model(name="flight-delay"))


@pytest.fixture
def candidate(champion):
    return make_version(champion.model)


def open_trial(champion, candidate, guards=GUARDS) -> Trial:
    return trial_open(model=champion.model, champion=champion, candidate=candidate, guards=guards)


def test_opening_and_closing_twice_is_the_same_as_once(champion, candidate):
    trial = open_trial(champion, candidate)

    assert open_trial(champion, candidate) == trial
    assert trial.read_guards() == GUARDS
    closed_at = trial_close(trial_id=trial.pk).closed_at
    assert closed_at
    assert trial_close(trial_id=trial.pk).closed_at == closed_at
    assert open_trial(champion, candidate) != trial


def test_one_trial_of_a_model_at_a_time(champion, candidate):
    open_trial(champion, candidate)

    with pytest.raises(ConflictError, match="Close it first"):
        open_trial(champion, make_version(champion.model))
    with pytest.raises(ConflictError):
        open_trial(champion, candidate, [ERRORS])
    with pytest.raises(IntegrityError, match="one_open_trial_per_model"):
        Trial.objects.create(model=champion.model, champion=candidate, candidate=champion, guards=[])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"guards": [Guard("slow", "slow")]}, "guards/0/threshold_ms"),
        ({"candidate": "champion"}, "candidate"),
        ({"candidate": "foreign"}, "candidate"),
    ],
)
def test_what_cannot_be_compared_is_refused(champion, candidate, change, field):
    others = {"champion": champion, "foreign": make_version(make_model())}
    asked = {"champion": champion, "candidate": candidate, "guards": GUARDS}
    asked |= {name: others.get(value, value) if isinstance(value, str) else value for name, value in change.items()}

    with pytest.raises(InvalidError) as refused:
        trial_open(model=champion.model, **asked)

    assert refused.value.field == field
    assert not Trial.objects.exists()


def test_evidence_adds_windows_up_by_weight_and_leaves_the_shadow_apart(champion, candidate):
    trial = open_trial(champion, candidate)
    for n, (guard, arm, weight, exposed, events, first) in enumerate([
        ("", "champion", 500, 950, 0, 0), ("", "canary", 500, 50, 0, 0), ("", "champion", 1000, 900, 0, 0),
        ("", "canary", 1000, 100, 0, 0), ("", "shadow", 10_000, 70, 0, 0), ("errors", "champion", 500, 950, 20, 10),
        ("errors", "canary", 500, 50, 3, 2), ("errors", "canary", 1000, 100, 4, 4), ("errors", "shadow", 10_000, 70, 1, 0),
    ]):  # fmt: skip
        for window in range(2):
            TrialWindow.objects.create(
                trial=trial, guard=guard, arm=arm, weight_bp=weight, exposed=exposed, events=events, first_events=first,
                started_at=AT + timedelta(seconds=10 * window + 20 * n),
            )  # fmt: skip
    TrialPairs.objects.create(trial=trial, guard="decisions", started_at=AT, answered_both=9, missing=1, alike=7)

    evidence = trial_evidence(trial, now=AT + timedelta(hours=1), since=AT + timedelta(seconds=30))

    errors = evidence.of("errors")
    assert errors.first_events == (AtWeight(500, 20, 4), AtWeight(1000, 0, 8))
    assert errors.champion == ArmSums(1900, 40, 20)
    assert errors.candidate == ArmSums(300, 14, 12)
    assert errors.shadow == ArmSums(140, 2, 0)
    assert evidence.exposures == (Exposure(500, 1900, 100, 0, 50), Exposure(1000, 1800, 200, 1800, 200))
    assert evidence.of("decisions").pairs == PairSums(9, 1, 7)
    assert [step.started_at for step in trial_series(trial)] == [AT + timedelta(seconds=10 * n) for n in range(18)]
    assert len(trial_series(trial, since=AT + timedelta(seconds=170))) == 1
    assert [step.sums.missing for step in pair_series(trial)] == [1]


def test_evidence_of_a_trial_without_traffic_is_empty(champion, candidate):
    evidence = trial_evidence(open_trial(champion, candidate), now=AT)

    assert [guard.guard for guard in evidence.guards] == GUARDS
    assert (evidence.exposures, evidence.distinct_keys, evidence.counted_until) == ((), 0, None)
    assert evidence.of("errors").champion == ArmSums()


def test_recorded_telemetry_is_in_order_of_time(champion, candidate):
    from monitoring.models import TelemetryWindow

    latency = [0, 0, 0, 0, 10, *[0] * 13]
    for version, after, arm in [(champion, 20, "champion"), (candidate, 10, "canary"), (candidate, 10, "shadow"), (champion, 0, "champion")]:  # fmt: skip
        TelemetryWindow.objects.create(
            version=version, arm=arm, table_version=1, weight_bp=5000, requests=12, errors=2, first_failures=1,
            started_at=AT + timedelta(seconds=after), latency=latency,
        )  # fmt: skip

    windows = recorded(champion.model, since=AT + timedelta(seconds=10))

    assert [(w.started_at, w.number, w.arm) for w in windows] == [
        (AT + timedelta(seconds=10), 2, "canary"), (AT + timedelta(seconds=20), 1, "champion"),
    ]  # fmt: skip
    assert [windows[0].slower_than(ms) for ms in (0.5, 0.75, 1)] == [10, 5, 0]
