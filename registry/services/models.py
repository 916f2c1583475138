"""Registered models."""

from collections.abc import Mapping
from datetime import date, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import PROMPT_TAG, ModelTag, RegisteredModel, RevalidationTrigger, Role, Task, Team
from registry.services.standing import standing_approvals_void
from registry.sources import check_name

EDITABLE = ("task", "risk_tier", "purpose", "description", "revalidate_by", "revalidation_triggers")


@audited()
def model_create(
    *, actor: Actor, team: Team, name: str, task: str = Task.CLASSIFICATION, risk_tier: int = 2, purpose: str = "",
    description: str = "", tags: Mapping[str, str] | None = None,
) -> RegisteredModel:  # fmt: skip
    """Register a model of ``team``, or, where the tags say so, a prompt.

    Raises:
        InvalidError: name, task or tier is not acceptable.
        ConflictError: a live model has this name; its team may be another, whose models stay unseen.
    """
    actor.require(team, Role.ENGINEER, Role.ADMIN)
    _check(name=name, task=task, risk_tier=risk_tier)
    tags = tags or {}
    try:
        with transaction.atomic():
            model = RegisteredModel.objects.create(
                team=team, name=name, task=task, risk_tier=risk_tier, purpose=purpose, description=description,
                is_prompt=is_prompt(tags), created_by=actor.user,
            )  # fmt: skip
    except IntegrityError:
        raise ConflictError(f"A model named {name} exists. Choose another name.") from None
    ModelTag.objects.bulk_create(ModelTag(model=model, key=k, value=v) for k, v in tags.items())
    audit(
        action="model.create", subject=model.path, actor=actor, team=team.slug,
        payload={"after": {"task": task, "risk_tier": risk_tier, "purpose": purpose}},
    )  # fmt: skip
    return model


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Tell whether tags make a prompt of what they are on, as MLflow's clients see it."""
    return tags.get(PROMPT_TAG, "").lower() == "true"


@audited()
def model_update(*, actor: Actor, model: RegisteredModel, **changes: object) -> RegisteredModel:
    """Change what people may edit of a model; a lower risk tier is an admin's to set.

    Raises:
        InvalidError: a field is unknown or its value not acceptable.
        RoleError: the actor may not make this change.
        ConflictError: a promotion is open, so the tier stays; or the re-validation would be put off.
    """
    model = RegisteredModel.objects.hold(model.pk)
    actor.require(model.team, Role.ENGINEER, Role.PRODUCT, Role.ADMIN)
    for field in changes.keys() - set(EDITABLE):
        raise InvalidError(f"{field} cannot be changed.", field=field)
    if changes.get("risk_tier", model.risk_tier) != model.risk_tier:
        actor.require(model.team, Role.ADMIN)
        if model.promotions.filter(state__in=selectors.OPEN).exists():
            raise ConflictError("The risk tier does not change while a promotion is open; it is decided first.")
        standing_approvals_void(model=model, why=f"The model is of tier {changes['risk_tier']} now.", actor=actor)
    if "revalidate_by" in changes:
        _refuse_later(model, changes["revalidate_by"])
    if "revalidation_triggers" in changes:
        changes["revalidation_triggers"] = _triggers(changes["revalidation_triggers"])
    before = {field: getattr(model, field) for field in changes}
    for field, value in changes.items():
        setattr(model, field, value)
    _check(name=model.name, task=model.task, risk_tier=model.risk_tier)
    model.save(update_fields=[*changes, "updated_at"])
    audit(
        action="model.update", subject=model.path, actor=actor, team=model.team.slug,
        payload={"before": _json(before), "after": _json(dict(changes))},
    )  # fmt: skip
    return model


def _refuse_later(model: RegisteredModel, asked: object) -> None:
    """A date of re-validation moves forward by hand, and back by a re-validation alone."""
    latest = model.revalidate_by or timezone.now().date() + timedelta(selectors.policy_for(model).revalidation_days)
    if asked != model.revalidate_by and not (isinstance(asked, date) and asked <= latest):
        raise ConflictError(
            f"revalidate_by can be brought forward from {latest}; a later date comes from a re-validation.",
            unmet=[{"rule": "a re-validation", "who": f"an approver of {model.team.name}, at {model.path}lifecycle/"}],
        )


def _triggers(asked: object) -> list[str]:
    if not isinstance(asked, list) or not set(asked) <= set(RevalidationTrigger.values):
        raise InvalidError(
            f"revalidation_triggers must be a list of {', '.join(RevalidationTrigger.values)}; an empty one leaves it to "
            "people and the calendar.",
            field="revalidation_triggers",
        )
    return [trigger for trigger in RevalidationTrigger.values if trigger in asked]


def _check(*, name: str, task: str, risk_tier: int) -> None:
    check_name(name)
    if task not in Task.values:
        raise InvalidError(f"task must be one of {', '.join(Task.values)}.", field="task")
    if risk_tier not in (1, 2, 3):
        raise InvalidError("risk_tier must be 1 (highest risk), 2 or 3.", field="risk_tier")


def _json(values: dict[str, object]) -> dict[str, object]:
    return {key: value if isinstance(value, str | int | list | None) else str(value) for key, value in values.items()}
