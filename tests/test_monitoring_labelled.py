"""Quality of a trial's arms: what became of matured predictions, however late it is told and however often it is corrected."""

import math
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from monitoring.labelling import labels
from monitoring.labelling.trials import count_labelled
from monitoring.models import Label, TrialWindow
from monitoring.selectors import ArmSums, PairSums
from monitoring.services import trial_close
from monitoring.trials.guards import Guard
from tests.factories import make_model, make_version
from tests.trials import AT, begin, canary, champion, evidence, pair, shipped

WRONG = Guard("wrong", "quality", loss="correct", threshold=0.5, maturity_s=600)
LOG_LOSS = Guard("log loss", "quality", loss="log_loss", maturity_s=600)
NOW = AT + timedelta(seconds=1500)


@pytest.fixture
def trial(db):
    version = make_version(make_model(name="flight-delay"))
    return begin(version, make_version(version.model), [WRONG, LOG_LOSS])


def tell(trial, record, value, *, after=1000, row=0):
    """Say what became of a prediction; shipped with the next count."""
    Label.objects.create(
        model=trial.model, request_id=record.request_id, row=row, time=AT + timedelta(seconds=after), value=value,
        given_by=User.objects.first(), received_at=timezone.now(),
    )  # fmt: skip


def counted(trial, now=NOW):
    labels.ship_labels()
    type(trial).objects.update(judged_at=None)
    assert count_labelled(now=now) == 1
    return evidence(trial)


def score(value, **fields):
    return {"outputs": {"probability": value}, **fields}


def test_losses_and_coverage_of_each_arm(trial):
    own = [champion(trial, **score(0.25, after=n)) for n in range(3)]
    its = [canary(trial, **score(0.75, after=310)), canary(trial, **score(0.25, after=311))]
    shipped(*own, *its, canary(trial, status=500, outputs={}), canary(trial, pinned=True), canary(trial, status=400))
    for record in (own[0], own[1], its[0]):
        tell(trial, record, True)

    found = counted(trial)

    assert found.of("wrong").champion == ArmSums(exposed=3, n=2, total=2.0, squares=2.0)
    assert found.of("wrong").candidate == ArmSums(exposed=2, n=1)
    assert found.of("log loss").candidate.total == -math.log(0.75)
    windows = TrialWindow.objects.filter(guard="wrong").order_by("started_at")
    assert [(w.arm, w.weight_bp, w.started_at) for w in windows] == [
        ("champion", 1000, AT), ("canary", 1000, AT + timedelta(seconds=300)),
    ]  # fmt: skip


def test_a_label_that_comes_late_or_is_corrected_restates_the_counts(trial):
    record = canary(trial, **score(0.75))
    shipped(record)
    assert counted(trial).of("wrong").candidate == ArmSums(exposed=1)

    tell(trial, record, False)
    assert counted(trial).of("wrong").candidate == ArmSums(exposed=1, n=1, total=1.0, squares=1.0)
    tell(trial, record, True, after=900)  # told later, of an earlier time
    assert counted(trial).of("wrong").candidate.total == 1.0
    tell(trial, record, True, after=1100)
    assert counted(trial).of("wrong").candidate == ArmSums(exposed=1, n=1)
    assert counted(trial) == evidence(trial)


def test_predictions_wait_for_their_maturity(trial):
    young, old = champion(trial, after=901, **score(0.75)), champion(trial, after=899, **score(0.75))
    shipped(young, old)
    tell(trial, young, False)

    assert counted(trial).of("wrong").champion == ArmSums(exposed=1)
    assert counted(trial, NOW + timedelta(seconds=2)).of("wrong").champion == ArmSums(2, n=1, total=1.0, squares=1.0)


def test_rows_of_a_request_are_one_observation(trial):
    rows = [canary(trial, request_id="many", row=row, **score(p)) for row, p in enumerate((0.75, 0.75, 0.25, 0.25))]
    shipped(*rows)
    for row, value in ((0, True), (1, False), (2, False)):
        tell(trial, rows[0], value, row=row)

    assert counted(trial).of("wrong").candidate == ArmSums(exposed=1, n=1, total=1 / 3, squares=1 / 9)


def test_a_shadows_answers_are_judged_beside_the_callers(trial):
    pairs = [pair(trial, *scores) for scores in ((0.25, 0.75), (0.75, 0.25), (0.75, 0.875), (0.25, None), (0.5, 0.5))]
    shipped(*[side for both in pairs for side in both])
    for answer, _ in pairs[:4]:
        tell(trial, answer, True)

    wrong = counted(trial).of("wrong")

    assert wrong.pairs == PairSums(3, 0, 1, only_champion=1, only_candidate=1, n=3, total=0.0, squares=2.0)
    assert (wrong.champion.n, wrong.shadow.n, wrong.shadow.exposed) == (4, 3, 4)


def test_only_the_trials_own_time_and_versions_are_judged(trial):
    trial_close(trial_id=trial.pk)
    type(trial).objects.filter(pk=trial.pk).update(closed_at=AT + timedelta(seconds=100))
    shipped(canary(trial, after=-1), canary(trial, after=100), canary(trial, after=99), champion(trial, arm="canary"))

    count_labelled(now=NOW)

    assert evidence(trial).of("wrong").candidate == ArmSums(exposed=1)
    assert evidence(trial).of("wrong").champion == ArmSums()


def test_nothing_is_looked_for_without_a_guard_of_quality(db):
    version = make_version(make_model(name="flight-delay"))
    begin(version, make_version(version.model))

    assert count_labelled(now=NOW) == 0


def test_a_trial_that_takes_long_waits_for_its_next_turn(trial):
    assert count_labelled(now=NOW) == 1
    type(trial).objects.update(judging_s=2.0)

    assert count_labelled(now=NOW + timedelta(seconds=39)) == 0
    assert count_labelled(now=NOW + timedelta(seconds=41)) == 1


def test_before_the_first_prediction_there_is_nothing(trial):
    assert count_labelled(now=NOW) == 1
    assert evidence(trial).of("wrong").champion == ArmSums()
