"""Data contracts: what a team holds its rows to, and what was found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.contracts.comparing import changes
from experiments.contracts.document import Contract, ContractError, contract_document, read_contract
from experiments.contracts.results import CheckResult, broken, failures_first
from experiments.models import ContractCheck, ContractDraft, DataContract, Dataset, DatasetVersion
from jobs.models import Job
from jobs.services import job_create
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
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


class DraftChangedError(ConflictError):
    """Somebody changed the draft since the person looked."""

    code = "stale-draft"

    def __init__(self, by: str) -> None:
        super().__init__(f"{by} changed the draft since you looked. Look at it as it is now, then accept it.")


@audited()
def contract_propose_start(*, actor: Actor, version: DatasetVersion) -> Job:
    """Queue a job that reads a draft of a contract off a version; nothing is held to it before a person accepts it.

    Raises:
        RoleError: the actor is neither engineer nor admin of the team.
    """
    dataset = version.dataset
    actor.require(dataset.team, *CONTRACT_KEEPERS)
    job = job_create(
        kind="contract_propose", scope=dataset.team.slug, title=f"Propose a contract of {dataset.name} by v{version.number}",
        subject=dataset.path, params={"version_id": version.pk}, created_by=actor.user,
    )  # fmt: skip
    audit(
        action="contract.propose", subject=dataset.path, actor=actor, team=dataset.team.slug,
        payload={"version": version.number, "job": job.pk},
    )  # fmt: skip
    return job


@audited()
def contract_draft_save(
    *, actor: Actor, dataset: Dataset, contract: Contract, reference: DatasetVersion | None = None
) -> ContractDraft:  # fmt: skip
    """Keep what the next contract is to be while it is worked on, in place of the draft before.

    Args:
        reference: the version that its limits were read off; None keeps the one that the draft had.

    Raises:
        RoleError: the actor is neither engineer nor admin of the team.
    """
    actor.require(dataset.team, *CONTRACT_KEEPERS)
    values: dict[str, Any] = {"document": contract_document(contract), "changed_by": actor.user}
    if reference is not None:
        values["reference"] = reference
    draft, _ = ContractDraft.objects.update_or_create(dataset=dataset, defaults=values)
    audit(
        action="contract.draft", subject=dataset.path, actor=actor, team=dataset.team.slug,
        payload={"rules": len(contract.rules), "reference": draft.reference.number if draft.reference else None},
    )  # fmt: skip
    return draft


@audited()
def contract_draft_drop(*, actor: Actor, dataset: Dataset) -> None:
    """Forget the draft; the contract in force stays. Without a draft nothing changes.

    Raises:
        RoleError: the actor is neither engineer nor admin of the team.
    """
    actor.require(dataset.team, *CONTRACT_KEEPERS)
    if ContractDraft.objects.filter(dataset=dataset).delete()[0]:
        audit(action="contract.draft_drop", subject=dataset.path, actor=actor, team=dataset.team.slug)


@audited()
def contract_change(
    *, actor: Actor, dataset: Dataset, document: Mapping[str, Any], reason: str, reference: DatasetVersion | None = None
) -> DataContract:  # fmt: skip
    """Put the next number of a data set's contract in force. What is built or frozen from now on is held to it, and live inputs are.

    Raises:
        RoleError: the actor is neither engineer nor admin of the team.
        InvalidError: the reason is missing, or the rules are not sound; names the field.
        ConflictError: nothing changes.
    """
    actor.require(dataset.team, *CONTRACT_KEEPERS)
    if not reason.strip():
        raise InvalidError("Say why; whoever meets a rule reads it.", field="reason")
    try:
        contract = read_contract(document)
    except ContractError as error:
        raise InvalidError(str(error), field=f"contract/{error.field}") from None
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)  # two changes at once take two numbers
    before = dataset.contract_in_force()
    changed = changes(before.contract if before else Contract(), contract)
    if not changed:
        raise ConflictError("These rules are in force already." if before else "A contract holds one rule at least.")
    made = DataContract.objects.create(
        dataset=dataset, number=before.number + 1 if before else 1, document=contract_document(contract),
        reason=reason.strip(), reference=reference, made_by=actor.user,
    )  # fmt: skip
    made.refresh_from_db(fields=["made_at"])
    ContractDraft.objects.filter(dataset=dataset).delete()
    audit(
        action="contract.change", subject=dataset.path, actor=actor, team=dataset.team.slug,
        payload={
            "number": made.number, "reason": made.reason, "rules": len(contract.rules),
            **{what: [c.rule for c in changed if c.what == what][:MOST_TOLD] for what in ("added", "changed", "removed")},
        },
    )  # fmt: skip
    return made


@audited()
def contract_check_start(*, actor: Actor, version: DatasetVersion, contract: DataContract | None = None) -> Job:
    """Queue a job that holds a version to the contract in force, or to another number, and keeps what it finds.

    Raises:
        RoleError: the actor is neither engineer nor admin of the team.
    """
    dataset = version.dataset
    actor.require(dataset.team, *CONTRACT_KEEPERS)
    contract = contract or dataset.contract_in_force()
    job = job_create(
        kind="contract_check", scope=dataset.team.slug,
        title=f"Hold {version} to {f'contract {contract.number}' if contract else 'the standard rules'}",
        subject=dataset.path, params={"version_id": version.pk, "contract_id": contract.pk if contract else None},
        created_by=actor.user,
    )  # fmt: skip
    audit(
        action="contract.check_start", subject=version.path, actor=actor, team=dataset.team.slug,
        payload={"contract": contract.number if contract else None, "job": job.pk},
    )  # fmt: skip
    return job


@audited()
def contract_check_record(
    *, actor: Actor, dataset: Dataset, contract: DataContract | None, digest: str, rows: int,
    results: Sequence[CheckResult], occasion: str, version: DatasetVersion | None = None, job: Job | None = None,
) -> ContractCheck:  # fmt: skip
    """Keep what was found when rows were held to the rules.

    Args:
        version: None where the rows became none.
    """
    ordered = failures_first(results)
    stopping = broken(results)
    check = ContractCheck.objects.create(
        dataset=dataset, version=version, contract=contract, occasion=occasion, digest=digest, rows=rows,
        broken=len(stopping), noted=sum(not r.passed for r in results) - len(stopping), held=sum(r.passed for r in results),
        results=[r.as_json() for r in ordered], job=job, created_by=actor.user,
    )  # fmt: skip
    audit(
        action="contract.check", subject=check.path, actor=actor, team=dataset.team.slug,
        payload={
            "contract": contract.number if contract else None, "version": version.number if version else None,
            "occasion": occasion, "digest": digest, "broken": [r.rule for r in stopping][:MOST_TOLD], "noted": check.noted,
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
