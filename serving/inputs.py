"""From a request's tensors to values by column, checked against the version's signature.

A caller's fault is named by column and row. What is accepted is written down in docs/serving.md.
"""

import math
from collections.abc import Mapping
from typing import Any

from serving.contract import Column
from serving.protocol import Fault, InputTensor, encode
from serving.runtimes import Columns, Row, Value, known_values
from serving.values import FLOATS, READERS, UNTYPED, Reader, UnfitError

_ONE_ROW = [1]
_UNREAD = object()
_FLOAT = {float}
_DOUBLES = {"double", "float"}
TENSOR_OF = {
    "double": "FP64",
    "float": "FP64",
    "long": "INT64",
    "integer": "INT64",
    "boolean": "BOOL",
    "string": "BYTES",
}


class _Plan:
    """How one column is read: a reader for each datatype that it accepts, and its known values."""

    def __init__(self, place: int, column: Column) -> None:
        self.place = place
        self.name = column.name
        self.type = column.type
        self.required = column.required
        known = known_values(column)
        self.known = None if known is None else frozenset([*known, None])
        self.readers = READERS[column.type]
        self.untyped = UNTYPED[column.type]


class Signature:
    """The columns that a version takes."""

    def __init__(self, columns: list[Column]) -> None:
        """Prepare to read ``columns``.

        Raises:
            ValueError: a column is of a type that no tensor carries.
        """
        if odd := [c for c in columns if c.type not in TENSOR_OF]:
            raise ValueError(f"column {odd[0].name} is of type {odd[0].type}, which cannot be served")
        self.columns = columns
        self.key = encode(columns)  # alike where the columns are
        self.names = [column.name for column in columns]
        self._plans = {column.name: _Plan(i, column) for i, column in enumerate(columns)}
        self._ordered = list(self._plans.values())
        self._optional = [plan for plan in self._ordered if not plan.required]
        self._one_row = [1, len(columns)]
        self._is_plain = all(c.type in _DOUBLES and c.categories is None for c in columns)

    def read_row(self, tensors: list[InputTensor]) -> Row | None:
        """Read the usual request quickly: one row, every column, nothing wrong. None leaves it to :meth:`read`."""
        if len(tensors) != len(self._ordered):
            return self._read_matrix_row(tensors[0]) if len(tensors) == 1 else None
        row: list[Any] = [_UNREAD] * len(tensors)
        try:
            for tensor in tensors:
                plan = self._plans[tensor.name]
                if tensor.data is None or tensor.shape != _ONE_ROW:
                    return None
                (element,) = tensor.data
                reader = plan.readers[tensor.datatype]
                value = None if element is None else reader(element)
                if value is None and plan.required:
                    return None
                if plan.known is not None and value not in plan.known:
                    return None
                row[plan.place] = value
        except (KeyError, ValueError, OverflowError):
            return None
        return None if _UNREAD in row else row

    def _read_matrix_row(self, tensor: InputTensor) -> Row | None:
        data = tensor.data
        if tensor.shape != self._one_row or data is None or len(data) != len(self._ordered):
            return None
        return data if self._takes(tensor.datatype, data) else None

    def _takes(self, datatype: str, data: list[Any]) -> bool:
        """Whether these elements of all columns are what the model takes, as they are."""
        # A sum is finite only where every term is; one that overflows is left to who looks at each.
        return (
            self._is_plain and datatype in FLOATS and set(map(type, data)) == _FLOAT and math.isfinite(sum(data))
        )  # fmt: skip

    def read(self, tensors: list[InputTensor]) -> tuple[Columns, int]:
        """Return the values by column, in the signature's order, and the number of rows.

        The request holds one tensor a column, or one tensor [rows, columns] for all.

        Raises:
            Fault: 400; names what is wrong by column and row.
        """
        if len(tensors) == 1 and self._is_matrix(tensors[0]):
            return self._read_matrix(tensors[0])
        columns: list[list[Value] | None] = [None] * len(self._ordered)
        rows = -1
        for tensor in tensors:
            plan = self._plans.get(tensor.name)
            if plan is None:
                raise Fault(400, f"input {tensor.name!r} is not a column of the model: {', '.join(self.names)}")
            if columns[plan.place] is not None:
                raise Fault(400, f"input {tensor.name!r} is given twice")
            data = _flat(tensor, 1)
            if rows != len(data):
                if rows >= 0:
                    raise Fault(400, f"input {tensor.name}: {len(data)} rows, while the inputs before it have {rows}")
                rows = len(data)
            columns[plan.place] = _read_column(plan, tensor.datatype, data)
        if rows < 1:
            raise Fault(400, "inputs: there are no rows")
        return self._complete(columns, rows), rows

    def read_untyped(self, given: Mapping[str, list[Any]], rows: int) -> Columns:
        """Return the values by column of rows whose elements came without a datatype.

        Args:
            given: values by column, ``rows`` of them each.

        Raises:
            Fault: 400; names what is wrong by column and row.
        """
        columns: list[list[Value] | None] = [None] * len(self._ordered)
        for name, data in given.items():
            plan = self._plans.get(name)
            if plan is None:
                raise Fault(400, f"column {name!r} is not one of the model's: {', '.join(self.names)}")
            columns[plan.place] = _read_values(plan, plan.untyped, data)
        if rows < 1:
            raise Fault(400, "there are no rows")
        return self._complete(columns, rows)

    def _is_matrix(self, tensor: InputTensor) -> bool:
        return len(tensor.shape) == 2 and (tensor.name not in self._plans or len(self._plans) > 1 < tensor.shape[1])

    def _read_matrix(self, tensor: InputTensor) -> tuple[Columns, int]:
        width = len(self._ordered)
        if tensor.shape[1] != width:
            raise Fault(
                400,
                f"input {tensor.name}: {tensor.shape[1]} columns, but the model has {width}: {', '.join(self.names)}",
            )
        data = _flat(tensor, width)
        if not data:
            raise Fault(400, "inputs: there are no rows")
        columns: Columns = [data[place::width] for place in range(width)]
        if not self._takes(tensor.datatype, data):
            pairs = zip(self._ordered, columns, strict=True)
            columns = [_read_column(plan, tensor.datatype, values) for plan, values in pairs]
        return columns, len(data) // width

    def _complete(self, columns: list[list[Value] | None], rows: int) -> Columns:
        if None in columns:
            for plan in self._optional:
                if columns[plan.place] is None:
                    columns[plan.place] = [None] * rows
        complete = [values for values in columns if values is not None]
        if len(complete) != len(columns):
            missing = [plan.name for plan in self._ordered if columns[plan.place] is None]
            raise Fault(400, f"inputs lack {', '.join(missing)}")
        return complete


def _flat(tensor: InputTensor, width: int) -> list[Any]:
    """Return the elements row by row; they may come flat or nested, as the protocol allows.

    Raises:
        Fault: the shape is not [rows] or [rows, width], or the elements do not fill it.
    """
    shape, data = tensor.shape, tensor.data
    if data is None:
        raise Fault(400, f"input {tensor.name}: has no data")
    if not (len(shape) == 1 == width or (len(shape) == 2 and shape[1] == width)) or shape[0] < 0:
        wanted = "[rows] or [rows, 1]" if width == 1 else f"[rows, {width}]"
        raise Fault(400, f"input {tensor.name}: shape {shape} should be {wanted}")
    if len(shape) == 2 and data and type(data[0]) is list:
        if any(type(row) is not list or len(row) != width for row in data):
            raise Fault(400, f"input {tensor.name}: each row should hold {width} elements")
        data = [value for row in data for value in row]
    if len(data) != shape[0] * width:
        raise Fault(400, f"input {tensor.name}: shape {shape} asks for {shape[0] * width} elements, not {len(data)}")
    return data


def _read_column(plan: _Plan, datatype: str, data: list[Any]) -> list[Value]:
    reader = plan.readers.get(datatype)
    if reader is None:
        raise Fault(400, f"column {plan.name}: is {plan.type}, so {', '.join(plan.readers)}; not {datatype[:40]!r}")
    return _read_values(plan, reader, data)


def _read_values(plan: _Plan, reader: Reader, data: list[Any]) -> list[Value]:
    try:
        values = [None if value is None else reader(value) for value in data]
    except (UnfitError, OverflowError):
        raise _blame(plan, reader, data) from None
    if plan.required and None in values:
        raise Fault(400, f"column {plan.name}, row {values.index(None)}: a value is required")
    if plan.known is not None and not plan.known.issuperset(values):
        row, odd = next((i, value) for i, value in enumerate(values) if value not in plan.known)
        raise Fault(
            400, f"column {plan.name}, row {row}: {_shown(odd)} is none of its {len(plan.known) - 1} categories"
        )
    return values


def _blame(plan: _Plan, reader: Reader, data: list[Any]) -> Fault:
    """Find the first element that cannot be read."""
    for row, value in enumerate(data):
        try:
            if value is not None:
                reader(value)
        except (UnfitError, OverflowError) as error:
            return Fault(400, f"column {plan.name}, row {row}: {_shown(value)} {error}")
    raise AssertionError("every element can be read")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
