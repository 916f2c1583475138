"""Putting what was counted of quality in the place of what was counted before: hours, and the days that they are of."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.models.quality import QualityPairs, QualityPolicy, QualityReference, QualityWindow, Span
from monitoring.quality.metrics import Measured, measure
from monitoring.quality.pairs import PairSums, add_pairs, compare
from monitoring.quality.rows import PairKey
from monitoring.quality.sums import Key, Kind, Sums, add_all
from monitoring.selectors.quality_reference import estimated_of
from registry.models import ModelVersion, RegisteredModel

DAY = timedelta(days=1)
References = Mapping[int, QualityReference]  # by number of the version


def replace_windows(
    model: RegisteredModel, policy: QualityPolicy, found: Mapping[Key, Sums], references: References
) -> None:
    """Replace the windows of the hours in ``found``, and of their days.

    An hour whose predictions the lake keeps no longer stays as it was counted.
    """
    pks, hours = _versions(model), {key.started_at for key in found}
    windows = QualityWindow.objects.filter(version__model=model)
    windows.filter(span=Span.HOUR, started_at__in=[_at(hour) for hour in hours]).delete()
    known = {key: sums for key, sums in found.items() if key.version in pks}
    QualityWindow.objects.bulk_create(_windows(known, Span.HOUR, policy, pks, references))
    for day in _days(hours):
        windows.filter(span=Span.DAY, started_at=day).delete()
        parts: dict[Key, list[Sums]] = {}
        of_day = windows.filter(span=Span.HOUR, started_at__gte=day, started_at__lt=day + DAY, kind=policy.compares)
        for window in of_day.select_related("version"):
            key = Key(window.version.number, window.arm, window.data_slice, day.timestamp())
            parts.setdefault(key, []).append(window.read())
        days = {key: add_all(sums) for key, sums in parts.items()}
        QualityWindow.objects.bulk_create(_windows(days, Span.DAY, policy, pks, references))


def _windows(
    found: Mapping[Key, Sums], span: Span, policy: QualityPolicy, pks: Mapping[int, int], references: References
) -> Iterator[QualityWindow]:
    kind = policy.compares
    for key, sums in sorted(found.items(), key=lambda item: item[0]):
        estimated = {} if key.data_slice else estimated_of(references.get(key.version), sums, policy)
        yield QualityWindow(
            version_id=pks[key.version], arm=key.arm, data_slice=key.data_slice, span=span, started_at=_at(key.started_at),
            kind=kind, predictions=sums.predictions, labelled=sums.labelled, right=sums.right, cells=sums.cells.pack(),
            sums=sums.sums, measured=_fields(measure(kind, sums)), estimated=_fields(estimated),
        )  # fmt: skip


def replace_pairs(
    model: RegisteredModel, policy: QualityPolicy, found: Mapping[PairKey, PairSums], *, hours: Collection[float]
) -> None:
    """Replace the pairs of some hours, and of their days."""
    pks, pairs = _versions(model), QualityPairs.objects.filter(challenger__model=model)
    pairs.filter(span=Span.HOUR, started_at__in=[_at(hour) for hour in hours]).delete()
    known = {key: sums for key, sums in found.items() if {key.champion, key.challenger} <= pks.keys()}
    QualityPairs.objects.bulk_create(_pairs(known, Span.HOUR, policy.compares, pks))
    for day in _days(hours):
        pairs.filter(span=Span.DAY, started_at=day).delete()
        parts: dict[PairKey, list[PairSums]] = {}
        of_day = pairs.filter(span=Span.HOUR, started_at__gte=day, started_at__lt=day + DAY, kind=policy.compares)
        for row in of_day.select_related("champion", "challenger"):
            key = PairKey(row.champion.number, row.challenger.number, day.timestamp())
            parts.setdefault(key, []).append(row.read())
        days = {key: add_pairs(sums) for key, sums in parts.items()}
        QualityPairs.objects.bulk_create(_pairs(days, Span.DAY, policy.compares, pks))


def _pairs(found: Mapping[PairKey, PairSums], span: Span, kind: Kind, pks: Mapping[int, int]) -> Iterator[QualityPairs]:
    for key, sums in sorted(found.items(), key=lambda item: item[0]):
        yield QualityPairs(
            champion_id=pks[key.champion], challenger_id=pks[key.challenger], span=span, started_at=_at(key.started_at),
            kind=kind, labelled=sums.labelled, cells=sums.cells.pack(), sums=sums.sums,
            measured=_fields(compare(kind, sums)),
        )  # fmt: skip


def _fields(found: Mapping[str, Measured]) -> dict[str, tuple[Any, ...]]:
    return {name: astuple(value) for name, value in found.items()}


def _versions(model: RegisteredModel) -> dict[int, int]:
    return dict(ModelVersion.objects.filter(model=model).values_list("number", "pk"))


def _days(hours: Collection[float]) -> list[datetime]:
    return sorted({_at(hour // Span.DAY * Span.DAY) for hour in hours})


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
