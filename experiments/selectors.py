"""Reads that join tables or build a record."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.db.models import OuterRef, QuerySet, Subquery

from experiments.frames import load_frame
from experiments.models import Dataset, DatasetVersion, Evaluation, TrainingRun
from experiments.profile import in_interval
from registry.access import Actor
from registry.models import Evidence, ModelVersion

MOST_SLICES = 6


def datasets_of(actor: Actor) -> QuerySet[Dataset]:
    """Return the data sets of the actor's teams, with what lists show of each."""
    return Dataset.objects.filter(team__in=actor.teams()).select_related("team", "created_by")


def runs_of(actor: Actor) -> QuerySet[TrainingRun]:
    """Return the training runs of the actor's teams, each with ``held_out``: the average precision measured since."""
    measured = Evidence.objects.filter(
        version=OuterRef("version"),
        metric="average_precision",
        data_slice="",
        against=None,
        job__evaluation__isnull=False,
    ).order_by("-id")
    return (
        TrainingRun.objects.filter(version__model__team__in=actor.teams())
        .select_related("version__model__team", "dataset_version__dataset", "job")
        .annotate(held_out=Subquery(measured.values("value")[:1]))
    )


def evaluations_of(actor: Actor) -> QuerySet[Evaluation]:
    """Return the evaluations of the actor's teams."""
    return Evaluation.objects.filter(version__model__team__in=actor.teams()).select_related(
        "version__model__team", "dataset_version__dataset", "against__model", "job"
    )


@dataclass(frozen=True)
class Measured:
    """What the latest evaluation of a version found, for its curves."""

    average_precision: Evidence | None
    calibration: Evidence | None
    difference: Evidence | None

    @property
    def curves(self) -> dict[str, list[Any]]:
        """Return the points of the curves by name; a curve that was not measured has none."""
        detail = self.average_precision.detail if self.average_precision else {}
        against = self.difference.detail if self.difference else {}
        return {
            "precision_recall": detail.get("precision_recall", []),
            "champion_precision_recall": against.get("champion_precision_recall", []),
            "reliability": self.calibration.detail.get("reliability", []) if self.calibration else [],
        }


def measured_of(version: ModelVersion) -> Measured:
    """Return the newest evidence of each kind that an evaluation job recorded for ``version``."""
    found = Evidence.objects.filter(version=version, data_slice="", job__evaluation__isnull=False).select_related(
        "against"
    )
    alone, paired = found.filter(against=None), found.filter(against__isnull=False)
    return Measured(
        alone.filter(metric="average_precision").first(),
        alone.filter(metric="calibration_error").first(),
        paired.filter(metric="average_precision").first(),
    )


def slices_of(data: DatasetVersion, rows: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the parts that are measured on their own: one for each value of a category with at most six of them."""
    few = [name for name in data.categorical() if rows[name].nunique() <= MOST_SLICES]
    return {
        f"{name}={value}": (rows[name] == value).to_numpy(dtype=bool)
        for name in few
        for value in sorted(rows[name].dropna().unique())
    }


def split_rows(data: DatasetVersion, frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of one split, such as ``replay``.

    Raises:
        KeyError: there is no such split.
    """
    interval = data.splits[split]
    return in_interval(frame, data.time_column, interval["from"], interval["until"])


def dataset_rows(data: DatasetVersion, split: str) -> pd.DataFrame:
    """Read one split of a version, in order of time.

    Raises:
        KeyError: there is no such split.
        DataChangedError: the file no longer holds the version's rows.
    """
    return split_rows(data, load_frame(data.parquet, data.digest), split)
