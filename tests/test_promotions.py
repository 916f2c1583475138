"""Promotions: who may decide, on what, and what moves when they do."""

import threading

import pytest
from django.db import connection

from registry import services
from registry.access import Actor
from registry.criteria import CheckStatus
from registry.errors import (
    ConflictError,
    CriteriaError,
    FourEyesError,
    GuardedAliasError,
    InvalidError,
    RoleError,
    StaleBindingError,
)
from registry.models import Alias, AliasMove, Approval, AuditEvent, Promotion, PromotionPolicy, Role
from registry.selectors import promotion_checks
from tests import factories

pytestmark = pytest.mark.django_db


def test_approval_moves_the_alias_and_completes_the_promotion():
    promotion = factories.make_promotion()

    done = factories.approve(promotion)

    assert done.state == "completed"
    alias = Alias.objects.get(model=promotion.model, name="champion")
    assert (alias.version, alias.promotion) == (promotion.version, promotion)
    assert [e.action for e in AuditEvent.objects.filter(subject=promotion.path).order_by("seq")] == [
        "promotion.request",
        "promotion.approve",
        "promotion.complete",
    ]
    approved = AuditEvent.objects.get(action="promotion.approve").payload
    assert approved["evidence"] == promotion.approvals.get().binding["evidence"] != []


def test_decided_promotion_keeps_showing_what_was_decided():
    first = factories.make_champion()
    factories.make_criteria(
        first.model,
        [{"metric": "roc_auc", "direction": "at_least", "threshold": 0, "against_champion": True, "reason": "Better."}],
    )
    version = factories.make_version(first.model)
    measured = services.evidence_record(version=version, metric="roc_auc", value=0.02, against=first)
    promotion = factories.make_promotion(first.model, version=version)
    decided_on = factories.seen(promotion)

    done = factories.approve(promotion)
    services.evidence_record(version=version, metric="roc_auc", value=-0.5, against=first, data_digest="later")

    done.refresh_from_db()
    [check] = promotion_checks(done)
    assert (check.status, check.evidence, check.champion) == (CheckStatus.PASSED, measured, first)
    assert factories.seen(done) == decided_on


def test_completed_promotion_replaces_what_served_at_that_moment():
    first = factories.make_champion()
    second = factories.make_champion(first.model)
    promotion = factories.make_promotion(first.model)
    engineer = factories.make_actor(first.model.team)
    services.rollback(actor=engineer, model=first.model, to_version=first, reason="The second is slow.")

    done = factories.approve(promotion)

    done.refresh_from_db()
    assert second != first
    assert done.replaces == first


def contributors(promotion):
    return {
        "requester": promotion.requested_by,
        "author": promotion.version.created_by,
        "drafter": promotion.criteria_set.drafted_by,
        "helper": promotion.version.contributors.exclude(pk=promotion.version.created_by_id).first(),
    }


@pytest.mark.parametrize("part", ["requester", "author", "drafter", "helper"])
def test_contributor_cannot_approve(part):
    promotion = factories.make_promotion()
    promotion.version.contributors.add(factories.make_user(promotion.model.team))
    person = contributors(promotion)[part]
    person.memberships.update(role=Role.APPROVER)

    with pytest.raises(FourEyesError):
        factories.approve(promotion, actor=Actor(person, "session"))

    promotion.refresh_from_db()
    assert promotion.state == "requested"
    assert not Approval.objects.exists()
    assert not AuditEvent.objects.filter(action="promotion.approve").exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ENGINEER, Role.PRODUCT, Role.ADMIN])
def test_other_roles_cannot_approve(role):
    promotion = factories.make_promotion()

    with pytest.raises(RoleError):
        factories.approve(promotion, actor=factories.make_actor(promotion.model.team, role))

    assert not Approval.objects.exists()


def test_failing_blocking_criterion_blocks_the_approval_and_names_who_can_clear_it():
    promotion = factories.make_promotion(auc=0.6)

    with pytest.raises(CriteriaError) as refused:
        factories.approve(promotion)

    assert refused.value.unmet[0]["rule"] == "C1 Area under the ROC curve: failed"
    assert "engineer" in refused.value.unmet[0]["who"]
    assert not Alias.objects.exists()


def test_new_evidence_makes_what_the_approver_saw_stale():
    promotion = factories.make_promotion()
    before = factories.seen(promotion)
    services.evidence_record(version=promotion.version, metric="roc_auc", value=0.75, data_digest="sha256:other")

    with pytest.raises(StaleBindingError):
        services.promotion_approve(
            actor=factories.make_actor(promotion.model.team, Role.APPROVER),
            promotion_id=promotion.pk,
            reason="Looked.",
            seen=before,
        )

    assert not Approval.objects.exists()


def test_tier_1_waits_for_two_approvers():
    model = factories.make_model(risk_tier=1)
    promotion = factories.make_promotion(model)
    first = factories.make_actor(model.team, Role.APPROVER)

    assert factories.approve(promotion, actor=first).state == "requested"
    with pytest.raises(ConflictError):
        factories.approve(promotion, actor=first)
    assert factories.approve(promotion).state == "completed"


def test_tier_1_approval_lapses_when_evidence_changes():
    model = factories.make_model(risk_tier=1)
    promotion = factories.make_promotion(model)
    first = factories.make_actor(model.team, Role.APPROVER)
    factories.approve(promotion, actor=first)
    services.evidence_record(version=promotion.version, metric="roc_auc", value=0.81, data_digest="sha256:new")

    assert factories.approve(promotion).state == "requested"  # the first approval no longer counts
    assert factories.approve(promotion, actor=first).state == "completed"


def test_approval_needs_a_reason():
    promotion = factories.make_promotion()

    with pytest.raises(InvalidError):
        services.promotion_approve(
            actor=factories.make_actor(promotion.model.team, Role.APPROVER),
            promotion_id=promotion.pk,
            reason=" ",
            seen=factories.seen(promotion),
        )


def test_second_request_for_the_same_alias_is_refused():
    promotion = factories.make_promotion()

    with pytest.raises(ConflictError):
        services.promotion_request(
            actor=factories.make_actor(promotion.model.team), version=factories.make_version(promotion.model)
        )

    assert Promotion.objects.count() == 1


def test_request_without_agreed_criteria_says_who_can_help():
    model = factories.make_model()
    factories.make_criteria(model, agreed=False)

    with pytest.raises(ConflictError) as refused:
        services.promotion_request(actor=factories.make_actor(model.team), version=factories.make_version(model))

    assert "product" in refused.value.unmet[0]["who"]


def test_unverified_version_cannot_be_promoted():
    model = factories.make_model()
    factories.make_criteria(model)

    with pytest.raises(ConflictError, match="not read yet"):
        services.promotion_request(
            actor=factories.make_actor(model.team), version=factories.make_version(model, servable=False)
        )


def test_rejection_ends_a_promotion():
    promotion = factories.make_promotion()

    done = services.promotion_reject(
        actor=factories.make_actor(promotion.model.team, Role.APPROVER),
        promotion_id=promotion.pk,
        reason="Recall is too low on small airports.",
    )

    assert done.state == "rejected"
    with pytest.raises(ConflictError):
        factories.approve(promotion)


def test_only_the_requester_withdraws():
    promotion = factories.make_promotion()

    with pytest.raises(RoleError):
        services.promotion_withdraw(actor=factories.make_actor(promotion.model.team), promotion_id=promotion.pk)

    done = services.promotion_withdraw(actor=Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    assert done.state == "withdrawn"


def test_criterion_against_the_champion_compares_the_interval():
    model = factories.make_model()
    champion = factories.make_champion(model)
    rule = {
        "metric": "average_precision",
        "direction": "at_least",
        "threshold": 0.0,
        "against_champion": True,
        "basis": "interval",
        "reason": "A newer version must be better than what serves now.",
    }
    factories.make_criteria(model, [rule])
    challenger = factories.make_version(model)
    services.evidence_record(
        version=challenger, metric="average_precision", value=0.01, ci_low=-0.002, ci_high=0.022, against=champion
    )
    promotion = services.promotion_request(actor=factories.make_actor(model.team), version=challenger)

    with pytest.raises(CriteriaError):
        factories.approve(promotion)

    services.evidence_record(
        version=challenger, metric="average_precision", value=0.02, ci_low=0.004, ci_high=0.036, against=champion,
        data_digest="sha256:more",
    )  # fmt: skip
    assert factories.approve(promotion).state == "completed"


def test_guarded_alias_is_not_set_by_hand():
    version = factories.make_version(factories.make_model())

    with pytest.raises(GuardedAliasError):
        services.alias_set(
            actor=factories.make_actor(version.model.team), model=version.model, name="champion", version=version
        )

    assert not Alias.objects.exists()


def test_rollback_returns_to_the_former_champion_and_waits_for_a_review():
    model = factories.make_model()
    first, second = factories.make_champion(model), factories.make_champion(model)
    engineer = factories.make_actor(model.team)

    done = services.rollback(actor=engineer, model=model, to_version=first, reason="Errors rose after the switch.")

    alias = Alias.objects.get(model=model, name="champion")
    assert (alias.version, alias.rollback) == (first, done)
    assert second.promotions.get().state == "rolled_back"
    assert list(AliasMove.objects.filter(model=model).values_list("version__number", flat=True)) == [1, 2, 1]
    with pytest.raises(RoleError):
        services.rollback_review(actor=engineer, rollback_id=done.pk, note="Fine.")
    reviewed = services.rollback_review(
        actor=factories.make_actor(model.team, Role.APPROVER), rollback_id=done.pk, note="Right call."
    )
    assert reviewed.reviewed_at


def test_rollback_to_a_version_that_never_served_is_refused():
    model = factories.make_model()
    factories.make_champion(model)

    with pytest.raises(ConflictError, match="never was champion"):
        services.rollback(
            actor=factories.make_actor(model.team),
            model=model,
            to_version=factories.make_version(model),
            reason="Mistaken.",
        )


def test_drafter_cannot_agree_on_the_criteria():
    model = factories.make_model()
    drafted = factories.make_criteria(model, agreed=False)

    with pytest.raises(FourEyesError):
        services.criteria_agree(actor=Actor(drafted.drafted_by, "session"), criteria_set_id=drafted.pk)


def test_every_default_policy_asks_for_an_approver():
    assert dict(PromotionPolicy.objects.values_list("risk_tier", "required")) == {
        1: {"approver": 2},
        2: {"approver": 1},
        3: {"approver": 1},
    }


@pytest.mark.django_db(transaction=True)
def test_the_same_approval_twice_at_once_counts_once():
    promotion = factories.make_promotion()
    actor = factories.make_actor(promotion.model.team, Role.APPROVER)
    digest = factories.seen(promotion)
    start = threading.Barrier(2)
    outcomes = []

    def decide():
        start.wait()
        try:
            services.promotion_approve(actor=actor, promotion_id=promotion.pk, reason="Looked.", seen=digest)
            outcomes.append("approved")
        except ConflictError:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["approved", "conflict"]
    assert Approval.objects.count() == 1
