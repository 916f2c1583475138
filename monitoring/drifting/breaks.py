"""What is scored apart from a feature's shape: values that are missing, new, out of range or of another type.

Each is Fisher's exact test of a share against the reference's. A reference made its own range and its own list of categories, so it
has none beyond them; what was to be expected is what one of its own rows would be to the others. Of a range, one row: the next
value is beyond the extremes of m others with probability 2 / (m + 1). Of categories, those seen once (Good and Turing).

Sources: Altham, Exact Bayesian analysis of a 2 by 2 contingency table (1969) for Fisher's test as the chance of a next sample;
Good, The population frequencies of species (1953); Wilks, Determination of sample sizes for setting tolerance limits (1941).
"""

from collections.abc import Sequence

import numpy as np
import scipy

from monitoring.drifting.windows import Binned, Reference, Share

KINDS = ("missing", "new categories", "range", "type")
SPLIT = 0.05  # of alpha, for each kind: with the four fifths for the shape, one feature alone is within alpha


def shares_of(
    pairs: Sequence[tuple[Reference, Binned]], *, alpha: float, fdr: float, floor: float
) -> list[list[Share]]:
    """Return the shares of each feature by kind, in the order of ``KINDS``."""
    if not pairs:
        return []
    counted = np.array([_counted(*pair) for pair in pairs], np.int64)  # (features, kinds, 5)
    hit_then, expected, rows_then, hit, rows = np.moveaxis(counted, -1, 0)
    more = scipy.stats.hypergeom.sf(hit - 1, rows_then + rows, expected + hit, rows)
    less = scipy.stats.hypergeom.cdf(hit[:, 0], (rows_then + rows)[:, 0], (expected + hit)[:, 0], rows[:, 0])
    more[:, 0] = np.minimum(2 * np.minimum(more[:, 0], less), 1.0)  # fewer missing is a break too
    p_values = np.where(rows_then > 0, more, 1.0)
    adjusted = scipy.stats.false_discovery_control(p_values.ravel()).reshape(p_values.shape)
    before, now = hit_then / np.maximum(rows_then, 1), hit / np.maximum(rows, 1)
    broke = (p_values <= SPLIT * alpha) & (adjusted <= fdr) & (np.abs(now - before) >= floor)
    return [
        [Share(float(r), float(c), float(p), float(q), bool(b)) for r, c, p, q, b in zip(*columns, strict=True)]
        for columns in zip(before, now, p_values, adjusted, broke, strict=True)
    ]


def _counted(reference: Reference, current: Binned) -> list[tuple[int, int, int, int, int]]:
    """Return (hits of the reference, hits to expect of it, its rows, hits, rows) by kind."""
    then = reference.binned
    values = [int(side.counts.sum()) + side.unseen for side in (then, current)]
    none = (0, 0, 0, 0, 0)
    missing = (then.missing, then.missing, then.rows, current.missing, current.rows)
    broken = (then.broken, then.broken, then.rows, current.broken, current.rows)
    if reference.kind == "category":
        once = int((then.counts == 1).sum())
        return [missing, (then.unseen, then.unseen + once, values[0], current.unseen, values[1]), none, broken]
    outside = [int(side.counts[[0, -1]].sum()) if side.counts.size else 0 for side in (then, current)]
    return [missing, none, (outside[0], outside[0] + 1, values[0], outside[1] + current.unseen, values[1]), broken]
