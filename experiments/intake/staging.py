"""Rows on their way into a version: written to disk in batches, put in order of time, split, and named by their digest.

Any number of rows passes in bounded memory: a batch at a time; rows that are out of order are first parted by time into buckets, and
each bucket is sorted by itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.contracts.sources import Rows, rows_in
from experiments.rows.frames import GROUP_ROWS, SavedFrame, save_file
from experiments.rows.freezing import KINDS
from experiments.rows.roles import the_column
from experiments.rows.splitting import SPLIT_COLUMN, SplitPolicy, assigned, cuts_by_share
from registry.errors import InvalidError

ROW_KEY = "row_id"
BUCKET_ROWS = 1_000_000
MAX_BUCKETS = 256


@dataclass(frozen=True)
class Staged:
    """Rows on disk that are not yet a version.

    Attributes:
        columns: as declared, and those that were added: a key where none was declared, the split where a hash decides.
        policy: with the cuts that were found.
    """

    saved: SavedFrame
    columns: list[dict[str, str]]
    policy: SplitPolicy
    rows: Rows


def stage(
    batches: Iterator[pl.DataFrame], *, columns: Sequence[Mapping[str, str]], policy: SplitPolicy, folder: Path, root: Path,
    most_rows: int, first_row: int = 1, progress: Callable[[int], None] = lambda rows: None,
) -> Staged:  # fmt: skip
    """Write rows under ``root``, in order of time, split, named by their digest.

    Args:
        batches: of the declared columns, in their types.
        columns: [{name, type, role, meaning}], in order.
        folder: of this attempt alone, for what is written on the way.
        first_row: what the first row is numbered, where the rows have no key of their own.
        progress: told the rows read, now and then.

    Raises:
        InvalidError: there are no rows, too many, or a time that splits them is missing.
    """
    declared = [dict(column) for column in columns]
    if not the_column(declared, "key"):
        declared.append({"name": ROW_KEY, "type": "string", "role": "key", "meaning": "place of the row in the source"})
    if policy.is_hashed:
        declared.append({"name": SPLIT_COLUMN, "type": "string", "role": "split", "meaning": policy.words})
    target, time_column = the_column(declared, "target"), the_column(declared, "time")
    for column in declared:
        if column["name"] == target and column["type"] == "boolean":
            column["type"] = "long"  # labels are 0 and 1
    schema = pa.schema([(column["name"], KINDS[column["type"]]) for column in declared])
    order = _Order(time_column)
    raw, rows = folder / "rows.parquet", 0
    with pq.ParquetWriter(raw, schema, compression="zstd") as writer:
        for batch in _grouped(batches):
            frame = _completed(batch, declared, policy, first_row + rows)
            order.look(frame)
            rows += frame.height
            if rows > most_rows:
                raise InvalidError(
                    f"There are more than {most_rows:,} rows, the most that one version takes.", field="file"
                )
            writer.write_table(frame.select(schema.names).to_arrow().cast(schema), row_group_size=GROUP_ROWS)
            progress(rows)
    if not rows:
        raise InvalidError("There are no rows.", field="file")
    if policy.kind == "time" and policy.shares:
        policy = replace(
            policy, cuts=cuts_by_share(pl.read_parquet(raw, columns=[time_column])[time_column], policy.shares)
        )
    path = raw if order.kept else _sorted(raw, schema, time_column, rows, folder)
    saved = save_file(path, root)
    return Staged(saved, declared, policy, rows_in(root / saved.file))


def _grouped(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the rows in as many at once as a file keeps together."""
    held: list[pl.DataFrame] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.height
        if rows >= GROUP_ROWS:
            yield pl.concat(held)
            held, rows = [], 0
    if rows:
        yield pl.concat(held)


def _completed(
    batch: pl.DataFrame, columns: Sequence[Mapping[str, str]], policy: SplitPolicy, first: int
) -> pl.DataFrame:
    """Add what the rows lack: a key, and the split where a hash decides."""
    names = {column["name"] for column in columns}
    if ROW_KEY in names and ROW_KEY not in batch.columns:
        batch = batch.with_columns(pl.format("row-{}", pl.int_range(first, first + batch.height)).alias(ROW_KEY))
    if policy.is_hashed:
        batch = batch.with_columns(assigned(batch[policy.column], policy))
    return batch


class _Order:
    """Whether rows came in order of time."""

    def __init__(self, column: str) -> None:
        self.column, self.kept = column, True
        self.last: Any = None

    def look(self, batch: pl.DataFrame) -> None:
        """Look at the next batch."""
        if not self.column or not batch.height or not self.kept:
            return
        times = batch[self.column]
        if times.null_count():
            raise InvalidError(
                f"{times.null_count():,} rows have no {self.column}, which says when they happened.", field="columns"
            )
        self.kept = times.is_sorted() and (self.last is None or times[0] >= self.last)
        self.last = times[-1]


def _sorted(raw: Path, schema: pa.Schema, column: str, rows: int, folder: Path) -> Path:
    """Write the rows in order of time; rows of one instant stay in the order in which they came."""
    times = pl.read_parquet(raw, columns=[column])[column]
    count = min(MAX_BUCKETS, -(-rows // BUCKET_ROWS))
    cuts: list[Any] = sorted({cast("Any", times.quantile(n / count, "nearest")) for n in range(1, count)})
    del times
    parts = [folder / f"bucket-{n}.parquet" for n in range(len(cuts) + 1)]
    writers = [pq.ParquetWriter(part, schema) for part in parts]
    for batch in rows_in(raw).batches(schema.names):
        place = (
            pl.Series(pl.Series(cuts, dtype=batch.schema[column]).search_sorted(batch[column], side="right"))
            if cuts
            else None
        )
        for n, writer in enumerate(writers):
            chosen = batch.filter(place == n) if place is not None else batch
            if chosen.height:
                writer.write_table(chosen.to_arrow().cast(schema))
    for writer in writers:
        writer.close()
    path = folder / "sorted.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as whole:
        for part in parts:
            frame = pl.read_parquet(part).sort(column, maintain_order=True)
            whole.write_table(frame.to_arrow().cast(schema), row_group_size=GROUP_ROWS)
            part.unlink()
    return path
