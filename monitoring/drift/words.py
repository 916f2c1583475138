"""Drift of a model's inputs in words, and what reports hold. Pure; the arithmetic is in ``monitoring.drifting``."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from monitoring.drifting import EffectFloor, Finding
from monitoring.drifting.windows import MIN_ROWS

NUMERIC_METHOD = "wasserstein"
CATEGORICAL_METHOD = "jensenshannon"  # of the first edition
METHOD_WORDS = {
    NUMERIC_METHOD: "Wasserstein distance, in standard deviations of the reference",
    "total_variation": "total variation: the share of rows that would have to change their category",
    "ks": "Kolmogorov-Smirnov distance",
    "chi2": "chi-squared, as Cohen's w: the shares of all categories, of which rare ones count as much as common ones",
    CATEGORICAL_METHOD: "Jensen-Shannon distance",
    "": "no values to compare on one side",
}
FIRST_LIMIT = 0.1  # of either distance in reports of the first edition
FIRST_SHARE = 0.5  # of the features, from which the inputs as a whole counted as drifted there
NAMED = 3  # features in a sentence
BREAK_WORDS = {
    "missing": "values are missing more or less often",
    "new categories": "new categories",
    "range": "values out of range",
    "type": "values of another type",
}


@dataclass(frozen=True)
class FeatureDrift:
    """One feature in a report.

    Attributes:
        kind: ``number`` or ``category``.
        method: which distance ``score`` is; empty where the feature has no values on one side.
        score: the distance; 0 means no drift.
        drifted: beyond its threshold, and after allowing for the number of features. In the first edition: ``FIRST_LIMIT`` and above.
        importance: share of the model's total importance in [0, 1]; None where the version's training noted none.
        missing_reference, missing_current: shares of missing values in [0, 1].
        labels: of the histogram's bins, or the commonest categories.
        reference, current: share of the present values in each of them, in [0, 1].
        threshold: the distance from which the feature alone would count as drifted, at its sample sizes.
        n, reference_n: values compared.
        enough: whether those are enough to say anything.
        breaks: what else broke, of ``BREAK_WORDS``.
        statistics: other distances, by name.
        cause: share of importance by how far it moved, 0 if it did not.
        adjusted_p: chance of such a distance without drift, after allowing for the number of features.
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
    threshold: float = FIRST_LIMIT
    n: int = 0
    reference_n: int = 0
    enough: bool = True
    breaks: Sequence[str] = ()
    statistics: dict[str, float | None] = field(default_factory=dict)
    cause: float = 0.0
    adjusted_p: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the feature as it is stored."""
        return asdict(self)


@dataclass(frozen=True)
class SliceDrift:
    """The rows with one value of a category, held against the same part of the reference.

    Attributes:
        state: ``drifted``, ``steady``, or ``thin`` where there are too few rows.
        causes: the features that drifted or broke, the likeliest first.
    """

    column: str
    value: str
    rows: int
    reference_rows: int
    state: str
    drifted: int
    compared: int
    causes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the slice as it is stored."""
        return asdict(self)


def floor_of(effect_floor: float) -> EffectFloor:
    """Return the smallest effects that count, where a number's is ``effect_floor`` standard deviations: all in proportion."""
    usual = EffectFloor()
    share = effect_floor / usual.number
    return EffectFloor(effect_floor, usual.ks * share, usual.category * share, usual.share * share)


def counted(findings: Sequence[Finding], muted: Collection[str] = ()) -> list[Finding]:
    """Return the findings that count for something: those of features that are not muted."""
    return [one for one in findings if one.name not in muted]


def peak_of(findings: Sequence[Finding]) -> float | None:
    """Return the largest distance, in multiples of that feature's threshold; None where none could be compared."""
    return max((one.distance / one.threshold for one in findings if one.enough and one.threshold), default=None)


def verdict(findings: Sequence[Finding], *, against: str = "the training rows") -> str:
    """Return in one sentence whether the inputs have drifted or broken, and which of them are the likeliest causes."""
    compared = [one for one in findings if one.enough]
    drifted = [one.name for one in findings if one.drifted]
    broken = [f"{one.name} ({', '.join(one.breaks)})" for one in findings if one.breaks]
    if not (compared or broken):
        return f"There are too few values to judge by: {max((one.n for one in findings), default=0)} of {MIN_ROWS}."
    if not (drifted or broken):
        return f"Nothing has drifted: {_features(len(compared))} {'holds' if len(compared) == 1 else 'hold'} against {against}."
    said = []
    if drifted:
        have = "has" if len(drifted) == 1 else "have"
        said.append(f"{len(drifted)} of {_features(len(compared))} {have} drifted from {against}: {_named(drifted)}")
    if broken:
        said.append(f"{'data broke' if drifted else 'Data broke'} in {_named(broken)}")
    return "; ".join(said) + "."


def _features(count: int) -> str:
    return f"{count} feature{'' if count == 1 else 's'}"


def _named(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
