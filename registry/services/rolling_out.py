"""What follows an approval: the alias moves at once, or a rollout carries the version there and says how it went."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from jobs.state_table import IllegalMoveError
from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import Alias, ModelVersion, Promotion, RegisteredModel
from registry.states import PROMOTION, PromotionEvent, PromotionState


@audited()
def promotion_roll_out(*, promotion_id: int, process: str, carried_by: str = "") -> Promotion:
    """Say that a rollout carries an approved promotion from here on; nobody withdraws it any more.

    Args:
        carried_by: path of the rollout; empty where there is none to show.

    Raises:
        ConflictError: it is not approved, or was taken up before.
    """
    promotion = locked(promotion_id)
    promotion.replaces = _holder(promotion)
    advance(promotion, PromotionEvent.ROLL_OUT, carried_by=carried_by, replaces=promotion.replaces)
    audit(
        action="promotion.roll_out", subject=promotion.path, actor=None, process=process,
        team=promotion.model.team.slug,
        payload={"model": promotion.model.name, "version": promotion.version.number, "replaces": _number(promotion.replaces)},
    )  # fmt: skip
    return promotion


@audited()
def promotion_complete(*, promotion_id: int, by: User, actor: Actor | None = None, process: str = "") -> Promotion:
    """Move the alias at the end of a rollout and close the promotion: whole, or not at all.

    Args:
        by: whose decision it rests on; the alias keeps it.
        actor: who took the last step; None where the rollout's rules did, as ``process``.

    Raises:
        ConflictError: no rollout carries it.
    """
    promotion = locked(promotion_id)
    if promotion.state != PromotionState.ROLLING_OUT:
        raise ConflictError(f"This promotion is {promotion.get_state_display()}, not rolling out.")
    complete(promotion, by, actor=actor, process=process)
    return promotion


@audited()
def promotion_roll_back(
    *, promotion_id: int, reason: str, actor: Actor | None = None, process: str = ""
) -> Promotion:  # fmt: skip
    """Say that a rollout ended without its version becoming champion; the champion goes on.

    Args:
        reason: which verdict or person ended it, in words; its requester reads it.

    Raises:
        ConflictError: no rollout carries it.
    """
    promotion = locked(promotion_id)
    if promotion.state != PromotionState.ROLLING_OUT:
        raise ConflictError(f"This promotion is {promotion.get_state_display()}, not rolling out.")
    advance(promotion, PromotionEvent.ROLL_BACK, outcome=reason)
    audit(
        action="promotion.roll_back", subject=promotion.path, actor=actor, process=process,
        team=promotion.model.team.slug,
        payload={"model": promotion.model.name, "version": promotion.version.number, "reason": reason},
    )  # fmt: skip
    return promotion


@audited()
def rolls_out_record(*, model: RegisteredModel, wanted: bool) -> None:
    """Note whether a plan of its own says how the model's versions become champion; who made the plan audits it."""
    RegisteredModel.objects.filter(pk=model.pk).exclude(rolls_out=wanted).update(rolls_out=wanted)


@audited()
def promotion_plan_record(*, promotion_id: int) -> Promotion:
    """Note that a promotion brought a plan of its own, before anybody decided on it.

    Raises:
        ConflictError: somebody approved it already, or it is decided.
    """
    promotion = locked(promotion_id)
    if promotion.state != PromotionState.REQUESTED or promotion.approvals.exists():
        raise ConflictError(
            "How a version is rolled out is settled before the first approval. Withdraw, and ask again."
        )
    Promotion.objects.filter(pk=promotion.pk).update(rolls_out=True)
    return promotion


def locked(promotion_id: int) -> Promotion:
    """Lock a promotion and return it.

    The model's row first: alias moves, rollbacks, rollouts and requests of one model all queue there, in one order.
    """
    model_id = Promotion.objects.values_list("model_id", flat=True).get(pk=promotion_id)
    RegisteredModel.objects.hold(model_id)
    return (
        Promotion.objects.select_for_update(of=("self",), no_key=True)
        .select_related("model__team", "version", "criteria_set", "replaces")
        .get(pk=promotion_id)
    )


def next_of(promotion: Promotion, event: PromotionEvent) -> PromotionState:
    """Return the state that ``event`` leads to.

    Raises:
        ConflictError: the promotion was decided already.
    """
    try:
        return PROMOTION.after(promotion.state, event)
    except IllegalMoveError:
        raise ConflictError(f"This promotion is already {promotion.get_state_display()}.") from None


def advance(promotion: Promotion, event: PromotionEvent, **fields: Any) -> None:
    """Move a promotion on, and write what comes with it."""
    promotion.state = next_of(promotion, event)
    Promotion.objects.filter(pk=promotion.pk).update(state=promotion.state, **fields)


def complete(promotion: Promotion, by: User, *, actor: Actor | None, process: str = "") -> None:
    """Move the alias and close a promotion that rolls out; it is locked."""
    promotion.replaces = _holder(promotion)
    Alias.objects.update_or_create(
        model=promotion.model, name=promotion.alias,
        defaults={"version": promotion.version, "promotion": promotion, "rollback": None, "set_by": by},
    )  # fmt: skip
    advance(promotion, PromotionEvent.COMPLETE, completed_at=Now(), replaces=promotion.replaces)
    if promotion.model.revalidate_by is None:  # the clock starts with the first champion
        first_due = timezone.now().date() + timedelta(days=selectors.policy_for(promotion.model).revalidation_days)
        RegisteredModel.objects.filter(pk=promotion.model_id).update(revalidate_by=first_due)
    audit(
        action="promotion.complete", subject=promotion.path, actor=actor, process=process, team=promotion.model.team.slug,
        payload={"model": promotion.model.name, "alias": promotion.alias, "after": promotion.version.number,
                 "before": _number(promotion.replaces)},
    )  # fmt: skip


def _holder(promotion: Promotion) -> ModelVersion | None:
    """Return what holds the alias: a rollback may have moved it since the request."""
    return ModelVersion.objects.filter(aliases__model=promotion.model, aliases__name=promotion.alias).first()


def _number(version: ModelVersion | None) -> int | None:
    return version.number if version else None
