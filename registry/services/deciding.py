"""What every decision on a promotion does, whoever takes it: the rules, the row, the quorum, and what follows from it."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from registry import selectors
from registry.access import Actor
from registry.errors import ConflictError, CriteriaError
from registry.models import Approval, Binding, Promotion, Role, StandingApproval
from registry.policies import Policy
from registry.services.rolling_out import advance, complete
from registry.services.signatures import version_sign
from registry.states import PromotionEvent, PromotionState


def refuse_unmet(promotion: Promotion, policy: Policy, checks: list[selectors.Check]) -> None:
    """Refuse an approval while blocking criteria or a gate are not met.

    Raises:
        CriteriaError: names each, and who can clear it.
    """
    failed = [check for check in checks if check.blocks]
    closed = [rule for rule in selectors.gates(promotion, policy, now=timezone.now()) if not rule.met]
    if failed or closed:
        said = f"{len(failed)} blocking criteria are not met." if failed else ""
        raise CriteriaError(
            " ".join([said, *(f"{rule.text}." for rule in closed)]).strip(),
            unmet=[{"rule": f"{check.title}: {check.status_label.lower()}", "who": check.who} for check in failed]
            + [{"rule": rule.text, "who": rule.who} for rule in closed],
        )


def record(
    promotion: Promotion, person: User, role: Role, decision: Approval.Decision, reason: str, binding: Binding,
    standing: StandingApproval | None = None,
) -> None:  # fmt: skip
    """Keep one decision.

    Raises:
        ConflictError: the person decided on the same before.
    """
    try:
        with transaction.atomic():
            Approval.objects.create(
                promotion=promotion, approver=person, role=role, decision=decision, reason=reason.strip(),
                binding=binding.as_json(), binding_digest=binding.digest, standing=standing,
            )  # fmt: skip
    except IntegrityError:
        raise ConflictError("You decided on this before; the promotion waits for others.") from None


def close_quorum(promotion: Promotion, policy: Policy, binding: Binding) -> None:
    """Settle the promotion as approved, under the policy of now, once enough approvals of ``binding`` are there."""
    if selectors.quorum_reached(promotion, policy, binding):
        snapshot = selectors.policy_snapshot(promotion.model)
        advance(promotion, PromotionEvent.QUORUM_REACHED, decided_at=Now(), policy=snapshot)


def carry_out(promotion: Promotion, policy: Policy, by: User, *, actor: Actor | None, process: str = "") -> None:
    """Do what follows from the last approval: sign the version, and move the alias where no rollout does.

    Args:
        by: whose approval was the last.
        actor: who acts; None where it is ``process``, by a standing approval.
    """
    if promotion.state != PromotionState.APPROVED:
        return
    version_sign(version=promotion.version, actor=actor, promotion=promotion, process=process)
    if not selectors.wants_rollout(promotion, policy):  # who carries rollouts out takes up what stays approved
        advance(promotion, PromotionEvent.ROLL_OUT)
        complete(promotion, by, actor=actor, process=process)
