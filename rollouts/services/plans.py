"""Plans: each change is a new number; rollouts that began keep what they began with."""

from typing import Any

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import ModelVersion, Promotion, RegisteredModel, Role
from registry.services import promotion_plan_record, rolls_out_record
from rollouts.models import RolloutPlan
from rollouts.plans.plan import Plan, PlanError, plan_document, read_plan
from rollouts.routes import columns_withheld

PLANNERS = (Role.ENGINEER, Role.APPROVER, Role.ADMIN)


@audited()
def plan_save(*, actor: Actor, model: RegisteredModel, document: Any, note: str) -> RolloutPlan:
    """Put the next number of a model's plan in force; from then on its promotions to champion go by a rollout.

    Args:
        document: as :func:`rollouts.plans.plan.read_plan` takes it; None takes the model's own plan back, and its tier's holds.

    Raises:
        RoleError: the actor is no engineer, approver or admin of the team.
        InvalidError: the plan contradicts itself or the model, or the note is empty; names the field.
        ConflictError: nothing would change.
    """
    actor.require(model.team, *PLANNERS)
    model = RegisteredModel.objects.hold(model.pk)
    if model.archived_at or model.retired_at:
        raise ConflictError(f"{model.name} is put away; nothing of it is rolled out.")
    if not note.strip():
        raise InvalidError("Say what changed, and why; it stays with the plan.", field="note")
    plan = None if document is None else plan_checked(document, model)
    latest = RolloutPlan.objects.filter(model=model).first()
    kept = None if plan is None else plan_document(plan)
    if (latest.document if latest else None) == kept:
        raise ConflictError("This is what holds already.")
    made = RolloutPlan.objects.create(
        model=model, number=latest.number + 1 if latest else 1, document=kept, note=note.strip(), made_by=actor.user
    )
    rolls_out_record(model=model, wanted=plan is not None)
    audit(
        action="plan.save", subject=model.path, actor=actor, team=model.team.slug,
        payload={"number": made.number, "note": made.note, "before": latest.document if latest else None, "after": kept},
    )  # fmt: skip
    return made


@audited()
def promotion_plan_save(*, actor: Actor, promotion: Promotion, document: Any, note: str = "") -> RolloutPlan:
    """Have one promotion go by a plan of its own; who asked for it brings it, before the first approval.

    Raises:
        RoleError: another person asked for the promotion.
        InvalidError: the plan contradicts itself or the model; names the field.
        ConflictError: somebody decided already, or the promotion is not to champion.
    """
    actor.require(promotion.model.team, Role.ENGINEER)
    if promotion.requested_by_id != actor.user.pk:
        raise RoleError("Who asked for a promotion brings its plan; approvers decide on both.")
    if promotion.alias != "champion":
        raise ConflictError(f"Only champion is reached by a rollout; {promotion.alias} moves at once.")
    plan = plan_checked(document, promotion.model)
    promotion = promotion_plan_record(promotion_id=promotion.pk)
    number = RolloutPlan.objects.filter(promotion=promotion).count() + 1
    made = RolloutPlan.objects.create(
        promotion=promotion, number=number, document=plan_document(plan), note=note.strip(), made_by=actor.user
    )
    audit(
        action="plan.bring", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"number": number, "note": made.note, "after": made.document},
    )  # fmt: skip
    return made


def plan_checked(document: Any, model: RegisteredModel) -> Plan:
    """Return the plan that a document holds, if the model can follow it.

    Raises:
        InvalidError: names the field that is wrong.
    """
    try:
        plan = read_plan(document)
    except PlanError as error:
        raise InvalidError(error.message[:1].upper() + error.message[1:], field=error.field) from None
    champion = ModelVersion.objects.filter(aliases__model=model, aliases__name="champion").first()
    if champion and (why := key_column_refused(plan, champion)):
        raise InvalidError(why, field="key_column")
    return plan


def key_column_refused(plan: Plan, version: ModelVersion) -> str:
    """Return why callers cannot be told apart by the plan's key column; empty where they can."""
    column = plan.key_column
    if not column:
        return ""
    if column in columns_withheld(version.model_id):
        return (
            f"{column} is withheld from the prediction log, and records hold the key's hash: who tries all values finds it. "
            "Route by another column, or have callers send X-Route-Key."
        )
    inputs = [named["name"] for named in version.signature.get("inputs", [])]
    return "" if not inputs or column in inputs else f"v{version.number} takes no column {column}."
