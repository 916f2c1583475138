"""Labels on their way to the lake, each once, and back: what became of one prediction.

A batch is numbered in PostgreSQL before it is written, and the lake's commit carries the number. So whoever is killed between
the two is followed by one that sees which batch the lake lacks.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, Transaction
from django.db.models import F, Max

from monitoring.locks import alone_under
from monitoring.models import Label
from monitoring.predictions import lake

ADVISORY_LOCK = 0x4C41_424C  # "LABL": one at a time ships labels
TABLE = "labels"
MOST = 50_000  # labels of a batch
KEPT = timedelta(days=7)  # after a label is in the lake
SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("day", pa.date32()),  # on which it was received
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("time", pa.timestamp("us", "UTC")),
        ("value", pa.string()),  # JSON
        ("number", pa.float64()),  # the value, where it is a number or a truth value
        ("model_id", pa.int64()),
        ("received_at", pa.timestamp("us", "UTC")),
        ("given_by", pa.string()),
    ]
)


def ship_labels() -> int:
    """Write to the lake the labels that it lacks, and return how many; does nothing where another is at it."""
    shipped = 0
    with alone_under(ADVISORY_LOCK) as alone:
        if not alone:
            return 0
        held = shipped_batch()
        lacking = Label.objects.filter(batch__gt=held).values_list("batch", flat=True).distinct()
        for batch in sorted(filter(None, lacking)):
            shipped += _write(batch)
        last = max(held, Label.objects.aggregate(last=Max("batch"))["last"] or 0)
        while waiting := list(Label.objects.filter(batch=None).order_by("pk").values_list("pk", flat=True)[:MOST]):
            last += 1
            Label.objects.filter(pk__in=waiting).update(batch=last)
            shipped += _write(last)
    return shipped


def purge_labels(*, now: datetime) -> None:
    """Forget labels that are in the lake and a week old."""
    Label.objects.filter(batch__lte=shipped_batch(), received_at__lt=now - KEPT).delete()


def shipped_batch() -> int:
    """Return the last batch that the lake holds; 0 before the first."""
    table = lake.open_table(TABLE)
    return (table.transaction_version(TABLE) or 0) if table else 0


def _write(batch: int) -> int:
    of = Label.objects.filter(batch=batch).order_by("pk").annotate(name=F("model__name"), by=F("given_by__username"))
    rows = [_row(label) for label in of]
    commit = CommitProperties(app_transactions=[Transaction(TABLE, batch)])
    lake.write(TABLE, pa.Table.from_pylist(rows, schema=SCHEMA), commit)
    return len(rows)


def _row(label: Any) -> dict[str, Any]:
    return {
        "model": label.name, "day": label.received_at.date(), "request_id": label.request_id, "row": label.row,
        "time": label.time, "value": msgspec.json.encode(label.value).decode(), "model_id": label.model_id,
        "number": float(label.value) if isinstance(label.value, bool | int | float) else None,
        "received_at": label.received_at, "given_by": label.by,
    }  # fmt: skip
