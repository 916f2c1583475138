"""What a version's quality can be estimated from before labels are there."""

from dataclasses import dataclass
from functools import lru_cache

import msgspec

from experiments.models import DatasetVersion
from experiments.selectors import evaluations_of_version, training_data_of
from monitoring.drift.features import Cells
from monitoring.estimating.cbpe import Calibration, estimate
from monitoring.models.quality import QualityPolicy, QualityReference
from monitoring.quality.metrics import Measured
from monitoring.quality.sums import ALL, NO, YES, Kind, Sums
from registry.models import ModelVersion

SPLITS = ("held_out", "validation")  # rows that a version was not trained on


@dataclass(frozen=True)
class Basis:
    """The data set version and split that a version is measured on."""

    data: DatasetVersion
    split: str


def basis_of(version: ModelVersion) -> Basis | None:
    """Return the rows of the latest evaluation of a version, else those left out of its training; None where none are known."""
    known = [e.dataset_version for e in reversed(evaluations_of_version(version)) if e.job.state == "succeeded"]
    training = training_data_of(version)
    for data in [*known, *([training] if training else [])]:
        for split in SPLITS:
            if split in data.splits and data.target:
                return Basis(data, split)
    return None


def estimated_of(reference: QualityReference | None, sums: Sums, policy: QualityPolicy) -> dict[str, Measured]:
    """Return what predictions probably show, by metric, if the version's reference still holds; nothing without one.

    It cannot see concept drift.
    """
    if reference is None or reference.refusal or reference.kind != policy.compares:
        return {}
    if reference.kind == Kind.PROBABILITY:
        return estimate(sums.bins(ALL), _calibration(bytes(reference.cells)), threshold=policy.threshold)
    if reference.losses and sums.sums.get("expected"):
        from monitoring.estimating import direct  # heavy: LightGBM

        losses = msgspec.convert(reference.losses, direct.LossModel)
        of = sums.sums
        spread = losses.spread_absolute, losses.spread_squares
        return direct.estimate(int(of["expected"]), of["expected_absolute"], of["expected_squares"], spread)
    return {}


@lru_cache(maxsize=64)
def _calibration(cells: bytes) -> Calibration:
    counted = Sums(cells=Cells.unpack(cells))
    return Calibration.fit(counted.bins(NO), counted.bins(YES))
