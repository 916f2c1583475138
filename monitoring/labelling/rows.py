"""Predictions joined with what became of them, in the lake: how many there are, and their rows to learn from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from monitoring.labelling import labels
from monitoring.labelling.join import newest_labels
from monitoring.predictions import lake
from registry.models import RegisteredModel
from serving.contract import SHADOW

DAY = timedelta(days=1)
COUNT = "SELECT count(*) AS n"
ROWS = "SELECT p.request_id, p.row, p.at, p.version, p.inputs, l.value"


@dataclass(frozen=True)
class LabelledRow:
    """One prediction that callers were answered, and the newest label of it."""

    request_id: str
    row: int
    at: datetime
    version: int
    inputs: dict[str, Any]
    label: Any


def count_labelled_rows(model: RegisteredModel, *, since: datetime, until: datetime) -> int:
    """Return how many predictions of the window have a label."""
    [row] = _query(query(model, since=since, until=until, select=COUNT)) or [{"n": 0}]
    return int(row["n"])


def count_new_labels(model: RegisteredModel, *, since: datetime) -> int:
    """Return how many predictions were labelled, or labelled anew, since an instant."""
    sql = (
        "SELECT count(*) AS n FROM (SELECT DISTINCT request_id, row FROM labels"  # noqa: S608  numbers and constants
        f" WHERE model_id = {model.pk} AND day >= DATE '{since.date()}' AND received_at > {_instant(since)})"
    )
    [row] = _query(sql) or [{"n": 0}]
    return int(row["n"])


def label_times(model: RegisteredModel, *, since: datetime) -> list[datetime]:
    """Return when each prediction was labelled first, since an instant, ascending."""
    sql = (
        "SELECT min(received_at) AS at FROM labels"  # noqa: S608  numbers and constants
        f" WHERE model_id = {model.pk} AND day >= DATE '{since.date()}' AND received_at > {_instant(since)}"
        " GROUP BY request_id, row ORDER BY at"
    )
    return [row["at"] for row in _query(sql)]


def labelled_rows(model: RegisteredModel, *, since: datetime, until: datetime) -> list[LabelledRow]:
    """Return the labelled predictions of a window in order of time; among those of one instant, by request and row."""
    decode = msgspec.json.decode
    found = _query(query(model, since=since, until=until, select=ROWS) + " ORDER BY p.at, p.request_id, p.row")
    return [
        LabelledRow(
            row["request_id"], row["row"], row["at"], row["version"], decode(row["inputs"]), decode(row["value"])
        )
        for row in found
    ]


def query(model: RegisteredModel, *, since: datetime, until: datetime, select: str = ROWS) -> str:
    """Return the query over the tables ``predictions`` and ``labels`` of the lake; it is kept with what is frozen.

    Pinned and forced requests are left out: nobody sways what is learnt by asking for it. So are shadow copies, which are the same
    rows again, and failed requests. Of a prediction's labels the one with the newest time counts.
    """
    return (
        f"{select} FROM predictions p JOIN {newest_labels(model.pk, since=(since - DAY).date())}"
        f" WHERE p.model_id = {model.pk} AND p.day >= DATE '{since.date()}' AND p.status = 200 AND NOT p.pinned"
        f" AND p.arm <> '{SHADOW}' AND p.at >= {_instant(since)} AND p.at < {_instant(until)}"
    )


def _instant(at: datetime) -> str:
    return f"to_timestamp_micros({round(at.timestamp() * 1e6)})"


def _query(sql: str) -> list[dict[str, Any]]:
    """Return the rows; none where the lake lacks a table."""
    tables = {name: lake.open_table(name) for name in (lake.PREDICTIONS, labels.TABLE)}
    if None in tables.values():
        return []
    return list(_rows(tables, sql))


def _rows(tables: dict[str, DeltaTable | None], sql: str) -> Iterator[dict[str, Any]]:
    builder = QueryBuilder()
    for name, table in tables.items():
        assert table is not None  # noqa: S101  asked before
        builder = builder.register(name, table)
    for batch in pa.table(builder.execute(sql)).to_batches():
        for row in batch.to_pylist():
            yield {**row, "at": row["at"].astimezone(UTC)} if "at" in row else row
