"""Beginning: an approved promotion becomes a rollout, and the champion's latency of before becomes its yardstick."""

from datetime import datetime, timedelta

import msgspec
from django.contrib.auth.models import User

from monitoring.models import TelemetryWindow
from monitoring.services import trial_open
from monitoring.telemetry import merge_all, quantile
from registry.audit_trail import audited
from registry.errors import ConflictError
from registry.models import ModelVersion, Promotion, RegisteredModel
from registry.selectors import can_go_on
from registry.services import promotion_complete, promotion_roll_out
from registry.states import PromotionState
from rollouts.judging import guards_of
from rollouts.models import Rollout
from rollouts.plans.plan import Plan, plan_document
from rollouts.selectors.plans import plan_for
from rollouts.services.moves import PROCESS, calm, move
from serving.contract import CHAMPION

BEFORE = timedelta(hours=24)
FEWEST = 200  # answers that a 99th percentile is read off
CLEARED_BY_NEXT = ("rolled_back", "aborted")


def promotions_waiting() -> list[int]:
    """Return the promotions that are approved and wait for a rollout to take them up."""
    return list(Promotion.objects.filter(state=PromotionState.APPROVED, alias="champion").values_list("pk", flat=True))


@audited()
def rollout_start(*, promotion_id: int, now: datetime) -> Rollout | None:
    """Take up an approved promotion; safe to run twice, and by two at once.

    Returns: None where there is nothing to roll out: it was taken up or withdrawn meanwhile, or no champion is left that could go on,
        so that it completes at once.
    """
    model_id = Promotion.objects.values_list("model_id", flat=True).get(pk=promotion_id)
    model = RegisteredModel.objects.hold(model_id)
    promotion = Promotion.objects.select_related("version", "requested_by", "model__team").get(pk=promotion_id)
    if promotion.state != PromotionState.APPROVED:
        return None
    champion = ModelVersion.objects.filter(aliases__model=model, aliases__name="champion").first()
    if champion is None or champion.pk == promotion.version_id or not can_go_on(champion):
        promotion_roll_out(promotion_id=promotion.pk, process=PROCESS)
        promotion_complete(promotion_id=promotion.pk, by=decided_by(promotion), process=PROCESS)
        return None
    made_from = plan_for(promotion)
    before = Rollout.objects.filter(model=model).first()
    rollout = Rollout.objects.create(
        model=model, promotion=promotion, champion=champion, candidate=promotion.version, made_from=made_from,
        document=made_from.document, salt=f"rollout-{promotion.pk}", requested_by=promotion.requested_by,
        started_at=now, phase_started_at=now,
    )  # fmt: skip
    promotion_roll_out(promotion_id=promotion.pk, process=PROCESS, carried_by=rollout.path)
    text = f"v{promotion.version.number} is on its way to champion; v{champion.number} goes on meanwhile."
    move(rollout, None, text, action="rollout.start", payload={"promotion": promotion.pk, "plan": str(made_from)})
    if before:
        calm(before, *CLEARED_BY_NEXT)
    return rollout


def decided_by(promotion: Promotion) -> User:
    """Return the person whose approval was the last: the alias rests on it."""
    approval = promotion.approvals.select_related("approver").last()
    if approval is None:
        raise ConflictError(f"Nobody approved {promotion}.")
    return approval.approver


def yardstick(rollout: Rollout, plan: Plan, *, now: datetime) -> tuple[Plan, str]:
    """Return the plan with the champion's 99th percentile where it asks for that; and why it is not known yet, if so."""
    if all(guard.kind != "slow" or guard.threshold_ms for guard in plan.guardrails):
        return plan, ""
    windows = TelemetryWindow.objects.filter(version=rollout.champion, arm=CHAMPION, started_at__gt=now - BEFORE)
    latency = merge_all(window.counts() for window in windows).latency
    answered = sum(latency)
    p99 = quantile(latency, 0.99)
    if p99 is None or answered < FEWEST:
        why = f"The champion's latency is read off {FEWEST} answers within a day; there are {answered}."
        return plan, why
    guards = [
        msgspec.structs.replace(guard, threshold_ms=round(p99 / 1000, 3))
        if guard.kind == "slow" and not guard.threshold_ms
        else guard
        for guard in plan.guardrails
    ]
    return msgspec.structs.replace(plan, guardrails=guards), ""


def open_trial(rollout: Rollout, plan: Plan) -> None:
    """Begin to count, and keep the plan with its yardstick; the rollout is locked and still pending."""
    rollout.trial = trial_open(
        model=rollout.model, champion=rollout.champion, candidate=rollout.candidate, guards=guards_of(plan)
    )
    rollout.document = plan_document(plan)
    rollout.save(update_fields=["trial", "document"])
