"""What becomes of a retrained version: criteria, the champion on the same rows, and what people decide."""

import pytest
from django.utils import timezone

from experiments.models import TrainingRun
from jobs.models import Job
from monitoring.retraining.states import State
from monitoring.services import reconcile_retrainings, retraining_ask
from monitoring.services.retraining.moving import retraining_move
from registry.models import Alert, AuditEvent, Membership, Promotion, Role
from registry.services import evidence_record, promotion_reject, promotion_request
from tests.factories import approve, make_actor, make_champion, make_criteria, make_model, make_version
from tests.retraining import ended, make_policy, measured, moved, trained


@pytest.fixture
def model(db):
    return make_champion(make_model(name="flight-delay", risk_tier=3)).model


def test_a_better_version_is_proposed_in_the_owners_name_and_approved_by_another(model):
    made, version = measured(model, low=0.02, high=0.08)

    moved(made)

    promotion = Promotion.objects.get(version=version)
    assert (made.state, made.promotion, made.ended_at) == (State.PROPOSED, promotion, None)
    assert promotion.requested_by == made.policy.made_by
    assert "Average precision: +0.0500 against v1 (+0.0200 to +0.0800) on 100 held-out rows" in promotion.description
    assert made.comparison["champion_value"] == 0.3
    moved(made)
    assert made.state == State.PROPOSED

    approve(promotion)
    moved(made)
    assert (made.state, made.outcome) == (State.PROMOTED, f"v{version.number} is champion.")
    assert not Alert.objects.filter(kind="retraining", cleared_at=None).exists()


def test_what_people_refuse_ends_with_their_reason(model):
    made, _ = measured(model, low=0.02, high=0.08)
    moved(made)

    promotion_reject(
        actor=make_actor(model.team, Role.APPROVER), promotion_id=made.promotion.pk, reason="Not before the holidays."
    )
    moved(made)

    assert made.state == State.REFUSED
    assert "Not before the holidays." in made.outcome


@pytest.mark.parametrize(
    ("low", "high", "auc", "rule", "words"),
    [
        (-0.01, 0.08, 0.8, "champion", "not surely better"),
        (-0.08, -0.02, 0.8, "champion", "not surely better"),
        (0.02, 0.08, 0.6, "criteria", "Area under the ROC curve: failed"),
    ],
)
def test_a_version_that_is_not_good_enough_stops_with_the_numbers_and_an_alert(model, low, high, auc, rule, words):
    made, version = measured(model, low=low, high=high, auc=auc)

    moved(made)

    assert (made.state, made.rule) == (State.STOPPED, rule)
    assert words in made.outcome
    assert not Promotion.objects.filter(version=version).exists()
    [alert] = Alert.objects.filter(kind="retraining", cleared_at=None)
    assert (alert.link, alert.title) == (made.path, f"Retraining {made.pk} of flight-delay found no better version")


@pytest.mark.parametrize(
    ("metric", "low", "high", "better"),
    [
        ("brier_score", -0.03, -0.01, True),
        ("brier_score", 0.01, 0.03, False),
        ("brier_score", -0.03, 0.001, False),
        ("roc_auc", 0.01, 0.03, True),
        ("roc_auc", -0.03, -0.01, False),
    ],
)
def test_of_errors_less_is_better(model, metric, low, high, better):
    made, _ = measured(model, low=low, high=high, metric=metric)

    assert (moved(made).rule != "champion") is better


def test_it_must_be_better_by_as_much_as_the_policy_says(model):
    made, _ = measured(model, low=0.02, high=0.08, better_by=0.03)

    assert moved(made).rule == "champion"
    assert "not surely better by 0.03" in made.outcome


def test_a_policy_may_leave_the_promotion_to_people(model):
    made, version = measured(model, low=0.02, high=0.08, automation="evaluate")

    moved(made)

    assert made.state == State.MEASURED
    assert "a person asks for the promotion" in made.outcome
    assert not Promotion.objects.filter(version=version).exists()


def test_an_open_promotion_is_waited_for(model):
    made, _ = measured(model, low=0.02, high=0.08)
    other = make_version(model)
    evidence_record(version=other, metric="roc_auc", value=0.8, ci_low=0.78, ci_high=0.82)
    before = promotion_request(actor=make_actor(model.team), version=other)

    moved(made)
    assert made.state == State.EVALUATING
    assert f"It waits for promotion {before.pk}: people decide on one candidate after the other." in made.outcome
    promotion_reject(actor=make_actor(model.team, Role.APPROVER), promotion_id=before.pk, reason="No.")
    assert moved(made).state == State.PROPOSED


def test_a_champion_that_changed_meanwhile_is_compared_anew(model):
    made, _ = measured(model, low=0.02, high=0.08)
    moved(made, times=1)
    now_champion = make_champion(model)

    retraining_move(retraining_id=made.pk, now=timezone.now())

    made.refresh_from_db()
    assert (made.state, made.evaluation.against) == (State.EVALUATING, now_champion)
    assert made.evaluation.job.state == "queued"
    retraining_move(retraining_id=made.pk, now=timezone.now())
    assert made.version.evaluations.filter(against=now_champion).count() == 1


@pytest.mark.parametrize("fate", ["failed", "cancelled"])
def test_a_job_that_did_not_do_its_work_ends_it_with_the_last_line_of_its_error(model, fate):
    made, _, _ = trained(model)
    ended(made.job or Job.objects.get(kind="train"), fate, error="Traceback …\nMemoryError: too many rows")

    moved(made, times=1)

    assert (made.state, made.rule) == (State.FAILED, "job")
    assert made.outcome == f"Training has {fate}: MemoryError: too many rows"
    assert Alert.objects.get(kind="retraining", cleared_at=None).title.endswith("failed")


def test_an_owner_who_left_ends_it_and_it_says_who_goes_on(model):
    made, _ = measured(model, low=0.02, high=0.08)
    Membership.objects.filter(user=made.policy.made_by).delete()

    moved(made)

    assert (made.state, made.rule) == (State.FAILED, "owner")
    assert "An engineer of the team saves the policy anew." in made.outcome
    assert AuditEvent.objects.filter(subject=made.path, action="retraining.fail").count() == 1


def test_one_that_breaks_holds_up_no_other(model, monkeypatch):
    first, _ = measured(model, low=0.02, high=0.08)
    other = make_champion(make_model(risk_tier=3)).model
    make_criteria(other)
    second = retraining_ask(actor=make_policy_actor(other), model=other, reason="Now.", now=timezone.now())
    TrainingRun.objects.all().delete()

    reconcile_retrainings(now=timezone.now())

    second.refresh_from_db()
    first.refresh_from_db()
    assert first.state == State.TRAINING
    assert second.state == State.HELD


def make_policy_actor(model):
    actor = make_actor(model.team)
    make_policy(model, actor=actor)
    return actor
