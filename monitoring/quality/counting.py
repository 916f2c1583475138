"""Quality of each version: predictions joined with what became of them, in the lake, hour by hour of when they were made.

Labels come late, come again and are corrected, so an hour's windows are not added to but taken anew and replaced. Only hours are taken
whose predictions or labels changed since the last look; which ones, Delta's own log says. Running it twice, or being killed anywhere,
changes nothing: an hour stays due until the transaction that replaces its windows.
"""

import time
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import TruncHour

from monitoring.labelling import labels
from monitoring.locks import alone_under
from monitoring.models import QualityCursor, QualityDue, QualityReference, TelemetryHour
from monitoring.models.quality import HORIZON
from monitoring.predictions import lake
from monitoring.predictions.changes import Added, added_since, hours_of
from monitoring.quality.join import Tables, joined, labelled_hours, paired
from monitoring.quality.pairs import PairSums
from monitoring.quality.replacing import replace_pairs, replace_windows
from monitoring.quality.rows import Losses, PairKey, counted, counted_pairs
from monitoring.quality.sums import Key, Sums
from monitoring.selectors.quality_policy import quality_policy_of
from registry.models import RegisteredModel
from serving.contract import SHADOW

ADVISORY_LOCK = 0x514C_5459  # "QLTY": one at a time counts quality
TURN_S = 20.0  # what is still due then waits for the next turn
CHUNK_ROWS = 250_000  # predictions that are joined at once; bounds the memory
PAUSES = 20  # between two looks for changed labels, in lengths of the last one


def count_quality(*, now: datetime) -> int:
    """Count anew the hours that changed, newest first, and return how many; does nothing where another is at it."""
    with alone_under(ADVISORY_LOCK) as alone:
        if not alone:
            return 0
        _note_due(now)
        until, done = time.monotonic() + TURN_S, 0
        while (due := QualityDue.objects.select_related("model__team").order_by("-started_at", "model").first()) and (
            not done or time.monotonic() < until
        ):
            done += _count(due.model, _chunk(due))
    return done


def _note_due(now: datetime) -> None:
    """Note which hours have changed since the last look, in the transaction that moves the cursors on."""
    for table, hours in ((lake.PREDICTIONS, _of_predictions), (labels.TABLE, _of_labels)):
        cursor = QualityCursor.objects.filter(table=table).first() or QualityCursor(table=table, version=-1)
        if cursor.looked_at and now - cursor.looked_at < PAUSES * timedelta(seconds=cursor.looking_s):
            continue
        began = time.monotonic()
        files, version = added_since(table, cursor.version if cursor.pk else None)
        if version is None or (not files and version == cursor.version):
            continue
        due = [QualityDue(model_id=pk, started_at=at) for pk, at in sorted(hours(files, now - HORIZON))]
        cursor.version, cursor.looked_at, cursor.looking_s = version, now, time.monotonic() - began
        with transaction.atomic():
            QualityDue.objects.bulk_create(due, ignore_conflicts=True)
            cursor.save()


def _of_predictions(files: list[Added], since: datetime) -> set[tuple[int, datetime]]:
    """Return (model, hour) of new predictions; a name that was reused is looked at for each model that had it."""
    by_name: dict[str, list[Added]] = {}
    for file in files:
        by_name.setdefault(file.model, []).append(file)
    models = RegisteredModel.objects.filter(name__in=by_name).values_list("pk", "name")
    return {(pk, hour) for pk, name in models for hour in hours_of(by_name[name]) if hour > since}


def _of_labels(files: list[Added], since: datetime) -> set[tuple[int, datetime]]:
    """Return (model, hour) of the predictions that new labels are of."""
    parts = [
        pq.ParquetFile(file.path).read(columns=["model_id", "received_at", "request_id"])
        for file in files
        if file.path.exists()
    ]
    predictions, table = lake.open_table(lake.PREDICTIONS), lake.open_table(labels.TABLE)
    if not parts or predictions is None or table is None:
        return set()
    rows = pa.concat_tables(parts)
    known = set(RegisteredModel.objects.values_list("pk", flat=True))
    found = set()
    for model_id in sorted(set(pc.unique(rows["model_id"]).to_pylist()) & known):
        of = rows.filter(pc.field("model_id") == model_id)
        ids, received = pc.min_max(of["request_id"]).as_py(), pc.min(of["received_at"]).as_py()
        hours = labelled_hours(
            {lake.PREDICTIONS: predictions, labels.TABLE: table}, model_id=model_id, since=since, received=received,
            ids=(ids["min"], ids["max"]),
        )  # fmt: skip
        found |= {(model_id, hour) for hour in hours}
    return found


def _chunk(due: QualityDue) -> list[datetime]:
    """Return hours of one day that are due, that one first, with no more predictions than are joined at once."""
    day = due.started_at.replace(hour=0)
    of_day = {"started_at__gte": day, "started_at__lte": due.started_at}
    rows = TelemetryHour.objects.filter(version__model=due.model_id, **of_day).annotate(
        hour=TruncHour("started_at", tzinfo=UTC)
    )
    made = dict(rows.values_list("hour").annotate(n=Sum("rows")))
    chunk: list[datetime] = []
    taken = 0
    for hour in (
        QualityDue.objects.filter(model=due.model_id, **of_day)
        .order_by("-started_at")
        .values_list("started_at", flat=True)
    ):
        taken += made.get(hour, 0)
        if chunk and taken > CHUNK_ROWS:
            break
        chunk.append(hour)
    return chunk


def _count(model: RegisteredModel, hours: list[datetime]) -> int:
    policy = quality_policy_of(model)
    references = {
        r.version.number: r for r in QualityReference.objects.filter(version__model=model).select_related("version")
    }
    losses = {number: of for number, reference in references.items() if (of := _losses(reference))}
    tables: Tables = {name: table for name in (lake.PREDICTIONS, labels.TABLE) if (table := lake.open_table(name))}
    windows: dict[Key, Sums] = {}
    pairs: dict[PairKey, PairSums] = {}
    if lake.PREDICTIONS in tables:
        batches = joined(tables, model_id=model.pk, hours=hours, policy=policy, inputs=bool(losses))
        windows = counted(batches, policy=policy, losses=losses)
        if any(key.arm == SHADOW for key in windows):
            pairs = counted_pairs(paired(tables, model_id=model.pk, hours=hours, policy=policy), policy=policy)
    with transaction.atomic():
        replace_windows(model, policy, windows, references)
        replace_pairs(model, policy, pairs, hours={key.started_at for key in windows})
        QualityDue.objects.filter(model=model, started_at__in=hours).delete()
    return len(hours)


def _losses(reference: QualityReference) -> Losses | None:
    if not reference.losses:
        return None
    from monitoring.estimating.direct import LossModel  # heavy: LightGBM

    return msgspec.convert(reference.losses, LossModel).losses
