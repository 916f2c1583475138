"""A version's latest inputs beside its reference, from counts that are at hand: no row of either is read."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.features import Cells, add_all, features_of
from monitoring.models import FeatureHistogram
from monitoring.stability import Stability, stabilities
from registry.models import ReferenceProfile
from serving.contract import SHADOW

LATELY = timedelta(hours=24)


@dataclass(frozen=True)
class Inputs:
    """What was counted since ``since``, held against the reference."""

    rows: int
    since: datetime
    features: list[Stability]


def latest_inputs(reference: ReferenceProfile, *, now: datetime) -> Inputs:
    """Return the inputs of the last day; requests that named their version, and shadow copies, are left out."""
    since = now - LATELY
    spans = FeatureHistogram.objects.filter(
        version=reference.version_id, span=FeatureHistogram.Span.FIVE_MINUTES, started_at__gte=since
    ).exclude(arm=SHADOW)
    rows, cells = 0, []
    for counted, packed in spans.values_list("rows", "cells"):
        rows += counted
        cells.append(Cells.unpack(bytes(packed)))
    features = features_of(reference.columns)
    return Inputs(rows, since, stabilities(reference.columns, add_all(cells).by_feature(features)))
