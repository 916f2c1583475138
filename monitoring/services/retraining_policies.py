"""Retraining policies: each change is a new number; retrainings that began keep the one they began with."""

from dataclasses import asdict
from typing import Any

import msgspec

from experiments.models import Dataset, plan_in_force
from experiments.pipelines.catalogue import PIPELINES
from experiments.suites import FORMER, suite_for
from experiments.training.params import parse
from monitoring.models import RetrainingPolicy
from monitoring.retraining.checks import policy_document, read_policy
from monitoring.retraining.parts import Policy, PolicyError
from monitoring.selectors.quality import quality_metrics
from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.metric_words import higher_is_better
from registry.models import STANDING_TIER, RegisteredModel, Role
from registry.services import standing_approvals_void

BEST_NEAR = ("forecast_bias", "mean_error", "coverage_")  # of these neither more nor less is better


def compared_in(model: RegisteredModel) -> list[str]:
    """Return in what two versions of a model are compared on the same rows, the main metric first: those that have a better direction.

    Costs are among them where the model's evaluation plan prices its decisions.
    """
    plan = plan_in_force(model)
    priced = plan is not None and plan.plan.costs is not None
    return [
        name for name in suite_for(model.task).compared
        if higher_is_better(name) is not None and not name.startswith(BEST_NEAR) and (priced or name != "cost_per_case")
    ]  # fmt: skip


@audited()
def retraining_policy_save(
    *, actor: Actor, model: RegisteredModel, document: Any, reason: str, enabled: bool = True
) -> RetrainingPolicy:
    """Put the next number of a model's retraining policy in force; what it starts is done in the actor's name.

    Args:
        document: as :func:`monitoring.retraining.checks.read_policy` takes it.
        enabled: whether it starts anything.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: the policy contradicts itself or the model, or the reason is empty; names the field.
        ConflictError: nothing would change, or the model is put away.
    """
    actor.require(model.team, Role.ENGINEER)
    return _add(actor, model, policy_document(policy_checked(document, model)), reason, enabled=enabled)


@audited()
def retraining_policy_switch(*, actor: Actor, model: RegisteredModel, enabled: bool, reason: str) -> RetrainingPolicy:
    """Have the policy in force start retrainings, or none until it is switched on again: its next number says so.

    Raises:
        RoleError: the actor may only look; or is no engineer, in whose name it could start anything.
        InvalidError: the reason is empty.
        ConflictError: the model has no policy, or it is as asked.
    """
    actor.require(model.team, *((Role.ENGINEER,) if enabled else WRITERS))
    latest = model.retraining_policies.first()
    if latest is None:
        raise ConflictError(f"{model.name} has no retraining policy to switch.")
    if latest.enabled == enabled:
        raise ConflictError(f"It is switched {'on' if enabled else 'off'} already.")
    document = policy_document(policy_checked(latest.document, model)) if enabled else latest.document
    return _add(actor, model, document, reason, enabled=enabled)


def _add(
    actor: Actor, model: RegisteredModel, document: dict[str, Any], reason: str, *, enabled: bool
) -> RetrainingPolicy:
    """Put the next number of a model's retraining policy in force, on or off."""
    model = RegisteredModel.objects.hold(model.pk)
    if model.archived_at or model.retired_at:
        raise ConflictError(f"{model.name} is put away; nothing of it is trained.")
    if not reason.strip():
        raise InvalidError("Say what changed, and why; it stays with the policy.", field="reason")
    latest = model.retraining_policies.first()
    if latest and (latest.document, latest.enabled, latest.made_by_id) == (document, enabled, actor.user.pk):
        raise ConflictError("This is what holds already.")
    number = latest.number + 1 if latest else 1
    standing_approvals_void(model=model, why=f"Retraining policy {number} is in force.", actor=actor)
    policy = RetrainingPolicy.objects.create(
        model=model, number=number, enabled=enabled, document=document,
        reason=reason.strip(), made_by=actor.user,
    )  # fmt: skip
    policy.refresh_from_db(fields=["made_at"])
    audit(
        action="retraining_policy.save", subject=f"{model.path}retraining/", actor=actor, team=model.team.slug,
        payload={"number": policy.number, "reason": policy.reason, "before": _said(latest), "after": _said(policy)},
    )  # fmt: skip
    return policy


def policy_checked(document: Any, model: RegisteredModel) -> Policy:
    """Return the policy that a document holds, if the model can follow it.

    Raises:
        InvalidError: names the field that is wrong.
    """
    try:
        policy = read_policy(document)
    except PolicyError as error:
        raise InvalidError(error.message[:1].upper() + error.message[1:], field=error.field) from None
    if policy.pipeline not in PIPELINES:
        raise InvalidError(f"There is no such pipeline; there are {', '.join(PIPELINES)}.", field="pipeline")
    try:
        params = asdict(parse(PIPELINES[policy.pipeline].params, policy.params))
    except InvalidError as error:
        raise InvalidError(str(error), field=error.field.replace("/", ".")) from None
    if policy.automation == "champion" and model.risk_tier != STANDING_TIER:
        raise InvalidError(
            f"{model.name} is of tier {model.risk_tier}: people approve each of its versions. Only tier {STANDING_TIER} goes further by itself.",
            field="automation",
        )
    suite = suite_for(model.task).name
    if FORMER.get(policy.suite, policy.suite) != suite:
        raise InvalidError(f"{model.name} is measured by {suite}; there is no other suite.", field="suite")
    compared = compared_in(model)
    if policy.metric not in compared:
        priced = "" if policy.metric != "cost_per_case" else " Declare costs in the model's evaluation plan first."
        raise InvalidError(
            f"Two versions of {model.name} are compared on the same rows in {', '.join(compared)} alone.{priced}",
            field="metric",
        )
    known = quality_metrics(model)
    for i, condition in enumerate(policy.when.leaves()):
        if condition.kind == "quality" and condition.metric not in known:
            raise InvalidError(
                f"Labels of {model.name} tell {', '.join(known)}, not {condition.metric}.",
                field=f"when.conditions[{i}].metric",
            )
    if not Dataset.objects.filter(team=model.team, name=policy.dataset).exists():
        raise InvalidError(
            f"{model.team.name} has no data set {policy.dataset}; make an empty one, and its versions come from here.",
            field="dataset",
        )
    return msgspec.structs.replace(policy, params=params, suite=suite)


def _said(policy: RetrainingPolicy | None) -> dict[str, Any] | None:
    return {"enabled": policy.enabled, **policy.document} if policy else None
