"""What a team decides on the watching of a model's inputs."""

from typing import Any

from monitoring.drift import schedule as report_schedule
from monitoring.drift.features import SCORE
from monitoring.models import MAX_DRIFT_HOURS, MAX_SAMPLE, MIN_SAMPLE, DriftPolicy
from monitoring.selectors.drift_policy import WORDS, changes, drift_policy_of
from monitoring.selectors.log import input_columns
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import RegisteredModel, Role

DRIFT_KEEPERS = (Role.ENGINEER, Role.ADMIN)
MOST_SLICES = 3  # columns
MOST_FLOOR = 3.0


@audited()
def drift_policy_change(*, actor: Actor, model: RegisteredModel, reason: str, **asked: Any) -> DriftPolicy:
    """Put the next number of a model's drift policy in force; what is left out stays.

    Args:
        reason: why; stays with the policy.
        asked: ``window_hours``, ``alpha``, ``fdr``, ``effect_floor``, ``muted``, ``slices``, ``report_cron``, ``report_zone``,
            ``sample_rows``, as :class:`DriftPolicy` has them.

    Raises:
        InvalidError: a value is out of range, a feature is none, the schedule makes no sense, no reason is given; names the field.
        RoleError: the actor is neither engineer nor admin of the model's team.
    """
    actor.require(model.team, *DRIFT_KEEPERS)
    RegisteredModel.objects.hold(model.pk)  # two changes at once take two numbers
    before = drift_policy_of(model)
    kept = {name: getattr(before, name) for name in WORDS}
    after = DriftPolicy(
        model=model, number=before.number + 1, **kept | asked, reason=reason.strip(), changed_by=actor.user
    )  # fmt: skip
    _check(model, after)
    if not (changed := changes(before, after)):
        return before
    if not after.reason:
        raise InvalidError("Say why; the reason stays with the policy.", field="reason")
    after.save()
    after.refresh_from_db(fields=["changed_at"])
    audit(
        action="drift_policy.change", subject=model.path, actor=actor, team=model.team.slug,
        payload={
            "number": after.number, "reason": after.reason, "changes": changed, "before": kept,
            "after": {name: getattr(after, name) for name in WORDS},
        },
    )  # fmt: skip
    return after


def _check(model: RegisteredModel, policy: DriftPolicy) -> None:
    _within("window_hours", policy.window_hours, 1, MAX_DRIFT_HOURS)
    _within("sample_rows", policy.sample_rows, MIN_SAMPLE, MAX_SAMPLE)
    _within("alpha", policy.alpha, 0.000_1, 0.1)
    _within("fdr", policy.fdr, 0.000_1, 0.2)
    _within("effect_floor", policy.effect_floor, 0, MOST_FLOOR)
    known = input_columns(model)
    for field, besides in (("muted", {SCORE}), ("slices", set())):
        named = getattr(policy, field)
        if known and (odd := sorted(set(named) - known.keys() - besides)):
            raise InvalidError(
                f"{', '.join(odd)} is an input of no version of {model.name}; they have {', '.join(sorted(known))}.",
                field=field,
            )
        setattr(policy, field, sorted(set(named)))
    if len(policy.slices) > MOST_SLICES:
        raise InvalidError(f"slices: at most {MOST_SLICES} columns.", field="slices")
    if policy.report_cron:
        try:
            report_schedule.check(policy.report_cron, policy.report_zone)
        except LookupError as error:
            raise InvalidError(str(error), field="report_zone") from None
        except ValueError as error:
            raise InvalidError(str(error), field="report_cron") from None


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidError(f"{field} must be {low:g} to {high:g}.", field=field)
