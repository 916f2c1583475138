"""Reading a source into the next version of its data set."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from experiments.handlers.asking import actor_of
from experiments.intake.staging import stage
from experiments.models import ContractCheck, DatasetSource
from experiments.rows.describing import describe_rows
from experiments.rows.splitting import SplitPolicy
from experiments.selectors import golden_sets
from experiments.services import contract_check_record, stop_where_broken
from experiments.services.sources import ingest_record
from experiments.sourcing.fetching import fetching
from jobs.kinds import JobContext
from jobs.models import Job


def dataset_ingest(ctx: JobContext) -> None:
    """Read a source, stage its rows, describe them, hold them to the contract, and add them as a version."""
    source = DatasetSource.objects.select_related("dataset__team").get(pk=ctx.params["source_id"])
    dataset = source.dataset
    ctx.progress(0.02, f"Opening {source.title}")
    Path(settings.DATA_ROOT).mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".ingest-", dir=settings.DATA_ROOT) as name,
        fetching(source, Path(name)) as fetched,
    ):
        if not fetched.fresh and fetched.parent:
            ctx.log(f"No row lies above {fetched.told['above']}; there is no new version.")
            with ctx.finish({"new_rows": 0, "version": fetched.parent.path}):
                return
        staged = stage(
            fetched.batches, columns=source.columns, policy=SplitPolicy(**source.split), folder=Path(name),
            root=Path(settings.DATA_ROOT), most_rows=settings.SOURCE_MAX_ROWS,
            progress=lambda rows: ctx.progress(0.1 + 0.5 * rows / (rows + 1_000_000), f"{rows:,} rows read"),
        )  # fmt: skip
    for fact, value in fetched.told.items():
        ctx.log(f"{fact.replace('_', ' ')}: {value}")
    ctx.log(f"{staged.saved.rows:,} rows, {len(staged.columns)} columns, {staged.saved.digest}")
    ctx.progress(0.7, "Describing columns and checking quality")
    contract, before = dataset.contract_in_force(), fetched.parent or dataset.versions.first()
    description = describe_rows(
        staged.rows, staged.saved, columns=staged.columns, policy=staged.policy, source=fetched.about, now=timezone.now(),
        target_kind=fetched.target_kind, contract=contract.contract.rules if contract else [], previous_rows=before.rows if before else None,
        golden=golden_sets(dataset),
        progress=lambda share: ctx.progress(0.7 + 0.25 * share, "Describing columns and checking quality"),
    )  # fmt: skip
    for check in description.checks:
        ctx.log(f"{'passed' if check['passed'] else 'FAILED'}: {check['name']} ({check['detail']})")
    actor, job = actor_of(ctx), Job.objects.get(pk=ctx.job_id)
    report = partial(
        contract_check_record, actor=actor, dataset=dataset, contract=contract, digest=staged.saved.digest, rows=staged.saved.rows,
        results=description.results, occasion=ContractCheck.Occasion.BUILD, job=job,
    )  # fmt: skip
    stop_where_broken(report, description.results)
    result: dict[str, Any] = {"digest": staged.saved.digest, "rows": staged.saved.rows}
    with ctx.finish(result):
        version = ingest_record(actor=actor, source=source, description=description, fetched=fetched, job=job)
        result["version"] = version.path
        result["checks"] = report(version=version).path
    fetched.settle()
