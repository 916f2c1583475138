"""Direct loss estimation: a second model learns how large a model's error is for which inputs. See :mod:`monitoring.estimating`.

Deterministic: one thread, fixed seeds. How far the estimate of a single row is off is measured on rows that were left out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import msgspec
import numpy as np

from experiments.metrics import Z_95
from monitoring.quality.metrics import LEAST, Measured
from monitoring.quality.sums import Floats

FOLDS = 5
ROUNDS = 100
LEAST_ROWS = 200  # of a reference, to learn from
PARAMS: dict[str, Any] = {
    "objective": "regression", "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 20, "num_threads": 1,
    "deterministic": True, "force_row_wise": True, "seed": 1, "verbosity": -1,
}  # fmt: skip


class Input(msgspec.Struct, frozen=True):
    """One input; categories are those of the reference, in order; none of a number."""

    name: str
    categories: list[str] | None = None


class LossModel(msgspec.Struct, frozen=True):
    """What the reference says of errors.

    Attributes:
        absolute, squares: LightGBM models, as text, of the absolute error and its square.
        spread_absolute, spread_squares: variance of what they are off by for one row, on rows that were left out.
    """

    inputs: list[Input]
    absolute: str
    squares: str
    spread_absolute: float
    spread_squares: float

    def losses(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Floats, Floats]:
        """Return the expected absolute error and its expected square of each row, (n,) each."""
        matrix = encoded(self.inputs, rows)
        absolute, squares = (
            np.maximum(np.asarray(lightgbm.Booster(model_str=text).predict(matrix, num_threads=1), np.float64), 0.0)
            for text in (self.absolute, self.squares)
        )
        return absolute, squares


def encoded(inputs: Sequence[Input], rows: Sequence[Mapping[str, Any]]) -> Floats:
    """Return inputs as numbers, (n, d): a category as its place; what is missing, or was never seen, is NaN."""
    matrix = np.full((len(rows), len(inputs)), np.nan)
    for d, one in enumerate(inputs):
        places = None if one.categories is None else {category: i for i, category in enumerate(one.categories)}
        for n, row in enumerate(rows):
            value = row.get(one.name)
            if places is not None:
                matrix[n, d] = places.get(str(value), np.nan)
            elif isinstance(value, bool | int | float):
                matrix[n, d] = value
    return matrix


def fit(inputs: Sequence[Input], rows: Sequence[Mapping[str, Any]], error: Floats) -> LossModel:
    """Learn how large errors are.

    Args:
        rows: n reference rows that the model was not trained on.
        error: (n,) prediction minus label.

    Raises:
        ValueError: there are fewer than ``LEAST_ROWS`` rows.
    """
    if len(rows) < LEAST_ROWS:
        raise ValueError(f"the reference has {len(rows)} rows; {LEAST_ROWS} are the least")
    matrix, absolute = encoded(inputs, rows), np.abs(error)
    categorical = [d for d, one in enumerate(inputs) if one.categories is not None]
    (text_absolute, spread_absolute), (text_squares, spread_squares) = (
        _learn(matrix, target, categorical) for target in (absolute, absolute**2)
    )
    return LossModel(list(inputs), text_absolute, text_squares, spread_absolute, spread_squares)


def _learn(matrix: Floats, target: Floats, categorical: list[int]) -> tuple[str, float]:
    fold = np.random.default_rng(1).permutation(len(target)) % FOLDS
    off = np.empty(len(target))
    for left_out in range(FOLDS):
        out = fold == left_out
        off[out] = _trained(matrix[~out], target[~out], categorical).predict(matrix[out], num_threads=1) - target[out]
    return _trained(matrix, target, categorical).model_to_string(), float(off.var())


def _trained(matrix: Floats, target: Floats, categorical: list[int]) -> lightgbm.Booster:
    return lightgbm.train(PARAMS, lightgbm.Dataset(matrix, target, categorical_feature=categorical), ROUNDS)


def estimate(n: int, absolute: float, squares: float, model: tuple[float, float]) -> dict[str, Measured]:
    """Return the errors that predictions probably have, by name, with 95% intervals for what labels may show.

    Args:
        n: predictions whose losses were expected.
        absolute, squares: sums of the expected losses.
        model: ``spread_absolute`` and ``spread_squares`` of the loss model.
    """
    if n < LEAST:
        return {}
    (mean, low, high), squared = (
        _interval(total / n, math.sqrt(spread / n)) for total, spread in zip((absolute, squares), model, strict=True)
    )
    value, least, most = (math.sqrt(end) for end in squared)
    return {
        "mean_absolute_error": Measured(mean, low, high),
        "root_mean_squared_error": Measured(value, least, most),
    }


def _interval(mean: float, error: float) -> tuple[float, float, float]:
    return mean, max(0.0, mean - Z_95 * error), mean + Z_95 * error
