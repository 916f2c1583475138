"""From joined rows to sums: which output is judged, what its label says, and which slices a row is in."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.guards import number_of, value_of
from monitoring.models.quality import QualityPolicy
from monitoring.quality_sums import Key, Kind, Sums, categories, numbers, probabilities, rankings, said
from monitoring.telemetry import score_of

Booleans = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]
_decode = msgspec.json.decode


def counted(batches: Iterable[pa.RecordBatch], *, kind: Kind, policy: QualityPolicy) -> dict[Key, Sums]:
    """Count joined rows by version, arm, slice and hour."""
    parts = [_columns(batch, kind, policy) for batch in batches if batch.num_rows]
    if not parts:
        return {}
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    slices = [name for name in columns if "=" in name]
    found = {}
    for (version, arm, hour), rows in _groups(columns["version"], columns["arm"], columns["hour"]):
        for name in ("", *slices):
            chosen = rows[columns[name][rows]] if name else rows
            if len(chosen):
                of = {column: columns[column][chosen] for column in ("request_id", "predicted", "label")}
                found[Key(version, arm, name, hour * 3600.0)] = _sums(kind, policy, **of)
    return found


def _columns(batch: pa.RecordBatch, kind: Kind, policy: QualityPolicy) -> dict[str, Column]:
    """Return what is judged, as columns; of each slice whether a row is in it."""
    plain = {name: batch[name].to_numpy(zero_copy_only=False) for name in ("version", "arm", "hour")}
    predicted: Column
    if "score" in batch.schema.names:
        predicted = _floats(batch["score"].to_pylist())
    else:
        outputs = [_decode(text) for text in batch["outputs"].to_pylist()]
        predicted = _predicted(outputs, kind, policy.output)
    label: Column = batch["number"].to_numpy(zero_copy_only=False).astype(np.float64)
    if kind is Kind.CATEGORY:
        label = _objects(None if text is None else _decode(text) for text in batch["value"].to_pylist())
    ids = batch["request_id"] if kind is Kind.RANKING else batch["arm"]
    found = plain | {"predicted": predicted, "label": label, "request_id": ids.to_numpy(zero_copy_only=False)}
    return found | _slices(batch, policy.slices) if policy.slices else found


def _predicted(outputs: list[dict[str, Any]], kind: Kind, output: str) -> Column:
    match kind:
        case Kind.CATEGORY:
            return _objects(value_of(row, output) for row in outputs)
        case Kind.PROBABILITY if not output:
            return _floats(score_of(row) for row in outputs)
    return _floats(number_of(row, output) for row in outputs)


def _slices(batch: pa.RecordBatch, slices: Mapping[str, list[Any]]) -> dict[str, Booleans]:
    """Return which rows are in each declared slice; a value that was withheld from the log is in none."""
    inputs = [_decode(text) for text in batch["inputs"].to_pylist()]
    found: dict[str, Booleans] = {}
    for column, values in slices.items():
        held = np.asarray([said(row.get(column)) for row in inputs])
        found |= {f"{column}={value}": held == str(value) for value in values}
    return found


def _sums(kind: Kind, policy: QualityPolicy, *, request_id: Column, predicted: Column, label: Column) -> Sums:
    match kind:
        case Kind.PROBABILITY:
            return probabilities(predicted, label, threshold=policy.threshold)
        case Kind.NUMBER:
            return numbers(predicted, label, tolerance=policy.tolerance)
        case Kind.CATEGORY:
            return categories(zip(predicted, label, strict=True))
    by_request = (rows for _, rows in _groups(request_id))
    return rankings((predicted[rows], label[rows]) for rows in by_request)


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
