"""Whether a model can tell the rows of a window from those of the reference: drift of columns together. Pure arithmetic.

A classifier is trained to tell which side a row is from, on some rows, and asked of others. Its area under the ROC curve is a half where
the two are of one distribution, however many columns there are, and whatever they have to do with one another. Columns that each are
as they were, but no longer go together, show here alone.

Source: Lopez-Paz and Oquab, Revisiting classifier two-sample tests (2017).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
import polars as pl

from experiments.metrics import Interval, roc_auc
from monitoring.drifting.windows import Floats, Integers, Kind

ROWS = 10_000  # of each side, drawn where there are more
LEAST = 250  # of each side: each of the parts must hold some
PARTS = 5
TREES = 60
TELLING = 20  # columns whose part is measured, those that the trees made most of
FLOOR = 0.05  # above a half; a shift of one column by 0.18 standard deviations makes as much
_SETTINGS = {
    "objective": "binary", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 40, "feature_fraction": 0.8,
    "deterministic": True, "force_row_wise": True, "num_threads": 1, "seed": 0, "verbosity": -1,
}  # fmt: skip


@dataclass(frozen=True)
class Apart:
    """How well the two sides are told apart.

    Attributes:
        auc, low, high: area under the ROC curve with its 95% interval, in [0, 1].
        drifted: the interval lies above a half by more than the floor.
        importances: what tells the sides apart: the columns that do most, with shares in [0, 1], largest first; they sum to 1, or to 0
            where nothing does.
        n, reference_n: rows drawn.
    """

    auc: float
    low: float
    high: float
    drifted: bool
    importances: dict[str, float]
    n: int
    reference_n: int


def tell_apart(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    columns: Mapping[str, Kind],
    *,
    floor: float = FLOOR,
    rows: int = ROWS,
    seed: int = 0,
) -> Apart:
    """Train and ask a classifier which side a row is from; the same arguments give the same answer.

    Args:
        columns: {name: "number" or "category"}. Both tables have them.
        rows: drawn of each side, at most.

    Raises: ValueError if a side has fewer than ``LEAST`` rows, or there are no columns.
    """
    if min(len(reference), len(current)) < LEAST or not columns:
        raise ValueError(
            f"{len(reference)} and {len(current)} rows of {len(columns)} columns, where {LEAST} and one are asked for"
        )
    random = np.random.default_rng(seed)
    sides = [_drawn(side, columns, rows, random) for side in (reference, current)]
    values = _encoded(pl.concat(sides))
    labels = np.repeat([0, 1], [len(side) for side in sides])
    part = np.concatenate([random.permutation(len(side)) % PARTS for side in sides])
    categorical = [i for i, kind in enumerate(columns.values()) if kind == "category"]
    models = [_trained(values[part != k], labels[part != k], categorical) for k in range(PARTS)]
    held = [(values[part == k], labels[part == k]) for k in range(PARTS)]
    areas = [_area(model, *rows_held) for model, rows_held in zip(models, held, strict=True)]
    auc = float(np.mean([area.value for area in areas]))
    # The parts share no row. Either end of an interval may be cut off at 0 or 1.
    half = float(np.sqrt(sum(max(one.high - one.value, one.value - one.low) ** 2 for one in areas))) / PARTS
    low = max(auc - half, 0.0)
    return Apart(
        auc=auc,
        low=low,
        high=min(auc + half, 1.0),
        drifted=low > 0.5 + floor,
        importances=_importances(tuple(columns), models, held, auc, random),
        n=len(sides[1]),
        reference_n=len(sides[0]),
    )


def _drawn(side: pl.DataFrame, columns: Mapping[str, Kind], rows: int, random: np.random.Generator) -> pl.DataFrame:
    if len(side) > rows:
        side = side[np.sort(random.choice(len(side), rows, replace=False))]
    return side.select(
        pl.col(name).cast(pl.Float64 if kind == "number" else pl.String) for name, kind in columns.items()
    )


def _encoded(table: pl.DataFrame) -> Floats:
    """Return the columns as numbers: a category by its rank by name, what is missing as NaN."""
    return table.with_columns(pl.col(pl.String).rank("dense").cast(pl.Float64)).fill_null(np.nan).to_numpy()


def _trained(values: Floats, labels: Integers, categorical: list[int]) -> lightgbm.Booster:
    data = lightgbm.Dataset(values, labels, categorical_feature=categorical)
    return lightgbm.train(_SETTINGS, data, num_boost_round=TREES)


def _area(model: lightgbm.Booster, values: Floats, labels: Integers) -> Interval:
    return roc_auc(labels, model.predict(values, num_threads=1))


def _importances(
    names: tuple[str, ...],
    models: list[lightgbm.Booster],
    held: list[tuple[Floats, Integers]],
    auc: float,
    random: np.random.Generator,
) -> dict[str, float]:
    """Return the share of each column in what the area loses, on rows not trained on, as its values are shuffled."""
    gain = np.sum([model.feature_importance("gain") for model in models], axis=0)
    lost = {}
    for i in sorted(range(len(names)), key=lambda i: -gain[i])[:TELLING]:
        areas = []
        for model, (values, labels) in zip(models, held, strict=True):
            shuffled = values.copy()
            shuffled[:, i] = random.permutation(values[:, i])
            areas.append(_area(model, shuffled, labels).value)
        lost[names[i]] = max(auc - float(np.mean(areas)), 0.0)
    whole = sum(lost.values()) or 1.0
    return {name: loss / whole for name, loss in sorted(lost.items(), key=lambda item: (-item[1], item[0]))}
