"""scikit-learn pipelines as ONNX graphs, where they answer the same: ``python -m serving.conversion``, a child that may die.

It reads a :class:`~serving.contract.ConversionRequest` and answers a :class:`~serving.contract.Conversion`. Both models are
loaded by the gateway's own loaders and asked for the same rows: those of the input example, and rows made up around them, with
missing values wherever a column may miss one.
"""

import sys
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import numpy as np

from serving.contract import PARITY, Column, Conversion, ConversionRequest
from serving.runtimes import Columns, ModelError, Runtime, Value, known_values, load_runtime
from serving.runtimes.skops_pipeline import Skops, load
from serving.trial import UNSOUND, limit_this_process

MADE_UP = 256  # rows
MISSING_EVERY = 7
InitialTypes = list[tuple[str, Any]]
Random = np.random.Generator


class ConversionError(Exception):
    """The original is to be served; says why."""


def convert(request: ConversionRequest) -> Conversion:
    """Return the graph that answers as the pipeline does, or why there is none."""
    original = load(request.model, request.columns)
    try:
        rows = sample(request.columns, request.example)
        expected = _answers(original, rows)
    except ConversionError as error:
        return Conversion(reason=str(error))
    reasons = []
    for types in _initial_types(request.columns):
        try:
            graph = _graph(original, types)
            difference = compare(original, expected, load_runtime("onnx", graph, request.columns), rows)
        except (ConversionError, ModelError) as error:
            reasons.append(str(error))
        else:
            return Conversion(graph, rows=len(rows[0]), difference=difference)
    return Conversion(reason=reasons[-1], rows=len(rows[0]))


def compare(original: Runtime, expected: np.ndarray, converted: Runtime, rows: Columns) -> float:
    """Return the largest difference between what both answer.

    Raises:
        ConversionError: they do not answer the same.
    """
    if converted.output != original.output:
        raise ConversionError(f"the graph answers {converted.output}, the original {original.output}")
    answered = np.asarray(converted.predict(rows, len(rows[0])))
    if answered.shape != expected.shape or (np.isnan(answered) != np.isnan(expected)).any():
        raise ConversionError("where the original answers no number the graph does, or the other way round")
    gaps = np.abs(answered - expected) / np.maximum(1.0, np.abs(expected))
    largest = float(np.nanmax(gaps, initial=0.0))
    if not largest <= PARITY:
        raise ConversionError(f"the graph answers up to {largest:.2g} away from the original, more than {PARITY:g}")
    return largest


def sample(columns: list[Column], example: dict[str, list[Any]]) -> Columns:
    """Return rows to compare on, by column: those of the example, then ones made up, always the same.

    Raises:
        ConversionError: nothing is known of the values of a column of text.
    """
    random = np.random.default_rng(0)
    given = _given(columns, example)
    made: Columns = []
    for place, column in enumerate(columns):
        shown = given[place]
        values = _made_up(column, [value for value in shown if value is not None], random)
        if not column.required:
            values = [None if i % MISSING_EVERY == place % MISSING_EVERY else value for i, value in enumerate(values)]
        made.append([*shown, *values])
    return made


def _given(columns: list[Column], example: dict[str, list[Any]]) -> Columns:
    """Return the example's rows that have every column's value, by column."""
    names = [str(name) for name in example.get("columns", [])]
    rows = [dict(zip(names, row, strict=False)) for row in example.get("rows", [])]
    whole = [row for row in rows if all(_fits(column, row.get(column.name)) for column in columns)]
    return [[row.get(column.name) for row in whole] for column in columns]


def _fits(column: Column, value: object) -> bool:
    if value is None:
        return not column.required
    kinds: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "long": (int,), "integer": (int,)}
    known = known_values(column)
    return type(value) in kinds.get(column.type, (int, float)) and (known is None or value in known)


def _made_up(column: Column, shown: list[Value], random: Random) -> list[Value]:
    if pool := known_values(column) or (shown if column.type == "string" else None):
        return [pool[i] for i in random.integers(0, len(pool), MADE_UP)]
    if column.type == "string":
        raise ConversionError(
            f"column {column.name} is text of which nothing is known; log the model with an input_example"
        )
    if column.type == "boolean":
        return cast("list[Value]", (random.random(MADE_UP) < 0.5).tolist())
    numbers = np.asarray(shown or [-10.0, 10.0], dtype=np.float64)
    spread = max(float(np.ptp(numbers)), abs(float(numbers.mean())), 1.0)
    values = random.uniform(numbers.min() - spread, numbers.max() + spread, MADE_UP)
    return cast(
        "list[Value]", (values.round().astype(np.int64) if column.type in ("long", "integer") else values).tolist()
    )


def _answers(original: Runtime, rows: Columns) -> np.ndarray:
    try:
        return np.asarray(original.predict(rows, len(rows[0])))
    except Exception as error:  # whatever a transformer does with values that it does not know
        raise ConversionError(
            f"the original fails on rows that its signature allows: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _graph(original: Skops, types: InitialTypes) -> bytes:
    from skl2onnx import convert_sklearn

    options = {"zipmap": False} if original.classifies else None
    try:
        graph: bytes = convert_sklearn(original.estimator, initial_types=types, options=options).SerializeToString()
    except Exception as error:  # the library has many exceptions, and no common base
        raise ConversionError(f"it cannot be converted: {' '.join(str(error).split())[:300]}") from error
    return graph


def _initial_types(columns: list[Column]) -> Iterator[InitialTypes]:
    """Yield what the graph may take: a tensor a column as the signature has them, with all numbers as floats, or one for all."""
    from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, Int64TensorType, StringTensorType

    kinds = {
        "string": StringTensorType,
        "boolean": BooleanTensorType,
        "long": Int64TensorType,
        "integer": Int64TensorType,
    }
    yield [(c.name, kinds.get(c.type, FloatTensorType)([None, 1])) for c in columns]
    yield [(c.name, (StringTensorType if c.type == "string" else FloatTensorType)([None, 1])) for c in columns]
    if all(c.type != "string" for c in columns):
        yield [("columns", FloatTensorType([None, len(columns)]))]


def main() -> int:
    """Answer the request on standard input and return the exit code."""
    limit_this_process()
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ConversionRequest)
    try:
        answer = convert(request)
    except (ModelError, MemoryError, ValueError, TypeError, KeyError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return UNSOUND
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
