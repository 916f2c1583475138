"""What estimates without labels rest on: a version's predictions of labelled rows that it was not trained on."""

from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd

from experiments.models import DatasetVersion
from experiments.scoring.predicting import predict
from experiments.selectors import dataset_rows
from jobs.kinds import JobContext
from monitoring.estimating import direct
from monitoring.estimating.cbpe import Calibration
from monitoring.models import QualityReference, QualityWindow
from monitoring.quality.metrics import measure
from monitoring.quality.sums import NO, YES, Kind, Sums, numbers, probabilities
from monitoring.selectors.quality_policy import quality_policy_of
from monitoring.selectors.quality_reference import estimated_of
from registry.audit_trail import audit
from registry.models import ModelVersion

MOST_ROWS = 100_000  # of numbers: so many settle a model of their errors


def fit_reference(ctx: JobContext) -> None:
    """Keep the reference of the job's version, and estimate the windows that were counted before."""
    version = ModelVersion.objects.select_related("model__team").get(pk=ctx.params["version_id"])
    data = DatasetVersion.objects.select_related("dataset").get(pk=ctx.params["data_id"])
    policy = quality_policy_of(version.model)
    ctx.progress(0.1, f"Reading {data}")
    rows = dataset_rows(data, ctx.params["split"])
    ctx.progress(0.3, f"Predicting with {version}")
    predicted, labels = predict(version, rows), rows[data.target].to_numpy(dtype=np.float64)
    ctx.progress(0.6, "Learning how far it can be trusted")
    if policy.compares is Kind.PROBABILITY:
        sums = probabilities(predicted, labels, threshold=policy.threshold)
        losses, refusal = None, _refusal(sums)
    else:
        sums = numbers(predicted, labels, tolerance=policy.tolerance)
        losses, refusal = _learn(version, rows, predicted - labels)
    ctx.log(f"{len(rows):,} rows of {data}, {ctx.params['split']}" + (f": {refusal}" if refusal else ""))
    reference = QualityReference(
        version=version, data=data, kind=policy.compares, rows=len(rows), cells=sums.cells.pack(), losses=losses,
        measured={name: astuple(value) for name, value in measure(policy.compares, sums).items()}, refusal=refusal,
        job_id=ctx.job_id,
    )  # fmt: skip
    with ctx.finish({"version": version.path, "rows": len(rows), "refusal": refusal}):
        reference.save()
        for window in QualityWindow.objects.filter(version=version, kind=policy.compares, data_slice=""):
            estimated = estimated_of(reference, window.read(), policy)
            window.estimated = {name: astuple(value) for name, value in estimated.items()}
            window.save(update_fields=["estimated"])
        audit(
            action="quality_reference.create", subject=version.path, actor=None, process=f"job:{ctx.job_id}",
            team=version.model.team.slug, payload={"data": str(data), "rows": len(rows), "refusal": refusal},
        )  # fmt: skip


def _refusal(sums: Sums) -> str:
    try:
        Calibration.fit(sums.bins(NO), sums.bins(YES))
    except ValueError as error:
        return str(error)
    return ""


def _learn(version: ModelVersion, rows: pd.DataFrame, error: Any) -> tuple[dict[str, Any] | None, str]:
    """Return a model of the errors, or why there is none."""
    import msgspec

    if len(rows) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(1).choice(len(rows), MOST_ROWS, replace=False))
        rows, error = rows.iloc[chosen], error[chosen]
    inputs = [
        direct.Input(c["name"], _categories(c, rows)) for c in version.signature.get("inputs", []) if c["name"] in rows
    ]
    frame = rows[[one.name for one in inputs]].astype(object)
    records = frame.where(frame.notna(), None).to_dict("records")
    try:
        model = direct.fit(inputs, [{str(k): v for k, v in record.items()} for record in records], error)
    except ValueError as refused:
        return None, str(refused)
    return msgspec.to_builtins(model), ""


def _categories(column: dict[str, Any], rows: pd.DataFrame) -> list[str] | None:
    if column.get("categories") is not None:
        return [str(category) for category in column["categories"]]
    if column["type"] == "string":
        return sorted(map(str, rows[column["name"]].dropna().unique()))
    return None
