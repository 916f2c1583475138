"""Whether a measured value meets a criterion. Pure: numbers in, a check out."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class CheckStatus(StrEnum):
    """The result of one criterion for one version."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    NOT_MEASURED = "not_measured"
    STALE = "stale"
    NOT_APPLICABLE = "not_applicable"

    @property
    def is_met(self) -> bool:
        """Whether an approval may rest on it; a comparison with no champion to compare with asks for nothing."""
        return self in (CheckStatus.PASSED, CheckStatus.WAIVED, CheckStatus.NOT_APPLICABLE)


def stale_because(
    *, age: timedelta, max_age_days: int | None, data_digest: str, current_digest: str | None
) -> str | None:
    """Return in words why evidence no longer counts; None where it does.

    Args:
        age: since it was measured.
        max_age_days: the policy's limit; None for none.
        data_digest: of the rows it was measured on; empty where not known.
        current_digest: of what the criterion's data set holds now; None where not known.
    """
    if current_digest and data_digest and current_digest != data_digest:
        return "measured on other data than the data set holds now"
    if max_age_days is not None and age > timedelta(days=max_age_days):
        return f"measured {age.days} days ago; the policy counts evidence for {max_age_days}"
    return None


@dataclass(frozen=True)
class Measured:
    """A value in the metric's unit with its 95% interval, if one was computed."""

    value: float
    low: float | None = None
    high: float | None = None


def judged_value(measured: Measured, *, at_least: bool, by_interval: bool) -> float:
    """Return the number that is held against the threshold: the value, or the worse end of its interval.

    Raises:
        ValueError: the interval is asked for and was not measured.
    """
    if not by_interval:
        return measured.value
    end = measured.low if at_least else measured.high
    if end is None:
        raise ValueError("the criterion compares the interval, and the evidence has none")
    return end


def margin(measured: Measured, *, threshold: float, at_least: bool, by_interval: bool) -> float:
    """Return by how much the threshold is met; negative where it is missed. Unit: the metric's."""
    judged = judged_value(measured, at_least=at_least, by_interval=by_interval)
    return judged - threshold if at_least else threshold - judged


METRIC_LABELS = {
    "average_precision": "Average precision",
    "roc_auc": "Area under the ROC curve",
    "recall_at_5pct_alerts": "Recall at 5% alerts",
    "precision_at_5pct_alerts": "Precision at 5% alerts",
    "brier_score": "Brier score",
    "calibration_error": "Calibration error",
    # What a rollout counts of the version beside the champion, on real requests.
    "error_rate": "Requests that fail",
    "timeout_rate": "Requests answered too late",
    "slow_rate": "Slow answers",
    "agreement": "Same decision as the champion",
    "wrong_answers": "Wrong answers, by labels",
    "mean_absolute_error": "Mean absolute error, by labels",
    "mean_squared_error": "Mean squared error, by labels",
    "log_loss": "Logarithmic loss, by labels",
}


def metric_label(metric: str) -> str:
    """Return the metric's name as people read it."""
    return METRIC_LABELS.get(metric, metric.replace("_", " ").capitalize())
