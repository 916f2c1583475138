"""Data contracts: what a team holds its rows to, and what was found."""

from collections.abc import Callable, Sequence

from experiments.contracts.results import CheckResult, broken, failures_first
from experiments.frames import SavedFrame
from experiments.models import ContractCheck, DataContract, Dataset, DatasetVersion
from jobs.models import Job
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import Role

CONTRACT_KEEPERS = (Role.ENGINEER, Role.ADMIN)
MOST_TOLD = 20


class ContractBrokenError(ConflictError):
    """Rows do not hold a blocking rule, so they become no version.

    Attributes:
        check: the report, which is kept.
    """

    code = "contract-broken"

    def __init__(self, check: ContractCheck) -> None:
        found = [result for result in check.failures if result["severity"] == "blocking"]
        told = "; ".join(f"{result['name']}: {result['detail']}" for result in found[:MOST_TOLD])
        more = f"; and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
        super().__init__(
            f"The rows break {len(found)} blocking rule{'' if len(found) == 1 else 's'} of {check.dataset.name}, so they "
            f"became no version. {told}{more}. Report: {check.path}",
            unmet=[
                {"rule": f"{result['name']} ({result['detail']})", "who": "who makes the rows, or an engineer by a new contract"}
                for result in found[:MOST_TOLD]
            ],
        )  # fmt: skip
        self.check = check


@audited()
def contract_check_record(
    *, actor: Actor | None, dataset: Dataset, contract: DataContract | None, saved: SavedFrame,
    results: Sequence[CheckResult], occasion: str, version: DatasetVersion | None = None, job: Job | None = None,
) -> ContractCheck:  # fmt: skip
    """Keep what was found when rows were held to the rules.

    Args:
        version: None where the rows became none.
    """
    ordered = failures_first(results)
    stopping = broken(results)
    check = ContractCheck.objects.create(
        dataset=dataset, version=version, contract=contract, occasion=occasion, digest=saved.digest, rows=saved.rows,
        broken=len(stopping), noted=sum(not r.passed for r in results) - len(stopping), held=sum(r.passed for r in results),
        results=[r.as_json() for r in ordered], job=job, created_by=actor.user if actor else None,
    )  # fmt: skip
    audit(
        action="contract.check", subject=check.path, actor=actor, team=dataset.team.slug,
        payload={
            "contract": contract.number if contract else None, "version": version.number if version else None,
            "occasion": occasion, "digest": saved.digest, "broken": [r.rule for r in stopping][:MOST_TOLD], "noted": check.noted,
            "job": job.pk if job else None,
        },
    )  # fmt: skip
    return check


def stop_where_broken(report: Callable[[], ContractCheck], results: Sequence[CheckResult]) -> None:
    """See that every blocking rule holds; where one does not, keep the report and stop.

    Raises:
        ContractBrokenError: it is kept only if the caller is in no transaction that this error undoes.
    """
    if broken(results):
        raise ContractBrokenError(report())
