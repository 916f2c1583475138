"""What is measured of rankings and of retrieval, query by query. Pure: rows and scores in, measurements out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.metrics import Floats, ranking
from experiments.metrics.bootstrap import differences_of_sums, intervals_of_sums
from experiments.metrics.ranking import CUTOFFS, MEASURES, PerQuery, per_query
from experiments.metrics.retrieval import contexts
from experiments.rows.roles import BINARY, GRADE
from experiments.suites.errors import error_table
from experiments.suites.parts import (
    BOOTSTRAP,
    SEED,
    Material,
    Measurement,
    Suite,
    UnmeasurableError,
    decided,
    measurement,
)
from experiments.suites.retrieving import TAKEN, taken, worst_queries
from experiments.suites.samples import MOST_QUERIES, evenly, queries_told
from experiments.suites.slicing import candidates, worst

MAIN = "ndcg_at_10"
CONTEXTS = tuple(f"context_{kind}_at_{k}" for kind in ("precision", "recall") for k in CUTOFFS)
GAINS = {
    **dict.fromkeys(
        (name for name in ranking.LINEAR if name.startswith("ndcg")), "linear: the grade itself, as trec_eval"
    ),
    **dict.fromkeys(ranking.EXPONENTIAL, "exponential: 2^grade - 1, as LightGBM"),
}
METHOD = f"{BOOTSTRAP} of the queries"


@dataclass(frozen=True)
class _Queries:
    """Values of each query that has something to find, by measure; ``places`` are the positions of its rows."""

    found: PerQuery
    values: dict[str, Floats]


def measure(given: Material) -> list[Measurement]:
    """Return every measurement of the suite.

    Raises:
        UnmeasurableError: grades are no whole numbers, or there is nothing to find.
    """
    ours = _queries(given, given.version.held_out)
    n = len(ours.found.queries)
    least = given.plan.least_positives
    given.progress(0.3, "Drawing resamples of the queries")
    whole = intervals_of_sums(
        {**ours.values, "queries": np.ones(n)}, {name: _mean(name) for name in ours.values}, seed=SEED
    )
    found = [
        measurement(name, interval, n, METHOD, **_about(name, given, ours)) for name, interval in whole.items()
    ]  # fmt: skip
    found += _slices(given, ours)
    if given.champion is not None:
        given.progress(0.7, "Comparing with the champion")
        found += _against(given, ours)
    if given.task == "retrieval":
        found += taken(given)
    return [decided(one, one.rows, least, "queries") for one in found]


def _mean(name: str) -> Any:
    return lambda totals: totals[name] / totals["queries"]


def _queries(given: Material, scores: Floats) -> _Queries:
    queries = given.rows[given.roles["query"]].astype(str).to_numpy(dtype=object)
    grades = given.rows[given.target]
    try:
        there = np.isfinite(scores) if given.task == "retrieval" else None  # a retriever misses some
        found = per_query(queries, grades, scores, tie_break=given.tie_break(), found=there)
    except (ValueError, TypeError) as error:
        raise UnmeasurableError(f"{given.target}: {error}") from None
    values = dict(found.values)
    if given.task == "retrieval":
        for k in CUTOFFS:
            right = grades.to_numpy(dtype=np.float64) > 0
            handed = contexts(queries, right, scores, k, tie_break=given.tie_break(), found=there)
            values |= {f"context_precision_at_{k}": handed.precision, f"context_recall_at_{k}": handed.recall}
    return _Queries(found, values)


def _about(name: str, given: Material, ours: _Queries) -> dict[str, Any]:
    about: dict[str, Any] = {"gain": GAINS[name]} if name in GAINS else {}
    if name == MAIN:
        about |= {
            "queries": len(ours.found.queries), "nothing_to_find": ours.found.nothing_to_find,
            "ties": "by a hash of the row's key", "per_query": _kept(ours, name),
            "worst_parts": _worst_parts(given, ours), "errors": _errors(given, ours), "queries_told": _told(given, ours),
        }  # fmt: skip
    return about


def _kept(ours: _Queries, name: str) -> list[list[Any]]:
    """Return [query, value] of each query, or of evenly chosen ones, to be drawn against another version's."""
    chosen = evenly(len(ours.found.queries), MOST_QUERIES)
    return [[str(ours.found.queries[i])[:100], round(float(ours.values[name][i]), 4)] for i in chosen]


def _told(given: Material, ours: _Queries) -> dict[str, Any]:
    """Return what the kept queries say and what came first for each, in the order of :func:`_kept`."""
    names = given.rows[given.roles["query"]].astype(str).to_numpy()
    best = np.lexsort((given.tie_break(), -given.version.held_out))
    top = dict(zip(names[best][::-1], best[::-1], strict=True))
    chosen = evenly(len(ours.found.queries), MOST_QUERIES)
    firsts = _first_rows(given, ours).iloc[chosen]
    return queries_told(given, firsts, _shared(given), np.array([top[str(ours.found.queries[i])] for i in chosen]))


def _first_rows(given: Material, ours: _Queries) -> Any:
    """Return one row of each query, in the order of the values: what all its rows share is read off it."""
    column = given.roles["query"]
    firsts = given.rows.assign(**{column: given.rows[column].astype(str)}).drop_duplicates(column).set_index(column)
    return firsts.loc[list(ours.found.queries)].reset_index()


def _shared(given: Material) -> list[str]:
    """Return the features that are the same for all rows of a query, so that they tell queries apart."""
    names = [name for name in dict.fromkeys([*given.features, *given.plan.slices]) if name in given.rows]
    per = given.rows[names].groupby(given.codes("query")).nunique(dropna=False) if names else None
    return [name for name in names if per is not None and int(per[name].max()) == 1]


def _slices(given: Material, ours: _Queries) -> list[Measurement]:
    """Return the main measure of each slice of queries: those of whose rows the first belongs to it."""
    shared = set(_shared(given))
    firsts = replace(given, rows=_first_rows(given, ours))
    values, found = ours.values[MAIN], []
    for name, mask in firsts.slices().items():
        if name.partition("=")[0] in shared and mask.any():
            sums = {MAIN: values[mask], "queries": np.ones(int(mask.sum()))}
            interval = intervals_of_sums(sums, {MAIN: _mean(MAIN)}, seed=SEED)[MAIN]
            found.append(replace(measurement(MAIN, interval, int(mask.sum()), METHOD), data_slice=name))
    return found


def _worst_parts(given: Material, ours: _Queries) -> dict[str, Any]:
    firsts, least = _first_rows(given, ours), given.plan.least_positives
    parts = candidates(firsts, _shared(given), given.categorical, least=least)
    everyone = np.ones(len(firsts), dtype=bool)
    return {"metric": MAIN, **worst(parts, ours.values[MAIN], everyone, least=least, higher_is_better=True).told()}


def _errors(given: Material, ours: _Queries) -> dict[str, Any]:
    """Return, of the queries that are ordered worst, the candidate that should have come first, with the place it got."""
    worst_first = np.argsort(ours.values[MAIN], kind="stable")[:20]
    by_query = dict(zip(map(str, ours.found.queries), ours.values[MAIN].tolist(), strict=True))
    if given.version.took is not None:
        return worst_queries(given, [str(ours.found.queries[i]) for i in worst_first], by_query, MAIN)
    codes, scores = given.codes("query"), given.version.held_out
    assert codes is not None  # noqa: S101  the suite needs it
    names = given.rows[given.roles["query"]].astype(str).to_numpy()
    grades = given.rows[given.target].to_numpy(dtype=np.float64)
    order = np.lexsort((given.tie_break(), -scores, codes))
    place = np.empty(len(order), dtype=np.int64)
    starts = np.searchsorted(codes[order], codes[order], "left")
    place[order] = np.arange(len(order)) - starts + 1
    best = np.lexsort((-place, -grades, codes))  # of the best grade the one that came last
    first = {name: best[i] for i, name in reversed(list(enumerate(names[best])))}
    rows = [first[str(ours.found.queries[i])] for i in worst_first]
    of_row = np.array([by_query.get(name, np.nan) for name in names])
    return error_table(given, rows, **{given.roles["query"]: names, "place": place, MAIN: of_row, "score": scores})


def _against(given: Material, ours: _Queries) -> list[Measurement]:
    assert given.champion is not None  # noqa: S101  asked before
    theirs = _queries(given, given.champion.held_out)
    n = len(ours.found.queries)
    each = {"queries": np.ones(n)}
    apart = differences_of_sums(
        {**ours.values, **each}, {**theirs.values, **each}, {name: _mean(name) for name in ours.values}, seed=SEED
    )
    found = []
    for name, interval in apart.items():
        about: dict[str, Any] = {"champion_value": float(theirs.values[name].mean())}
        if name in GAINS:
            about["gain"] = GAINS[name]
        if name == MAIN:
            about["champion_per_query"] = _kept(theirs, name)
        method = f"{METHOD}, the same queries for both models"
        found.append(replace(measurement(name, interval, n, method, **about), paired=True))
    return found


SUITE = Suite(
    task="ranking", name="ranking-1", measure=measure, targets=(BINARY, GRADE), needs=("query",), metrics=MEASURES,
    compared=(MAIN, *(name for name in MEASURES if name != MAIN)),
)  # fmt: skip
RETRIEVAL = Suite(
    task="retrieval", name="retrieval-2", measure=measure, targets=(BINARY, GRADE), needs=("query",),
    metrics=(*MEASURES, *CONTEXTS, *TAKEN),
    compared=(MAIN, *(name for name in (*MEASURES, *CONTEXTS) if name != MAIN)),
)  # fmt: skip
