"""Which rows a model is tried on, again and again, without seeing what it is asked about. Pure: arrays in, places out.

With times, each fold learns from what came before and is measured on the next stretch of about equally many rows (rolling origin);
a gap as long as labels take lies between the two. With entities, a share of them is kept out of what a fold learns from, drawn by a
hash, and it is measured on rows of entities that it did not learn from. The newest fifth of what it may learn from stops it.
Sources: Bergmeir and Benítez 2012 for time; López de Prado 2018, ch. 7, for the gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.metrics import Floats, Ints

Mask = npt.NDArray[np.bool_]
STOP = 0.2  # of what a fold may learn from
STOPPING = "stop"  # what is hashed beside the entity, where there are no times to stop by


class FoldError(ValueError):
    """The rows cannot be cut into these folds; says what to choose instead."""


@dataclass(frozen=True)
class Fold:
    """Places of rows, none of them twice: to learn from, to stop by, and to measure on."""

    learn: Ints
    stop: Ints
    measure: Ints


def instants(context: pd.DataFrame, roles: Mapping[str, str]) -> "pd.Series[Any] | None":
    """Return when each row happened; None where no column says so of every row."""
    name = roles.get("time")
    return context[name] if name and not context[name].isna().any() else None


def owners(context: pd.DataFrame, roles: Mapping[str, str]) -> "pd.Series[Any] | None":
    """Return whose each row is; a row without an entity is its own. None where no column holds entities."""
    name = roles.get("entity")
    if not name:
        return None
    own = pd.Series([f"\x00{place}" for place in range(len(context))], index=context.index)
    return context[name].astype("string").fillna(own)


def chance(context: pd.DataFrame, roles: Mapping[str, str], salt: str = "") -> Floats:
    """Return a number in [0, 1) for each row, by a hash of its entity, of its key, or of its place: the first of them that there is."""
    whose = owners(context, roles)
    if whose is None:
        key = roles.get("key")
        whose = context[key].astype("string") if key else pd.Series(np.arange(len(context))).astype("string")
    hashed = pd.util.hash_array((salt + whose.fillna("")).to_numpy(dtype=object))
    return hashed.astype(np.float64) / 2.0**64


def in_time(times: "pd.Series[Any]", parts: int) -> Ints:
    """Return which of ``parts`` stretches of about equally many rows each row is in, the earliest 0; rows of one instant stay together."""
    codes, _ = pd.factorize(times, sort=True)
    counts = np.bincount(codes)
    before = np.cumsum(counts) - counts
    return np.asarray(before * parts // len(codes), dtype=np.int64)[codes]


def plan_folds(
    context: pd.DataFrame, roles: Mapping[str, str], *, folds: int, window: str = "expanding", gap_hours: float = 0.0
) -> list[Fold]:
    """Return the folds, earliest first.

    Args:
        context: of each row, the columns that have a role.
        roles: by role (``time``, ``entity``, ``key``), the column that has it.
        folds: how many (count, 2 or more).
        window: ``expanding`` learns from all rows before; ``rolling`` from the newest of them, as many as the first fold has.
        gap_hours: between what is learned from, what stops, and what is measured (hours).

    Raises:
        FoldError: a fold would have no rows to learn from, to stop by or to measure on.
    """
    if folds < 2:
        raise FoldError("Cross-validation takes 2 folds or more; 0 is none.")
    times = instants(context, roles)
    drawn = np.minimum((chance(context, roles) * folds).astype(np.int64), folds - 1)
    if times is None:
        stops = chance(context, roles, STOPPING) < STOP
        masks = [((drawn != k) & ~stops, (drawn != k) & stops, drawn == k) for k in range(folds)]
    else:
        whose = owners(context, roles)
        masks = _over_time(times, whose, drawn, folds, window, pd.Timedelta(hours=gap_hours))
    found = [Fold(*(np.flatnonzero(mask) for mask in three)) for three in masks]
    for k, fold in enumerate(found, 1):
        for places, what in ((fold.learn, "learn from"), (fold.stop, "stop by"), (fold.measure, "measure on")):
            if not len(places):
                raise FoldError(f"Fold {k} of {folds} has no rows to {what}. Choose fewer folds or a shorter gap.")
    return found


def _over_time(
    times: "pd.Series[Any]", whose: "pd.Series[Any] | None", drawn: Ints, folds: int, window: str, gap: pd.Timedelta
) -> list[tuple[Mask, Mask, Mask]]:
    stretch = in_time(times, folds + 1)
    found = []
    for k in range(1, folds + 1):
        measured = stretch == k
        known = (times < times[measured].min() - gap).to_numpy(dtype=bool) if measured.any() else measured
        if window == "rolling":
            known = _newest(times, known, int((stretch == 0).sum()))
        if whose is not None:
            known = known & (drawn != k - 1)
            measured = measured & ~whose.isin(whose[known].unique()).to_numpy(dtype=bool)
        stops = _newest(times, known, max(1, round(STOP * int(known.sum()))))
        learns = known & (times < times[stops].min() - gap).to_numpy(dtype=bool) if stops.any() else known & ~stops
        found.append((learns, stops, measured))
    return found


def _newest(times: "pd.Series[Any]", among: Mask, rows: int) -> Mask:
    """Return about ``rows`` newest rows among those, with all rows of the oldest instant of them."""
    there = times[among]
    if len(there) <= rows:
        return among
    first = there.sort_values().iloc[-rows]
    newest: Mask = among & (times >= first).to_numpy(dtype=bool)
    return newest
