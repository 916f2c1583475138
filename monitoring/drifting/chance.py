"""How large a distance chance alone makes when both sides are samples of one distribution. Pure arithmetic.

A distance here is a norm of the differences d between two histograms' shares. By chance, sqrt(nm / (n + m)) d is nearly normal, a Brownian
bridge seen at the edges of the bins, so one table for each reference serves windows of any size. Where few values decide, that is not
so, and the rows of both sides are dealt out anew instead (a permutation test, exact also with ties).

Both are drawn from a fixed seed; a p-value is that of the draws plus one standard error, so that their chance raises no alarm.
Sources: Ernst, Permutation methods: a basis for exact inference (2004); Phipson and Smyth, Permutation p-values should never be zero (2010).
"""

from collections.abc import Callable
from functools import cached_property, lru_cache

import numpy as np

from monitoring.drifting.distances import differences
from monitoring.drifting.windows import Floats, Integers, Method

BRIDGES = 10_000
DEALS = 4_000
FEW = 10  # rows expected on the rarer side of an edge, below which its count is not near enough to normal
MUCH = 0.1  # share of a distance that such edges may make
OPEN = 1e-12, 0.05  # a p-value beyond is not refined: there is nothing to decide
_NEAR, _FAR = 100, 20  # draws beyond the points through which the tail is drawn on

ORDERED = "wasserstein", "ks"  # methods of numbers
Norm = Callable[[Floats], Floats]  # (…, bins) differences of shares to (…,) distances


class Chance:
    """Distances that chance made, from the smallest to the largest, in units of ``scale``."""

    def __init__(self, drawn: Floats, scale: float = 1.0) -> None:
        self._drawn, self._scale = drawn, scale

    def p_value(self, distance: float) -> float:
        """Return the probability of at least such a distance, in (0, 1]."""
        sought = distance / self._scale
        beyond = self._drawn.size - int(np.searchsorted(self._drawn, sought * (1 - 1e-6)))
        found = self._share(beyond)
        if beyond < _FAR:
            start, rate = self._tail()
            found = min(found, self._share(_FAR) * float(np.exp(-max(sought - start, 0.0) * rate)))
        return max(float(found), 1e-300)

    def critical(self, level: float) -> float:
        """Return the distance beyond which the p-value is at most ``level``."""
        shares = self._share(np.arange(self._drawn.size + 1))
        # the most draws that are rare enough; -1 where none is
        beyond = int(np.searchsorted(shares, level, side="right")) - 1
        found = self._drawn[-1 - beyond] if beyond >= 0 else np.inf
        if beyond < _FAR:
            start, rate = self._tail()
            found = min(found, start + np.log(self._share(_FAR) / level) / rate if rate else self._drawn[-1])
        return float(self._scale * found)

    def _share(self, beyond: int | Integers) -> float:
        """Return the p-value that so many draws beyond stand for."""
        hits = beyond + 1
        return np.minimum((hits + np.sqrt(hits)) / (self._drawn.size + 1), 1.0)  # type: ignore[return-value]

    def _tail(self) -> tuple[float, float]:
        """Return where the tail begins and how fast it falls; a norm of normals falls faster still."""
        near, far = float(self._drawn[-_NEAR]), float(self._drawn[-_FAR])
        fall = float(np.log(self._share(_NEAR) / self._share(_FAR)))
        return far, fall / (far - near) if far > near else 0.0


def norm_of(method: Method, steps: Floats, shares: Floats) -> Norm:
    """Return how a method measures differences of shares; ``steps`` serve ``wasserstein`` alone, ``shares`` of both sides ``chi2``."""
    if method == "wasserstein":
        return lambda d: np.abs(d.cumsum(axis=-1)[..., :-1]) @ steps
    if method == "ks":
        return lambda d: np.abs(d.cumsum(axis=-1)[..., :-1]).max(axis=-1, initial=0.0)
    if method == "total_variation":
        return lambda d: np.abs(d).sum(axis=-1) / 2
    weights = np.divide(1.0, shares, out=np.zeros_like(shares), where=shares > 0)
    return lambda d: np.sqrt(d**2 @ weights)


class Sides:
    """Two histograms in the same bins, and what chance would make of them.

    Attributes:
        steps: (bins - 1,) from each bin to the next one, in the unit of ``wasserstein``; empty for categories.
    """

    def __init__(self, reference: Integers, current: Integers, steps: Floats) -> None:
        self._reference, self._current, self._steps = reference, current, steps
        self._n, self._m = int(current.sum()), int(reference.sum())
        self._both = reference + current

    def distance(self, method: Method) -> float:
        """Return how far the two are apart."""
        return float(self._norm(method)(differences(self._reference, self._current)))

    def chance(self, method: Method, distance: float) -> Chance:
        """Return the distances of chance that a distance is to be held against."""
        scale = float(np.sqrt(1 / self._n + 1 / self._m))
        drawn = _bridges(method in ORDERED, self._steps.tobytes(), (self._reference / self._m).tobytes())
        bridges = Chance(drawn[method], scale)
        settled = not OPEN[0] < bridges.p_value(distance) < OPEN[1]
        return bridges if settled or not self._few_decide(method) else Chance(np.sort(self._norm(method)(self._dealt)))

    def _norm(self, method: Method) -> Norm:
        return norm_of(method, self._steps, self._both / self._both.sum())

    def _few_decide(self, method: Method) -> bool:
        """Return whether much of a distance comes from bins or edges with few rows on one of their sides."""
        shares = self._both / self._both.sum()
        if method in ORDERED:
            shares = shares.cumsum()[:-1]
        weights = np.sqrt(shares * np.maximum(1 - shares, 0)) * (self._steps if method == "wasserstein" else 1.0)
        if method == "chi2":
            weights = np.ones(shares.size)  # each bin adds as much, however rare
        rare = np.minimum(shares, 1 - shares) * min(self._n, self._m) < FEW
        return bool(weights[rare].sum() > MUCH * weights.sum())

    @cached_property
    def _dealt(self) -> Floats:
        """Differences of shares after all rows have been dealt out anew, n of them to one side."""
        seen = np.flatnonzero(self._both)
        random = np.random.default_rng(self._n)
        dealt = np.zeros((DEALS, self._both.size))
        dealt[:, seen] = random.multivariate_hypergeometric(self._both[seen], self._n, size=DEALS, method="marginals")
        return np.asarray(dealt * (1 / self._n + 1 / self._m) - self._both / self._m)


@lru_cache(maxsize=1024)
def _bridges(ordered: bool, steps: bytes, shares: bytes) -> dict[Method, Floats]:
    """Return what chance makes by both methods of a kind: norms of the same drawn bridges, from the smallest to the largest.

    It goes from bin to bin with all draws at once, so that what is added up stays near the processor.
    """
    p = np.frombuffer(shares)
    normals = _normals(-(-p.size // 64))[: p.size]
    roots = np.sqrt(p).astype(np.float32)
    ends = np.einsum("i,ij->j", roots, normals)
    one, two = np.zeros_like(ends), np.zeros_like(ends)
    if not ordered:
        for share, root, drawn in zip(p.tolist(), roots.tolist(), normals, strict=True):
            away = np.abs(root * drawn - share * ends)
            one += away
            two += away**2 / (share or np.inf)
        return {"total_variation": np.sort(one / 2), "chi2": np.sort(np.sqrt(two))}
    walks = np.zeros_like(ends)
    for share, root, step, drawn in zip(
        p.cumsum()[:-1].tolist(), roots.tolist(), np.frombuffer(steps).tolist(), normals, strict=False
    ):
        walks += root * drawn
        away = np.abs(walks - share * ends)
        one += step * away
        np.maximum(two, away, out=two)
    return {"wasserstein": np.sort(one), "ks": np.sort(two)}


@lru_cache(maxsize=4)
def _normals(blocks: int) -> Floats:
    drawn = np.random.default_rng(blocks).standard_normal((BRIDGES, 64 * blocks))
    return np.ascontiguousarray(drawn.T, dtype=np.float32)
