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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rollouts.verdicts.verdict import Interval, Origin

Floats = npt.NDArray[np.float64]
At = TypeVar("At")

# Closest where decisions are: with even steps of the logarithm a risk of twice the champion's is found 6% later, others as soon.
RATIOS: Floats = np.array([1.25, 1.5, 2, 2.25, 2.5, 3, 4, 5, 6, 8, 12, 16])
_LOG_PRIOR: Floats = np.log(1 / RATIOS) - math.log(float((1 / RATIOS).sum()))
FARTHEST = 1e6  # a risk ratio beyond is given as infinite, one below its inverse as 0


@dataclass(frozen=True)
class Tally:
    """Failures at T looks, by K distinct weights in ascending order, counted from S instants on.

    Attributes:
        weights: (K,)
        canary: (S, T) failures of the canary, over all weights. The first of S begins with the rollout, the others with later parts.
        failures: (S, T, K) failures of both arms.
        starts: (S,) prior weight of harm that begins there.
        rest: prior weight of parts that have not begun, for which E is 1.
    """

    weights: Floats
    canary: Floats
    failures: Floats
    starts: tuple[float, ...] = (1.0,)
    rest: float = 0.0


def tally(origins: Sequence[Origin], *, late: float = 0.0) -> Tally:
    """Return the failures as one look; arguments as in :func:`tallies`."""
    looks = tallies(origins, late=late)
    return replace(looks, canary=looks.canary[:, -1:], failures=looks.failures[:, -1:])


def tallies(origins: Sequence[Origin], *, late: float) -> Tally:
    """Return a look before all failures, and one after each of ``origins``.

    Args:
        late: prior weight of harm that begins with a later part; part j has late / (j (j + 1)) of it.

    Raises:
        ValueError: ``late`` lies outside [0, 1).
    """
    if not 0 <= late < 1:
        raise ValueError(f"{late=} lies outside [0, 1).")
    rows = np.array([(one.weight, one.canary, one.champion, one.part) for one in origins]).reshape(-1, 4)
    weights, place = np.unique(rows[:, 0], return_inverse=True)
    parts = np.arange(rows[:, 3].max(initial=0) + 1 if late else 1)
    begun = (rows[:, 3] >= parts[:, None]).astype(float)
    canary = np.zeros((len(parts), len(rows) + 1))
    canary[:, 1:] = begun * rows[:, 1]
    failures = np.zeros((*canary.shape, len(weights)))
    failures[:, np.arange(len(rows)) + 1, place] = begun * (rows[:, 1] + rows[:, 2])
    starts = 1 - late, *(late / (part * (part + 1)) for part in range(1, len(parts)))
    return Tally(weights, canary.cumsum(axis=1), failures.cumsum(axis=1), starts, late / len(parts))


def log_evidence(counts: Tally, null: float, *, below: bool = False) -> Floats:
    """Return log E (T,) against a risk ratio of at most ``null``, or, with ``below``, of at least ``null``.

    Falls as ``null`` rises; with ``below`` it rises. Harm may begin late; what speaks for a candidate is counted from the beginning.

    Raises:
        ValueError: ``null`` is not positive.
    """
    if not null > 0:
        raise ValueError(f"{null=}: a risk ratio is positive.")
    begun = 1 if below else len(counts.starts)
    factors = 1 / RATIOS if below else RATIOS
    logs = _LOG_PRIOR + counts.canary[:begun, :, None] * np.log(factors)
    # One weight after the other, so that a look's value does not depend on the looks beside it, to the last bit.
    for place, weight in enumerate(counts.weights):
        gains = np.log1p(weight * (null - 1)) - np.log1p(weight * (null * factors - 1))
        logs = logs + counts.failures[:begun, :, place, None] * gains
    found = _log_sum(logs, axis=2)
    if below or not counts.rest:
        whole: Floats = found[0]
        return whole
    found += np.log(counts.starts)[:, None]
    not_begun = np.full((1, found.shape[1]), math.log(counts.rest))
    return _log_sum(np.concatenate([found, not_begun]), axis=0)


def _log_sum(logs: Floats, *, axis: int) -> Floats:
    highest = logs.max(axis=axis, keepdims=True)
    found: Floats = np.log(np.exp(logs - highest).sum(axis=axis)) + highest.squeeze(axis)
    return found


def evidence(counts: Tally, margin: float) -> tuple[float, float]:
    """Return log E of the last look: of "worse", and of "less than ``margin`` times as bad"."""
    return float(log_evidence(counts, 1.0)[-1]), float(log_evidence(counts, margin, below=True)[-1])


def evidence_over_time(
    windows: Sequence[tuple[At, Origin]], *, margin: float = 2.0, late: float = 0.0
) -> Iterator[tuple[At, float, float]]:
    """Yield each window's instant with log E of "worse" and of "less than ``margin`` times as bad" up to its end.

    Each is what :func:`evidence` returns for the windows up to there; without ``late``, to the last bit.

    Args:
        windows: (instant, failures in that window), oldest first; one whose weight changed comes as two.
        late: as in :func:`tallies`.
    """
    looks = tallies([origin for _, origin in windows], late=late)
    against, in_favour = (
        found[1:].tolist() for found in (log_evidence(looks, 1.0), log_evidence(looks, margin, below=True))
    )
    for (at, _), one, other in zip(windows, against, in_favour, strict=True):
        yield at, one, other


def risk_ratio(counts: Tally, limits: tuple[float, float]) -> Interval:
    """Return low, most likely and high risk ratio; each bound holds at all times at its own level.

    The low bound is the highest null that is rejected at log E >= ``limits[0]``, so it exceeds 1 exactly with a *fail*; the high bound
    is the lowest margin that would pass at ``limits[1]``.
    """
    low = _crossing(lambda null: float(log_evidence(counts, null)[-1]) >= limits[0])
    high = _crossing(lambda null: float(log_evidence(counts, null, below=True)[-1]) < limits[1])
    return low, most_likely(counts.weights, counts.canary[0, -1], counts.failures[0, -1]), high


def most_likely(weights: Floats, canary: float, failures: Floats) -> float:
    """Return the risk ratio at which as many of all ``failures`` (K,) are expected of the canary as were its own."""

    def expects_fewer(ratio: float) -> bool:
        share = weights * ratio
        return bool((failures * share / (share + 1 - weights)).sum() < canary)

    return _crossing(expects_fewer)


def _crossing(holds: Callable[[float], bool]) -> float:
    """Return the ratio up to which ``holds`` is true; 0 where it never is, infinite where it always is."""
    if not holds(1 / FARTHEST):
        return 0.0
    if holds(FARTHEST):
        return math.inf
    low, high = -math.log(FARTHEST), math.log(FARTHEST)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(math.exp(middle)) else (low, middle)
    return math.exp(low)
