"""The work about data contracts: reading one off a version, and holding a version to one."""

from django.utils import timezone

from experiments.contracts.checking import check
from experiments.contracts.proposing import propose
from experiments.contracts.sources import rows_in
from experiments.held_to import circumstances_of, leaks_of, rules_for
from experiments.models import ContractCheck, DataContract, DatasetVersion
from experiments.services import contract_check_record, contract_draft_save
from jobs.kinds import JobContext
from jobs.models import Job
from registry.access import Actor


def contract_propose(ctx: JobContext) -> None:
    """Read a draft of a contract off a data set version."""
    version = _version(ctx)
    ctx.progress(0.0, f"Reading {version}")
    contract = propose(
        rows_in(version.parquet), name=f"v{version.number}", columns=version.columns, now=timezone.now(),
        progress=lambda share: ctx.progress(share, f"Reading {version}"),
    )  # fmt: skip
    ctx.log(f"{len(contract.rules):,} rules, read off {version.rows:,} rows of {version}")
    with ctx.finish({"rules": len(contract.rules), "draft": f"{version.dataset.path}contract/edit/"}):
        contract_draft_save(actor=_actor(ctx), dataset=version.dataset, contract=contract, reference=version)


def contract_check(ctx: JobContext) -> None:
    """Hold a data set version to a contract, and keep what was found."""
    version = _version(ctx)
    contract = DataContract.objects.filter(pk=ctx.params["contract_id"]).first()
    rules = rules_for(version, contract.contract if contract else None)
    phase = f"Holding {version} to {len(rules):,} rules"
    ctx.progress(0.0, phase)
    results = check(
        rows_in(version.parquet),
        rules,
        circumstances_of(version, now=timezone.now()),
        lambda share: ctx.progress(share, phase),
    )
    results += leaks_of(version)
    for found in results:
        if not found.passed:
            ctx.log(f"{'BROKEN' if found.severity == 'blocking' else 'noted'}: {found.name} ({found.detail})")
    result: dict[str, object] = {"rules": len(results)}
    with ctx.finish(result):
        made = contract_check_record(
            actor=_actor(ctx), dataset=version.dataset, version=version, contract=contract, digest=version.digest,
            rows=version.rows, results=results, occasion=ContractCheck.Occasion.ASKED, job=Job.objects.get(pk=ctx.job_id),
        )  # fmt: skip
        result |= {"broken": made.broken, "noted": made.noted, "report": made.path}


def _version(ctx: JobContext) -> DatasetVersion:
    return DatasetVersion.objects.select_related("dataset__team", "parent").get(pk=ctx.params["version_id"])


def _actor(ctx: JobContext) -> Actor:
    if ctx.created_by is None:
        raise ValueError("this kind of job is started by a person")
    return Actor(ctx.created_by, f"job:{ctx.job_id}")
