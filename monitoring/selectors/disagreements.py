"""Where champion and candidate differ most, and what the inputs of those requests have in common."""

from datetime import timedelta

from monitoring.drift.common import CommonFeature, common_features
from monitoring.drift.features import Cells, add_all, cells_of, features_of, reference_places
from monitoring.models import FeatureHistogram, Trial, TrialDisagreement
from registry.models import ReferenceProfile
from serving.contract import SHADOW

ENOUGH = 1_000  # predictions, from which on the trial's own traffic says what is usual
SPAN = timedelta(seconds=FeatureHistogram.Span.FIVE_MINUTES)


def disagreements(trial: Trial, guard: str, *, limit: int = 50) -> list[TrialDisagreement]:
    """Return the biggest disagreements of a guard."""
    return list(TrialDisagreement.objects.filter(trial=trial, guard=guard)[:limit])


def features_in_common(trial: Trial, guard: str) -> list[CommonFeature]:
    """Return which inputs set a guard's biggest disagreements apart from what the champion is asked; a request counts once.

    While there is little traffic its reference says what is usual. Without a reference nothing is told.
    """
    reference = ReferenceProfile.objects.filter(version=trial.champion_id).first()
    if reference is None:
        return []
    features = features_of(reference.columns)
    kept = TrialDisagreement.objects.filter(trial=trial, guard=guard).order_by("size", "-id")
    by_request = dict(kept.values_list("request_id", "inputs"))  # of each its biggest, which comes last
    some = cells_of(features, list(by_request.values())).by_feature(features)
    traffic = _traffic(trial)
    usual = dict(traffic.by_feature(features)) if traffic else {}
    return common_features(
        (feature, places, usual.get(feature) or reference_places(feature, reference.columns[feature.name]))
        for feature, places in some
    )


def _traffic(trial: Trial) -> Cells | None:
    """Return what the champion was asked in the trial's time; None while that is little."""
    spans = FeatureHistogram.objects.filter(
        version=trial.champion_id, span=FeatureHistogram.Span.FIVE_MINUTES, started_at__gt=trial.opened_at - SPAN
    ).exclude(arm=SHADOW)
    if trial.closed_at:
        spans = spans.filter(started_at__lt=trial.closed_at)
    found = list(spans.values_list("rows", "cells"))
    if sum(rows for rows, _ in found) < ENOUGH:
        return None
    return add_all(Cells.unpack(bytes(packed)) for _, packed in found)
