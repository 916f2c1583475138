"""How good the order of candidates is, query by query. Measured by trec_eval itself, through pytrec_eval.

Rows are candidates. ``queries`` names the query of each of n rows, ``grades`` says how relevant it is (whole numbers from 0, 0: not at
all), ``scores`` put the candidates of a query in order, best first. Equal scores are ordered by ``tie_break``, which should
have nothing to do with the grades: trec_eval's own rule, by name of the document, is overruled.

Two gains are in use. trec_eval counts the grade itself (linear); LightGBM and most papers on learning to rank count 2^grade - 1
(exponential), which weighs the best candidates more. Both are measured, under names of their own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytrec_eval

from experiments.metrics.arrays import Floats, Ints, numbers

MOST_GRADE = 30  # 2^30 - 1 still is a whole number of trec_eval's
CUTOFFS = (5, 10)
LINEAR = {
    **{f"ndcg_at_{k}": f"ndcg_cut_{k}" for k in CUTOFFS},
    "mean_reciprocal_rank": "recip_rank",
    "mean_average_precision": "map",
    **{f"recall_at_{k}": f"recall_{k}" for k in CUTOFFS},
    **{f"precision_at_{k}": f"P_{k}" for k in CUTOFFS},
}
EXPONENTIAL = {f"ndcg_exp_at_{k}": f"ndcg_cut_{k}" for k in CUTOFFS}
MEASURES = (*LINEAR, *EXPONENTIAL)


@dataclass(frozen=True)
class PerQuery:
    """Each measure of each query that has something to find.

    Attributes:
        queries: (q,) their names, in order of first appearance.
        rows: (q,) how many candidates each has (count).
        values: by measure, (q,) shares, 0 to 1.
        nothing_to_find: queries left out, since none of their candidates is relevant (count).
    """

    queries: npt.NDArray[np.object_]
    rows: Ints
    values: dict[str, Floats]
    nothing_to_find: int


@dataclass(frozen=True)
class Grouped:
    """Rows ordered by query and place in it; ``starts`` are the bounds of the queries, (q + 1,)."""

    order: Ints
    starts: Ints
    names: npt.NDArray[np.object_]


def per_query(
    queries: npt.ArrayLike, grades: npt.ArrayLike, scores: npt.ArrayLike, *, tie_break: npt.ArrayLike | None = None,
    found: npt.ArrayLike | None = None,
) -> PerQuery:  # fmt: skip
    """Return each measure of each query.

    Args:
        tie_break: (n,) what orders equal scores, smallest first; None: the order of the rows.
        found: (n,) which candidates were handed over; the others count as missed, and their scores for nothing. None: all.

    Raises:
        ValueError: lengths differ, a score is not finite, a grade is no whole number from 0 to 30, or no query has anything to find.
    Source: trec_eval 9 (NIST); Burges et al. 2005 for the exponential gain.
    """
    handed = np.ones(len(np.asarray(scores)), dtype=bool) if found is None else np.asarray(found, dtype=bool)
    given = numbers("scores", np.where(handed, scores, 0.0))
    graded = numbers("grades", grades, len(given))
    if ((graded % 1 != 0) | (graded < 0) | (graded > MOST_GRADE)).any():
        raise ValueError(f"grades must be whole numbers from 0 to {MOST_GRADE}")
    by_query = grouped(queries, given, tie_break)
    there = handed[by_query.order].tolist()
    linear: dict[str, dict[str, int]] = {}
    exponential: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    whole = graded.astype(np.int64)[by_query.order]
    for place, (a, b) in enumerate(zip(by_query.starts[:-1].tolist(), by_query.starts[1:].tolist(), strict=True)):
        of_query = whole[a:b].tolist()
        if any(of_query):
            name, documents = str(place), [str(i) for i in range(b - a)]
            linear[name] = dict(zip(documents, of_query, strict=True))
            exponential[name] = {document: 2**g - 1 for document, g in linear[name].items()}
            run[name] = {
                document: float(b - a - i) for i, document in enumerate(documents) if there[a + i]
            }  # already in order
    if not run:
        raise ValueError("no query has a candidate with a grade above 0, so there is nothing to find")
    values = {**_evaluated(linear, run, LINEAR), **_evaluated(exponential, run, EXPONENTIAL)}
    kept = np.array([int(name) for name in run])
    rows = np.diff(by_query.starts)
    return PerQuery(by_query.names[kept], rows[kept], values, len(rows) - len(kept))


def grouped(queries: npt.ArrayLike, scores: Floats, tie_break: npt.ArrayLike | None) -> Grouped:
    """Return the rows by query in order of first appearance, and in each by falling score.

    Raises:
        ValueError: lengths differ.
    """
    queries = np.asarray(queries, dtype=object)
    if queries.shape != scores.shape:
        raise ValueError(f"queries are {queries.shape} and scores {scores.shape}; both must be (n,)")
    seen: dict[object, int] = {}
    codes = np.fromiter((seen.setdefault(query, len(seen)) for query in queries), dtype=np.int64, count=len(queries))
    ties = np.arange(len(scores)) if tie_break is None else np.asarray(tie_break)
    order = np.lexsort((ties, -scores, codes))
    starts = np.searchsorted(codes[order], np.arange(len(seen) + 1))
    return Grouped(order, starts, np.array(list(seen), dtype=object))


def _evaluated(
    grades: dict[str, dict[str, int]], run: dict[str, dict[str, float]], measures: dict[str, str]
) -> dict[str, Floats]:
    evaluator = pytrec_eval.RelevanceEvaluator(grades, _asked(measures))
    found = evaluator.evaluate(run)  # leaves out queries for which nothing was handed over
    return {
        name: np.array([found.get(query, {}).get(theirs, 0.0) for query in run]) for name, theirs in measures.items()
    }


def _asked(measures: dict[str, str]) -> set[str]:
    """Return the measures in trec_eval's notation, which names all cutoffs of one at once."""
    asked = set()
    for theirs in measures.values():
        family, _, cutoff = theirs.rpartition("_")
        asked.add(f"{family}.{','.join(map(str, CUTOFFS))}" if cutoff.isdigit() else theirs)
    return asked
