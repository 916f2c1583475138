"""Drift of a model's inputs, in words and numbers. Pure; the measuring is in ``monitoring.comparison``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

NUMERIC_METHOD = "wasserstein"
CATEGORICAL_METHOD = "jensenshannon"
METHOD_WORDS = {
    NUMERIC_METHOD: "Wasserstein distance, in standard deviations of the reference",
    CATEGORICAL_METHOD: "Jensen-Shannon distance",
    "": "no values to compare on one side",
}
THRESHOLD = 0.1  # of either distance; fixed methods, so that reports of different sizes can be compared
DRIFT_SHARE = 0.5  # of the features, from which the inputs as a whole count as drifted
# Both distances grow by chance alone in small samples: in simulations a third of unchanged numbers passed the limit at
# 200 rows and none at 2,000; a category of a hundred values needs as many.
MIN_ROWS = 2_000


@dataclass(frozen=True)
class FeatureDrift:
    """One feature in the reference and now.

    Attributes:
        kind: ``number`` or ``category``.
        method: which distance ``score`` is; empty where the feature has no values on one side.
        score: the distance; 0 means no drift, ``THRESHOLD`` and above means drift.
        importance: share of the model's total importance in [0, 1]; None where the version's training noted none.
        missing_reference, missing_current: shares of missing values in [0, 1].
        labels: of the histogram's bins, or the commonest categories.
        reference, current: share of the present values in each of them, in [0, 1].
    """

    name: str
    kind: str
    method: str
    score: float | None
    drifted: bool
    importance: float | None
    missing_reference: float
    missing_current: float
    labels: list[str]
    reference: list[float]
    current: list[float]

    @property
    def method_words(self) -> str:
        """The method as a person reads it."""
        return METHOD_WORDS[self.method]

    def as_json(self) -> dict[str, Any]:
        """Return the feature as it is stored."""
        return asdict(self)


def most_telling_first(features: Sequence[FeatureDrift]) -> list[FeatureDrift]:
    """Return drifted features first; among equals, those with the highest score, weighted by importance if known."""
    weighted = any(feature.importance for feature in features)

    def weight(feature: FeatureDrift) -> tuple[bool, float, float]:
        score = 0.0 if feature.score is None else feature.score
        return feature.drifted, score * (feature.importance or 0.0) if weighted else score, score

    return sorted(features, key=weight, reverse=True)


def verdict(features: Sequence[FeatureDrift]) -> str:
    """Return in one sentence whether the inputs have drifted, and which features most."""
    drifted = [feature.name for feature in features if feature.drifted]
    if not drifted:
        return f"None of the {len(features)} features has drifted from the training rows."
    named = ", ".join(drifted[:3]) + (f" and {len(drifted) - 3} more" if len(drifted) > 3 else "")
    whole = "The inputs have drifted" if len(drifted) / len(features) >= DRIFT_SHARE else "The inputs hold as a whole"
    have = "has" if len(drifted) == 1 else "have"
    return f"{whole}: {len(drifted)} of {len(features)} features {have} moved away from the training rows ({named})."
