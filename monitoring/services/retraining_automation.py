"""Full automation of a retraining policy: an approver approves beforehand what it makes, for a while."""

from monitoring.models import RetrainingPolicy
from monitoring.selectors.retraining_automation import authors_of
from registry.access import Actor
from registry.audit_trail import audited
from registry.errors import ConflictError, StaleBindingError
from registry.models import RegisteredModel, Role, StandingApproval
from registry.services import standing_approval_give


@audited()
def retraining_approve_beforehand(
    *, actor: Actor, model: RegisteredModel, policy: int, reason: str, days: int
) -> StandingApproval:
    """Approve beforehand what the retraining policy in force makes, under the criteria of now; see ``standing_approval_give``.

    Args:
        policy: number of the policy that the approver was shown.
        days: for how long.

    Raises:
        StaleBindingError: another number is in force by now.
        ConflictError: the policy goes no further than a promotion, or is switched off.
    """
    actor.require(model.team, Role.APPROVER)
    RegisteredModel.objects.hold(model.pk)
    latest = RetrainingPolicy.objects.filter(model=model).first()
    if latest is None or latest.number != policy:
        raise StaleBindingError("The retraining policy changed since you looked. Look again and decide.")
    if not latest.enabled or latest.rules.automation != "champion":
        raise ConflictError(
            f"Retraining policy {policy} of {model.name} promotes nothing by itself.",
            unmet=[{
                "rule": "a policy that is switched on and says so (automation: champion)",
                "who": f"an engineer of {model.team.name} saves it",
            }],
        )  # fmt: skip
    return standing_approval_give(
        actor=actor, model=model, policy=policy, authors=authors_of(model), reason=reason, days=days
    )
