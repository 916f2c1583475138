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
    tie_break: npt.ArrayLike | None = None,
) -> Contexts:  # fmt: skip
    """Return context precision and context recall of the first ``k`` passages of each query (shares, 0 to 1).

    A query with fewer than ``k`` passages is divided by as many as it has: what was not handed over is not wrong.

    Source: the id-based context precision and recall of Ragas; Manning, Raghavan and Schütze 2008, ch. 8, for precision and recall.
    """
    given = numbers("scores", scores)
    by_query = grouped(queries, given, tie_break)
    first, sizes = by_query.starts[:-1], np.diff(by_query.starts)
    right = np.asarray(relevant, dtype=bool)[by_query.order]
    handed = np.arange(len(given)) - np.repeat(first, sizes) < k
    hits, wanted = (np.add.reduceat(which.astype(np.int64), first) for which in (right & handed, right))
    kept = wanted > 0
    return Contexts(hits[kept] / np.minimum(sizes, k)[kept], hits[kept] / wanted[kept])
