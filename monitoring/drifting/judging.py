"""Which features of a window have drifted, and which of them most likely matter. Pure arithmetic.

Two methods look at each shape, at half its rate each, since either is blind where the other sees. Numbers: Wasserstein, and
Kolmogorov-Smirnov where a long tail makes single values loud. Categories: total variation, and chi-squared for rare ones that grow.

A feature's ``alpha`` is shared out: four fifths to its shape, a twentieth to each kind of break. Drift needs three things: a distance that
chance makes this rarely at these two sample sizes, the same still after allowing for the number of features (Benjamini and Hochberg,
1995), and an effect worth speaking of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from monitoring.drifting import distances
from monitoring.drifting.breaks import KINDS, shares_of
from monitoring.drifting.chance import Sides
from monitoring.drifting.places import inside, line_of
from monitoring.drifting.windows import (
    MIN_ROWS,
    Binned,
    EffectFloor,
    Finding,
    Floats,
    Integers,
    Method,
    Reference,
    Share,
)

SHAPE = 0.8  # of alpha
FLOOR = EffectFloor()


def judge(
    pairs: Sequence[tuple[Reference, Binned]], *, alpha: float = 0.01, fdr: float = 0.05, floor: EffectFloor = FLOOR
) -> list[Finding]:
    """Return what a window says of each feature, the likeliest causes first.

    Args:
        pairs: each feature's reference with its counts in the window.
        alpha: how often a feature that has not drifted may be taken for one that has, by itself, in (0, 1).
        fdr: share of false ones among those called drifted.

    Raises: ValueError if a rate is out of range, or counts do not fit their reference.
    """
    if not (0 < alpha < 1 and 0 < fdr < 1):
        raise ValueError(f"{alpha=} {fdr=}")
    for reference, current in pairs:
        if reference.binned.counts.shape != current.counts.shape:
            raise ValueError(
                f"{reference.name}: {current.counts.size} bins, but its reference has {reference.binned.counts.size}"
            )
    shapes = [_shape(reference, current, SHAPE * alpha, floor) for reference, current in pairs]
    adjusted = _adjusted(shapes)
    shares = shares_of(pairs, alpha=alpha, fdr=fdr, floor=floor.share)
    found = [
        _finding(reference, shape, adjusted_p, fdr, apart)
        for (reference, _), shape, adjusted_p, apart in zip(pairs, shapes, adjusted, shares, strict=True)
    ]
    return ranked(found)


@dataclass(frozen=True, eq=False)
class _Shape:
    method: Method
    distance: float
    p_value: float
    threshold: float
    effect: float
    floor: float
    beyond: bool
    n: int
    reference_n: int
    statistics: dict[str, float | None]

    @property
    def enough(self) -> bool:
        return min(self.n, self.reference_n) >= MIN_ROWS


NOTHING: dict[str, float | None] = dict.fromkeys(("psi", "ks", "wasserstein", "jensen_shannon", "chi2"))


def _shape(reference: Reference, current: Binned, level: float, floor: EffectFloor) -> _Shape:
    number = reference.kind == "number"
    before, now = reference.binned.counts, current.counts
    n, m = int(now.sum()), int(before.sum())
    least = floor.number if number else floor.category
    if not n or not m:
        return _Shape("wasserstein" if number else "total_variation", 0.0, 1.0, least, 0.0, least, False, n, m, NOTHING)
    if number:
        before, now = inside(before), inside(now)
        line = line_of(reference.edges, before)
        statistics = _statistics(before, now, line.steps)
        sides = Sides(line.grouped(before), line.grouped(now), line.group_steps)
        floors: dict[Method, float] = {"wasserstein": floor.number, "ks": floor.ks}
    else:
        statistics = _statistics(before, now, None)
        sides = Sides(before, now, np.empty(0))
        floors = {"total_variation": floor.category, "chi2": floor.category}
    found = []
    for method, least in floors.items():
        distance = sides.distance(method)
        effect = sides.distance("total_variation") if method == "chi2" else distance
        p_value, critical = 1.0, 0.0
        if distance:
            chance = sides.chance(method, distance)
            p_value, critical = min(len(floors) * chance.p_value(distance), 1.0), chance.critical(level / len(floors))
        found.append(
            _Shape(
                method,
                distance,
                p_value,
                max(critical, least),
                effect,
                least,
                p_value <= level and effect >= least,
                n,
                m,
                statistics,
            )
        )
    return next((one for one in found if one.beyond), found[0])


def _statistics(before: Integers, now: Integers, steps: Floats | None) -> dict[str, float | None]:
    together = distances.pooled(before, now, ordered=steps is not None)
    return {
        "psi": distances.population_stability(*together),
        "ks": None if steps is None else distances.kolmogorov_smirnov(before, now),
        "wasserstein": None if steps is None else distances.wasserstein(before, now, steps),
        "jensen_shannon": distances.jensen_shannon(before, now),
        "chi2": distances.chi_squared(*together),
    }


def _adjusted(shapes: Sequence[_Shape]) -> list[float]:
    """Return p-values adjusted for the number of features that can be judged; 1 for the others."""
    told = [i for i, shape in enumerate(shapes) if shape.enough]
    found = np.ones(len(shapes))
    if told:
        found[told] = scipy.stats.false_discovery_control([shapes[i].p_value for i in told])
    return [float(p) for p in found]


def _finding(reference: Reference, shape: _Shape, adjusted_p: float, fdr: float, apart: list[Share]) -> Finding:
    missing, unseen, out_of_range, broken = apart
    alone = shape.enough and shape.beyond
    return Finding(
        name=reference.name,
        kind=reference.kind,
        method=shape.method,
        distance=shape.distance,
        p_value=shape.p_value,
        adjusted_p=adjusted_p,
        threshold=shape.threshold,
        effect=shape.effect,
        effect_floor=shape.floor,
        alone=alone,
        drifted=alone and adjusted_p <= fdr,
        enough=shape.enough,
        n=shape.n,
        reference_n=shape.reference_n,
        statistics=shape.statistics,
        missing=missing,
        unseen=unseen,
        out_of_range=out_of_range,
        broken=broken,
        breaks=tuple(kind for kind, share in zip(KINDS, apart, strict=True) if share.broke),
        importance=reference.importance,
    )


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with their ``cause``, the largest first, then by how far they are beyond their threshold.

    The cause is the feature's share of all importance, by a weight from 1 for the one that moved furthest down to almost 0 for the one that
    moved least; 0 for those that did not. Features of unknown importance have the mean of the known.
    """
    moved = sorted((one for one in findings if one.drifted or one.breaks), key=_beyond, reverse=True)
    weights = {one.name: 1 - rank / len(moved) for rank, one in enumerate(moved)}
    known = [one.importance for one in findings if one.importance is not None]
    mean = sum(known) / len(known) if known else 1.0
    importances = {one.name: mean if one.importance is None else one.importance for one in findings}
    total = sum(importances.values()) or 1.0
    told = [replace(one, cause=importances[one.name] / total * weights.get(one.name, 0.0)) for one in findings]
    return sorted(told, key=lambda one: (-one.cause, -_beyond(one), one.name))


def _beyond(one: Finding) -> float:
    """Return how many times its threshold a feature has moved; what broke has moved further than what did not."""
    return one.distance / (one.threshold or 1.0) + len(one.breaks)
