"""Whether a retrained version is good enough: the agreed criteria, and the champion on the same rows."""

from dataclasses import dataclass, field
from typing import Any

from experiments.models import Evaluation
from monitoring.models import Retraining
from registry.criteria import metric_label
from registry.metric_words import higher_is_better
from registry.models import CriteriaSet, Evidence
from registry.selectors.checks import checks_of


@dataclass(frozen=True)
class Judged:
    """What was found of a retrained version.

    Attributes:
        rule: what stops it: ``criteria`` or ``champion``; empty where it is good enough.
        comparison: with the champion, as plain values; empty where there is none.
    """

    text: str
    rule: str = ""
    comparison: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether it may go on."""
        return not self.rule


def judge(retraining: Retraining, evaluation: Evaluation) -> Judged:
    """Hold the measured version against the champion, then against the criteria that are agreed."""
    rules = retraining.policy.rules
    text, comparison = "No champion to compare with.", {}
    if evaluation.against:
        found = Evidence.objects.filter(
            job=evaluation.job, metric=rules.metric, against=evaluation.against, data_slice=""
        ).first()  # fmt: skip
        if found is None or found.ci_low is None or found.ci_high is None:
            return Judged(f"{metric_label(rules.metric)} was not compared with the champion.", "champion")
        comparison = {
            "metric": rules.metric, "champion": evaluation.against.number, "difference": found.value, "low": found.ci_low,
            "high": found.ci_high, "rows": found.sample_size, "champion_value": found.detail.get("champion_value"),
            "evidence": found.pk,
        }  # fmt: skip
        text = (
            f"{metric_label(rules.metric)}: {found.value:+.4f} against v{evaluation.against.number} "
            f"({found.ci_low:+.4f} to {found.ci_high:+.4f}) on {found.sample_size:,} held-out rows"
        )
        up = higher_is_better(rules.metric) is not False
        gain = found.ci_low if up else -found.ci_high
        if gain <= rules.better_by:
            return Judged(
                f"{text}: not surely better{f' by {rules.better_by:g}' if rules.better_by else ''}.",
                "champion",
                comparison,
            )
        text += "."
    criteria = CriteriaSet.objects.filter(model=retraining.model, state=CriteriaSet.State.AGREED).first()
    if criteria is None:
        return Judged(f"{text} {retraining.model.name} has no agreed criteria to meet.", "criteria", comparison)
    missed = [check for check in checks_of(evaluation.version, criteria) if check.blocks]
    if missed:
        told = "; ".join(f"{check.title}: {check.status_label.lower()}" for check in missed)
        return Judged(f"{text} Not all criteria are met: {told}.", "criteria", comparison)
    return Judged(f"{text} All criteria are met.", comparison=comparison)
