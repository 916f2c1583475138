"""How long it takes to find one request in 90 days of one model's predictions, by its id alone.

Each day is one file of random ids, as callers make them up, so that no file's range of ids rules it out; joined as the product
joins them. Beside it, the same by reading the ids of all files.
"""

import statistics
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.catalogue import installation
from benchmarks.report import Row, arguments, finish

DAYS = 90
ROUNDS = 15
FIRST = datetime(2026, 8, 28, tzinfo=UTC)


def main() -> None:
    """Fill the lake, then look for ids that are there and ids that are not."""
    options = arguments(__doc__ or "")
    per_day = 20_000 if options.quick else 200_000
    with installation():
        from monitoring.predictions.lake import table_path
        from monitoring.predictions.lookup import rows_of

        ids = [_fill(n, per_day) for n in range(DAYS)]
        there = [ids[n * DAYS // ROUNDS] for n in range(ROUNDS)]
        size = sum(path.stat().st_size for path in table_path().rglob("*.parquet"))
        if any(len(rows_of(request_id, model_ids=[1])) != 1 for request_id in there):
            raise RuntimeError("a request was not found, or more than once")
        hit = _median(lambda n: rows_of(there[n], model_ids=[1]))
        absent = [uuid.uuid4().hex for _ in range(ROUNDS)]
        miss = _median(lambda n: rows_of(absent[n], model_ids=[1]))
        all_read = _median(lambda n: _read_all(there[n]), rounds=3)
    rows = [
        Row("lookup.ms", hit, "ms", ("≤", 500.0)),
        Row("lookup.absent_ms", miss, "ms"),
        Row("lookup.reading_all_ids_ms", all_read, "ms"),
        Row("ratio.reading_all_ids", all_read / hit, "x"),
        Row("lookup.predictions", DAYS * per_day),
        Row("lookup.lake_mb", size / 1e6, "MB"),
    ]
    finish(rows, options.json)


def _fill(day: int, rows: int) -> str:
    """Write one day's predictions, and return one of their ids."""
    from deltalake import CommitProperties

    from monitoring.predictions.lake import PREDICTIONS, SCHEMA, write

    draw = np.random.default_rng(day)
    ids = [uuid.uuid4().hex for _ in range(rows)]
    at = FIRST + timedelta(days=day)
    inputs = [f'{{"carrier":"AA","distance":{d:.1f},"wind":{w:.4f}}}' for d, w in draw.normal(size=(rows, 2)).tolist()]
    given = {
        "model": ["flight-delay"] * rows, "day": [at.date()] * rows, "request_id": ids, "at": [at] * rows,
        "model_id": [1] * rows, "version": [1] * rows, "key_hash": draw.integers(0, 2**62, rows), "inputs": inputs,
    }  # fmt: skip
    columns = [given.get(field.name, pa.nulls(rows, field.type)) for field in SCHEMA]
    write(PREDICTIONS, pa.table(columns, schema=SCHEMA), CommitProperties())
    return ids[rows // 2]


def _read_all(request_id: str) -> int:
    """Return in how many rows of all files the id is, reading that column alone."""
    from monitoring.predictions.lake import table_path

    found = 0
    for path in table_path().rglob("*.parquet"):
        column = pq.ParquetFile(path).read(columns=["request_id"])["request_id"]
        found += pc.sum(pc.equal(column, request_id)).as_py()
    return found


def _median(ask: Callable[[int], object], rounds: int = ROUNDS) -> float:
    took = []
    for n in range(rounds):
        began = time.perf_counter()
        ask(n)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


if __name__ == "__main__":
    main()
