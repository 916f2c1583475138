"""Promotions: a version asks for an alias, and others decide. What follows is in ``rolling_out``."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError, StaleBindingError
from registry.models import (
    ApiToken,
    Approval,
    Comment,
    CriteriaSet,
    ModelVersion,
    Promotion,
    RegisteredModel,
    Role,
)
from registry.services.deciding import carry_out, close_quorum, record, refuse_unmet
from registry.services.rolling_out import advance, locked, next_of
from registry.services.waivers import waiver_ask
from registry.states import PromotionEvent, PromotionState, RevalidationState, revalidation_state

DECIDE = ApiToken.Scope.DECIDE


@audited(again=True)
def promotion_request(
    *, actor: Actor, version: ModelVersion, alias: str = "champion", description: str = "", mends_budget: str = ""
) -> Promotion:
    """Ask that ``version`` take ``alias``, judged by the model's agreed criteria.

    Args:
        mends_budget: how the version mends what spent an error budget; an approver has to confirm it.

    Raises:
        ConflictError: the version is not servable, is retired or holds the alias, no criteria are agreed, another
            promotion of the alias is open, or the model's re-validation is overdue; says what to do.
    """
    model = RegisteredModel.objects.hold(version.model_id)
    actor.require(model.team, Role.ENGINEER)
    version = model.versions.get(pk=version.pk)
    if model.retired_at or version.retired_at:
        raise ConflictError(f"{model if model.retired_at else version} is retired and never serves again.")
    if not version.is_servable:
        raise ConflictError(f"v{version.number} cannot be served: {version.refusal or 'its files are not read yet'}")
    criteria = model.criteria_sets.filter(state=CriteriaSet.State.AGREED).first()
    if criteria is None:
        raise ConflictError(
            f"{model.name} has no agreed acceptance criteria.",
            unmet=[{"rule": "agreed criteria", "who": f"product of {model.team.name} drafts, a second person agrees"}],
        )
    policy = selectors.policy_for(model)
    overdue = revalidation_state(model.revalidate_by, timezone.now().date()) is RevalidationState.OVERDUE
    if overdue and policy.block_overdue:
        raise ConflictError(
            f"The re-validation of {model.name} has been due since {model.revalidate_by}.",
            unmet=[{
                "rule": "a re-validation in date",
                "who": f"an approver of {model.team.name} who had no part in the champion re-validates the model",
            }],
        )  # fmt: skip
    held = model.aliases.select_related("version").filter(name=alias).first()
    if held and held.version_id == version.pk:
        raise ConflictError(f"v{version.number} is {alias} already.")
    try:
        with transaction.atomic():
            promotion = Promotion.objects.create(
                model=model, version=version, alias=alias, replaces=held.version if held else None,
                criteria_set=criteria, description=description.strip(), requested_by=actor.user,
                policy=selectors.policy_snapshot(model),
            )  # fmt: skip
    except IntegrityError:
        raise ConflictError(f"Another promotion to {alias} is open; it is decided or withdrawn first.") from None
    audit(
        action="promotion.request", subject=promotion.path, actor=actor, team=model.team.slug,
        payload={"model": model.name, "version": version.number, "alias": alias, "criteria_set": criteria.number},
    )  # fmt: skip
    if mends_budget.strip():
        until = timezone.now() + timedelta(days=policy.max_waiver_days) - timedelta(minutes=1)
        waiver_ask(
            actor=actor, promotion_id=promotion.pk, criterion=None, reason=mends_budget, document=mends_budget.strip(),
            expires_at=until, mends=True,
        )  # fmt: skip
    return promotion


@audited(again=True)
def promotion_approve(*, actor: Actor, promotion_id: int, reason: str, seen: str) -> Promotion:
    """Record one approval; with the quorum of the policy reached, the alias moves at once, or a rollout begins.

    Args:
        seen: digest of the binding (artifact, criteria, evidence) that the approver was shown.

    Raises:
        FourEyesError: the actor requested, made or contributed to the version, or drafted its criteria.
        FreshLoginError: the policy asks for a newer log-in.
        StaleBindingError: something changed since the approver looked.
        CriteriaError: blocking criteria, the error budget or the date of re-validation are not met; names each.
        ConflictError: the promotion was already decided, the actor approved it before, or it could not be signed.
        InvalidError: no reason was given.
    """
    promotion = locked(promotion_id)
    policy = selectors.policy_for(promotion.model)
    role = actor.require(promotion.model.team, *(Role(name) for name in policy.required), scope=DECIDE)
    if actor.user.pk in selectors.contributor_ids(promotion):
        raise FourEyesError(
            "You requested, made or contributed to this version, so another person decides.",
            unmet=[{"rule": "an approval by somebody else", "who": f"another {role} of {promotion.model.team.name}"}],
        )
    if promotion.state != PromotionState.REQUESTED:
        raise ConflictError(f"This promotion is already {promotion.get_state_display()}.")
    if not reason.strip():
        raise InvalidError("An approval needs a reason: what did you look at, and what decided it?", field="reason")
    actor.require_fresh_login(policy)
    checks = selectors.promotion_checks(promotion)
    binding = selectors.promotion_binding(promotion, checks)
    if seen != binding.digest:
        raise StaleBindingError(
            "The artifact, criteria, evidence or waivers changed since you looked. Look again and decide."
        )
    refuse_unmet(promotion, policy, checks)
    record(promotion, actor.user, role, Approval.Decision.APPROVE, reason, binding)
    close_quorum(promotion, policy, binding)
    audit(
        action="promotion.approve", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"reason": reason.strip(), "binding": binding.digest, "role": role, "state": promotion.state,
                 "evidence": list(binding.evidence), "waivers": list(binding.waivers)},
    )  # fmt: skip
    carry_out(promotion, policy, actor.user, actor=actor)
    return promotion


@audited(again=True)
def promotion_reject(*, actor: Actor, promotion_id: int, reason: str) -> Promotion:
    """Refuse a promotion; one refusal is enough.

    Raises:
        FreshLoginError: the policy asks for a newer log-in.
        InvalidError: no reason was given.
        ConflictError: it was already decided.
    """
    promotion = locked(promotion_id)
    role = actor.require(promotion.model.team, Role.APPROVER, Role.PRODUCT, scope=DECIDE)
    if not reason.strip():
        raise InvalidError("A refusal needs a reason that its author can act on.", field="reason")
    actor.require_fresh_login(selectors.policy_for(promotion.model))
    binding = selectors.promotion_binding(promotion, selectors.promotion_checks(promotion))
    next_of(promotion, PromotionEvent.REJECT)
    record(promotion, actor.user, role, Approval.Decision.REJECT, reason, binding)
    advance(promotion, PromotionEvent.REJECT, decided_at=Now(), policy=selectors.policy_snapshot(promotion.model))
    audit(
        action="promotion.reject", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"reason": reason.strip(), "role": role},
    )  # fmt: skip
    return promotion


@audited(again=True)
def promotion_withdraw(*, actor: Actor, promotion_id: int, reason: str = "") -> Promotion:
    """Take a request back; only who made it can.

    Raises:
        RoleError: another person requested it.
        ConflictError: it is already rolling out or ended.
    """
    promotion = locked(promotion_id)
    actor.require(promotion.model.team, Role.ENGINEER)
    if promotion.requested_by_id != actor.user.pk:
        raise RoleError("Only the person who requested a promotion withdraws it; others can refuse it.")
    advance(promotion, PromotionEvent.WITHDRAW, decided_at=Now())
    audit(
        action="promotion.withdraw", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"reason": reason.strip()},
    )  # fmt: skip
    return promotion


@audited()
def promotion_comment(*, actor: Actor, promotion_id: int, body: str) -> Comment:
    """Add a remark to the timeline.

    Raises:
        InvalidError: the remark is empty.
    """
    promotion = Promotion.objects.select_related("model__team").get(pk=promotion_id)
    actor.require(promotion.model.team, Role.ENGINEER, Role.PRODUCT, Role.APPROVER, Role.ADMIN)
    if not body.strip():
        raise InvalidError("A comment cannot be empty.", field="body")
    comment = Comment.objects.create(promotion=promotion, author=actor.user, body=body.strip())
    audit(
        action="promotion.comment", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"comment": comment.pk},
    )  # fmt: skip
    return comment
