"""Which charts the page of a rollout shows."""

import math

from monitoring.trials.guards import EVENTS
from rollouts.models import Rollout
from rollouts.plans.units import show_share
from rollouts.screen.charts import Chart, chart
from rollouts.screen.lines import RolloutLines
from rollouts.selectors.verdicts import latest_verdicts


def charts_of(rollout: Rollout, lines: RolloutLines) -> list[Chart]:
    """Return the charts of a rollout: latency, the first guardrail that counts events, and the evidence that is nearest to open."""
    plan = rollout.plan
    marks = [(share, show_share(weight)) for share, weight in lines.marks]
    slow = next((guard for guard in plan.guardrails if guard.kind == "slow" and guard.threshold_ms), None)
    limit = (slow.threshold_ms, f"slow from {slow.threshold_ms:g}", "lim") if slow else None
    drawn = (
        [chart("p99", "p99 latency, ms", *lines.p99, marks=marks, limit=limit)]
        if any(lines.p99[0] + lines.p99[1])
        else []
    )
    counted = [guard for guard in plan.guardrails if guard.kind in EVENTS and guard.name in lines.guards]
    for guard in counted[:1]:
        of = lines.guards[guard.name]
        arms = [[None if value is None else value * 100 for value in arm] for arm in (of.champion, of.canary)]
        drawn.append(chart("rate", f"{guard.name}, %", *arms, marks=marks))
    verdicts = latest_verdicts(rollout)
    undecided = [g for g in counted if g.name in verdicts and verdicts[g.name].outcome == "inconclusive"] or counted
    for guard in undecided[:1]:
        favour = lines.guards[guard.name].favour
        pass_at = -math.log(plan.alpha)
        title = f"Evidence, {guard.name}: e-value, log scale"
        drawn.append(
            chart(
                "evidence",
                title,
                [],
                favour,
                marks=marks,
                limit=(pass_at, f"pass at {1 / plan.alpha:g}", "ok"),
                log=True,
            )
        )
    return drawn
