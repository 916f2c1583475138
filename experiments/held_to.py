"""What a data set version is held to."""

from datetime import datetime

from experiments.contracts.checking import Circumstances
from experiments.contracts.document import Contract
from experiments.contracts.rules import Rule
from experiments.contracts.standard import standard_rules, together
from experiments.models import DatasetVersion


def rules_for(version: DatasetVersion, contract: Contract | None) -> list[Rule]:
    """Return the rules of a contract with the standard ones."""
    standard = standard_rules(
        features=version.features(), target=version.target, time_column=version.time_column, key=version.key
    )
    return together(standard, contract.rules if contract else [])


def circumstances_of(version: DatasetVersion, *, now: datetime) -> Circumstances:
    """Return what is known of a version beside its rows."""
    return Circumstances(
        now=now, key=[version.key], previous_rows=version.parent.rows if version.parent else None, splits=version.splits
    )
