"""What the inputs of some requests have in common that all the others have not. Pure arithmetic."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from monitoring.drift.features import MISSING, UNSEEN, Feature

CHANCE = 0.01  # that anything at all is told of requests drawn at random
MOST_EDGES = 32  # of one number that are asked about
Places = Mapping[int, int]  # rows by place


@dataclass(frozen=True)
class CommonFeature:
    """One input that is often so among some requests: of them a share, and the usual share, both in [0, 1]."""

    name: str
    words: str  # "at least 1200", "AA", "missing"
    share: float
    usual: float


def common_features(counted: Iterable[tuple[Feature, Places, Places]]) -> list[CommonFeature]:
    """Return what sets some requests apart, the most telling first, one of each feature.

    A number is looked at from each edge of its bins up and down, a category by name. The chance to see so many of n where a share p is
    usual is at most exp(-n KL(k/n, p)); what is told stays below ``CHANCE`` after the number of all questions asked.

    Args:
        counted: of each feature the rows by place among these requests, and among all.

    Source: H. Chernoff (1952), the bound on the binomial tail.
    """
    asked = [
        (feature, words, k, n, usual, total)
        for feature, some, every in counted
        if (n := sum(some.values())) and (total := sum(every.values()))
        for words, k, usual in _questions(feature, some, every)
    ]
    told: dict[str, tuple[float, CommonFeature]] = {}
    for feature, words, k, n, usual, total in asked:
        share, p = k / n, (usual + 0.5) / (total + 1)
        surprise = n * _divergence(share, p) if share > p else 0.0
        if surprise > max(math.log(len(asked) / CHANCE), told.get(feature.name, (0.0,))[0]):
            told[feature.name] = surprise, CommonFeature(feature.name, words, share, usual / total)
    return [found for _, found in sorted(told.values(), key=lambda item: -item[0])]


def _questions(feature: Feature, some: Places, every: Places) -> Iterator[tuple[str, int, int]]:
    """Yield what may be common: in words, and how many rows of both are so."""
    if feature.places is not None:
        for name, place in feature.places.items():
            yield name, some.get(place, 0), every.get(place, 0)
        yield "a new value", some.get(UNSEEN, 0), every.get(UNSEEN, 0)
    step = max(1, -(-len(feature.edges) // MOST_EDGES))
    for i, edge in list(enumerate(feature.edges))[::step]:
        above = [sum(n for place, n in side.items() if i < place < UNSEEN) for side in (some, every)]
        below = [sum(n for place, n in side.items() if place <= i) for side in (some, every)]
        last = i == len(feature.edges) - 1  # whose value is in the bin below it
        yield f"{'above' if last else 'at least'} {edge:.4g}", above[0], above[1]
        yield f"{'up to' if last else 'below'} {edge:.4g}", below[0], below[1]
    yield "missing", some.get(MISSING, 0), every.get(MISSING, 0)


def _divergence(share: float, p: float) -> float:
    """Return the Kullback-Leibler divergence of two coins, in nats."""
    rest = (1 - share) * math.log((1 - share) / (1 - p)) if share < 1 else 0.0
    return share * math.log(share / p) + rest
