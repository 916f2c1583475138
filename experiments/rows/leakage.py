"""Whether what is held out was seen in training: the same entity, query or row, a later time, a feature that is the target. Pure.

Memory is eight bytes a row for repeated rows, the distinct values of one column at a time, and a sample of the training rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from experiments.contracts.results import CheckResult
from experiments.contracts.sources import Rows
from experiments.rows.roles import BINARY, CATEGORY
from experiments.rows.splitting import mask

LEARNED, HELD = ("train", "validation"), ("held_out", "test")
SAMPLE_ROWS = 50_000  # of the training rows, evenly spread, that a feature is compared with the target on
SAME, NEAR = (
    0.9999,
    0.98,
)  # absolute rank or linear correlation, or how surely the feature tells one outcome from the other
MIN_ROWS, MIN_PER_WORD = 100, 20  # fewer agree by chance
TOGETHER = ("entity", "query")  # roles whose values must not lie on both sides


def leaks(
    rows: Rows, *, columns: Sequence[Mapping[str, str]], splits: Mapping[str, Mapping[str, Any]], target_kind: str,
    policy: str = "time", time_column: str = "",
) -> list[CheckResult]:  # fmt: skip
    """Return what was found of each way in which held-out rows may have been seen in training.

    Args:
        columns: [{name, type, role, meaning}].
        splits: as :func:`experiments.rows.splitting.split_facts` gives them.
        policy: the kind of the split; what it promises is blocking, what it cannot promise is advisory.
    """
    sides = {name: [s for s in splits if s in names] for name, names in (("learned", LEARNED[:1]), ("held", HELD))}
    found: list[CheckResult] = []
    if sides["learned"] and sides["held"]:
        seen = {side: _any([mask(name, splits[name], time_column) for name in names]) for side, names in sides.items()}
        for column in columns:
            if column["role"] in TOGETHER:
                found += [_shared(rows, column, seen, time_column, splits, policy)]
        if time_column:
            found.append(_later(rows, seen, time_column, splits, policy))
        found.append(_repeated(rows, columns, seen, time_column, splits))
    found += _telling(rows, columns, splits, target_kind, time_column)
    return found


def _shared(
    rows: Rows, column: Mapping[str, str], seen: Mapping[str, pl.Expr], time_column: str,
    splits: Mapping[str, Mapping[str, Any]], policy: str,
) -> CheckResult:  # fmt: skip
    """Look for entities, or queries, that lie in the training rows and in the held-out ones."""
    name, role = column["name"], column["role"]
    values: dict[str, list[pl.Series]] = {"learned": [], "held": []}
    for batch in rows.batches(_needed(splits, time_column, name)):
        for side, condition in seen.items():
            values[side].append(batch.filter(condition)[name].drop_nulls().unique())
    learned, held = (pl.concat(parts).unique() if parts else pl.Series(name, []) for parts in values.values())
    both = held.filter(held.is_in(learned.implode())).sort() if len(held) and len(learned) else held.clear()
    blocking = role == "query" or policy == "entity"
    plural = {"entity": "entities", "query": "queries"}[role]
    return _told(
        f"shared_{role}", name, f"no {role} of {name} is both in training and held out", not len(both),
        f"{len(both):,} of {len(held):,} held-out {plural} were trained on" if len(both) else f"{len(held):,} held-out {plural}, none trained on",
        measured=len(both) / len(held) if len(held) else 0.0, limit=0.0, blocking=blocking,
        sample=[str(value) for value in both.head(5)],
        reason="Rows of one " + role + " resemble each other: a model that saw some looks better on the others than it is.",
    )  # fmt: skip


def _later(
    rows: Rows, seen: Mapping[str, pl.Expr], time_column: str, splits: Mapping[str, Mapping[str, Any]], policy: str
) -> CheckResult:
    """Look for training rows that are later than the first held-out one."""
    first: Any = None
    for batch in rows.batches(_needed(splits, time_column, time_column)):
        earliest: Any = batch.filter(seen["held"])[time_column].min()
        first = earliest if first is None or (earliest is not None and earliest < first) else first
    late = total = 0
    for batch in rows.batches(_needed(splits, time_column, time_column)) if first is not None else []:
        times = batch.filter(seen["learned"])[time_column]
        late += int((times >= first).sum())
        total += len(times)
    return _told(
        "later_in_training", time_column, "no training row is later than a held-out one", not late,
        f"{late:,} of {total:,} training rows are of {first:%Y-%m-%d %H:%M} UTC or later, when what is held out begins"
        if late else f"what is held out begins {first:%Y-%m-%d %H:%M} UTC" if first else "nothing is held out",
        measured=late / total if total else 0.0, limit=0.0, blocking=policy == "time",
        reason="A model that has seen what came later looks better than it will be in use.",
    )  # fmt: skip


def _repeated(
    rows: Rows, columns: Sequence[Mapping[str, str]], seen: Mapping[str, pl.Expr], time_column: str,
    splits: Mapping[str, Mapping[str, Any]],
) -> CheckResult:  # fmt: skip
    """Look for held-out rows whose features and target are also those of a training row."""
    compared = [c["name"] for c in columns if c["role"] in ("feature", "target", "series", "document")]
    hashes: dict[str, list[npt.NDArray[np.uint64]]] = {"learned": [], "held": []}
    for batch in rows.batches(_needed(splits, time_column, *compared)):
        for side, condition in seen.items():
            part = batch.filter(condition)
            hashes[side].append(part.select(pl.struct(compared).hash(seed=0)).to_series().to_numpy())
    learned, held = (np.concatenate(parts) if parts else np.empty(0, np.uint64) for parts in hashes.values())
    again = int(np.isin(held, learned).sum())
    return _told(
        "repeated_across", "", "no held-out row repeats a training row", not again,
        f"{again:,} of {len(held):,} held-out rows have the features and the target of a training row" if again else f"{len(held):,} rows compared",
        measured=again / len(held) if len(held) else 0.0, limit=0.0, blocking=False,
        reason="A row that was learned by heart measures nothing. Rows of few, coarse features may agree by chance.",
    )  # fmt: skip


def _telling(
    rows: Rows,
    columns: Sequence[Mapping[str, str]],
    splits: Mapping[str, Mapping[str, Any]],
    target_kind: str,
    time_column: str,
) -> list[CheckResult]:
    """Look for features that are the target, or all but tell it."""
    target = next(c["name"] for c in columns if c["role"] == "target")
    features = [c["name"] for c in columns if c["role"] == "feature"]
    if target_kind == CATEGORY or not features:
        return []
    condition = mask("train", splits["train"], time_column) if "train" in splits else pl.lit(value=True)
    step = max(1, rows.count // SAMPLE_ROWS)
    parts = [
        batch.gather_every(step).filter(condition)
        for batch in rows.batches(_needed(splits, time_column, target, *features))
    ]
    sample = pl.concat(parts) if parts else pl.DataFrame()
    found = []
    for name in features if sample.height >= MIN_ROWS else []:
        strength = _strength(sample.select(name, target).drop_nulls(), name, target, target_kind)
        if strength >= NEAR:
            same = strength >= SAME
            found.append(_told(
                "tells_target", name, f"{name} does not tell the target", False,
                f"{'it is as good as' if same else 'it nearly tells'} {target}: {strength:.4f} of 1 on {sample.height:,} training rows",
                measured=strength, limit=NEAR, blocking=same,
                reason="A feature that is made from the target is not there when a prediction is asked for.",
            ))  # fmt: skip
    if not found:
        found.append(_told(
            "tells_target", "", "no feature tells the target", True,
            f"{len(features)} features, {sample.height:,} training rows" if sample.height >= MIN_ROWS else f"{sample.height} training rows are too few to tell", measured=None, limit=NEAR, blocking=True,
            reason="A feature that is made from the target is not there when a prediction is asked for.",
        ))  # fmt: skip
    return found


def _strength(pair: pl.DataFrame, name: str, target: str, target_kind: str) -> float:
    """Return how surely a feature tells the target, from 0 to 1.

    Of a number and a yes or no: the larger of area under the ROC curve and its mirror, scaled to 0 … 1. Of two numbers: the absolute
    linear or rank correlation, whichever is larger. Of words: how well the mean target of each word orders
    the rows, where words are frequent enough.
    """
    kind = pair.schema[name]
    values = pair[target].cast(pl.Float64)
    if not kind.is_numeric() and kind not in (pl.Boolean, pl.String):
        return 0.0
    if kind == pl.String:
        if pair[name].n_unique() * MIN_PER_WORD > pair.height:
            return 0.0
        told = pair.select(pl.col(target).cast(pl.Float64).mean().over(name)).to_series()
    else:
        told = pair[name].cast(pl.Float64)
    if told.n_unique() < 2 or values.n_unique() < 2:
        return 0.0
    if target_kind == BINARY:
        ranks = told.rank("average")
        positives = float(values.sum())
        negatives = pair.height - positives
        area = (float(ranks.filter(values > 0).sum()) - positives * (positives + 1) / 2) / (positives * negatives)
        return abs(2 * area - 1)
    linear = np.corrcoef(told.to_numpy(), values.to_numpy())[0, 1]
    ranked = np.corrcoef(told.rank("average").to_numpy(), values.rank("average").to_numpy())[0, 1]
    return float(np.nanmax(np.abs([linear, ranked, 0.0])))


def _told(
    kind: str, column: str, name: str, passed: bool, detail: str, *, measured: float | None, limit: float, blocking: bool, reason: str,
    sample: list[str] | None = None,
) -> CheckResult:  # fmt: skip
    return CheckResult(
        rule=f"{kind}:{column}" if column else kind, kind=kind, column=column, name=name, severity="blocking" if blocking else "advisory",
        passed=passed, measured=measured, limit=limit, detail=detail, reason=reason, sample=sample or [],
    )  # fmt: skip


def _needed(splits: Mapping[str, Mapping[str, Any]], time_column: str, *names: str) -> list[str]:
    placed = {facts["column"] for facts in splits.values() if "column" in facts} or {time_column} - {""}
    return list(dict.fromkeys([*names, *placed, *([time_column] if time_column else [])]))


def _any(conditions: Sequence[pl.Expr]) -> pl.Expr:
    together = conditions[0]
    for condition in conditions[1:]:
        together = together | condition
    return together
