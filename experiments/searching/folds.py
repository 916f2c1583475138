"""Cross-validation within the rows that are learned from: the validation rows stay out of sight.

With a time, fold after fold learns on all that lies before what it is measured on. Without one, groups (queries, series, entities) are dealt
out by a hash. The rows of one query always stay together.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.pipelines.contract import TrainingRows

FEWEST = 30  # rows of a part


def folds_of(rows: TrainingRows, count: int) -> list[TrainingRows]:
    """Return ``count`` pairs of rows to learn from and rows to be measured on, all of them training rows.

    Raises: ValueError: a part would hold fewer than 30 rows.
    """
    place = _by_time(rows, count) if "time" in rows.roles else _by_hash(rows, count)
    found = []
    for fold in range(count):
        if "time" in rows.roles:
            learn, measure = place <= fold, place == fold + 1
        else:
            learn, measure = place != fold, place == fold
        if min(learn.sum(), measure.sum()) < FEWEST:
            raise ValueError(
                f"{len(place):,} training rows are too few for {count} folds of at least {FEWEST} rows each"
            )
        found.append(_parts(rows, learn, measure))
    return found


def _by_time(rows: TrainingRows, count: int) -> npt.NDArray[np.int64]:
    """Return which of ``count`` + 1 spans of equally many rows each row lies in."""
    before = rows.train_context[rows.roles["time"]].rank(method="min").to_numpy() - 1
    place = (before * (count + 1) / len(before)).astype(np.int64)
    if query := rows.roles.get("query"):
        place = pd.Series(place).groupby(rows.train_context[query].to_numpy()).transform("min").to_numpy()
    return np.asarray(place, dtype=np.int64)


def _by_hash(rows: TrainingRows, count: int) -> npt.NDArray[np.int64]:
    column = next((rows.roles[role] for role in ("query", "series", "entity", "key") if role in rows.roles), None)
    names = rows.train_context[column] if column else pd.Series(rows.train.index)
    hashed = {
        name: int.from_bytes(blake2b(str(name).encode(), digest_size=8).digest(), "big") for name in names.unique()
    }
    return np.asarray([hashed[name] % count for name in names], dtype=np.int64)


def _parts(rows: TrainingRows, learn: npt.NDArray[np.bool_], measure: npt.NDArray[np.bool_]) -> TrainingRows:
    context = rows.train_context
    return TrainingRows(
        rows.train[learn], rows.train_labels[learn], rows.train[measure], rows.train_labels[measure], rows.categorical,
        context[learn] if len(context.columns) else context, context[measure] if len(context.columns) else context, rows.roles,
    )  # fmt: skip
