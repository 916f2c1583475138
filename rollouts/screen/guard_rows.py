"""The guardrails of a rollout, as the table of its page shows them: champion beside canary, and how near a verdict is."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from monitoring.charts import line as path_of
from monitoring.models import TelemetryWindow
from rollouts.judging import alphas
from rollouts.models import Rollout, RolloutVerdict
from rollouts.plans.checks import PAIRED
from rollouts.plans.plan import Guardrail
from rollouts.screen import drawing
from rollouts.screen.lines import GuardLines, rollout_lines
from rollouts.selectors.verdicts import latest_verdicts

RECENT = timedelta(minutes=10)


@dataclass(frozen=True)
class Row:
    """One guardrail: champion beside canary, and how near a verdict is."""

    guard: Guardrail
    about: str
    champion: str
    canary: str
    difference: str
    interval: str
    allowed: str
    meter: drawing.Meter
    outcome: str
    mark: str
    word: str
    why: str
    more: int | None
    wait_s: float | None
    pairs: bool
    n: int
    alpha: float
    anchor: str
    champion_line: str
    canary_line: str


def requests_per_s(rollout: Rollout, now: datetime) -> float:
    """Return the requests per second that both arms answered in the last ten minutes, or since the rollout began."""
    since = max(now - RECENT, rollout.started_at)
    counted = TelemetryWindow.objects.filter(
        version__in=[rollout.champion_id, rollout.candidate_id], arm__in=["champion", "canary"], started_at__gte=since
    ).aggregate(n=Sum("requests"))["n"]
    return (counted or 0) / max((now - since).total_seconds(), 10.0)


def rows(rollout: Rollout, *, now: datetime) -> list[Row]:
    """Return the guardrails as the table prints them, failures first."""
    plan = rollout.plan
    rate = requests_per_s(rollout, now)
    found = latest_verdicts(rollout)
    shares = alphas(plan)
    lines = rollout_lines(rollout, now=now)
    drawn = [
        _row(
            guard,
            found.get(guard.name),
            shares[guard.name],
            plan.alpha,
            rate,
            lines.guards.get(guard.name) if lines else None,
        )
        for guard in plan.guardrails
    ]
    return sorted(drawn, key=lambda row: row.mark != "fail")


def _row(
    guard: Guardrail,
    verdict: RolloutVerdict | None,
    alpha: float,
    alpha_pass: float,
    rate: float,
    lines: GuardLines | None,
) -> Row:
    """Return one guardrail; ``rate`` is of requests per second of both arms, for how long a verdict may still take."""
    detail: dict[str, Any] = verdict.detail if verdict else {}
    outcome = verdict.outcome if verdict else "no_data"
    mark, word = drawing.MARKS[outcome]
    more = detail.get("expected_more") if outcome == "inconclusive" else None
    difference, interval = drawing.difference(guard, detail)
    return Row(
        guard=guard,
        about=drawing.about(guard),
        champion=drawing.value(guard, detail.get("champion")),
        canary=drawing.value(guard, detail.get("canary")),
        difference=difference,
        interval=interval,
        allowed=drawing.allowed(guard),
        meter=drawing.meter(
            outcome, against=verdict.most_against if verdict else 0.0, favour=verdict.most_favour if verdict else 0.0,
            fail_at=verdict.threshold if verdict else -math.log(alpha), pass_at=detail.get("pass_threshold") or -math.log(alpha_pass),
        ),
        outcome=outcome,
        mark=mark,
        word=word,
        why=(detail.get("reason") or verdict.sentence) if verdict else "Nothing was counted yet.",
        more=more or None,
        wait_s=more / rate if more and rate else None,
        pairs=guard.kind in PAIRED,
        n=verdict.n if verdict else 0,
        alpha=alpha,
        anchor=f"v{verdict.pk}" if verdict else "",
        **_spark(lines),
    )  # fmt: skip


def _spark(lines: GuardLines | None) -> dict[str, str]:
    """Return both arms' lines on one scale."""
    known = [value for value in (*lines.champion, *lines.canary) if value is not None] if lines else []
    if lines is None or not known:
        return {"champion_line": "", "canary_line": ""}
    low, high = min(known), max(known)
    size = {"width": 88, "height": 24, "low": low, "high": high if high > low else low + 1}
    return {"champion_line": path_of(lines.champion, **size), "canary_line": path_of(lines.canary, **size)}
