"""Holding rows to rules: one pass over batches, and what the columns and the circumstances tell by themselves. No ORM, clock or settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from experiments.contracts import rules as r
from experiments.contracts.results import CheckResult, result
from experiments.contracts.sources import Rows
from experiments.contracts.tallies import Names, Tally, tally_of


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the rows.

    Attributes:
        now: what freshness is reckoned from.
        key: the columns that name a row in samples; none: its position.
        previous_rows: of the version before; None where there is none.
        splits: {name: {from, until, rows, positives}}.
    """

    now: datetime
    key: Sequence[str] = ()
    previous_rows: int | None = None
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def check(
    rows: Rows, rules: Sequence[r.Rule], circumstances: Circumstances,
    progress: Callable[[float], None] = lambda share: None,
) -> list[CheckResult]:  # fmt: skip
    """Return what was found of each rule, in their order; rules about live predictions alone are left out.

    A rule about a column that is not there is told by the ``column`` rule, where there is one, and else fails.

    Args:
        progress: told the share done, now and then.
    """
    judged = [rule for rule in rules if not rule.live]
    demanded = {rule.column for rule in judged if isinstance(rule, r.Column)}
    found: list[CheckResult | Tally] = []
    for rule in judged:
        told = _from_schema(rule, rows.types, demanded) or _from_circumstances(rule, rows, circumstances)
        if told:
            found.append(told)
        elif all(column in rows.types for column in rule.columns):
            found.append(tally_of(rule, rows))
    key = [column for column in circumstances.key if column in rows.types]
    _count(rows, [one for one in found if isinstance(one, Tally)], key, progress)
    return [one.result(circumstances.now) if isinstance(one, Tally) else one for one in found]


def _count(rows: Rows, tallies: list[Tally], key: list[str], progress: Callable[[float], None]) -> None:
    """Read the rows once, and once more for what has to see them twice."""
    needed = {column for tally in tallies for column in tally.rule.columns}
    if not needed:
        return
    seen = 0
    for batch in rows.batches([name for name in rows.types if name in needed or name in key]):
        asked = [expression.alias(f"{i}.{j}") for i, t in enumerate(tallies) for j, expression in enumerate(t.ask())]
        answer = batch.select([*asked, pl.len()]).row(0) if batch.height else ()
        at = 0
        for tally in tallies if batch.height else []:
            took = len(tally.ask())
            tally.take(answer[at : at + took], batch, Names(key, seen))
            at += took
        seen += batch.height
        progress(seen / max(rows.count, 1))
    for tally in tallies:
        tally.look_again(rows, key)


def _from_schema(rule: r.Rule, types: Mapping[str, str], demanded: set[str]) -> CheckResult | None:
    """Return what the columns alone tell of a rule; None where rows have to be read, or another rule tells it."""
    match rule:
        case r.Column(name=name, type=kind, required=required):
            if name not in types:
                return result(rule, not required, f"there is no column {name}")
            return result(rule, types[name] == kind, f"it is {types[name]}")
        case r.NoExtraColumns(allowed=allowed):
            extra = [name for name in types if name not in demanded and name not in allowed]
            return result(rule, not extra, f"also there: {_listed(extra)}" if extra else f"{len(types)} columns")
    missing = [name for name in rule.columns if name not in types]
    if missing and not demanded.issuperset(missing):
        return result(rule, False, f"there is no column {', '.join(missing)}")
    odd = [name for name in rule.columns if name in types and rule.types and types[name] not in rule.types]
    if odd:
        return result(rule, False, f"{odd[0]} is {types[odd[0]]}; this asks for {' or '.join(rule.types)}")
    return None


def _from_circumstances(rule: r.Rule, rows: Rows, circumstances: Circumstances) -> CheckResult | None:
    match rule:
        case r.RowCount():
            return _row_count(rule, rows.count, circumstances.previous_rows)
        case r.TrainingFirst():
            if "train" not in circumstances.splits:
                return result(rule, False, "there is no split train")
            until = circumstances.splits["train"]["until"]
            early = [n for n, facts in circumstances.splits.items() if n != "train" and facts["from"] < until]
            return result(rule, not early, f"begin before {until}: {', '.join(early)}" if early else f"until {until}")
        case r.BothOutcomes():
            splits = circumstances.splits
            one_sided = [name for name, facts in splits.items() if not 0 < facts["positives"] < facts["rows"]]
            return result(
                rule, not one_sided, f"not in {', '.join(one_sided)}" if one_sided else f"{len(splits)} splits"
            )
    return None


def _row_count(rule: r.RowCount, rows: int, previous: int | None) -> CheckResult:
    holds = (rule.min is None or rows >= rule.min) and (rule.max is None or rows <= rule.max)
    detail = f"{rows:,} rows"
    if rule.max_change_share is not None and previous:
        change = (rows - previous) / previous
        holds = holds and abs(change) <= rule.max_change_share
        detail += f", {change:+.1%} against {previous:,} before"
    return result(rule, holds, detail, measured=rows)


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
