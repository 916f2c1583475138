"""What the review pack says of a promotion's rollouts: appended to what was decided on, and never a part of it."""

from typing import Any

from registry.models import Promotion
from registry.review_pack import moment
from rollouts.models import Rollout
from rollouts.plans.text import plan_to_yaml


def rollouts_record(promotion: Promotion) -> list[dict[str, Any]]:
    """Return each rollout of a promotion with its plan, moves and verdicts, oldest first; two reads of the same state are equal."""
    rows = Rollout.objects.filter(promotion=promotion).select_related("champion", "candidate").order_by("pk")
    return [_rollout(row) for row in rows]


def _rollout(rollout: Rollout) -> dict[str, Any]:
    return {
        "id": rollout.pk,
        "champion": rollout.champion.number,
        "candidate": rollout.candidate.number,
        "state": rollout.state,
        "outcome": rollout.outcome,
        "started_at": moment(rollout.started_at),
        "ended_at": moment(rollout.ended_at),
        "plan": plan_to_yaml(rollout.plan),
        "canary_requests": rollout.canary_requests,
        "canary_failures": rollout.canary_failures,
        "budget": rollout.budget,
        "moves": [
            {
                "id": act.pk, "at": moment(act.at), "action": act.action, "after": act.after, "weight_bp": act.weight_bp,
                "text": act.text, "actor": act.actor.get_username() if act.actor else None,
            }
            for act in rollout.acts.select_related("actor").order_by("pk")
        ],
        "verdicts": [
            {
                "id": v.pk, "at": moment(v.at), "metric": v.metric, "outcome": v.outcome, "weight_bp": v.weight_bp, "n": v.n,
                "against": v.most_against, "favour": v.most_favour, "threshold": v.threshold, "sentence": v.sentence,
            }
            for v in rollout.verdicts.order_by("pk")
        ],
    }  # fmt: skip
