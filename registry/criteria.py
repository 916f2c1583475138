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
    "recall_at_1pct_false_positives": "Recall at 1% false positives",
    "recall_at_90pct_precision": "Recall at 90% precision",
    "alert_rate": "Alert rate",
    "cost_per_case": "Cost per case",
    "recall_gap": "Recall, gap between groups",
    "false_positive_rate_gap": "False positives, gap between groups",
    "alert_rate_gap": "Alert rate, gap between groups",
    "recall_ratio": "Recall, lowest group to highest",
    "false_positive_rate_ratio": "False positives, lowest group to highest",
    "alert_rate_ratio": "Alert rate, lowest group to highest",
    # Of an order of candidates, by query.
    **{
        f"{name}_at_{k}": f"{label} at {k}"
        for name, label in (
            ("ndcg", "nDCG"), ("ndcg_exp", "nDCG, exponential gain,"), ("recall", "Recall"), ("precision", "Precision"),
            ("context_precision", "Context precision"), ("context_recall", "Context recall"),
        )
        for k in (5, 10)
    },
    "mean_reciprocal_rank": "Mean reciprocal rank",
    "mean_average_precision": "Mean average precision",
    "retrieval_latency_p50_ms": "Retrieval time, median (ms)",
    "retrieval_latency_p95_ms": "Retrieval time, 95th percentile (ms)",
    "retrieval_cost": "Cost per retrieval",
    "retrieval_cost_per_1000": "Cost of 1,000 queries",
    "retrieval_cpu_s_per_1000": "CPU seconds of 1,000 queries",
    "retrieval_bytes": "Size of the index (bytes)",
    # Of numbers and forecasts.
    "root_mean_squared_error": "Root mean squared error",
    "r_squared": "Variance explained (R²)",
    "mean_error": "Mean error",
    "mase": "MASE",
    "smape": "sMAPE (M4)",
    "wape": "WAPE",
    "forecast_bias": "Forecast bias",
    "pinball_loss": "Pinball loss",
    "crps": "CRPS",
    **{f"coverage_{percent}pct": f"Coverage of the {percent}% interval" for percent in (50, 80, 90, 95)},
    **{f"width_{percent}pct": f"Width of the {percent}% interval" for percent in (50, 80, 90, 95)},
    # What a rollout counts of the version beside the champion, on real requests.
    "error_rate": "Requests that fail",
    "timeout_rate": "Requests answered too late",
    "slow_rate": "Slow answers",
    "agreement": "Same decision as the champion",
    "wrong_answers": "Wrong answers, by labels",
    "mean_absolute_error": "Mean absolute error",
    "mean_squared_error": "Mean squared error, by labels",
    "log_loss": "Logarithmic loss, by labels",
}  # fmt: skip


def metric_label(metric: str) -> str:
    """Return the metric's name as people read it."""
    return METRIC_LABELS.get(metric, metric.replace("_", " ").capitalize())
