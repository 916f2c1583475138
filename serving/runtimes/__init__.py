"""Runtimes: one per format on the allow-list. Each turns the bytes of a model file into a predictor.

A new runtime is a module with a ``load(data, columns)`` function, an entry in :data:`LOADERS` and one in
``contract.FORMATS``; nothing else in the gateway knows formats.
"""

import importlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from serving.contract import Column

Value = float | int | bool | str | None
Row = list[Value]  # in the signature's order; None is missing
Columns = list[list[Value]]  # the same of many rows, by column


class ModelError(ValueError):
    """The bytes are no sound model of their format."""


class MisfitError(ModelError):
    """The model may be sound, but uses what is not served here, or its signature does not fit it."""


@dataclass(frozen=True)
class Output:
    """What a model answers: one tensor of 64-bit floats, [rows] or [rows, width]."""

    name: str
    width: int = 1


class Runtime(Protocol):
    """A model in memory, ready to predict; safe to call from several threads."""

    output: Output
    slow: bool  # even one row takes long enough to hold up others, so it is run off the event loop

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row."""

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row, the usual request."""


# By name, so that a gateway without skops models never spends the seconds and memory that scikit-learn takes.
LOADERS = {
    "lightgbm": "serving.runtimes.lightgbm_text",
    "xgboost": "serving.runtimes.xgboost_json",
    "skops": "serving.runtimes.skops_pipeline",
    "onnx": "serving.runtimes.onnx_graph",
    "safetensors": "serving.runtimes.dense_tensors",
    "retriever": "serving.runtimes.document_index",
}
SUFFIXES = {
    "lightgbm": (".lgb", ".txt"),
    "xgboost": (".ubj", ".json", ".xgb"),
    "skops": (".skops",),
    "onnx": (".onnx",),
    "safetensors": (".safetensors",),
    "retriever": (".safetensors",),
}


def load_runtime(format_name: str, data: bytes, columns: list[Column]) -> Runtime:
    """Return a warm runtime for the model file's bytes.

    Raises:
        ModelError: see :class:`ModelError`; says what is wrong.
    """
    load = cast("Callable[[bytes, list[Column]], Runtime]", importlib.import_module(LOADERS[format_name]).load)
    runtime = load(data, columns)
    row = [placeholder(column) for column in columns]
    answer = [*runtime.predict_row(row), *runtime.predict([[value, value] for value in row], 2)]
    if len(answer) != 3 * runtime.output.width:
        raise ModelError(f"the model answers {len(answer)} values for 3 rows")
    return runtime


def check_names(names: Sequence[str] | None, columns: list[Column]) -> list[int]:
    """Return the place of each of the model's features among the columns; without names they are the columns, in order.

    Raises:
        MisfitError: the model takes other columns.
    """
    given = [column.name for column in columns]
    if names is None:
        return list(range(len(given)))
    if sorted(names) != sorted(given):
        odd = sorted(set(names) ^ set(given)) or ["a name twice"]
        raise MisfitError(f"the signature's columns are not the model's; they differ in {', '.join(odd[:5])}")
    return [given.index(name) for name in names]


def as_matrix(columns: Columns, rows: int, order: Sequence[int]) -> np.ndarray:
    """Return the columns as float64 [rows, columns], in ``order``; what is missing is NaN."""
    matrix = np.empty((rows, len(order)))
    for i, place in enumerate(order):
        matrix[:, i] = as_floats(columns[place])
    return matrix


def as_floats(values: Sequence[Value]) -> "array[float] | np.ndarray":
    """Return a column's numbers and truth values as 64-bit floats; what is missing is NaN."""
    try:
        return array("d", cast("Sequence[float]", values))  # twice as quick as numpy, and takes no None
    except TypeError:
        return np.asarray(values, dtype=np.float64)


def check_numeric(columns: list[Column], what: str) -> None:
    """Return if every column is a number or a truth value.

    Raises:
        MisfitError: one is text; says what to do.
    """
    if text := [column.name for column in columns if column.type == "string"]:
        raise MisfitError(f"column {text[0]} is text, which {what} does not take here; encode it as numbers")


def known_values(column: Column) -> list[Value] | None:
    """Return the column's categories as values of its type; None where it has none."""
    if column.categories is None:
        return None
    kinds: dict[str, Callable[[str], Value]] = {"long": int, "integer": int, "double": float, "float": float}
    return [kinds.get(column.type, str)(category) for category in column.categories]


def placeholder(column: Column) -> Value:
    """Return a value that the column may hold."""
    if known := known_values(column):
        return known[0]
    match column.type:
        case "string":
            return ""
        case "boolean":
            return False
    return 0
