"""What a team decides on the log of a model: for how long predictions are kept, and which values never reach it."""

from monitoring.models import MAX_KEEP_DAYS, MIN_KEEP_DAYS, STRICTNESS, LogPolicy, Treatment
from monitoring.selectors.log import differences, input_columns, log_policy_of
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import RegisteredModel, Role

LOG_KEEPERS = (Role.ENGINEER, Role.ADMIN)


@audited()
def log_policy_change(
    *, actor: Actor, model: RegisteredModel, keep_days: int | None = None, columns: dict[str, str] | None = None,
    reason: str = "",
) -> LogPolicy:  # fmt: skip
    """Put the next number of a log's policy in force: change for how long a model's predictions are kept, or how its sensitive columns are; what is None stays.

    Columns take effect with the next routing table, on what is predicted from then on. What was logged before stays as it was.

    Args:
        keep_days: ``MIN_KEEP_DAYS`` to ``MAX_KEEP_DAYS``.
        columns: {input column: treatment} of all sensitive ones.
        reason: stays with it; has to be given where more of a column is recorded than before.

    Raises:
        InvalidError: a value is out of range, a treatment or column is none, the reason is missing; names the field.
        RoleError: the actor is neither engineer nor admin of the model's team.
    """
    actor.require(model.team, *LOG_KEEPERS)
    RegisteredModel.objects.hold(model.pk)  # two changes at once take two numbers
    before = log_policy_of(model)
    after = LogPolicy(
        model=model, number=before.number + 1, keep_days=before.keep_days if keep_days is None else keep_days,
        columns=before.columns if columns is None else _checked(model, columns), reason=reason.strip(),
        changed_by=actor.user,
    )  # fmt: skip
    if not MIN_KEEP_DAYS <= after.keep_days <= MAX_KEEP_DAYS:
        raise InvalidError(f"keep_days must be {MIN_KEEP_DAYS} to {MAX_KEEP_DAYS}.", field="keep_days")
    if not differences(before, after):
        return before
    if not after.reason and (told := _told_more(before.columns, after.columns)):
        raise InvalidError(f"More of {', '.join(told)} would be recorded than now: say why.", field="reason")
    after.save()
    after.refresh_from_db(fields=["changed_at"])
    audit(
        action="log_policy.change", subject=model.path, actor=actor, team=model.team.slug,
        payload={"number": after.number, "reason": after.reason, "before": _said(before), "after": _said(after)},
    )  # fmt: skip
    return after


def _said(policy: LogPolicy) -> dict[str, object]:
    return {"keep_days": policy.keep_days, "columns": policy.columns}


def _told_more(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the columns of which more is recorded after a change."""
    return [
        column for column, how in before.items()
        if STRICTNESS.index(after.get(column, "")) < STRICTNESS.index(how)
    ]  # fmt: skip


def _checked(model: RegisteredModel, columns: dict[str, str]) -> dict[str, str]:
    for column, treatment in columns.items():
        if treatment not in Treatment.values:
            raise InvalidError(
                f"columns.{column} must be one of {', '.join(Treatment.values)}, not {treatment!r}.", field="columns"
            )
    known = input_columns(model)
    if known and (odd := sorted(columns.keys() - known.keys())):
        raise InvalidError(
            f"{', '.join(odd)} is an input of no version of {model.name}; they have {', '.join(sorted(known))}.",
            field="columns",
        )
    return dict(sorted(columns.items()))
