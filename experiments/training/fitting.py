"""Training as a job, a fold or a trial of a search does it: the pipeline, its calibration, and how it fares fold by fold. Pure.

No ORM, no tracking, no settings: rows and parameters in, models and numbers out.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.pipelines.calibrating import Checked, calibrated, method_of, set_apart
from experiments.pipelines.catalogue import TrainingPipeline
from experiments.pipelines.contract import Report, Trained, TrainingRows
from experiments.rows.folds import FoldError, instants, owners, plan_folds
from experiments.suites import suite_for
from experiments.training.validating import validated

PREFIX = "validation_"
OnFold = Callable[[int, float], None]


def fit(
    pipeline: TrainingPipeline, params: Any, rows: TrainingRows, report: Report
) -> tuple[Trained, Checked | None]:  # fmt: skip
    """Train, and calibrate where the parameters say so.

    Returns: the model, and what calibrating changed; None where nothing was calibrated.
    Raises: CalibrationError, and what the pipeline raises.
    """
    method = method_of(params)
    if method is None:
        return pipeline.train(rows, params, report), None
    learn, calibrate = set_apart(rows)
    return calibrated(pipeline.train(learn, params, report), calibrate, method)


@dataclass(frozen=True)
class FoldScore:
    """How one fold fared.

    Attributes:
        learned, measured: rows (count).
        first, last: instants of the measured rows, ISO 8601; empty without times.
        metrics: by name.
    """

    learned: int
    measured: int
    first: str
    last: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class CrossValidation:
    """How each fold fared, and which metric tells models of the task apart."""

    metric: str
    folds: list[FoldScore]
    words: str

    def values(self, name: str = "") -> list[float]:
        """Return a metric of each fold; the one that tells models apart where none is named."""
        return [fold.metrics[name or self.metric] for fold in self.folds]

    @property
    def mean(self) -> float:
        """Mean of the metric over the folds."""
        return float(np.mean(self.values()))

    @property
    def spread(self) -> float:
        """Standard deviation of the metric between folds; no interval of the mean, since folds share rows."""
        return float(np.std(self.values(), ddof=1))

    def told(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "mean": self.mean, "spread": self.spread}


def cross_validated(
    pipeline: TrainingPipeline, params: Any, rows: TrainingRows, *, task: str, report: Report,
    on_fold: OnFold = lambda fold, value: None,
) -> CrossValidation:  # fmt: skip
    """Return how ``pipeline`` with ``params`` fares on rows that each fold has not seen; the params say which folds.

    Learns from training and validation rows alone; held-out rows are not among them. Folds are not calibrated: that would take rows
    to stop by from each, and the order of rows stays as it is.

    Args:
        task: of the model: ``classification`` or ``regression``.
        report: told how far it is; what it raises stops it.
        on_fold: told each fold's number, from 1, and its value as soon as it is known; what it raises stops the rest.

    Raises:
        FoldError: the rows cannot be cut this way, or a fold's rows have labels of one kind only.
    """
    context = rows.context
    times = instants(context, rows.roles)
    folds = plan_folds(
        context, rows.roles, folds=params.folds, window=params.fold_window, gap_hours=params.fold_gap_hours
    )
    metric, found = suite_for(task).compared[0], []
    for k, fold in enumerate(folds, 1):
        part = _Part(report, (k - 1) / len(folds), 1 / len(folds), f"Fold {k} of {len(folds)}: ")
        try:
            model = pipeline.train(rows.part(fold.learn, fold.stop), params, part)
            measured = validated(task, rows.part(fold.learn, fold.measure), model).metrics
        except ValueError as error:
            raise FoldError(f"Fold {k} of {len(folds)}: {error}") from error
        when = (
            [moment.isoformat() for moment in (times.iloc[fold.measure].min(), times.iloc[fold.measure].max())]
            if times is not None
            else ["", ""]
        )
        scores = {name.removeprefix(PREFIX): value for name, value in measured.items()}
        found.append(FoldScore(len(fold.learn), len(fold.measure), when[0], when[1], scores))
        for name, value in scores.items():
            report.metric(f"cv_{name}", value, k)
        on_fold(k, scores[metric])
    words = "each fold learns from other rows than those that it is measured on"
    if times is not None:
        past = "all rows" if params.fold_window == "expanding" else "the newest rows, as many as the first fold has,"
        gap = f"until {params.fold_gap_hours:g} hours " if params.fold_gap_hours else ""
        words = f"each fold learns from {past} {gap}before those that it is measured on"
    whose = "" if owners(context, rows.roles) is None else ", and from other entities"
    return CrossValidation(metric, found, words + whose + ".")


class _Part:
    """A report of one fold: its progress is a part of the whole, its learning curves are not told."""

    def __init__(self, report: Report, begin: float, share: float, words: str) -> None:
        self.report, self.begin, self.share, self.words = report, begin, share, words

    def progress(self, share: float, phase: str) -> None:
        """Tell how far the whole is."""
        self.report.progress(self.begin + self.share * share, self.words + phase)

    def metric(self, name: str, value: float, step: int) -> None:
        """Leave curves of folds out."""
