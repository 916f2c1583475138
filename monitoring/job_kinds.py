"""The work that monitoring gives to workers."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from experiments.models import TrainingRun
from jobs.kinds import JobContext, job_kind
from monitoring.drift.words import counted, verdict
from monitoring.drifting.windows import MIN_ROWS
from monitoring.models import DriftReport
from monitoring.selectors import reference_of
from monitoring.selectors.drift_policy import drift_policy_of
from monitoring.services import drift_tell
from registry.audit_trail import audit
from registry.models import ModelVersion, ReferenceProfile

MOST_REFERENCE_ROWS = 100_000  # more only takes longer


@job_kind("drift_report", queue="monitoring", timeout_s=1500, memory_mb=4096, max_attempts=2)
def drift_report(ctx: JobContext) -> None:
    """Compare a version's latest predictions with its training rows, row by row, and keep the report."""
    # Heavy libraries are imported here, because this module is imported wherever a job is queued.
    from experiments.selectors import dataset_rows
    from monitoring.drift import full_report
    from monitoring.predictions import lake

    version = ModelVersion.objects.select_related("model__team").get(pk=ctx.params["version_id"])
    data = reference_of(version)
    policy = drift_policy_of(version.model)
    until = timezone.now()
    since = until - timedelta(hours=ctx.params["hours"])

    ctx.progress(0.05, "Reading the predictions")
    answers = lake.latest_answers(
        model_id=version.model_id, model=version.model.name, number=version.number, since=since,
        limit=policy.sample_rows,
    )  # fmt: skip
    rows = len(answers.inputs)
    ctx.log(f"{rows:,} predictions of {version} since {since:%Y-%m-%d %H:%M} UTC")
    if rows < MIN_ROWS:
        raise ValueError(f"There are {rows} predictions; a comparison needs at least {MIN_ROWS}.")

    ctx.progress(0.2, "Reading the training rows")
    trained_on = dataset_rows(data, "train")
    before = trained_on.sample(min(len(trained_on), MOST_REFERENCE_ROWS), random_state=0)
    ctx.log(f"{len(before):,} of {len(trained_on):,} training rows of {data}")
    inputs = lake.told(version.signature["inputs"], answers.inputs)
    profile = ReferenceProfile.objects.filter(version=version).first()
    training = TrainingRun.objects.filter(version=version).first()
    sides = full_report.Sides(
        inputs=inputs,
        reference={name: before[name].tolist() for column in inputs if (name := column["name"]) in before},
        current=full_report.columns_of(answers.inputs, inputs),
        scores=answers.scores,
        score=profile.score if profile else {},
        importance=training.importance if training else {},
    )

    ctx.progress(0.3, "Comparing")
    findings, features = full_report.judged(sides, policy)
    exact = full_report.exact_statistics(sides)
    features = [replace(one, statistics=exact.get(one.name, one.statistics)) for one in features]
    said = verdict(counted(findings, policy.muted))
    ctx.log(said)
    ctx.progress(0.4, "Having a classifier tell both sides apart")
    classifier = full_report.told_apart(sides)
    if classifier:
        ctx.log(f"A classifier tells both sides apart with an area of {classifier['auc']:.3f}.")
    ctx.progress(0.45, "Comparing slice by slice")
    slices = full_report.slices(sides, policy)
    ctx.progress(0.6, "Having Evidently draw its page")
    html = f"drift/{ctx.job_id}-{ctx.attempt}.html"
    note = full_report.evidently_page(sides, Path(settings.REPORT_ROOT) / html)
    if note:
        ctx.log(note)
    result = {"verdict": said}
    with ctx.finish(result):
        report = DriftReport.objects.create(
            version=version, reference=data, reference_rows=len(before), current_rows=rows, since=since, until=until,
            features=[feature.as_json() for feature in features], classifier=classifier, slices=[one.as_json() for one in slices],
            verdict=said, compared=len(features), drifted=sum(feature.drifted for feature in features),
            policy_number=policy.number, html="" if note else html, note=note, job_id=ctx.job_id,
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
    from monitoring.labelling import freezing

    freezing.freeze(ctx)


@job_kind("lake_compact", queue="monitoring", timeout_s=3600, memory_mb=4096)
def lake_compact(ctx: JobContext) -> None:
    """Join the small files of a team's days in the lake, and delete the replaced ones that no reader needs any more."""
    from monitoring.predictions import tidying
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
    from monitoring.predictions import tidying
    from monitoring.selectors.lake import surplus

    due = surplus(today=timezone.now().date()).get(ctx.scope, [])
    for n, partition in enumerate(due):
        ctx.progress(n / len(due), f"Forgetting {partition.model}, {partition.day}")
        tidying.forget(partition)
        ctx.log(f"{partition.rows:,} rows of {partition.table}, {partition.model}, {partition.day}")
    ctx.progress(1.0, "Deleting files")
    with ctx.finish({"partitions": len(due), "rows": sum(p.rows for p in due), "deleted": tidying.sweep()}):
        pass


@job_kind("quality_reference", queue="evaluation", timeout_s=900, memory_mb=3072, max_attempts=2)
def quality_reference(ctx: JobContext) -> None:
    """Predict the labelled rows that a version was measured on, and keep what estimates without labels rest on."""
    from monitoring.quality import fitting as quality_fitting

    quality_fitting.fit_reference(ctx)
