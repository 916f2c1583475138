"""What a team decides on the log of a model: for how long predictions are kept, and which values never reach it."""

from monitoring.models import DEFAULT_KEEP_DAYS, MAX_KEEP_DAYS, MIN_KEEP_DAYS, LogPolicy, Treatment
from monitoring.selectors.log import input_columns
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import RegisteredModel, Role

LOG_KEEPERS = (Role.ENGINEER, Role.ADMIN)


@audited()
def log_policy_change(
    *, actor: Actor, model: RegisteredModel, keep_days: int | None = None, columns: dict[str, str] | None = None
) -> LogPolicy:
    """Change for how long a model's predictions are kept, or how its sensitive columns are; what is None stays.

    Columns take effect with the next routing table, on what is predicted from then on. What was logged before stays as it was.

    Args:
        keep_days: ``MIN_KEEP_DAYS`` to ``MAX_KEEP_DAYS``.
        columns: {input column: treatment} of all sensitive ones.

    Raises:
        InvalidError: a value is out of range, a treatment or column is none.
        RoleError: the actor is neither engineer nor admin of the model's team.
    """
    actor.require(model.team, *LOG_KEEPERS)
    policy, made = LogPolicy.objects.select_for_update().get_or_create(model=model, defaults={"changed_by": actor.user})
    before = {"keep_days": DEFAULT_KEEP_DAYS if made else policy.keep_days, "columns": dict(policy.columns)}
    if keep_days is not None:
        if not MIN_KEEP_DAYS <= keep_days <= MAX_KEEP_DAYS:
            raise InvalidError(f"keep_days must be {MIN_KEEP_DAYS} to {MAX_KEEP_DAYS}.", field="keep_days")
        policy.keep_days = keep_days
    if columns is not None:
        policy.columns = _checked(model, columns)
    after = {"keep_days": policy.keep_days, "columns": policy.columns}
    policy.changed_by = actor.user
    policy.save()
    if before != after:
        audit(
            action="log_policy.change", subject=model.path, actor=actor, team=model.team.slug,
            payload={"before": before, "after": after},
        )  # fmt: skip
    return policy


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
