"""What a retriever hands to a generator: which of the passages it should have handed over are among the first k.

Passages are known by their id, so nothing has to be judged: a row is a passage of a query, ``relevant`` says whether it should be handed over.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.metrics.arrays import Floats, numbers
from experiments.metrics.ranking import grouped


@dataclass(frozen=True)
class Contexts:
    """Per query that has something to hand over, (q,): the share of the first k that are right, and of the right ones that are there."""

    precision: Floats
    recall: Floats


def contexts(
    queries: npt.ArrayLike, relevant: npt.ArrayLike, scores: npt.ArrayLike, k: int, *,
    tie_break: npt.ArrayLike | None = None, found: npt.ArrayLike | None = None,
) -> Contexts:  # fmt: skip
    """Return context precision and context recall of the first ``k`` passages of each query (shares, 0 to 1).

    A query with fewer than ``k`` passages is divided by as many as it has: what was not handed over is not wrong. A query for which
    nothing was handed over has a precision of 0.

    Args:
        found: (n,) which passages were handed over; the others were missed. None: all.

    Source: the id-based context precision and recall of Ragas; Manning, Raghavan and Schütze 2008, ch. 8, for precision and recall.
    """
    there = np.ones(len(np.asarray(scores)), dtype=bool) if found is None else np.asarray(found, dtype=bool)
    lowest = np.min(np.asarray(scores, dtype=np.float64), where=there, initial=0.0)
    given = numbers("scores", np.where(there, scores, lowest - 1))  # what was missed comes last
    by_query = grouped(queries, given, tie_break)
    first, sizes = by_query.starts[:-1], np.diff(by_query.starts)
    right = np.asarray(relevant, dtype=bool)[by_query.order]
    handed = (np.arange(len(given)) - np.repeat(first, sizes) < k) & there[by_query.order]
    hits, wanted = (np.add.reduceat(which.astype(np.int64), first) for which in (right & handed, right))
    many = np.maximum(np.add.reduceat(handed.astype(np.int64), first), 1)
    kept = wanted > 0
    return Contexts(hits[kept] / many[kept], hits[kept] / wanted[kept])
