"""One chunk of rows to predictions, by the code that answers a request: the same values, the same faults."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.batch.reading import BatchError
from serving.contract import BatchSpec
from serving.horizons import HORIZON
from serving.protocol import Fault
from serving.snapshot import Servable

ROW, STEP = "row", "step"


def output_schema(spec: BatchSpec, servable: Servable, given: pa.Schema) -> pa.Schema:
    """Return the columns that are written: the row's number, what is kept, a forecast's step, and the predictions.

    Raises:
        BatchError: a column to keep has the name of one that is written anyway.
    """
    steps = [] if servable.family.by_row else [pa.field(STEP, pa.int32(), nullable=False)]
    written = [pa.field(ROW, pa.int64(), nullable=False), *steps, *_predictions(servable)]
    if taken := sorted({field.name for field in written} & {*spec.keep}):
        raise BatchError(
            f"the column {taken[0]} cannot be kept: the output has one of that name; rename it in the input"
        )
    kept = [given.field(name).remove_metadata() for name in spec.keep]
    return pa.schema([written[0], *kept, *written[1:]])


def score(spec: BatchSpec, servable: Servable, chunk: pa.RecordBatch, first: int) -> pa.RecordBatch:
    """Return the predictions of ``chunk``, whose first row is number ``first`` of the input.

    Raises:
        BatchError: a value is not what the version takes; names column and row.
    """
    parameters = {} if spec.horizon is None else {HORIZON: spec.horizon}
    names = {column.name for column in servable.signature.columns}
    given = {name: _values(chunk.column(name)) for name in chunk.schema.names if name in names}
    try:
        asked = servable.signature.read_untyped(given, chunk.num_rows)
        columns, rows = servable.family.widen(parameters, asked, chunk.num_rows)
    except Fault as fault:
        raise BatchError(f"{fault} (rows are counted from row {first:,} of the input)") from fault
    values = np.asarray(servable.runtime.predict(columns, rows), dtype=np.float64).reshape(rows, -1)
    steps = rows // chunk.num_rows
    place = np.repeat(np.arange(chunk.num_rows), steps)
    arrays = [pa.array(first + place), *(pc.take(chunk.column(name), pa.array(place)) for name in spec.keep)]
    if not servable.family.by_row:
        arrays.append(pa.array(np.tile(np.arange(1, steps + 1, dtype=np.int32), chunk.num_rows)))
    arrays += [pa.array(values[:, i]) for i in range(values.shape[1])]
    return pa.RecordBatch.from_arrays(arrays, schema=output_schema(spec, servable, chunk.schema))


def _predictions(servable: Servable) -> list[pa.Field]:
    output = servable.runtime.output
    names = [output.name] if output.width == 1 else [f"{output.name}_{i}" for i in range(output.width)]
    return [pa.field(name, pa.float64(), nullable=False) for name in names]


def _values(column: pa.Array) -> list[object]:
    """Return the values as a request would hold them: NaN, by which numbers often say that one is missing, becomes None."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    found: list[object] = column.to_pylist()
    return found
