"""LightGBM on the workers of a Dask cluster: each holds a part of the rows, and they agree on every split (``tree_learner=data``).

The cluster is named by the address of its scheduler, or as ``local:N``: N processes on this host, for the time of the training. Workers
need this environment. A scheduler runs whatever it is sent, so it belongs in a network of its own.

LightGBM's Dask estimators know no early stopping. So all trees are grown, and those after the best round on the validation rows are cut
off by the same rule: the first round after which ``patience`` rounds bring no gain.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dask
import dask.array
import dask.dataframe
import lightgbm
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from lightgbm import dask as lightgbm_dask

from experiments.metrics import Floats, Ints
from experiments.pipelines.contract import Report

LOCAL = "local:"
KINDS = {
    lightgbm.LGBMClassifier: lightgbm_dask.DaskLGBMClassifier,
    lightgbm.LGBMRegressor: lightgbm_dask.DaskLGBMRegressor,
    lightgbm.LGBMRanker: lightgbm_dask.DaskLGBMRanker,
}


@dataclass(frozen=True)
class Stop:
    """Where to stop: by a measure of raw scores on the validation rows.

    Attributes:
        metric: its name in the learning curve.
        patience: rounds without gain after which to stop.
        higher: whether more of it is better.
    """

    metric: str
    features: pd.DataFrame
    measure: Callable[[Floats], float]
    patience: int
    higher: bool


class ClusterError(Exception):
    """The cluster cannot train; the message says why."""


@contextmanager
def cluster(named: str) -> Iterator[Any]:
    """Connect to the cluster of that name, as the default one that LightGBM asks for; one that is local ends with the block.

    Raises:
        ClusterError: there is no scheduler, or it has no workers.
    """
    if named.startswith(LOCAL):
        count = named.removeprefix(LOCAL)
        if not count.isdecimal() or not 1 <= int(count) <= 64:
            raise ClusterError(f"{named} names no cluster: local:N has 1 to 64 workers")
        with (
            LocalCluster(
                n_workers=int(count), threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
            ) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(named, timeout="10s")
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {named}") from error
    with client:
        if not client.nthreads():
            raise ClusterError(f"the Dask scheduler at {named} has no workers")
        yield client


def grown(
    named: str, model: Any, features: pd.DataFrame, labels: "pd.Series[Any]", *, categorical: Sequence[str],
    groups: Ints | None = None,
) -> Any:  # fmt: skip
    """Return ``model``, fitted by the cluster's workers, as the local estimator of its kind.

    Args:
        groups: rows of each query, which follow each other; a query stays on one worker.
    """
    with cluster(named) as client:
        workers = sorted(client.nthreads())
        cuts = _cuts(len(features), len(workers), groups)
        kept = [(start, end, worker) for (start, end), worker in zip(cuts, workers, strict=True) if end > start]
        on = [(worker, features.iloc[start:end], labels.iloc[start:end]) for start, end, worker in kept]
        x = dask.dataframe.from_delayed(
            [_held(client, part, worker) for worker, part, _ in on], meta=features.iloc[:0], verify_meta=False
        )
        y = dask.dataframe.from_delayed(
            [_held(client, part, worker) for worker, _, part in on], meta=labels.iloc[:0], verify_meta=False
        )
        more: dict[str, Any] = {}
        if groups is not None:
            sizes = list(_sizes(groups, [end for _, end, _ in kept]))
            more["group"] = dask.array.concatenate([
                dask.array.from_delayed(_held(client, part, worker), shape=part.shape, dtype=part.dtype)
                for part, (worker, *_) in zip(sizes, on, strict=True)
            ])  # fmt: skip
        spread = KINDS[type(model)](
            client=client, tree_learner="data", **{k: v for k, v in model.get_params().items() if k != "n_jobs"}
        )
        return spread.fit(x, y, categorical_feature=list(categorical), **more).to_local()


def fitted(
    named: str, model: Any, features: pd.DataFrame, labels: "pd.Series[Any]", stop: Stop, report: Report, *,
    categorical: Sequence[str], groups: Ints | None = None,
) -> Any:  # fmt: skip
    """Return ``model``, fitted by the workers of the cluster and stopped at its best round; tells the learning curve afterwards."""
    report.progress(0.05, f"Growing {model.n_estimators} trees on {named}")
    local = grown(named, model, features, labels, categorical=categorical, groups=groups)
    report.progress(0.9, "Looking for the best round")
    rounds, curve = best_round(local.booster_, stop)
    for number, value in enumerate(curve, 1):
        report.metric(f"validation_{stop.metric}", value, number)
    local.booster_.best_iteration = local._best_iteration = rounds
    return local


def best_round(booster: lightgbm.Booster, stop: Stop) -> tuple[int, list[float]]:
    """Return after how many rounds to stop (from 1), and what was measured after each round that was looked at."""
    raw = np.zeros(len(stop.features))
    found: list[float] = []
    best = 0
    for tree in range(booster.num_trees()):
        raw += booster.predict(stop.features, start_iteration=tree, num_iteration=1, raw_score=True)
        found.append(float(stop.measure(raw)))
        if found[tree] > found[best] if stop.higher else found[tree] < found[best]:
            best = tree
        if tree - best >= stop.patience:
            break
    return best + 1, found


def _cuts(rows: int, parts: int, groups: Ints | None) -> list[tuple[int, int]]:
    """Return where each worker's rows begin and end; with queries, at the end of one."""
    ends = np.cumsum(groups) if groups is not None else np.arange(1, rows + 1)
    places = [
        int(ends[min(int(np.searchsorted(ends, rows * part / parts)), len(ends) - 1)]) for part in range(1, parts)
    ]
    bounds = [0, *places, rows]
    return list(pairwise(bounds))


def _sizes(groups: Ints, ends: Sequence[int]) -> Iterator[Ints]:
    last, until = 0, np.cumsum(groups)
    for end in ends:
        count = int(np.searchsorted(until, end)) + 1
        yield groups[last:count]
        last = count


def _held(client: Any, part: Any, worker: str) -> Any:
    """Return a part as it lies on one worker, so that every worker has its own."""
    return dask.delayed(client.scatter(part, workers=[worker], hash=False))
