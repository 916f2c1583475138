"""What the shipper counts for a trial: once, only what routing decided, and of each key the first event in either arm."""

import shutil
from datetime import timedelta

import msgspec
import pytest
from django.db import connection

from monitoring.counting.trials import HELD_S, MOST_KEPT
from monitoring.models import Trial, TrialDisagreement, TrialHeld, TrialKey, TrialPairs, TrialWindow
from monitoring.selectors import ArmSums, AtWeight, Exposure, PairSums
from monitoring.services import trial_close
from monitoring.shipping import ship
from monitoring.trials.guards import Guard
from monitoring.trials.tidying import purge_trials
from tests.factories import make_model, make_version
from tests.trials import AT, ERRORS, begin, canary, champion, evidence, pair, record, shipped

SLOW = Guard("slow", "slow", threshold_ms=50)
SCORE = Guard("score", "mean", output="probability")
ALIKE = Guard("decisions", "agreement", output="probability", threshold=0.5)
CHANGE = Guard("differences", "pairs", output="probability")
GUARDS = [ERRORS, SLOW, SCORE, ALIKE, CHANGE]


@pytest.fixture
def trial(db):
    champion = make_version(make_model(name="flight-delay"))
    return begin(champion, make_version(champion.model), GUARDS)


def everything():
    rows = [list(table.objects.order_by("pk").values()) for table in (TrialWindow, TrialPairs, TrialKey, TrialHeld)]
    return [*rows, list(Trial.objects.values("candidate_keys", "counted_until", "last_candidate_at"))]


def test_each_arm_is_counted_at_the_candidates_share(trial):
    shipped(
        *[champion(trial, after=n, outputs={"probability": 0.25}) for n in range(5)],
        canary(trial, after=3, outputs={"probability": 0.5}), canary(trial, after=12, outputs={"probability": 1.0}),
        canary(trial, after=4, status=500, outputs={}), champion(trial, after=5, status=503, outputs={}),
        canary(trial, 2500, after=14, latency_us=50_001), champion(trial, 2500, after=14, latency_us=90_000),
    )  # fmt: skip

    found = evidence(trial, since=AT + timedelta(seconds=10))
    assert found.exposures == (Exposure(1000, 6, 3, 0, 1), Exposure(2500, 1, 1, 1, 1))
    assert found.of("errors").first_events == (AtWeight(1000, 1, 1), AtWeight(2500, 0, 0))
    assert found.of("slow").first_events == (AtWeight(1000, 0, 0), AtWeight(2500, 1, 1))
    assert found.of("slow").candidate == ArmSums(exposed=3, events=1, first_events=1)
    assert found.of("score").candidate == ArmSums(exposed=3, n=3, total=1.75, squares=1.3125)
    assert (found.distinct_keys, found.last_candidate_at) == (4, AT + timedelta(seconds=14))
    assert found.counted_until == AT + timedelta(seconds=14)


def test_shipped_twice_changes_nothing(trial):
    answer, shadow = pair(trial, 0.25, 0.75)
    path, kept = shipped(champion(trial, status=500, outputs={}), canary(trial, status=500, outputs={}), answer, shadow)
    lone, _ = pair(trial, 0.25, 0.75)
    second, kept_second = shipped(lone, canary(trial))
    before = everything()

    for there, copy in ((path, kept), (second, kept_second)):
        shutil.copy(copy, there)
    ship()

    assert everything() == before
    assert evidence(trial).of("errors").first_events == (AtWeight(0, 0, 0), AtWeight(1000, 1, 1))


def test_a_shipper_that_fails_after_counting_trials_has_counted_nothing(trial, monkeypatch):
    monkeypatch.setattr("monitoring.counting.shipped.follow", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        shipped(canary(trial, status=500, outputs={}))
    monkeypatch.undo()
    assert not TrialWindow.objects.exists()

    ship()

    assert evidence(trial).of("errors").candidate == ArmSums(1, 1, 1)


def test_a_key_that_fails_in_both_arms_counts_once_where_it_failed_first(trial):
    failed = {"status": 500, "outputs": {}}
    shipped(champion(trial, key_hash=7, **failed))
    shipped(canary(trial, key_hash=7, after=30, **failed), champion(trial, key_hash=7, after=31, **failed))
    shipped(  # the earlier one of a batch, whichever comes first in it
        canary(trial, key_hash=2**64 - 1, after=50, **failed), champion(trial, key_hash=2**64 - 1, after=41, **failed)
    )

    errors = evidence(trial).of("errors")
    assert errors.first_events == (AtWeight(1000, 2, 0),)
    assert (errors.champion.events, errors.candidate.events) == (3, 2)
    assert TrialKey.objects.filter(guard="errors").count() == 2


def test_a_key_has_a_first_event_of_each_guard(trial):
    shipped(canary(trial, key_hash=7, status=500, outputs={}), canary(trial, key_hash=7, latency_us=60_000))

    assert evidence(trial).of("errors").candidate.first_events == 1
    assert evidence(trial).of("slow").candidate.first_events == 1
    assert evidence(trial).distinct_keys == 1


def test_weights_that_change_within_a_window_stay_apart(trial):
    failed = {"status": 500, "outputs": {}}
    shipped(
        champion(trial, 500, **failed), canary(trial, 500), canary(trial, 500, after=1, **failed),
        canary(trial, 2500, after=2, **failed), canary(trial, 2500, after=3, **failed), champion(trial, 2500, after=4),
    )  # fmt: skip

    assert evidence(trial).of("errors").first_events == (AtWeight(500, 1, 1), AtWeight(2500, 0, 2))
    assert {w.started_at for w in TrialWindow.objects.all()} == {AT}


def test_pinned_forced_and_the_callers_own_faults_stay_out(trial):
    failed = {"status": 500, "outputs": {}}
    shipped(
        record(trial.candidate, arm="pinned", weight_bp=0, pinned=True, **failed),
        canary(trial, pinned=True, **failed), champion(trial, pinned=True, **failed),
        canary(trial, status=422, outputs={}), champion(trial, status=400, outputs={}),
        canary(trial, after=-1, **failed),  # before the trial
        record(make_version(trial.model), arm="canary", weight_bp=1000, **failed),  # of no arm of the trial
        record(trial.candidate, arm="champion", **failed),
        record(make_version(make_model()), **failed),
    )  # fmt: skip

    assert not TrialWindow.objects.exists()
    assert not TrialKey.objects.exists()


def test_two_trials_one_after_the_other_share_nothing(trial):
    failed = {"status": 500, "outputs": {}}
    shipped(canary(trial, key_hash=7, **failed))
    trial_close(trial_id=trial.pk)
    Trial.objects.filter(pk=trial.pk).update(closed_at=AT + timedelta(seconds=100))
    second = begin(trial.champion, trial.candidate, [ERRORS], after=100)

    shipped(
        canary(trial, key_hash=8, after=99, **failed),  # late, for the first one
        canary(trial, key_hash=7, after=150, **failed),
    )

    assert evidence(trial).of("errors").candidate == ArmSums(2, 2, 2)
    assert evidence(second).of("errors").candidate == ArmSums(1, 1, 1)


def now_there():
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]


def test_what_a_shadow_answers_is_compared_with_the_callers_answer(trial):
    records = [side for scores in ((0.25, 0.75), (0.75, 0.875), (0.5, None)) for side in pair(trial, *scores)]
    shipped(*records, record(trial.champion, status=500, outputs={}, shadows=(2,)))

    found = evidence(trial)
    assert found.pairs == PairSums(answered_both=2, only_champion=1)
    assert found.of("errors").pairs == PairSums(2, 0, 2, only_champion=1, only_candidate=1)
    assert found.of("decisions").pairs == PairSums(2, 0, 1, only_champion=1)
    assert found.of("differences").pairs == PairSums(2, 0, 0, 1, 0, 2, 0.625, 0.265625)
    assert found.of("errors").shadow == ArmSums(exposed=3, events=1)
    assert found.of("errors").first_events == (AtWeight(0, 1, 0),)  # the champion's own
    assert found.distinct_keys == 0


def test_a_shadow_is_joined_across_batches_in_either_order(trial):
    answer, shadow = pair(trial, 0.25, 0.75)
    shipped(answer)
    assert evidence(trial).pairs == PairSums()
    shipped(shadow)
    assert evidence(trial).pairs == PairSums(answered_both=1)
    answer, shadow = pair(trial, 0.25, None, after=20)
    shipped(shadow)
    shipped(answer)

    assert evidence(trial).pairs == PairSums(answered_both=1, only_champion=1)
    assert not TrialHeld.objects.exists()


def test_a_request_id_used_twice_makes_two_pairs(trial):
    first, second = pair(trial, 0.25, 0.75, request_id="same"), pair(trial, 0.5, 0.5, request_id="same", after=1)
    shipped(first[0], second[0])
    shipped(first[1], second[1])

    assert evidence(trial).of("differences").pairs == PairSums(2, 0, 1, n=2, total=0.5, squares=0.25)


def test_a_shadow_that_never_tells_is_missing_and_no_agreement(trial):
    answer, shadow = pair(trial, 0.25, 0.25)
    shipped(answer, canary(trial))
    TrialHeld.objects.update(held_at=now_there() - timedelta(seconds=HELD_S - 5))
    ship()
    assert evidence(trial).pairs == PairSums()

    TrialHeld.objects.update(held_at=now_there() - timedelta(seconds=HELD_S + 5))
    ship()
    shipped(shadow)  # much too late
    TrialHeld.objects.update(held_at=now_there() - timedelta(seconds=HELD_S + 5))
    ship()

    assert evidence(trial).pairs == PairSums(missing=1)
    assert evidence(trial).of("decisions").pairs == PairSums(missing=1)
    assert not TrialHeld.objects.exists()


def test_what_no_shadow_is_asked_is_not_missed(trial):
    shipped(champion(trial), record(trial.champion, shadows=(99,)))

    assert not TrialHeld.objects.exists()


def test_rows_of_a_request_are_one_observation(trial):
    rows, copies = [], []
    for row, (own, other) in enumerate([(0.25, 0.5), (0.75, 0.75), (0.25, 0.75)]):
        answer, shadow = pair(trial, own, other, request_id="many", row=row, key_hash=5)
        rows.append(answer)
        copies.append(record(trial.candidate, arm="shadow", weight_bp=10_000, request_id="many", row=row, key_hash=5, outputs=shadow.outputs))  # fmt: skip
    shipped(*rows, *copies)

    found = evidence(trial)
    assert found.exposures == (Exposure(0, 1, 0, 0, 0),)
    assert found.of("decisions").pairs == PairSums(1, 0, 0)
    assert found.of("differences").pairs == PairSums(1, n=1, total=0.25, squares=0.0625)
    assert list(TrialDisagreement.objects.filter(guard="differences").values_list("row", "size")) == [
        (2, 0.5),
        (0, 0.25),
    ]


def test_requests_of_one_id_that_follow_each_other_stay_two(trial):
    shipped(champion(trial, request_id="same"), champion(trial, request_id="same"), canary(trial, request_id="same"))

    assert evidence(trial).exposures == (Exposure(1000, 2, 1, 0, 0),)


def test_the_biggest_disagreements_are_kept(trial):
    for part in range(3):
        scores = [(n + part / 4) / 1000 for n in range(100, 300)]
        shipped(*[side for score in scores for side in pair(trial, 0.0, score)])

    kept = TrialDisagreement.objects.filter(guard="differences")
    assert kept.count() == MOST_KEPT
    assert (kept[0].size, kept[MOST_KEPT - 1].size) == (0.2995, 0.23325)
    assert kept[0].candidate_outputs == {"probability": 0.2995}
    assert kept[0].inputs["carrier"] == "AA"


def test_text_that_postgresql_cannot_hold_does_not_stop_the_shipper(trial):
    inputs = {"carrier": "A\0A", "distance": float("nan")}
    answer, shadow = pair(trial, 0.25, None, inputs=inputs)
    held, _ = pair(trial, 0.25, 0.75, inputs=inputs)

    shipped(answer, msgspec.structs.replace(shadow, error="no \0"), held)

    [failure] = TrialDisagreement.objects.all()
    assert (failure.inputs, failure.error) == ({"carrier": "A\ufffdA", "distance": None}, "no \ufffd")
    assert TrialHeld.objects.get().request_id == held.request_id


def test_a_shadows_failure_is_kept_with_its_words(trial):
    answer, shadow = pair(trial, 0.25, None)
    shipped(answer, shadow)

    [failure] = TrialDisagreement.objects.filter(guard="errors")
    assert (failure.request_id, failure.error, failure.candidate_outputs) == (answer.request_id, "boom", {})


def test_keys_go_two_days_after_a_trial_and_windows_stay(trial):
    shipped(canary(trial, status=500, outputs={}))
    closed_at = trial_close(trial_id=trial.pk).closed_at
    before = evidence(trial)

    purge_trials(now=closed_at + timedelta(hours=47))
    assert TrialKey.objects.count() == 2
    purge_trials(now=closed_at + timedelta(hours=49))

    assert not TrialKey.objects.exists()
    assert evidence(trial) == before


def test_old_windows_are_joined_and_late_records_still_add_up(trial):
    records = [canary(trial, after=n, status=500, outputs={}) for n in range(0, 600, 5)]
    answers = [side for n in range(10, 290, 20) for side in pair(trial, 0.25, 0.75, after=n)]
    shipped(*records[:-1], *answers)
    before = evidence(trial)

    for _ in range(2):
        purge_trials(now=AT + timedelta(hours=6, seconds=600))
        assert evidence(trial) == before
    assert set(TrialWindow.objects.filter(arm="canary").values_list("started_at", flat=True)) == {
        AT, AT + timedelta(seconds=300),
    }  # fmt: skip
    assert TrialPairs.objects.filter(guard="").count() == 1

    shipped(records[-1])
    assert evidence(trial).of("errors").candidate == ArmSums(120, 120, 120)
    purge_trials(now=AT + timedelta(hours=6, seconds=600))
    assert evidence(trial).of("errors").candidate == ArmSums(120, 120, 120)
    assert TrialWindow.objects.filter(arm="canary", guard="errors").count() == 2


def test_young_windows_stay_as_they_were_counted(trial):
    shipped(*[canary(trial, after=n) for n in range(0, 60, 10)])

    purge_trials(now=AT + timedelta(hours=6))

    assert TrialWindow.objects.filter(guard="").count() == 6


@pytest.mark.django_db(transaction=True)
def test_who_follows_trials_is_told_once_the_counts_are_there(settings, monkeypatch):
    sent = []
    settings.FOLLOW_UPS = {"rollouts.tasks.publish": ("trial.count",)}
    monkeypatch.setattr("jobs.nudges._sender.send", lambda task: sent.append((task, TrialWindow.objects.count())))
    version = make_version(make_model(name="flight-delay"))
    shipped(record(version))
    assert sent == []

    shipped(canary(begin(version, make_version(version.model), [ERRORS])))

    assert sent == [("rollouts.tasks.publish", 2)]
