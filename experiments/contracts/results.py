"""What was found of one rule. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.contracts.rules import Rule

SAMPLE = 5  # rows named of each broken rule


@dataclass(frozen=True)
class CheckResult:
    """One rule and whether it holds.

    Attributes:
        rule: its key, such as ``nulls:distance``.
        column: what it is about; empty: the rows as a whole.
        name: what it demands, in words.
        measured, limit: in the unit of the rule: a share, a count, hours; None where there is no single number.
        sample: keys of rows that break it, never their values.
        detail: what was found, in words.
        reason: why the rule is there.
    """

    rule: str
    kind: str
    column: str
    name: str
    severity: str
    passed: bool
    measured: float | None
    limit: float | None
    detail: str
    reason: str
    sample: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def result(
    rule: Rule, passed: bool, detail: str, *, measured: float | None = None, sample: Sequence[str] = ()
) -> CheckResult:
    """Return what was found of ``rule``."""
    return CheckResult(
        rule=rule.key, kind=rule.kind, column=rule.column, name=rule.words, severity=rule.severity,
        passed=passed, measured=measured, limit=rule.limit, detail=detail, reason=rule.reason, sample=list(sample),
    )  # fmt: skip


def failures_first(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Return the results in the order in which people read them: broken, noted, held."""
    return sorted(results, key=lambda r: (r.passed, r.severity == "advisory"))


def broken(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Return the blocking rules that do not hold."""
    return [r for r in results if not r.passed and r.severity == "blocking"]


def brief(results: Sequence[CheckResult]) -> list[dict[str, Any]]:
    """Return what a version keeps of its checks: [{name, passed, detail, severity}], what holds taken together by kind.

    A contract over 300 columns has a thousand rules; a list of versions reads this of each.
    """
    told = [
        {"name": r.name, "passed": False, "detail": r.detail, "severity": r.severity}
        for r in failures_first(results) if not r.passed
    ]  # fmt: skip
    kinds: dict[str, list[CheckResult]] = {}
    for r in results:
        if r.passed:
            kinds.setdefault(r.kind, []).append(r)
    for same in kinds.values():
        if len(same) == 1:
            told.append({"name": same[0].name, "passed": True, "detail": same[0].detail, "severity": same[0].severity})
        else:
            severity = "blocking" if any(r.severity == "blocking" for r in same) else "advisory"
            words = KIND_WORDS.get(same[0].kind, same[0].kind)
            told.append(
                {"name": words, "passed": True, "detail": f"{len(same)} rules hold", "severity": severity}
            )  # fmt: skip
    return told


KIND_WORDS = {
    "column": "Columns and types",
    "no_extra_columns": "No other columns",
    "nulls": "Missing values",
    "range": "Ranges of numbers",
    "categories": "Known categories",
    "pattern": "Patterns of text",
    "length": "Lengths of text",
    "unique": "Uniqueness",
    "monotone": "Order",
    "varies": "Columns that vary",
    "freshness": "Freshness",
    "row_count": "Number of rows",
    "live_freshness": "Freshness of predictions",
    "live_rows": "Number of predictions",
    "training_first": "Order of splits",
    "both_outcomes": "Outcomes in splits",
    "shared_entity": "Entities kept apart",
    "shared_query": "Queries kept apart",
    "later_in_training": "Nothing later in training",
    "repeated_across": "No row on both sides",
    "tells_target": "Features that tell the target",
    "golden_rows": "Golden rows kept out of training",
}
