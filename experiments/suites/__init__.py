"""What is measured of a model, by its task. Pure: rows and answers in, measurements out; docs/metrics.md defines each metric."""

from experiments.suites import classification, forecasting, ranking, regression
from experiments.suites.classification import ALERT_SHARE
from experiments.suites.parts import Answers, Material, Measurement, Suite, Took, UnmeasurableError
from experiments.suites.plan import Plan, PlanError, read_plan

SUITES = {
    suite.task: suite
    for suite in (
        classification.SUITE, classification.ANOMALY, ranking.SUITE, ranking.RETRIEVAL, forecasting.SUITE, regression.SUITE,
    )
}  # fmt: skip
FORMER = {
    "binary-classification-1": classification.SUITE.name,
    "forecasting-1": forecasting.SUITE.name,
    "retrieval-1": ranking.RETRIEVAL.name,
}  # names that a suite had, and what it is called now


def suite_for(task: str) -> Suite:
    """Return the suite of a task, as :class:`registry.models.Task` names it."""
    return SUITES[task]


__all__ = [
    "ALERT_SHARE", "FORMER", "SUITES", "Answers", "Material", "Measurement", "Plan", "PlanError", "Suite", "Took",
    "UnmeasurableError", "read_plan", "suite_for",
]  # fmt: skip
