"""What retrieving took and cost, and what a retriever found instead. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.metrics import Floats
from experiments.metrics.bootstrap import RESAMPLES
from experiments.rows.retrieval import QUERY, TEXT
from experiments.suites.errors import MOST_TEXT, WITHHELD
from experiments.suites.parts import BOOTSTRAP, SEED, Material, Measurement

TAKEN = ("retrieval_latency_p50_ms", "retrieval_latency_p95_ms", "retrieval_cpu_s_per_1000", "retrieval_bytes")
PRICED = "retrieval_cost_per_1000"
METHOD = f"{BOOTSTRAP} of the queries"
WHERE = "measured in the evaluating job: one query after the other, by the gateway's own code on one thread of the worker's machine"
HANDED, SNIPPET = 3, 60  # documents that an error table names, and characters of each


def taken(given: Material) -> list[Measurement]:
    """Return how long retrieving took and what it cost: as timed in the job, or as columns say, where the plan names them."""
    took, plan = given.version.took, given.plan
    if took is None:
        return _from_columns(given)
    found = [
        _drawn("retrieval_latency_p50_ms", took.latency_ms, 0.5), _drawn("retrieval_latency_p95_ms", took.latency_ms, 0.95),
        _drawn("retrieval_cpu_s_per_1000", took.cpu_ms),  # milliseconds a query are seconds a thousand
        Measurement("retrieval_bytes", took.bytes, took.bytes, took.bytes, len(took.cpu_ms), detail={"method": "size of the model's file"}),
    ]  # fmt: skip
    if plan.cpu_hour_price or plan.query_price:
        each = took.cpu_ms / 3600 * plan.cpu_hour_price + plan.query_price
        prices = {"cpu_hour_price": plan.cpu_hour_price, "query_price": plan.query_price}
        found.append(_drawn(PRICED, each, prices=prices))
    return found


def worst_queries(given: Material, worst: Sequence[str], values: Mapping[str, float], metric: str) -> dict[str, Any]:
    """Return an error table of queries: what was asked and wanted, where that came, and what came first instead.

    Args:
        worst: names of queries, the worst first.
        values: of the metric, by query.
    """
    query, document = given.roles["query"], given.roles["document"]
    hidden = {*given.plan.hidden, *given.plan.groups}
    rows = given.rows.assign(score=given.version.held_out)
    parts = dict(list(rows[rows[query].isin(worst)].groupby(query)))
    told = []
    for name in worst:
        found = parts[name].dropna(subset="score").sort_values("score", ascending=False)
        wanted = (
            parts[name].sort_values([given.target, "score"], ascending=False).iloc[0]
        )  # of the best grade what came first
        place = None if np.isnan(wanted["score"]) else int((found["score"] >= wanted["score"]).sum())
        told.append([
            WITHHELD if QUERY in hidden else _short(wanted[QUERY], MOST_TEXT), float(f"{values[name]:.4g}"),
            *((WITHHELD,) if TEXT in hidden else (_document(wanted, document),)), place,
            WITHHELD if TEXT in hidden else "; ".join(_document(one, document) for _, one in found.head(HANDED).iterrows()) or "nothing",
        ])  # fmt: skip
    return {
        "title": "Queries that it answers worst", "columns": ["asked", metric, "wanted", "its place", "found first"], "rows": told,
        "withheld": sorted(hidden & {QUERY, TEXT}),
    }  # fmt: skip


def _document(row: Any, column: str) -> str:
    text = _short(row.get(TEXT), SNIPPET)
    return f"{row[column]} ({text})" if text else str(row[column])


def _short(text: Any, most: int) -> str:
    given = text if isinstance(text, str) else ""
    return given if len(given) <= most else f"{given[: most - 1].rstrip()}…"


def _from_columns(given: Material) -> list[Measurement]:
    """Return what columns tell; the first row of each query counts."""
    per, plan = given.rows.drop_duplicates(given.roles["query"]), given.plan
    asked = (
        ("retrieval_latency_p50_ms", plan.latency, 0.5), ("retrieval_latency_p95_ms", plan.latency, 0.95),
        ("retrieval_cost", plan.price, None),
    )  # fmt: skip
    found = []
    for name, column, share in asked:
        if column and column in per and len(values := per[column].dropna().to_numpy(dtype=np.float64)):
            found.append(_drawn(name, values, share, where=f"as the column {column} says"))
    return found


def _drawn(
    metric: str,
    values: Floats,
    share: float | None = None,
    *,
    where: str = WHERE,
    prices: Mapping[str, float] | None = None,
) -> Measurement:
    """Return the mean of the queries, or the quantile ``share``, with its interval."""
    drawn = values[np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))]
    of_all = values.mean() if share is None else np.quantile(values, share)
    of_each = drawn.mean(axis=1) if share is None else np.quantile(drawn, share, axis=1)
    low, high = np.quantile(of_each, [0.025, 0.975])
    return Measurement(
        metric, float(of_all), float(min(low, of_all)), float(max(high, of_all)), len(values), detail={"method": METHOD, "where": where, **(prices or {})}
    )  # fmt: skip
