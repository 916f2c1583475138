"""Standing approvals: a person approves beforehand what a retraining policy makes; a process then opens and approves by that word."""

from collections.abc import Collection
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from registry import selectors
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, CriteriaError, FourEyesError, InvalidError
from registry.models import (
    STANDING_DAYS,
    STANDING_TIER,
    ApiToken,
    Approval,
    Binding,
    CriteriaSet,
    Promotion,
    RegisteredModel,
    Role,
    StandingApproval,
    StandingApprovalQuerySet,
)
from registry.services.deciding import carry_out, close_quorum, record, refuse_unmet
from registry.services.rolling_out import locked
from registry.states import PromotionState


@audited()
def standing_approval_give(
    *, actor: Actor, model: RegisteredModel, policy: int, authors: Collection[int], reason: str, days: int
) -> StandingApproval:
    """Approve beforehand what a retraining policy makes, under the criteria that are agreed now; an earlier word of the actor ends.

    Args:
        policy: number of the policy.
        authors: ids of who wrote it.
        days: for how long.

    Raises:
        RoleError: the actor is no approver of the team.
        FourEyesError: the actor wrote the policy, or drafted the criteria.
        FreshLoginError: the tier asks for a newer log-in.
        ConflictError: the model is not of tier 3, is retired, or has no agreed criteria.
        InvalidError: no reason was given, or it would hold too long.
    """
    model = RegisteredModel.objects.hold(model.pk)
    actor.require(model.team, Role.APPROVER, scope=ApiToken.Scope.DECIDE)
    if model.risk_tier != STANDING_TIER:
        raise ConflictError(
            f"{model.name} is of tier {model.risk_tier}: people look at each of its versions. Only those of tier {STANDING_TIER} are "
            "approved beforehand."
        )
    if model.archived_at or model.retired_at:
        raise ConflictError(f"{model.name} is put away; nothing of it is promoted.")
    criteria = model.criteria_sets.filter(state=CriteriaSet.State.AGREED).first()
    if criteria is None:
        raise ConflictError(
            f"{model.name} has no agreed acceptance criteria.",
            unmet=[{"rule": "agreed criteria", "who": f"product of {model.team.name} drafts, a second person agrees"}],
        )
    if actor.user.pk in authors or actor.user.pk == criteria.drafted_by_id:
        raise FourEyesError(
            "You wrote the policy or drafted its criteria, so another person approves what comes of them.",
            unmet=[{"rule": "a standing approval by somebody else", "who": f"another approver of {model.team.name}"}],
        )
    if not reason.strip():
        raise InvalidError("Say what you looked at, and why versions may go on without a person.", field="reason")
    if not 1 <= days <= STANDING_DAYS:
        raise InvalidError(f"From 1 to {STANDING_DAYS} days; it can be given again.", field="days")
    actor.require_fresh_login(selectors.policy_for(model))
    earlier = model.standing_approvals.filter(approver=actor.user, ended_at__isnull=True)
    replaces = list(earlier.values_list("pk", flat=True))
    _end(earlier, "It was given anew.", actor=actor)
    given = StandingApproval.objects.create(
        model=model, policy=policy, criteria_set=criteria, approver=actor.user, reason=reason.strip(),
        expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    given.refresh_from_db()
    audit(
        action="standing_approval.give", subject=f"{model.path}retraining/", actor=actor, team=model.team.slug,
        payload={"standing": given.pk, "policy": policy, "criteria_set": criteria.number, "criteria": criteria.digest,
                 "until": given.expires_at.isoformat(), "replaces": replaces, "reason": given.reason},
    )  # fmt: skip
    return given


@audited()
def standing_approval_end(*, actor: Actor, standing_id: int, reason: str) -> StandingApproval:
    """End a standing approval at once; what was approved by it and has not become champion does not, either.

    Raises:
        RoleError: the actor may only look.
        InvalidError: no reason was given.
        ConflictError: it has ended already.
    """
    standing = StandingApproval.objects.select_related("model__team").get(pk=standing_id)
    actor.require(standing.model.team, *WRITERS)
    if not reason.strip():
        raise InvalidError("Say why it ends; it stays with it.", field="reason")
    RegisteredModel.objects.hold(standing.model_id)
    standing.refresh_from_db(fields=["ended_at"])
    if standing.ended_at:
        raise ConflictError("This standing approval has ended already.")
    _end(StandingApproval.objects.filter(pk=standing.pk), reason.strip(), actor=actor)
    standing.refresh_from_db()
    audit(
        action="standing_approval.end", subject=f"{standing.model.path}retraining/", actor=actor,
        team=standing.model.team.slug, payload={"standing": standing.pk, "reason": standing.ended_why},
    )  # fmt: skip
    return standing


@audited()
def standing_approvals_void(*, model: RegisteredModel, why: str, actor: Actor) -> None:
    """End a model's standing approvals because what they were given for is another thing now."""
    standing = model.standing_approvals.filter(ended_at__isnull=True)
    for pk in standing.values_list("pk", flat=True):
        audit(
            action="standing_approval.void", subject=f"{model.path}retraining/", actor=actor, team=model.team.slug,
            payload={"standing": pk, "reason": why},
        )  # fmt: skip
    _end(standing, why, actor=None)


@audited()
def promotion_approve_standing(*, promotion_id: int, policy: int, process: str) -> Promotion:
    """Approve a promotion by the standing approvals that hold for the policy that opened it; people give what is still missing.

    Args:
        policy: number of the retraining policy.
        process: which retraining opened it.

    Raises:
        ConflictError: no standing approval holds, the promotion was decided, or it could not be signed.
        CriteriaError: a criterion or a gate is not met, or is passed by a waiver alone; names each.
    """
    promotion = locked(promotion_id)
    if promotion.state != PromotionState.REQUESTED:
        raise ConflictError(f"This promotion is already {promotion.get_state_display()}.")
    holding = promotion.model.standing_approvals.holding().filter(policy=policy, criteria_set=promotion.criteria_set)
    found = holding.exclude(approver__in=selectors.contributor_ids(promotion)).select_related("approver").order_by("pk")
    if not found:
        raise ConflictError(f"No standing approval holds for retraining policy {policy}.")
    rules = selectors.policy_for(promotion.model)
    checks = selectors.promotion_checks(promotion)
    binding = selectors.promotion_binding(promotion, checks)
    _refuse_doubts(promotion, checks, binding)
    refuse_unmet(promotion, rules, checks)
    for standing in found:
        if promotion.state == PromotionState.REQUESTED:
            record(
                promotion,
                standing.approver,
                Role.APPROVER,
                Approval.Decision.APPROVE,
                standing.reason,
                binding,
                standing,
            )
            close_quorum(promotion, rules, binding)
            audit(
                action="promotion.approve_standing", subject=promotion.path, actor=None, process=process,
                team=promotion.model.team.slug,
                payload={"standing": standing.pk, "given_by": standing.approver.get_username(),
                         "given_at": standing.given_at.isoformat(), "until": standing.expires_at.isoformat(),
                         "policy": policy, "role": Role.APPROVER, "reason": standing.reason, "binding": binding.digest,
                         "state": promotion.state, "evidence": list(binding.evidence)},
            )  # fmt: skip
            carry_out(promotion, rules, standing.approver, actor=None, process=process)
    return promotion


def _refuse_doubts(promotion: Promotion, checks: list[selectors.Check], binding: Binding) -> None:
    """A person weighs what is advisory, what is waived, and what had nothing to be compared with; a standing approval does not."""
    passed = selectors.CheckStatus.PASSED
    doubts = [f"{c.title}: {c.status.value.replace('_', ' ')}" for c in checks if c.status is not passed]
    if doubts or binding.waivers:
        who = f"an approver of {promotion.model.team.name}, who looks at this promotion"
        raise CriteriaError(
            "Not every criterion is passed, so a person decides.",
            unmet=[{"rule": rule, "who": who} for rule in doubts or ["no waiver"]],
        )


def _end(standing: StandingApprovalQuerySet, why: str, *, actor: Actor | None) -> None:
    standing.update(ended_at=Now(), ended_by=actor.user if actor else None, ended_why=why)
