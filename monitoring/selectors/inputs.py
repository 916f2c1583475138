"""A version's inputs and scores of some time, and its reference, from counts that are at hand: no row of either is read."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.db.models import Max

from experiments.models import TrainingRun
from monitoring.drift.features import Cells, Feature, add_all, features_of
from monitoring.drifting import Binned, Reference, binned_of, reference_of
from monitoring.models import FeatureHistogram
from registry.models import ReferenceProfile

Span = FeatureHistogram.Span
FIVE_MINUTES, HOUR = timedelta(seconds=Span.FIVE_MINUTES), timedelta(seconds=Span.HOUR)
Features = list[tuple[Feature, Reference]]


@dataclass(frozen=True, eq=False)
class Counted:
    """What was counted of one version in one arm; ``since`` and ``until`` are multiples of five minutes."""

    rows: int
    since: datetime
    until: datetime
    cells: Cells

    def pairs(self, features: Features) -> list[tuple[Reference, Binned]]:
        """Return each feature's reference with its counts."""
        of = {feature.name: reference for feature, reference in features}
        places = self.cells.by_feature([feature for feature, _ in features])
        return [(of[feature.name], binned_of(feature, counts)) for feature, counts in places]


def arms_counted(*, since: datetime) -> list[tuple[int, str, datetime]]:
    """Return which versions were asked in which arms since then, and from when on their newest five minutes count."""
    lately = FeatureHistogram.objects.filter(span=Span.FIVE_MINUTES, started_at__gte=since)
    return list(lately.values_list("version", "arm").annotate(last=Max("started_at")).order_by("version_id", "arm"))


def counted(version_id: int, arm: str, *, seconds: int, until: datetime) -> Counted:
    """Return what was counted in the time before ``until``, of full hours where these are summed up."""
    since = until - timedelta(seconds=seconds)
    of_arm = FeatureHistogram.objects.filter(version=version_id, arm=arm, started_at__gte=since, started_at__lt=until)
    keys = list(of_arm.filter(span__in=(Span.FIVE_MINUTES, Span.HOUR)).values_list("pk", "span", "started_at"))
    hours = {at for _, span, at in keys if span == Span.HOUR and at + HOUR <= until}
    chosen = [
        pk for pk, span, at in keys
        if (at in hours if span == Span.HOUR else at.replace(minute=0) not in hours)
    ]  # fmt: skip
    rows, cells = 0, []
    for counted_rows, packed in FeatureHistogram.objects.filter(pk__in=chosen).values_list("rows", "cells"):
        rows += counted_rows
        cells.append(Cells.unpack(bytes(packed)))
    return Counted(rows, since, until, add_all(cells))


def features_with_references(version_id: int) -> Features | None:
    """Return the inputs of a version, and its score, each with its reference; None where it has none."""
    found = ReferenceProfile.objects.filter(version=version_id).values_list("pk", "recorded_at").first()
    return _features(*found) if found else None


@lru_cache(maxsize=32)
def _features(reference_id: int, _recorded_at: datetime) -> Features:
    """Return the same of a reference, which never changes."""
    profile = ReferenceProfile.objects.get(pk=reference_id)
    run = TrainingRun.objects.filter(version=profile.version_id).first()
    importance = run.importance if run else {}
    features = features_of(profile.columns, profile.score)
    return [
        (feature, reference_of(feature, profile.columns.get(feature.name, profile.score), importance.get(feature.name)))
        for feature in features
    ]
