"""``python -m serving.batch SPEC``: score what the file SPEC describes; progress is written as JSON, a line a chunk."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError

from serving.artifacts import ArtifactError
from serving.batch.reading import BatchError, Input, open_input
from serving.batch.scoring import ROW, output_schema, score
from serving.contract import SPEC_ERROR, BatchProgress, BatchSpec
from serving.horizons import MOST_PREDICTIONS
from serving.loading import load, measure
from serving.snapshot import Servable

DONE = 1  # the only transaction of a scoring: all of it, or nothing


def main() -> int:
    """Score, and return the exit code."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    spec = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=BatchSpec)
    try:
        tell(run(spec))
    except (BatchError, ArtifactError) as error:
        sys.stderr.write(f"{error}\n")
        return SPEC_ERROR
    return 0


def tell(progress: BatchProgress) -> None:
    """Say how far it is."""
    sys.stdout.write(f"{msgspec.json.encode(progress).decode()}\n")
    sys.stdout.flush()


def run(spec: BatchSpec) -> BatchProgress:
    """Score the input into a new table, in one commit; where an earlier attempt did, say what it did.

    Raises:
        BatchError, ArtifactError: nothing was written; says why.
    """
    if done := _finished(spec):
        return done
    servable = load(spec.version, spec.task, measure(spec.version))
    given = open_input(spec, servable.signature.columns)
    schema = output_schema(spec, servable, given.schema)
    shutil.rmtree(spec.output, ignore_errors=True)  # of an attempt that was ended before its commit
    counted = _Counted(given)
    commit = CommitProperties(
        app_transactions=[Transaction(spec.name, DONE)],
        custom_metadata=spec.lineage | _lineage(spec, given),
    )
    try:
        write_deltalake(
            spec.output, pa.RecordBatchReader.from_batches(schema, counted.through(spec, servable)), mode="error",
            name=spec.name, description=f"{spec.model} v{spec.version.number} on {Path(spec.input).name}",
            commit_properties=commit,
        )  # fmt: skip
    except Exception as error:
        shutil.rmtree(spec.output, ignore_errors=True)
        if counted.fault:  # the writer wraps what went wrong on the way to it
            raise counted.fault from error
        raise
    return BatchProgress(counted.rows, counted.rows, given.version)


class _Counted:
    """The chunks on their way to the writer: how many rows went by, and what stopped them."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self.rows = 0
        self.fault: BatchError | None = None

    def through(self, spec: BatchSpec, servable: Servable) -> Iterator[pa.RecordBatch]:
        """Yield the predictions of each chunk, telling how far it is."""
        rows = min(spec.chunk_rows, MOST_PREDICTIONS // (spec.horizon or 1))
        try:
            for scored in _scored(spec, servable, self._given.chunks(max(rows, 1))):
                yield scored
                self.rows = scored.column(ROW)[-1].as_py() + 1
                tell(BatchProgress(self.rows, self._given.rows, self._given.version))
        except BatchError as error:
            self.fault = error
            raise


def _scored(spec: BatchSpec, servable: Servable, chunks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if spec.scheduler:
        from serving.batch.cluster import scored

        yield from scored(spec, chunks)
        return
    first = 0
    for chunk in chunks:
        yield score(spec, servable, chunk, first)
        first += chunk.num_rows


def _lineage(spec: BatchSpec, given: Input) -> dict[str, str]:
    version = {} if given.version is None else {"input_version": str(given.version)}
    return {
        "model": spec.model, "model_version": str(spec.version.number), "digest": spec.version.digest, "input": spec.input, **version,
    }  # fmt: skip


def _finished(spec: BatchSpec) -> BatchProgress | None:
    try:
        table = DeltaTable(spec.output)
    except TableNotFoundError:
        return None
    if table.transaction_version(spec.name) != DONE:
        raise BatchError(f"{spec.output} is a table already, and not of this scoring")
    version = table.history()[-1].get("input_version")
    last = pa.table(table.get_add_actions(flatten=True)).to_pydict().get(f"max.{ROW}", [])
    rows = max(last, default=-1) + 1
    return BatchProgress(rows, rows, None if version is None else int(version))


if __name__ == "__main__":
    sys.exit(main())
