"""The verdicts on a rollout as they stand now."""

from rollouts.models import Rollout, RolloutVerdict


def latest_verdicts(rollout: Rollout) -> dict[str, RolloutVerdict]:
    """Return the latest verdict of each guardrail, by its name, in the order of the plan."""
    rows = {row.metric: row for row in rollout.verdicts.order_by("metric", "-id").distinct("metric")}
    order = [guard["name"] for guard in rollout.document["guardrails"]]
    return {name: rows[name] for name in [*order, *sorted(rows.keys() - set(order))] if name in rows}
