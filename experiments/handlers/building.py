"""Building the rows of a data set."""

from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from experiments.builders.catalogue import BUILDERS, describe
from experiments.handlers.asking import actor_of
from experiments.models import ContractCheck, Dataset
from experiments.rows.frames import save_frame
from experiments.selectors import golden_sets
from experiments.services import contract_check_record, dataset_version_add, stop_where_broken
from experiments.training.params import parse
from jobs.kinds import JobContext
from jobs.models import Job


def dataset_build(ctx: JobContext) -> None:
    """Build rows, save them under their digest, and add them as a version."""
    dataset = Dataset.objects.select_related("team").get(pk=ctx.params["dataset_id"])
    builder = BUILDERS[ctx.params["builder"]]
    ctx.progress(0.05, f"Building {builder.title}")
    frame = builder.build(parse(builder.params, ctx.params["params"]))
    ctx.log(f"{len(frame):,} rows, {len(builder.features)} features")
    ctx.progress(0.6, "Writing and hashing rows")
    saved = save_frame(frame, settings.DATA_ROOT)
    ctx.progress(0.8, "Describing columns and checking quality")
    contract, before = dataset.contract_in_force(), dataset.versions.first()
    description = describe(
        builder, frame, saved, now=timezone.now(), contract=contract.contract.rules if contract else [],
        previous_rows=before.rows if before else None, golden=golden_sets(dataset),
    )  # fmt: skip
    for check in description.checks:
        ctx.log(f"{'passed' if check['passed'] else 'FAILED'}: {check['name']} ({check['detail']})")
    actor, job = actor_of(ctx), Job.objects.get(pk=ctx.job_id)
    report = partial(
        contract_check_record, actor=actor, dataset=dataset, contract=contract, digest=saved.digest, rows=saved.rows,
        results=description.results, occasion=ContractCheck.Occasion.BUILD, job=job,
    )  # fmt: skip
    stop_where_broken(report, description.results)
    result: dict[str, Any] = {"digest": saved.digest, "rows": saved.rows}
    with ctx.finish(result):
        version = dataset_version_add(actor=actor, dataset=dataset, description=description, job=job)
        result["version"] = version.path
        result["checks"] = report(version=version).path
