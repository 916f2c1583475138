"""Counting what was shipped: windows, hours and feature histograms, in the transaction that notes the segments."""

import logging
from datetime import datetime
from functools import lru_cache, reduce
from operator import or_
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Max, Q

from monitoring.counting.objectives import count_slos
from monitoring.counting.trials import count_trials
from monitoring.drift.features import Cells, Feature, answer_of, cells_of, features_of
from monitoring.drift.tails import Tails, join, tails_of
from monitoring.models import FailedKey, FeatureHistogram, ShippedSegment, TelemetryHour, TelemetryWindow
from monitoring.predictions.lake import Segment, signed
from monitoring.telemetry import COUNTED, Counts, WindowKey, failures, merge, span_start, tally, window_of
from registry.follow_ups import follow
from registry.models import ModelVersion, ReferenceProfile
from serving.contract import PredictionRecord

logger = logging.getLogger(__name__)

ADVISORY_LOCK = 0x4649_4E45  # "FINE": one at a time changes feature histograms
Key = tuple[Any, ...]  # values of the fields that tell rows apart, named below
Row = TypeVar("Row", TelemetryWindow, TelemetryHour)
Versions = dict[tuple[int, int], int]  # primary key by model and number
WINDOW_KEY = ("version_id", "started_at", "arm", "table_version", "weight_bp")
HOUR_KEY = ("version_id", "started_at", "arm")
Span = FeatureHistogram.Span


@transaction.atomic
def count(batch: list[Segment]) -> None:
    """Add the counts of the segments that are not counted yet. What decides on trials is told of them once that is committed.

    Raises:
        IntegrityError: another shipper, which lost its lock unawares, has counted one of them meanwhile.
    """
    spools = {segment.spool_id for segment in batch}
    counted = dict(
        ShippedSegment.objects.filter(spool_id__in=spools).values_list("spool_id").annotate(last=Max("number"))
    )
    new = [segment for segment in batch if segment.number > counted.get(segment.spool_id, -1)]
    ShippedSegment.objects.bulk_create(
        ShippedSegment(spool_id=s.spool_id, number=s.number, records=len(s.records)) for s in new
    )
    records = [record for segment in new for record in segment.records]
    versions = _versions(records)
    known = [record for record in records if (record.model_id, record.number) in versions]
    windows = _count_requests(known, versions)
    count_slos(known, windows, versions)
    _count_features(known, versions)
    if count_trials(known):
        follow("trial.count")


def _versions(records: list[PredictionRecord]) -> Versions:
    """Return the versions that the registry knows, and warn of others."""
    asked = {(record.model_id, record.number) for record in records}
    of_models = ModelVersion.objects.filter(model_id__in={model_id for model_id, _ in asked})
    versions = {(model_id, n): pk for pk, model_id, n in of_models.values_list("pk", "model_id", "number")}
    for model_id, number in sorted(asked - versions.keys()):
        logger.warning("model %s has no version %s: its predictions are in the lake alone", model_id, number)
    return versions


def _count_requests(records: list[PredictionRecord], versions: Versions) -> dict[WindowKey, Counts]:
    tallies = tally(records)
    for record in _first_failures(records, versions):
        key = window_of(record)
        tallies[key] = merge(tallies[key], Counts(first_failures=1))
    windows: dict[Key, Counts] = {}
    hours: dict[Key, Counts] = {}
    for of, counts in tallies.items():
        version_id = versions[of.model_id, of.number]
        windows[version_id, of.started_at, of.arm, of.table_version, of.weight_bp] = counts
        hour = (version_id, of.started_at.replace(minute=0, second=0), of.arm)
        hours[hour] = merge(hours.get(hour, Counts()), counts)
    _add(TelemetryWindow, WINDOW_KEY, windows)
    _add(TelemetryHour, HOUR_KEY, hours)
    return tallies


def _first_failures(records: list[PredictionRecord], versions: Versions) -> list[PredictionRecord]:
    """Note the keys that failed, and return the failures of those that never had."""
    failed = {(versions[r.model_id, r.number], r.arm, signed(r.key_hash)): r for r in failures(records)}
    if not failed:
        return []
    columns = zip(*((*key, window_of(record).started_at) for key, record in sorted(failed.items())), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {FailedKey._meta.db_table} (version_id, arm, key_hash, failed_at)"  # noqa: S608
            " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::timestamptz[])"
            " ON CONFLICT DO NOTHING RETURNING version_id, arm, key_hash",
            [list(column) for column in columns],
        )
        return [failed[key] for key in cursor.fetchall()]


def _add(table: type[Row], names: tuple[str, ...], added: dict[Key, Counts]) -> None:
    """Add counts to the rows with these keys, creating those that are missing."""
    near = table.objects.select_for_update(no_key=True).filter(
        version_id__in={key[0] for key in added}, started_at__in={key[1] for key in added}
    )
    rows = {tuple(getattr(row, name) for name in names): row for row in near}
    table.objects.bulk_update(
        [rows[key].set_counts(merge(rows[key].counts(), counts)) for key, counts in added.items() if key in rows],
        COUNTED,
    )
    table.objects.bulk_create(
        table(**dict(zip(names, key, strict=True))).set_counts(counts)
        for key, counts in added.items()
        if key not in rows
    )


def hold_features() -> None:
    """Wait until nobody else changes feature histograms; holds until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])


def _count_features(records: list[PredictionRecord], versions: Versions) -> None:
    """Add the inputs of answered, unpinned predictions to the five minutes they fell in."""
    parts: dict[tuple[int, str, datetime], list[PredictionRecord]] = {}
    for r in records:
        if r.status < 400 and not r.pinned:
            key = (versions[r.model_id, r.number], r.arm, span_start(r.at, Span.FIVE_MINUTES))
            parts.setdefault(key, []).append(r)
    references = ReferenceProfile.objects.filter(version__in={key[0] for key in parts})
    features = {version: _features(*of) for version, *of in references.values_list("version", "pk", "recorded_at")}
    hold_features()
    for (version_id, arm, started_at), counted in sorted(parts.items(), key=lambda part: part[0]):
        if version_id in features:
            scores = [answer_of(record.outputs) for record in counted]
            rows = [record.inputs for record in counted]
            cells = cells_of(features[version_id], rows, scores)
            tails = tails_of(features[version_id], rows, cells)
            _add_features(version_id, arm, started_at, rows=len(counted), cells=cells, tails=tails)


@lru_cache(maxsize=256)
def _features(reference_id: int, _recorded_at: datetime) -> list[Feature]:
    """Return the features of a reference, which never changes."""
    return features_of(*ReferenceProfile.objects.values_list("columns", "score").get(pk=reference_id))


def _add_features(version_id: int, arm: str, at: datetime, *, rows: int, cells: Cells, tails: Tails) -> None:
    """Add to the five minutes, and to the hour and day that were summed up already, which stay the exact sums."""
    due = reduce(or_, (Q(span=span, started_at=span_start(at.timestamp(), span)) for span in Span))
    held = {p.span: p for p in FeatureHistogram.objects.filter(due, version_id=version_id, arm=arm)}
    for period in held.values():
        period.rows += rows
        period.cells = (Cells.unpack(bytes(period.cells)) + cells).pack()
        period.tails = join([period.tails, tails])
        period.save(update_fields=["rows", "cells", "tails"])
    if Span.FIVE_MINUTES not in held:
        FeatureHistogram.objects.create(
            version_id=version_id,
            arm=arm,
            span=Span.FIVE_MINUTES,
            started_at=at,
            rows=rows,
            cells=cells.pack(),
            tails=tails,
        )
