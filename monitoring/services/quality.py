"""What a team decides on how its model's quality is told."""

import math
from datetime import datetime
from typing import Any

from monitoring.models import QualityDue, QualityPolicy, TelemetryHour
from monitoring.models.quality import BY_TASK, HORIZON
from monitoring.quality.metrics import BY_KIND
from monitoring.quality.sums import Kind, said
from monitoring.selectors.log import input_columns
from monitoring.selectors.quality_policy import DECIDED, quality_differences, quality_policy_of
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import RegisteredModel, Role, Task

QUALITY_OWNERS = (Role.ENGINEER, Role.PRODUCT, Role.ADMIN)
LONGEST_S = 90 * 86_400  # as long as late labels restate anything
MOST_SLICES = 20
RECOUNTS = ("kind", "output", "threshold", "tolerance", "slices")  # a change of these is counted from the lake anew


@audited()
def quality_policy_change(
    *, actor: Actor, model: RegisteredModel, now: datetime, reason: str = "", **changes: Any
) -> QualityPolicy:
    """Put the next number of a model's quality policy in force; what is left out stays.

    A change of what is counted makes all hours due that the lake still has predictions of, at most 90 days.

    Args:
        changes: fields of :class:`QualityPolicy`: ``kind``, ``output``, ``threshold``, ``tolerance``, ``maturity_s``, ``min_coverage``,
            ``slices``, ``metric``, ``limit``, ``watched_s``.
        reason: stays with it; has to be given for every policy but the first.

    Raises:
        InvalidError: a value is out of range, or the reason is missing; names the field.
        RoleError: the actor may not decide on quality in the model's team.
    """
    actor.require(model.team, *QUALITY_OWNERS)
    RegisteredModel.objects.hold(model.pk)  # two changes at once take two numbers
    before = quality_policy_of(model)
    values = {name: getattr(before, name) for name in DECIDED} | changes
    after = QualityPolicy(
        model=model, number=before.number + 1, reason=reason.strip(), changed_by=actor.user, **_checked(model, values)
    )
    if not (differences := quality_differences(before, after)):
        return before
    if before.number and not after.reason:
        raise InvalidError("Say why: who reads the figures later has to know what changed.", field="reason")
    after.save()
    after.refresh_from_db(fields=["changed_at"])
    audit(
        action="quality_policy.change", subject=model.path, actor=actor, team=model.team.slug,
        payload={
            "number": after.number, "reason": after.reason, "changes": differences,
            "after": {name: getattr(after, name) for name in DECIDED},
        },
    )  # fmt: skip
    if any(getattr(before, name) != getattr(after, name) for name in RECOUNTS):
        made = TelemetryHour.objects.filter(version__model=model, started_at__gt=now - HORIZON, rows__gt=0)
        hours = sorted(set(made.values_list("started_at", flat=True)))
        QualityDue.objects.bulk_create([QualityDue(model=model, started_at=at) for at in hours], ignore_conflicts=True)
    return after


def _checked(model: RegisteredModel, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a policy if they make sense together."""
    if values["kind"] and values["kind"] not in list(Kind):
        raise InvalidError(f"kind must be one of {', '.join(Kind)}, or empty for that of the task.", field="kind")
    kind = Kind(values["kind"]) if values["kind"] else BY_TASK[Task(model.task)]
    _number(values, "threshold", low=0.0, high=1.0)
    _number(values, "min_coverage", low=0.0, high=1.0)
    if values["tolerance"] is not None:
        _number(values, "tolerance", low=0.0)
        if kind is not Kind.NUMBER:
            raise InvalidError(f"tolerance belongs to numbers, not to a {kind}; leave it out.", field="tolerance")
    for name in ("maturity_s", "watched_s"):
        if not 0 <= values[name] <= LONGEST_S:
            raise InvalidError(f"{name} must be 0 to {LONGEST_S} seconds (90 days).", field=name)
    if values["watched_s"] < 3600:
        raise InvalidError("watched_s must be at least an hour: quality is counted by the hour.", field="watched_s")
    _check_watch(kind, values)
    return values | {"slices": _slices(model, values["slices"])}


def _check_watch(kind: Kind, values: dict[str, Any]) -> None:
    if values["metric"] and values["metric"] not in BY_KIND[kind]:
        raise InvalidError(f"metric must be one of {', '.join(BY_KIND[kind])}, or empty to watch none.", field="metric")
    if values["metric"] == "within_tolerance" and values["tolerance"] is None:
        raise InvalidError("within_tolerance needs a tolerance.", field="tolerance")
    if bool(values["metric"]) != (values["limit"] is not None):
        missing = "limit" if values["metric"] else "metric"
        raise InvalidError(
            "A metric is watched with a limit, and a limit is of a metric: give both or none.", field=missing
        )
    if values["limit"] is not None:
        _number(values, "limit")


def _number(values: dict[str, Any], name: str, *, low: float = -math.inf, high: float = math.inf) -> None:
    value = values[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        within = (
            f" from {low:g} to {high:g}" if math.isfinite(high) else f" not below {low:g}" if math.isfinite(low) else ""
        )
        raise InvalidError(f"{name} must be a number{within}.", field=name)


def _slices(model: RegisteredModel, slices: dict[str, list[Any]]) -> dict[str, list[str]]:
    """Return declared slices, each value as its name has it."""
    known = input_columns(model)
    if known and (odd := sorted(slices.keys() - known.keys())):
        raise InvalidError(
            f"{', '.join(odd)} is an input of no version of {model.name}; they have {', '.join(sorted(known))}.",
            field="slices",
        )
    found = {column: list(dict.fromkeys(said(value) for value in values)) for column, values in sorted(slices.items())}
    if empty := [column for column, values in found.items() if not values]:
        raise InvalidError(f"Name the values of {', '.join(empty)} that are counted apart.", field="slices")
    if sum(map(len, found.values())) > MOST_SLICES:
        raise InvalidError(f"At most {MOST_SLICES} slices are counted apart, all columns together.", field="slices")
    if long := [
        f"{column}={value}" for column, values in found.items() for value in values if len(f"{column}={value}") > 200
    ]:
        raise InvalidError(f"{long[0][:60]}… is longer than 200 characters.", field="slices")
    return found
