"""What is measured of a classifier on held-out rows. Pure: labels and probabilities in, measurements out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments import metrics
from experiments.bootstrap import RESAMPLES, intervals, paired_average_precision
from experiments.metrics import Floats, Interval

SUITE = "binary-classification-1"
ALERT_SHARE = 0.05
SEED = 20130101

BOOTSTRAP = f"95% percentile interval of {RESAMPLES} bootstrap resamples of the rows"


@dataclass(frozen=True)
class Measurement:
    """One value with its 95% interval, in the metric's unit; ``paired`` marks a difference to the champion."""

    metric: str
    value: float
    low: float
    high: float
    rows: int
    data_slice: str = ""
    paired: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


def measure(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, slices: dict[str, npt.NDArray[np.bool_]],
    champion: npt.ArrayLike | None = None, progress: Callable[[float, str], None] = lambda share, phase: None,
) -> list[Measurement]:  # fmt: skip
    """Return every measurement of the suite.

    Args:
        labels: (n,) zeros and ones.
        scores: (n,) probabilities.
        slices: name, such as ``origin=JFK``, and which of the n rows belong to it.
        champion: (n,) probabilities of the champion for the same rows; None where there is none.
        progress: told the share done and the phase.

    Raises: ValueError as :func:`experiments.metrics.ranked`.
    """
    truth, given = np.asarray(labels, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    rows = metrics.ranked(truth, given)
    found = [*_whole(truth, given, rows, progress), *_slices(truth, given, rows, slices)]
    if champion is not None:
        progress(0.6, "Comparing with the champion")
        found.append(_against(truth, given, np.asarray(champion, dtype=np.float64), progress))
    return found


def _whole(
    truth: metrics.Ints, given: Floats, rows: metrics.Ranked, progress: Callable[[float, str], None]
) -> list[Measurement]:  # fmt: skip
    bins = metrics.reliability(given)
    phase = f"Drawing {RESAMPLES} resamples"
    progress(0.0, phase)
    precision, recall, hits, brier, calibration = intervals(
        [
            partial(metrics.average_precision, rows),
            partial(metrics.recall_at, rows, ALERT_SHARE),
            partial(metrics.precision_at, rows, ALERT_SHARE),
            partial(metrics.brier_score, truth, given),
            partial(metrics.calibration_error, truth, given, bins),
        ],
        rows=len(truth), seed=SEED, progress=lambda share: progress(0.6 * share, phase),
    )  # fmt: skip

    # Resampling adds noise to every bin, which shifts the calibration error upwards: its low end may exceed the value.
    calibration = calibration._replace(low=min(calibration.low, calibration.value))

    def whole(name: str, interval: Interval, **detail: Any) -> Measurement:
        return Measurement(name, *interval, rows=len(truth), detail={"method": BOOTSTRAP, **detail})

    curve = metrics.precision_recall_curve(rows)
    table = metrics.reliability_table(truth, given, bins)
    return [
        whole("average_precision", precision, precision_recall=curve, positives=int(truth.sum())),
        Measurement(
            "roc_auc", *metrics.roc_auc(truth, given), rows=len(truth),
            detail={"method": "95% interval after DeLong", "roc": metrics.roc_curve(rows)},
        ),
        whole("recall_at_5pct_alerts", recall, threshold=metrics.threshold_at(rows, ALERT_SHARE)),
        whole("precision_at_5pct_alerts", hits),
        whole("brier_score", brier),
        whole("calibration_error", calibration, reliability=table),
    ]  # fmt: skip


def _slices(
    truth: metrics.Ints, given: Floats, rows: metrics.Ranked, slices: dict[str, npt.NDArray[np.bool_]]
) -> list[Measurement]:  # fmt: skip
    """Return each slice's recall at the threshold that alerts 5% of all rows: whom one threshold serves less well."""
    threshold = metrics.threshold_at(rows, ALERT_SHARE)
    alerted = given >= threshold
    found = []
    for name, mask in slices.items():
        late = int(truth[mask].sum())
        if late:
            caught = metrics.wilson_interval(int((truth[mask] & alerted[mask]).sum()), late)
            detail = {"method": "95% score interval after Wilson", "threshold": threshold, "positives": late}
            found.append(
                Measurement("recall_at_5pct_alerts", *caught, rows=int(mask.sum()), data_slice=name, detail=detail)
            )
    return found


def _against(
    truth: metrics.Ints, given: Floats, champion: Floats, progress: Callable[[float, str], None]
) -> Measurement:  # fmt: skip
    difference = paired_average_precision(
        truth,
        given,
        champion,
        seed=SEED,
        progress=lambda share: progress(0.6 + 0.4 * share, "Comparing with the champion"),
    )
    theirs = metrics.ranked(truth, champion)
    return Measurement(
        "average_precision", *difference, rows=len(truth), paired=True,
        detail={
            "method": f"{BOOTSTRAP}, the same rows for both models",
            "champion_value": metrics.average_precision(theirs),
            "champion_precision_recall": metrics.precision_recall_curve(theirs),
        },
    )  # fmt: skip
