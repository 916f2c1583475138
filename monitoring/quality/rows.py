"""From joined rows to sums: which output is judged, what its label says, and which slices a row is in."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.models.quality import QualityPolicy
from monitoring.quality.pairs import PairSums, number_pairs, probability_pairs
from monitoring.quality.sums import Key, Kind, Sums, categories, delays, numbers, probabilities, rankings, said
from monitoring.telemetry import score_of
from monitoring.trials.guards import number_of, value_of

Booleans = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]
JUDGED = ("request_id", "predicted", "label", "absolute", "squares")
_decode = msgspec.json.decode


Losses = Callable[[list[Mapping[str, Any]]], tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]


def counted(
    batches: Iterable[pa.RecordBatch], *, policy: QualityPolicy, losses: Mapping[int, Losses]
) -> dict[Key, Sums]:
    """Count joined rows by version, arm, slice and hour.

    Args:
        losses: by number of the version: what its errors probably are for which inputs, absolute and squared.
    """
    parts = [_columns(batch, policy, losses) for batch in batches if batch.num_rows]
    if not parts:
        return {}
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    slices = [name for name in columns if "=" in name]
    found = {}
    for (version, arm, hour), rows in _groups(columns["version"], columns["arm"], columns["hour"]):
        for name in ("", *slices):
            chosen = rows[columns[name][rows]] if name else rows
            if len(chosen):
                of = {column: columns[column][chosen] for column in JUDGED if column in columns}
                sums, came = _sums(policy, **of), delays(columns["delay"][chosen])
                found[Key(version, arm, name, hour * 3600.0)] = replace(sums, sums={**sums.sums, **came})
    return found


def _columns(batch: pa.RecordBatch, policy: QualityPolicy, losses: Mapping[int, Losses]) -> dict[str, Column]:
    """Return what is judged, as columns; of each slice whether a row is in it."""
    plain = {name: batch[name].to_numpy(zero_copy_only=False) for name in ("version", "arm", "hour")}
    kind = policy.compares
    predicted = _judged(batch["score" if "score" in batch.schema.names else "outputs"], policy)
    ids = batch["request_id"] if kind is Kind.RANKING else batch["arm"]
    found = plain | {
        "predicted": predicted,
        "label": _label(batch, kind),
        "request_id": ids.to_numpy(zero_copy_only=False),
        "delay": batch["delay"].to_numpy(zero_copy_only=False).astype(np.float64),
    }
    if policy.slices or losses:
        inputs = [_decode(text) for text in batch["inputs"].to_pylist()]
        found |= _slices(inputs, policy.slices) | (_expected(found, inputs, losses) if losses else {})
    return found


def _expected(
    found: dict[str, Column], inputs: list[dict[str, Any]], losses: Mapping[int, Losses]
) -> dict[str, Column]:
    """Return the losses that are expected of predictions; NaN where nothing is, or there is no prediction."""
    absolute, squares = (np.full(len(inputs), np.nan) for _ in range(2))
    for number, of in losses.items():
        rows = np.flatnonzero((found["version"] == number) & np.isfinite(found["predicted"]))
        if len(rows):
            absolute[rows], squares[rows] = of([inputs[row] for row in rows])
    return {"absolute": absolute, "squares": squares}


def _judged(column: pa.Array, policy: QualityPolicy) -> Column:
    """Return what is judged of scores, or of outputs as JSON."""
    if pa.types.is_floating(column.type):
        scores: Column = column.to_numpy(zero_copy_only=False)
        return scores
    outputs = [_decode(text) for text in column.to_pylist()]
    match policy.compares:
        case Kind.CATEGORY:
            return _objects(value_of(row, policy.output) for row in outputs)
        case Kind.PROBABILITY if not policy.output:
            return _floats(score_of(row) for row in outputs)
    return _floats(number_of(row, policy.output) for row in outputs)


def _label(batch: pa.RecordBatch, kind: Kind) -> Column:
    if kind is Kind.CATEGORY:
        return _objects(None if text is None else _decode(text) for text in batch["value"].to_pylist())
    number: Column = batch["number"].to_numpy(zero_copy_only=False).astype(np.float64)
    return number


def _slices(inputs: list[dict[str, Any]], slices: Mapping[str, list[Any]]) -> dict[str, Booleans]:
    """Return which rows are in each declared slice; a value that was withheld from the log is in none."""
    found: dict[str, Booleans] = {}
    for column, values in slices.items():
        held = np.asarray([said(row.get(column)) for row in inputs])
        found |= {f"{column}={value}": held == str(value) for value in values}
    return found


def _sums(
    policy: QualityPolicy, *, request_id: Column, predicted: Column, label: Column,
    absolute: Column | None = None, squares: Column | None = None,
) -> Sums:  # fmt: skip
    match policy.compares:
        case Kind.PROBABILITY:
            return probabilities(predicted, label, threshold=policy.threshold)
        case Kind.NUMBER:
            return numbers(predicted, label, tolerance=policy.tolerance, expected=(absolute, squares))
        case Kind.CATEGORY:
            return categories(zip(predicted, label, strict=True))
    by_request = (rows for _, rows in _groups(request_id))
    return rankings((predicted[rows], label[rows]) for rows in by_request)


class PairKey(NamedTuple):
    """Two versions that were asked the same in one span."""

    champion: int
    challenger: int
    started_at: float


def counted_pairs(batches: Iterable[pa.RecordBatch], *, policy: QualityPolicy) -> dict[PairKey, PairSums]:
    """Count pairs of answers by version and hour; of rankings and categories none are compared."""
    kind = policy.compares
    if kind not in (Kind.PROBABILITY, Kind.NUMBER):
        return {}
    parts = [
        {
            **{name: batch[name].to_numpy(zero_copy_only=False) for name in ("champion", "challenger", "hour")},
            "theirs": _judged(batch["theirs"], policy), "ours": _judged(batch["ours"], policy), "label": _label(batch, kind),
        }
        for batch in batches if batch.num_rows
    ]  # fmt: skip
    if not parts:
        return {}
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found = {}
    for (champion, challenger, hour), rows in _groups(columns["champion"], columns["challenger"], columns["hour"]):
        theirs, ours, label = (columns[name][rows] for name in ("theirs", "ours", "label"))
        found[PairKey(champion, challenger, hour * 3600.0)] = (
            probability_pairs(theirs, ours, label, threshold=policy.threshold)
            if kind is Kind.PROBABILITY
            else number_pairs(theirs, ours, label, tolerance=policy.tolerance)
        )
    return found


def _groups(*columns: Column) -> Iterator[tuple[tuple[Any, ...], npt.NDArray[np.int64]]]:
    """Yield each combination of values with the rows that have it."""
    code = np.zeros(len(columns[0]), np.int64)
    distinct = []
    for column in columns:
        values, where = np.unique(column, return_inverse=True)
        code = code * len(values) + where
        distinct.append(values)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        at, key = int(code[rows[0]]), []
        for values in reversed(distinct):
            at, place = divmod(at, len(values))
            key.append(values[place])
        yield tuple(reversed(key)), rows


def _floats(values: Iterable[float | None]) -> npt.NDArray[np.float64]:
    return np.asarray([np.nan if value is None else value for value in values], np.float64)


def _objects(values: Iterable[Any]) -> Column:
    held = list(values)
    column = np.empty(len(held), object)
    column[:] = held
    return column
