"""Evaluation: measuring a version on held-out rows."""

from typing import Any

from experiments.metrics import Floats
from experiments.models import Evaluation
from experiments.scoring import predict
from experiments.selectors import dataset_rows, slices_of, training_data_of
from experiments.services import evaluation_record
from experiments.suites import measure
from jobs.kinds import JobContext
from registry.histograms import number_histogram, profile_of
from registry.models import ModelVersion, ReferenceProfile
from registry.services import reference_record


def evaluate(ctx: JobContext) -> None:
    """Measure a version on held-out rows and record the evidence; note what its inputs looked like, if nobody did yet."""
    evaluation = Evaluation.objects.select_related(
        "version__model__team", "dataset_version__dataset", "against__model", "job"
    ).get(job_id=ctx.job_id)
    data, version, against = evaluation.dataset_version, evaluation.version, evaluation.against
    ctx.progress(0.0, f"Reading {data}")
    held_out = dataset_rows(data, "held_out")
    ctx.log(f"{len(held_out):,} held-out rows of {data}, {data.digest}")
    ctx.progress(0.1, f"Predicting with {version}")
    scores = predict(version, held_out)
    ctx.log(f"{version}, {version.artifact_digest}: predicted")
    champion = None
    if against:
        ctx.progress(0.2, f"Predicting with the champion, {against}")
        champion = predict(against, held_out)
    found = measure(
        held_out[data.target], scores, slices=slices_of(data, held_out), champion=champion,
        progress=lambda share, phase: ctx.progress(0.25 + 0.7 * share, phase),
    )  # fmt: skip
    for one in found:
        name = " ".join(filter(None, [one.metric, one.data_slice, f"against {against}" if one.paired else ""]))
        ctx.log(f"{name}: {one.value:.4f} ({one.low:.4f} to {one.high:.4f})")
    reference = _reference(ctx, version, scores)
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
        "rows": len(rows), "columns": profile_of(columns, inputs), "score": number_histogram(scores.tolist()),
        "data_digest": data.digest,
    }  # fmt: skip
