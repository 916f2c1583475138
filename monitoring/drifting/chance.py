"""How large a distance chance alone makes when both sides are samples of one distribution. Pure arithmetic.

A distance here is a norm of the differences d between two histograms' shares. By chance, sqrt(nm / (n + m)) d is nearly normal, a Brownian
bridge seen at the edges of the bins, so one table for each reference serves windows of any size. Where few values decide, that is not
so, and the rows of both sides are dealt out anew instead (a permutation test, exact also with ties).

Both are drawn from a fixed seed; a p-value is that of the draws plus one standard error, so that their chance raises no alarm.
Sources: Ernst, Permutation methods: a basis for exact inference (2004); Phipson and Smyth, Permutation p-values should never be zero (2010).
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from monitoring.drifting.windows import Floats, Integers, Method

BRIDGES = 10_000
DEALS = 4_000
FEW = 10  # rows expected on the rarer side of an edge, below which its count is not near enough to normal
MUCH = 0.1  # share of a distance that such edges may make
OPEN = 1e-12, 0.05  # a p-value beyond is not refined: there is nothing to decide
_NEAR, _FAR = 100, 20  # draws beyond the points through which the tail is drawn on

Norm = Callable[[Floats], Floats]  # (…, bins) differences of shares to (…,) distances


class Chance:
    """Distances that chance made, from the smallest to the largest, in units of ``scale``."""

    def __init__(self, drawn: Floats, scale: float = 1.0) -> None:
        self._drawn, self._scale = drawn, scale

    def p_value(self, distance: float) -> float:
        """Return the probability of at least such a distance, in (0, 1]."""
        sought = distance / self._scale
        beyond = self._drawn.size - int(np.searchsorted(self._drawn, sought * (1 - 1e-6), side="left"))
        found = self._share(beyond)
        if beyond < _FAR:
            start, rate = self._tail()
            found = min(found, self._share(_FAR) * float(np.exp(-max(sought - start, 0.0) * rate)))
        return max(float(found), 1e-300)

    def critical(self, level: float) -> float:
        """Return the distance beyond which the p-value is at most ``level``."""
        if self._share(_FAR) > level:
            start, rate = self._tail()
            return self._scale * (start + float(np.log(self._share(_FAR) / level)) / rate if rate else start)
        shares = self._share(np.arange(self._drawn.size + 1))
        beyond = int(np.searchsorted(shares, level, side="right")) - 1
        return self._scale * float(self._drawn[-1 - beyond])

    def _share(self, beyond: int | Integers) -> float:
        """Return the p-value that so many draws beyond stand for."""
        hits = beyond + 1
        return np.minimum((hits + np.sqrt(hits)) / (self._drawn.size + 1), 1.0)  # type: ignore[return-value]

    def _tail(self) -> tuple[float, float]:
        """Return where the tail begins and how fast it falls; a norm of normals falls faster still."""
        near, far = float(self._drawn[-_NEAR]), float(self._drawn[-_FAR])
        fall = float(np.log(self._share(_NEAR) / self._share(_FAR)))
        return far, fall / (far - near) if far > near else 0.0


def norm_of(method: Method, steps: Floats) -> Norm:
    """Return how a method measures differences of shares; ``steps`` serve ``wasserstein`` alone."""
    if method == "wasserstein":
        return lambda d: np.abs(d.cumsum(axis=-1)[..., :-1]) @ steps
    if method == "ks":
        return lambda d: np.abs(d.cumsum(axis=-1)[..., :-1]).max(axis=-1)
    return lambda d: np.abs(d).sum(axis=-1) / 2


def chance_of(method: Method, steps: Floats, reference: Integers, current: Integers) -> Callable[[float], Chance]:
    """Return what gives, for a distance that was found, the distances of chance that it is to be held against."""
    n, m = int(current.sum()), int(reference.sum())
    scale = float(np.sqrt(1 / n + 1 / m))
    bridges = Chance(_bridges(method, steps.tobytes(), (reference / m).tobytes()), scale)

    def against(distance: float) -> Chance:
        settled = not OPEN[0] < bridges.p_value(distance) < OPEN[1]
        if settled or not few_decide(method, steps, reference + current, min(n, m)):
            return bridges
        return Chance(_dealt(norm_of(method, steps), reference + current, n))

    return against


def few_decide(method: Method, steps: Floats, both: Integers, least: int) -> bool:
    """Return whether much of a distance comes from edges with few rows on one of their sides."""
    shares = both / both.sum()
    if method != "total_variation":
        shares = shares.cumsum()[:-1]
    weights = np.sqrt(shares * np.maximum(1 - shares, 0)) * (steps if method == "wasserstein" else 1.0)
    rare = np.minimum(shares, 1 - shares) * least < FEW
    return bool(weights[rare].sum() > MUCH * weights.sum())


@lru_cache(maxsize=1024)
def _bridges(method: Method, steps: bytes, shares: bytes) -> Floats:
    p = np.frombuffer(shares)
    roots = np.sqrt(p)
    drawn = _normals(p.size)
    norm = norm_of(method, np.frombuffer(steps))
    return np.sort(
        np.concatenate([norm(z * roots - np.outer(z @ roots, p)) for z in np.array_split(drawn, 10)])
    ).astype(np.float32)


@lru_cache(maxsize=4)
def _normals(bins: int) -> Floats:
    return np.random.default_rng(bins).standard_normal((BRIDGES, bins))


def _dealt(norm: Norm, both: Integers, n: int) -> Floats:
    """Deal all rows out anew, ``n`` of them to one side, and measure."""
    seen = np.flatnonzero(both)
    m = int(both.sum()) - n
    random = np.random.default_rng(n)
    dealt = np.zeros((DEALS, both.size))
    dealt[:, seen] = random.multivariate_hypergeometric(both[seen], n, size=DEALS, method="marginals")
    return np.sort(norm(dealt * (1 / n + 1 / m) - both / m))
