"""A contract read off rows that are known to be good, with margins. No ORM, clock or settings."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from experiments.contracts import rules as r
from experiments.contracts.document import Contract
from experiments.contracts.sources import Rows

MOST_CATEGORIES = 200
ROWS_PER_CATEGORY = 10  # fewer, and the values are no categories
WIDER = 0.1  # of a range's span, at either end
RARELY = 0.001  # of the values that may lie outside, or be missing where none was
NEW = 0.01  # of the values that may be new categories
GROWING_HOURS = 90 * 24  # newer rows than this are of a set that goes on growing
SILENT_MINUTES = 60.0


@dataclass
class _Seen:
    """What was seen of one column."""

    nulls: int = 0
    low: Any = None
    high: Any = None
    values: set[str] | None = field(default_factory=set)  # None: too many
    shortest: int | None = None
    longest: int | None = None


def propose(
    rows: Rows, *, name: str, columns: Sequence[Mapping[str, str]], now: datetime,
    progress: Callable[[float], None] = lambda share: None,
) -> Contract:  # fmt: skip
    """Return a draft: what the rows are like, with room for those to come.

    What would make a model wrong in silence blocks (columns, types, missing values, labels, keys, order); what may well be
    news of the world is advisory (ranges, new categories, row counts).

    Args:
        name: of the rows, for the reasons.
        columns: [{name, type, role, meaning}].
        now: what freshness is reckoned from.
    """
    seen = _look(rows, progress)
    found: list[Any] = [
        r.NoExtraColumns(severity="advisory", reason="A column that nobody declared may be a change at the source."),
        r.RowCount(
            min=rows.count // 2, max_change_share=0.5, severity="advisory",
            reason=f"{name} has {rows.count:,} rows; half as many, or half as many again, is worth a look.",
        ),
        r.LiveFreshness(
            max_age_minutes=SILENT_MINUTES, severity="advisory",
            reason="A model that nobody asks any more may be cut off from its callers.",
        ),
    ]  # fmt: skip
    for column in columns:
        if column["name"] in rows.types:
            found += _of_column(column, rows.types[column["name"]], seen[column["name"]], rows.count, name, now)
    return Contract(found)


def _look(rows: Rows, progress: Callable[[float], None]) -> dict[str, _Seen]:
    seen = {name: _Seen() for name in rows.types}
    read = 0
    for batch in rows.batches(list(rows.types)):
        for name, kind in rows.types.items():
            _add(seen[name], batch.get_column(name), kind)
        read += batch.height
        progress(read / max(rows.count, 1))
    return seen


def _add(seen: _Seen, values: pl.Series, kind: str) -> None:
    if kind == "double":
        values = values.fill_nan(None)
    seen.nulls += values.null_count()
    present = values.drop_nulls()
    if present.is_empty():
        return
    if kind in ("long", "double", "datetime"):
        finite = present.filter(present.is_finite()) if kind == "double" else present
        if not finite.is_empty():
            low, high = finite.min(), finite.max()
            seen.low = low if seen.low is None else min(seen.low, low)
            seen.high = high if seen.high is None else max(seen.high, high)
    if kind == "string":
        lengths = present.str.len_chars().to_numpy()
        shortest, longest = int(lengths.min()), int(lengths.max())
        seen.shortest = shortest if seen.shortest is None else min(seen.shortest, shortest)
        seen.longest = longest if seen.longest is None else max(seen.longest, longest)
    if kind in ("string", "long") and seen.values is not None:
        seen.values |= set(present.unique().cast(pl.String).to_list())
        if len(seen.values) > MOST_CATEGORIES:
            seen.values = None


def _of_column(
    column: Mapping[str, str], kind: str, seen: _Seen, count: int, of: str, now: datetime
) -> list[r.Rule]:  # fmt: skip
    name, role = column["name"], column["role"]
    found: list[r.Rule] = [r.Column(name=name, type=kind, reason=ROLE_REASONS[role])]  # type: ignore[arg-type]
    if role == "key":
        return [
            *found, r.Nulls(name=name, reason="A row without a name cannot be found again."),
            r.Unique(together=[name], reason="A row that is there twice counts twice."),
        ]  # fmt: skip
    if role == "time":
        found += [
            r.Nulls(name=name, reason="A row without a time is in no split."),
            r.Monotone(name=name, reason="Splits are cut by time."),
        ]
        return found + _freshness(name, seen.high, now)
    if role == "target":
        found.append(r.Nulls(name=name, reason="A row without a label teaches nothing."))
        if seen.values == {"0", "1"}:
            found.append(r.Categories(name=name, values=["0", "1"], reason="Labels are 0 or 1."))
        return found
    found.append(_nulls(name, seen.nulls, count, of))
    if kind in r.NUMBERS and seen.low is not None:
        found.append(_range(name, float(seen.low), float(seen.high), of, whole=kind == "long"))
    elif kind == "string" and seen.values and len(seen.values) * ROWS_PER_CATEGORY <= count:
        found.append(
            r.Categories(
                name=name,
                values=sorted(seen.values),
                max_new_share=NEW,
                severity="advisory",
                reason=f"These are the values of {of}; a model has learned nothing of others.",
            )
        )
    elif kind == "string" and seen.longest is not None:
        found.append(
            r.Length(
                name=name,
                min=min(seen.shortest or 0, 1),
                max=math.ceil(seen.longest * 1.5),
                max_share=RARELY,
                severity="advisory",
                reason=f"In {of} texts have {seen.shortest} to {seen.longest} characters.",
            )
        )
    return found


ROLE_REASONS = {
    "feature": "Models are trained on it.",
    "target": "It is what models learn to predict.",
    "time": "Splits are cut by it.",
    "key": "It names the row.",
}


def _nulls(name: str, nulls: int, count: int, of: str) -> r.Rule:
    if not nulls:
        return r.Nulls(name=name, max_share=RARELY, reason=f"In {of} it is never missing.")
    share = nulls / count
    limit = min(1.0, _up(max(share * 1.5, share + 0.005)))
    return r.Nulls(
        name=name,
        max_share=limit,
        reason=f"In {of} it is missing in {r.percent(share)}; half as often again is room enough.",
    )


def _range(name: str, low: float, high: float, of: str, *, whole: bool) -> r.Rule:
    room = (high - low) * WIDER or abs(high) * WIDER
    below, above = _out(low - room, -1), _out(high + room, 1)
    if whole:
        below, above = float(math.floor(below)), float(math.ceil(above))
    if low >= 0:
        below = max(below, 0.0)  # what is never negative stays so
    return r.Range(
        name=name, min=below, max=above, max_share=RARELY, severity="advisory",
        reason=f"In {of} it lies between {low:.6g} and {high:.6g}; a tenth of that span is room at either end.",
    )  # fmt: skip


def _freshness(name: str, newest: datetime | None, now: datetime) -> list[r.Rule]:
    hours = (now - newest).total_seconds() / 3600 if newest else math.inf
    if not 0 <= hours <= GROWING_HOURS:
        return []
    limit = float(max(24, math.ceil(hours / 24) * 48))
    reason = "New rows have kept coming; twice the age that the newest one had is a sign that they stopped."
    return [r.Freshness(name=name, max_age_hours=limit, severity="advisory", reason=reason)]


def _up(share: float) -> float:
    """Return a share rounded up to two significant digits."""
    step = 10.0 ** (math.floor(math.log10(share)) - 1)
    return round(math.ceil(share / step - 1e-9) * step, 6)


def _out(bound: float, direction: int) -> float:
    """Return a bound rounded away from the values to three significant digits."""
    if not bound:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(bound))) - 2)
    rounded = math.ceil(bound / step - 1e-9) if direction > 0 else math.floor(bound / step + 1e-9)
    return float(f"{rounded * step:.12g}")
