"""Freezing rows: a data set version that records what was asked for, and never changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
from django.conf import settings
from django.utils import timezone

from experiments.contracts.sources import rows_of
from experiments.models import ContractCheck, Dataset, DatasetVersion
from experiments.rows.describing import Description, describe_rows
from experiments.rows.frames import save_table
from experiments.rows.freezing import frozen_table
from experiments.rows.roles import BINARY, check_columns, the_column
from experiments.rows.splitting import by_time
from experiments.selectors import golden_sets
from experiments.services.contracts import contract_check_record, stop_where_broken
from experiments.services.datasets import version_make, version_of_rows
from jobs.models import Job
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import Role

if TYPE_CHECKING:
    import polars as pl


def dataset_version_freeze(
    *, actor: Actor, dataset: Dataset, frame: "pd.DataFrame | pl.DataFrame", columns: Sequence[Mapping[str, str]],
    time_column: str, target: str, key: str, splits: Mapping[str, tuple[str | datetime, str | datetime]], source: str,
    query: Mapping[str, Any], parent: DatasetVersion | None = None, job: Job | None = None, target_kind: str = BINARY,
) -> DatasetVersion:  # fmt: skip
    """Freeze rows as the next version of ``dataset``: written by their digest, described, held to the contract in force.

    Safe to repeat: the same rows give the same version. Call it outside of a transaction, so that the report on rows that are
    refused is kept.

    Args:
        columns: [{name, type, role, meaning}], in order.
        splits: {name: (from, until)}; half-open, as ISO days or instants, UTC.
        query: what the rows were asked for, as JSON: window, predicate, versions of the lake's tables.
        parent: the version that they follow; the latest one if left out.
        target_kind: what the target is; see ``experiments.rows.roles.TARGET_KINDS``.

    Raises:
        RoleError: the actor is no engineer of the team.
        InvalidError: the rows are none, or not as the columns say; names the field.
        ContractBrokenError: a blocking rule does not hold; carries the report.
    """
    actor.require(dataset.team, Role.ENGINEER)
    kept = [{"meaning": "", **column} for column in columns]
    _check_columns(kept, target=target, time=time_column, key=key)
    if not query:
        raise InvalidError("query must say what the rows were asked for, such as their window.", field="query")
    if parent is not None and parent.dataset_id != dataset.pk:
        raise InvalidError(f"{parent} is a version of another data set.", field="parent")
    table = frozen_table(frame, kept)
    if table[time_column].null_count == table.num_rows:
        raise InvalidError(f"No row says when: {time_column} is empty.", field="time_column")
    contract, before = dataset.contract_in_force(), parent or dataset.versions.first()
    saved = save_table(table, settings.DATA_ROOT)
    description = describe_rows(
        rows_of(table), saved, columns=kept, source=source, now=timezone.now(), target_kind=target_kind,
        policy=by_time(time_column, {name: (_iso(start), _iso(until)) for name, (start, until) in splits.items()}),
        contract=contract.contract.rules if contract else [],
        previous_rows=before.rows if before else None, golden=golden_sets(dataset),
    )  # fmt: skip
    report = partial(
        contract_check_record, actor=actor, dataset=dataset, contract=contract, digest=saved.digest,
        rows=saved.rows, results=description.results,
        occasion=ContractCheck.Occasion.FREEZE, job=job,
    )  # fmt: skip
    stop_where_broken(report, description.results)
    with audited():
        version = _freeze(
            actor=actor, dataset=dataset, description=description, query=dict(query), parent=parent, job=job
        )
        report(version=version)
    return version


@audited()
def _freeze(
    *, actor: Actor, dataset: Dataset, description: Description, query: dict[str, Any], parent: DatasetVersion | None,
    job: Job | None,
) -> DatasetVersion:  # fmt: skip
    """Freeze rows as a version; a version that holds them already becomes the frozen one."""
    version = version_of_rows(dataset, description)
    if version is None:
        version = version_make(
            actor=actor, dataset=dataset, description=description, job=job, parent=parent, frozen=True, query=query
        )
    elif not version.frozen:
        version.frozen, version.query = True, query
        version.save(update_fields=["frozen", "query"])
    audit(
        action="dataset.freeze", subject=version.path, actor=actor, team=dataset.team.slug,
        payload={"digest": version.digest, "rows": version.rows, "query": query, "job": job.pk if job else None},
    )  # fmt: skip
    return version


def _check_columns(columns: Sequence[Mapping[str, str]], **named: str) -> None:
    """See that every column has a role, and that target, time and key are those that were named."""
    check_columns(columns)
    for role, name in named.items():
        if not name or the_column(columns, role) != name:
            raise InvalidError(f"columns must hold {name or 'one'} with the role {role}.", field="columns")


def _iso(instant: str | datetime) -> str:
    return instant if isinstance(instant, str) else instant.isoformat()
