"""What decisions cost: a matrix of what each outcome costs, held against who was alerted.

A cell of the matrix is an amount for every row alike, or the name of a column that holds each row's own amount (such as
that of a payment). Negative amounts are gains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.metrics.arrays import Floats
from experiments.metrics.classification import Ranked

Cell = float | str


@dataclass(frozen=True)
class CostMatrix:
    """What each outcome of one row costs, in a currency of its own; at least one cell is not 0."""

    false_negative: Cell
    false_positive: Cell
    true_positive: Cell = 0.0
    true_negative: Cell = 0.0

    @property
    def columns(self) -> list[str]:
        """The columns that hold amounts, each once."""
        found = (getattr(self, field.name) for field in fields(self))
        return list(dict.fromkeys(cell for cell in found if isinstance(cell, str)))


class RowCosts(NamedTuple):
    """What each of n rows costs when it is alerted, and when it is left alone."""

    alerted: Floats
    left: Floats


def row_costs(matrix: CostMatrix, labels: npt.ArrayLike, columns: Mapping[str, npt.ArrayLike]) -> RowCosts:
    """Return what each row costs either way.

    Args:
        columns: by name, (n,) amounts of each row.

    Raises:
        ValueError: a column is missing, of another length or holds something other than finite numbers.
    """
    truth = np.asarray(labels, dtype=bool)

    def amounts(cell: Cell) -> Floats:
        if not isinstance(cell, str):
            return np.full(len(truth), float(cell))
        if cell not in columns:
            raise ValueError(f"the cost matrix names the column {cell}, which the rows do not have")
        found = np.asarray(columns[cell], dtype=np.float64)
        if found.shape != truth.shape or not np.isfinite(found).all():
            raise ValueError(f"the column {cell} must hold a finite number for each of {len(truth)} rows")
        return found

    return RowCosts(
        np.where(truth, amounts(matrix.true_positive), amounts(matrix.false_positive)),
        np.where(truth, amounts(matrix.false_negative), amounts(matrix.true_negative)),
    )


def paid(costs: RowCosts, alerted: npt.NDArray[np.bool_]) -> Floats:
    """Return what each row costs, given which are alerted, (n,)."""
    return np.where(alerted, costs.alerted, costs.left)


def cheapest_threshold(rows: Ranked, costs: RowCosts) -> float:
    """Return the score at or above which alerting costs least; infinite where alerting nobody does.

    Of thresholds that cost the same the highest is returned: fewer alerts.
    """
    added = np.cumsum((costs.alerted - costs.left)[rows.order])[rows.ends]
    best = int(np.argmin(added))
    return float(rows.scores[rows.ends[best]]) if added[best] < 0 else float("inf")
