"""The queries that join predictions with their labels, in the lake."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from monitoring.labelling.join import newest_labels
from monitoring.labelling.labels import TABLE as LABELS
from monitoring.models.quality import QualityPolicy
from monitoring.quality.sums import Kind
from serving.contract import SHADOW

Tables = dict[str, DeltaTable]  # one state of each, whatever is added meanwhile
DAY = timedelta(days=1)
BATCH = {"datafusion.execution.batch_size": "65536"}


def joined(
    tables: Tables, *, model_id: int, hours: Sequence[datetime], policy: QualityPolicy, inputs: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield the answered predictions of some hours of one day, with what became of them; of a prediction's labels the newest counts.

    Columns: ``request_id``, ``version``, ``arm``, ``hour`` (since the epoch), ``number`` and ``value`` (of the label), ``delay`` (seconds until
    it came), ``score`` or
    ``outputs``, and ``inputs`` where they are asked for. Only labels of these predictions are sorted, so memory grows with the hours alone.
    """
    wanted = ["request_id", "version", "arm", "hour", _judged(policy), *(["inputs"] if inputs or policy.slices else [])]
    predictions = f"(SELECT *, to_unixtime(at) / 3600 AS hour FROM predictions WHERE {_of(model_id, hours)}) p"  # noqa: S608
    label, join = _labels(tables, model_id, hours)
    return _batches(tables, f"SELECT {', '.join(f'p.{name}' for name in wanted)}, {label} FROM {predictions}{join}")  # noqa: S608


def paired(
    tables: Tables, *, model_id: int, hours: Sequence[datetime], policy: QualityPolicy
) -> Iterator[pa.RecordBatch]:
    """Yield what shadows answered of the same rows, beside what the caller was answered, with what became of them.

    Columns: ``champion`` and ``challenger`` (numbers of versions), ``hour``, ``number`` and ``value``, and ``theirs`` and ``ours``: score or
    outputs of champion and challenger.
    """
    judged, of = _judged(policy), _of(model_id, hours)
    sides = (
        f"(SELECT *, to_unixtime(at) / 3600 AS hour FROM predictions WHERE {of} AND arm <> '{SHADOW}') p"  # noqa: S608
        f" JOIN (SELECT * FROM predictions WHERE {of} AND arm = '{SHADOW}') s"
        " ON s.request_id = p.request_id AND s.row = p.row AND s.at = p.at"
    )
    label, join = _labels(tables, model_id, hours)
    of_both = f"p.version AS champion, s.version AS challenger, p.hour, p.{judged} AS theirs, s.{judged} AS ours"
    return _batches(tables, f"SELECT {of_both}, {label} FROM {sides}{join}")  # noqa: S608


def _judged(policy: QualityPolicy) -> str:
    return "score" if policy.compares is Kind.PROBABILITY and not policy.output else "outputs"


def _labels(tables: Tables, model_id: int, hours: Sequence[datetime]) -> tuple[str, str]:
    """Return the columns of the label of a prediction ``p``, and the join that brings them. Numbers and constants alone are put in."""
    if LABELS not in tables:
        return "CAST(NULL AS DOUBLE) AS number, CAST(NULL AS VARCHAR) AS value, CAST(NULL AS BIGINT) AS delay", ""
    asked_for = (
        f"EXISTS (SELECT 1 FROM (SELECT request_id, row FROM predictions WHERE {_of(model_id, hours)}) q"  # noqa: S608
        " WHERE q.request_id = l.request_id AND q.row = l.row)"
    )
    delay = "to_unixtime(l.received_at) - to_unixtime(p.at) AS delay"
    newest = newest_labels(model_id, since=(min(hours) - DAY).date(), where=asked_for)
    return f"l.number, l.value, {delay}", f" LEFT JOIN {newest}"


def labelled_hours(
    tables: Tables, *, model_id: int, since: datetime, received: datetime, ids: tuple[str, str]
) -> set[datetime]:
    """Return the hours of predictions made after ``since`` that have a label which came at ``received`` or later.

    Args:
        ids: the least and the greatest request id of those labels, by which files are passed over.
    """
    low, high = (_text(end) for end in ids)
    batches = _batches(
        tables,
        "SELECT DISTINCT to_unixtime(p.at) / 3600 AS hour FROM predictions p JOIN ("  # noqa: S608
        f"SELECT DISTINCT request_id, row FROM labels WHERE model_id = {model_id} AND day >= DATE '{received.date()}'"
        f" AND received_at >= to_timestamp_micros({_micros(received)})"
        f") l ON l.request_id = p.request_id AND l.row = p.row WHERE p.model_id = {model_id} AND p.day >= DATE '{since.date()}'"
        f" AND p.at > to_timestamp_micros({_micros(since)}) AND p.request_id BETWEEN {low} AND {high}",
    )
    return {datetime.fromtimestamp(hour * 3600, UTC) for batch in batches for hour in batch["hour"].to_pylist()}


def _of(model_id: int, hours: Sequence[datetime]) -> str:
    """Return the condition for answered predictions of some hours; those that named their version are nobody's quality."""
    starts = sorted(round(hour.timestamp()) for hour in hours)
    days = sorted({hour.date() for hour in hours})
    return (
        f"model_id = {model_id} AND day BETWEEN DATE '{days[0]}' AND DATE '{days[-1]}' AND NOT pinned AND status = 200"
        f" AND at >= to_timestamp_micros({starts[0]}000000) AND at < to_timestamp_micros({starts[-1] + 3600}000000)"
        f" AND to_unixtime(at) / 3600 IN ({', '.join(str(start // 3600) for start in starts)})"
    )


def _batches(tables: Tables, sql: str) -> Iterator[pa.RecordBatch]:
    builder = QueryBuilder(BATCH)
    for name, table in tables.items():
        builder = builder.register(name, table)
    yield from pa.RecordBatchReader.from_stream(builder.execute(sql))


def _micros(at: datetime) -> int:
    return round(at.timestamp()) * 1_000_000


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
