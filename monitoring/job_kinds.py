"""The work that monitoring gives to workers."""

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from jobs.kinds import JobContext, job_kind
from monitoring.drift import verdict
from monitoring.models import DriftReport
from monitoring.selectors import reference_of
from monitoring.services import drift_tell
from registry.audit_trail import audit, audited
from registry.models import ModelVersion

# Enough for both distances to settle; more only takes longer.
MAX_ROWS = 50_000


@job_kind("drift_report", queue="monitoring", timeout_s=900, memory_mb=3072, max_attempts=2)
def drift_report(ctx: JobContext) -> None:
    """Compare a version's latest inputs with its training rows and keep the report."""
    # Heavy libraries are imported here, because this module is imported wherever a job is queued.
    import pandas as pd

    from experiments.selectors import dataset_rows
    from monitoring import comparison, lake

    version = ModelVersion.objects.select_related("model__team").get(pk=ctx.params["version_id"])
    reference = reference_of(version)
    inputs = version.signature["inputs"]
    until = timezone.now()
    since = until - timedelta(hours=ctx.params["hours"])

    ctx.progress(0.05, "Reading the predictions")
    rows = lake.latest_answers(
        model_id=version.model_id, model=version.model.name, number=version.number, since=since, limit=MAX_ROWS
    ).inputs
    inputs = lake.told(inputs, rows)
    current, categories = comparison.typed(pd.DataFrame(rows), inputs)
    ctx.log(f"{len(current):,} predictions of {version} since {since:%Y-%m-%d %H:%M} UTC")

    ctx.progress(0.25, "Reading the training rows")
    trained_on = dataset_rows(reference, "train")
    before, _ = comparison.typed(trained_on.sample(min(len(trained_on), MAX_ROWS), random_state=0), inputs)
    ctx.log(f"{len(before):,} of {len(trained_on):,} training rows of {reference}")

    ctx.progress(0.4, "Comparing")
    html = f"drift/{ctx.job_id}-{ctx.attempt}.html"
    training = getattr(version, "training_run", None)
    features = comparison.compare(
        before, current, categories=categories, importance=training.importance if training else {},
        html=Path(settings.REPORT_ROOT) / html,
    )  # fmt: skip
    said = verdict(features)
    ctx.log(said)
    result = {"verdict": said}
    with ctx.finish(result), audited():
        report = DriftReport.objects.create(
            version=version, reference=reference, reference_rows=len(before), current_rows=len(current), since=since,
            until=until, features=[feature.as_json() for feature in features], verdict=said, compared=len(features),
            drifted=sum(feature.drifted for feature in features), html=html, job_id=ctx.job_id,
        )  # fmt: skip
        audit(
            action="drift_report.create", subject=report.path, actor=None, process=f"job:{ctx.job_id}",
            team=version.model.team.slug, payload={"version": version.path, "drifted": report.drifted, "verdict": said},
        )  # fmt: skip
        drift_tell(report=report)
        result["report"] = report.path


@job_kind("retraining_freeze", queue="monitoring", timeout_s=1800, memory_mb=4096, max_attempts=2)
def retraining_freeze(ctx: JobContext) -> None:
    """Freeze the labelled predictions that a retraining learns from as a data set version."""
    from monitoring import freezing

    freezing.freeze(ctx)


@job_kind("lake_compact", queue="monitoring", timeout_s=3600, memory_mb=4096)
def lake_compact(ctx: JobContext) -> None:
    """Join the small files of a team's days in the lake, and delete the replaced ones that no reader needs any more."""
    from monitoring import tidying
    from monitoring.selectors.lake import scattered

    due = scattered(today=timezone.now().date()).get(ctx.scope, [])
    for n, partition in enumerate(due):
        ctx.progress(n / len(due), f"Joining {partition.small} files of {partition.model}, {partition.day}")
        tidying.join_files(partition)
    ctx.progress(1.0, "Deleting replaced files")
    with ctx.finish({"partitions": len(due), "files_before": sum(p.files for p in due), "deleted": tidying.sweep()}):
        pass


@job_kind("lake_retain", queue="monitoring", timeout_s=3600, memory_mb=4096)
def lake_retain(ctx: JobContext) -> None:
    """Forget the days of a team's models that their policies keep no longer."""
    from monitoring import tidying
    from monitoring.selectors.lake import surplus

    due = surplus(today=timezone.now().date()).get(ctx.scope, [])
    for n, partition in enumerate(due):
        ctx.progress(n / len(due), f"Forgetting {partition.model}, {partition.day}")
        tidying.forget(partition)
        ctx.log(f"{partition.rows:,} rows of {partition.table}, {partition.model}, {partition.day}")
    ctx.progress(1.0, "Deleting files")
    with ctx.finish({"partitions": len(due), "rows": sum(p.rows for p in due), "deleted": tidying.sweep()}):
        pass


@job_kind("quality_reference", queue="monitoring", timeout_s=900, memory_mb=3072, max_attempts=2)
def quality_reference(ctx: JobContext) -> None:
    """Predict the labelled rows that a version was measured on, and keep what estimates without labels rest on."""
    from monitoring import quality_fitting

    quality_fitting.fit_reference(ctx)
