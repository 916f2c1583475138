"""Distances between two sets of counts in the same bins. Pure arithmetic.

All take counts, return 0 where both have the same shares, and are symmetric but for the pooling of ``pooled``. Sources: N. Siddiqi,
Credit Risk Scorecards (2006) for the population stability index; J. Lin, Divergence measures based on the Shannon entropy (1991).
"""

import numpy as np

from monitoring.drifting.windows import Floats, Integers

MOST_POOLED = 20
LEAST_EXPECTED = 5


def differences(reference: Integers, current: Integers) -> Floats:
    """Return the current shares less the reference's, by bin; both sides have rows."""
    return np.asarray(current / current.sum() - reference / reference.sum())


def wasserstein(reference: Integers, current: Integers, steps: Floats) -> float:
    """Return the first Wasserstein distance, in the unit of ``steps``: from each bin's place to the next one's."""
    return float(np.abs(differences(reference, current).cumsum()[:-1]) @ steps)


def kolmogorov_smirnov(reference: Integers, current: Integers) -> float:
    """Return the largest difference of the two distribution functions at the edges of bins, in [0, 1]."""
    return float(np.abs(differences(reference, current).cumsum()[:-1]).max(initial=0.0))


def total_variation(reference: Integers, current: Integers) -> float:
    """Return the share of rows that would have to change their bin, in [0, 1]."""
    return float(np.abs(differences(reference, current)).sum() / 2)


def jensen_shannon(reference: Integers, current: Integers) -> float:
    """Return the Jensen-Shannon distance (square root of the divergence in nats), in [0, sqrt(ln 2)]."""
    shares = [side / side.sum() for side in (reference, current)]
    middle = (shares[0] + shares[1]) / 2
    parts = [side[side > 0] * np.log(side[side > 0] / middle[side > 0]) for side in shares]
    return float(np.sqrt(max(sum(part.sum() for part in parts) / 2, 0.0)))


def pooled(reference: Integers, current: Integers, *, ordered: bool) -> tuple[Integers, Integers]:
    """Return both sides in at most ``MOST_POOLED`` bins, of which ``LEAST_EXPECTED`` rows are expected on either side.

    Args:
        ordered: neighbours are joined; otherwise the rarest are.

    The bins are found from both sides together, so which side is which plays no part. Fewer than twice as many rows stay in one bin.
    """
    both = reference + current
    sizes = reference.sum(), current.sum()
    order = np.arange(both.size) if ordered else np.argsort(-both, kind="stable")
    least = max(both.sum() / MOST_POOLED, LEAST_EXPECTED * both.sum() / max(min(sizes), 1))
    if not ordered:
        least = LEAST_EXPECTED * both.sum() / max(min(sizes), 1)
    groups = _runs(both[order], least, MOST_POOLED)
    return tuple(np.bincount(groups, side[order]).astype(np.int64) for side in (reference, current))  # type: ignore[return-value]


def _runs(counts: Integers, least: float, most: int) -> Integers:
    """Return the group of each bin: neighbours are joined until a group has enough; what is left over joins the last one."""
    groups, group, held = np.zeros(counts.size, np.int64), 0, 0
    left = int(counts.sum())
    for i, count in enumerate(counts.tolist()):
        groups[i] = group
        held += count
        left -= count
        if held >= least and left >= least and group < most - 1:
            group, held = group + 1, 0
    return groups


def population_stability(reference: Integers, current: Integers) -> float:
    """Return the population stability index of pooled counts; an empty bin counts as half a row."""
    shares = [(side + 0.5) / (side.sum() + 0.5 * side.size) for side in (reference, current)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def chi_squared(reference: Integers, current: Integers) -> float:
    """Return Pearson's statistic of homogeneity of pooled counts, with as many degrees of freedom as bins less one."""
    n, m = current.sum(), reference.sum()
    both = reference + current
    seen = both > 0
    return float((differences(reference, current)[seen] ** 2 / (both[seen] / (n + m))).sum() * n * m / (n + m))
