"""Evaluation: measuring a version on held-out rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from experiments.handlers.retrieving import answered_by_retrievers
from experiments.metrics import Floats
from experiments.models import DatasetVersion, Evaluation
from experiments.rows.frames import load_frame
from experiments.scoring.predicting import answers, quantiles
from experiments.selectors import dataset_rows, split_rows, training_data_of
from experiments.services import evaluation_record
from experiments.suites import Answers, Material, Plan, UnmeasurableError, suite_for
from jobs.kinds import JobContext
from registry.histograms import number_histogram, profile_of
from registry.models import ModelVersion, ReferenceProfile, Task
from registry.services import reference_record
from serving.contract import RETRIEVER


@dataclass(frozen=True)
class _Rows:
    """The rows that an evaluation works on, read once."""

    data: DatasetVersion
    frame: pd.DataFrame

    @cached_property
    def held_out(self) -> pd.DataFrame:
        split = self.data.measured_split
        if split is None:
            raise UnmeasurableError(f"{self.data} keeps no rows held out, so nothing can be measured on it.")
        return split_rows(self.data, self.frame, split) if split else self.frame

    @cached_property
    def validation(self) -> pd.DataFrame | None:
        """The rows that thresholds are chosen on; none where they are measured on."""
        if "validation" not in self.data.splits or self.data.measured_split in ("", "validation"):
            return None
        return split_rows(self.data, self.frame, "validation")

    @cached_property
    def before(self) -> pd.DataFrame:
        """Everything before the rows that are measured on."""
        time = self.frame[self.data.time_column]
        found: pd.DataFrame = self.frame[time < self.held_out[self.data.time_column].min()]
        return found

    def answered_by(self, version: ModelVersion) -> Answers:
        """Return what ``version`` answers; thresholds ask for the validation rows too."""
        chooses = version.model.task in (Task.CLASSIFICATION, Task.ANOMALY) and self.validation is not None
        validation = answers(version, self.validation) if chooses and self.validation is not None else None
        found = answers(version, self.held_out)
        return Answers(found, validation, quantiles(version, self.held_out, found))


def _answered(
    ctx: JobContext, rows: _Rows, version: ModelVersion, against: ModelVersion | None
) -> tuple[pd.DataFrame, Answers, Answers | None]:
    """Return the held-out rows, and what the version and the champion answer to each."""
    ctx.progress(0.1, f"Predicting with {version}")
    ours = rows.answered_by(version)
    ctx.log(f"{version}, {version.artifact_digest}: predicted")
    if against is None:
        return rows.held_out, ours, None
    ctx.progress(0.2, f"Predicting with the champion, {against}")
    return rows.held_out, ours, rows.answered_by(against)


def evaluate(ctx: JobContext) -> None:
    """Measure a version on held-out rows and record the evidence; note what its inputs looked like, if nobody did yet."""
    evaluation = Evaluation.objects.select_related(
        "version__model__team", "dataset_version__dataset", "against__model", "plan", "job"
    ).get(job_id=ctx.job_id)
    data, version, against = evaluation.dataset_version, evaluation.version, evaluation.against
    ctx.progress(0.0, f"Reading {data}")
    rows = _Rows(data, load_frame(data.parquet, data.digest))
    ctx.log(f"{len(rows.held_out):,} held-out rows of {data}, {data.digest}; measured by {evaluation.suite}")
    if version.format == RETRIEVER:
        measured, ours, champion = answered_by_retrievers(ctx, data, rows.frame, rows.held_out, version, against)
    else:
        measured, ours, champion = _answered(ctx, rows, version, against)
    suite = suite_for(version.model.task)
    found = suite.measure(
        Material(
            task=version.model.task, rows=measured, target=data.target, version=ours, champion=champion,
            roles=data.roles(), features=tuple(data.features()), categorical=tuple(data.categorical()),
            validation=rows.validation, history=rows.before if suite.steps else None,
            plan=evaluation.plan.plan if evaluation.plan else Plan(),
            progress=lambda share, phase: ctx.progress(0.25 + 0.7 * share, phase),
        )
    )  # fmt: skip
    for one in found:
        name = " ".join(filter(None, [one.metric, one.data_slice, f"against {against}" if one.paired else ""]))
        ctx.log(
            f"{name}: {one.value:.4f} ({one.low:.4f} to {one.high:.4f}){f'; {one.undecided}' if one.undecided else ''}"
        )
    reference = _reference(ctx, version, ours.held_out if ours.best is None else ours.best)
    with ctx.finish({"version": version.path, "measurements": len(found)}):
        evaluation_record(evaluation=evaluation, measurements=found)
        if reference:
            reference_record(version=version, job=evaluation.job, source="training", **reference)


def _reference(ctx: JobContext, version: ModelVersion, scores: Floats) -> dict[str, Any] | None:
    """Return what the inputs of ``version`` looked like in its training rows, and its ``scores`` of held-out rows.

    Returns: None where that is known, or the training rows are not.
    """
    data = training_data_of(version)
    if data is None or ReferenceProfile.objects.filter(version=version).exists():
        return None
    ctx.progress(0.97, f"Counting the training rows of {data}")
    rows = dataset_rows(data, "train")
    inputs = version.signature["inputs"]
    columns = {name: rows[name].tolist() for column in inputs if (name := column["name"]) in rows}
    return {
        "rows": len(rows), "columns": profile_of(columns, inputs), "score": number_histogram(scores.ravel().tolist()),
        "data_digest": data.digest,
    }  # fmt: skip
