"""The origin of each failure as evidence: an exact e-process, and what follows from inverting it.

Given that a request failed, it came from the canary with probability

    p(rho) = w rho / (w rho + 1 - w)

where w is the weight in force at that request and rho the canary's risk over the champion's. Nothing else enters: neither how many
requests there were, nor the risk itself, which may drift, spike or differ between callers, as long as routing is
independent of it. Against "rho is at most r0" the likelihood ratio of rho = r0 k, k > 1, is

    k^(failures of the canary) x product over weights of ((1 - w + w r0) / (1 - w + w r0 k))^(failures at that weight)

which is a non-negative supermartingale under each rho <= r0: p grows with rho, and the ratio grows with each failure of the canary.
So is a mixture over several k whose prior weights sum to 1, and by Ville's inequality it reaches 1 / alpha, at
whichever look, with probability at most alpha. With factors 1 / k the same holds against "rho is at least r0".

The product is commutative: E depends on the counts by weight alone, in whichever order and portions they came.

References:
    J. Ville, Étude critique de la notion de collectif (1939).
    H. Robbins, Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41 (1970): mixtures.
    P. Grünwald, R. de Heide, W. Koolen, Safe testing, J. R. Stat. Soc. B 86 (2024): e-values.
    A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, Game-theoretic statistics and safe anytime-valid inference, Statist. Sci. 38 (2023).
    D. R. Cox, Partial likelihood, Biometrika 62 (1975): conditioning on when something failed.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rollouts.verdicts.verdict import Interval, Origin

Floats = npt.NDArray[np.float64]
At = TypeVar("At")

RATIOS: Floats = np.geomspace(1.25, 16, 12)
_LOG_PRIOR: Floats = np.log(1 / RATIOS) - math.log(float((1 / RATIOS).sum()))
FARTHEST = 1e6  # a risk ratio beyond is given as infinite, one below its inverse as 0


@dataclass(frozen=True)
class Tally:
    """Failures at T looks, by K distinct weights in ascending order.

    Attributes:
        weights: (K,)
        canary: (T,) failures of the canary, over all weights.
        failures: (T, K) failures of both arms.
    """

    weights: Floats
    canary: Floats
    failures: Floats


def tally(origins: Iterable[Origin]) -> Tally:
    """Return the failures as one look."""
    canary = 0
    failures: dict[float, int] = defaultdict(int)
    for origin in origins:
        canary += origin.canary
        failures[origin.weight] += origin.canary + origin.champion
    weights = sorted(failures)
    return Tally(np.array(weights, float), np.array([canary], float), np.array([[failures[w] for w in weights]], float))


def log_evidence(counts: Tally, null: float, *, below: bool = False) -> Floats:
    """Return log E (T,) against a risk ratio of at most ``null``, or, with ``below``, of at least ``null``.

    Falls as ``null`` rises; with ``below`` it rises.

    Raises:
        ValueError: ``null`` is not positive.
    """
    if not null > 0:
        raise ValueError(f"{null=}: a risk ratio is positive.")
    factors = 1 / RATIOS if below else RATIOS
    logs = _LOG_PRIOR + counts.canary[:, None] * np.log(factors)
    # One weight after the other, so that a look's value does not depend on the looks beside it, to the last bit.
    for weight, failures in zip(counts.weights, counts.failures.T, strict=True):
        logs = logs + failures[:, None] * (np.log1p(weight * (null - 1)) - np.log1p(weight * (null * factors - 1)))
    highest: Floats = logs.max(axis=1)
    found: Floats = highest + np.log(np.exp(logs - highest[:, None]).sum(axis=1))
    return found


def evidence(counts: Tally, margin: float) -> tuple[float, float]:
    """Return log E of the last look: of "worse", and of "less than ``margin`` times as bad"."""
    return float(log_evidence(counts, 1.0)[-1]), float(log_evidence(counts, margin, below=True)[-1])


def evidence_over_time(
    windows: Sequence[tuple[At, Origin]], *, margin: float = 2.0
) -> Iterator[tuple[At, float, float]]:
    """Yield each window's instant with log E of "worse" and of "less than ``margin`` times as bad" up to its end.

    Each is, to the last bit, what :func:`evidence` returns for the windows up to there.

    Args:
        windows: (instant, failures in that window), oldest first; one whose weight changed comes as two.
    """
    if not windows:
        return
    weights, place = np.unique([origin.weight for _, origin in windows], return_inverse=True)
    canary = np.array([origin.canary for _, origin in windows], float)
    failures = np.zeros((len(windows), len(weights)))
    failures[np.arange(len(windows)), place] = canary + [origin.champion for _, origin in windows]
    counts = Tally(weights, canary.cumsum(), failures.cumsum(axis=0))
    against, in_favour = log_evidence(counts, 1.0), log_evidence(counts, margin, below=True)
    for (at, _), one, other in zip(windows, against.tolist(), in_favour.tolist(), strict=True):
        yield at, one, other


def risk_ratio(counts: Tally, limits: tuple[float, float]) -> Interval:
    """Return low, most likely and high risk ratio; each bound holds at all times at its own level.

    The low bound is the highest null that is rejected at log E >= ``limits[0]``, so it exceeds 1 exactly with a *fail*; the high bound
    is the lowest margin that would pass at ``limits[1]``.
    """
    low = _crossing(lambda null: float(log_evidence(counts, null)[-1]) >= limits[0])
    high = _crossing(lambda null: float(log_evidence(counts, null, below=True)[-1]) < limits[1])
    canary, failures = counts.canary[-1], counts.failures[-1]

    def expects_fewer(ratio: float) -> bool:
        share = counts.weights * ratio
        return bool((failures * share / (share + 1 - counts.weights)).sum() < canary)

    return low, _crossing(expects_fewer), high


def _crossing(holds: Callable[[float], bool]) -> float:
    """Return the ratio up to which ``holds`` is true; 0 where it never is, infinite where it always is."""
    if not holds(1 / FARTHEST):
        return 0.0
    if holds(FARTHEST):
        return math.inf
    low, high = -math.log(FARTHEST), math.log(FARTHEST)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(math.exp(middle)) else (low, middle)
    return math.exp(low)
