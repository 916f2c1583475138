"""Columns for the benchmark of drift: 30 of numbers and 10 of categories, of the shapes that features have."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from monitoring.drifting.windows import Kind

Draw = Callable[[np.random.Generator, int], npt.NDArray[Any]]


def _names(count: int, fall: float) -> Draw:
    shares = np.arange(1, count + 1) ** -fall
    names = np.array([f"name {i:03}" for i in range(count)])
    return lambda random, n: random.choice(names, n, p=shares / shares.sum())


SHAPES: dict[str, Draw] = {
    "normal": lambda random, n: random.normal(size=n),
    "skewed": lambda random, n: random.lognormal(0, 1, n),
    "heavy": lambda random, n: random.standard_t(2, n),
    "two_humps": lambda random, n: np.where(random.random(n) < 0.5, random.normal(size=n), random.normal(8, 1, n)),
    "uniform": lambda random, n: random.random(n),
    "whole": lambda random, n: random.poisson(3, n).astype(float),
    "mostly_zero": lambda random, n: np.where(random.random(n) < 0.9, 0.0, random.exponential(size=n)),
    "flag": lambda random, n: (random.random(n) < 0.02).astype(float),
    "constant": lambda random, n: np.full(n, 7.0),
    "few_names": _names(4, 1.0),
    "many_names": _names(60, 1.2),
}
NUMBERS = ["normal", "skewed", "heavy", "two_humps", "uniform", "whole", "mostly_zero", "flag", "normal", "normal"]
NAMES = ["few_names", "few_names", "many_names", "few_names", "many_names"]
COLUMNS = {f"number_{i:02}": NUMBERS[i % 10] for i in range(30)} | {f"category_{i:02}": NAMES[i % 5] for i in range(10)}
KINDS: dict[str, Kind] = {name: "category" if name.startswith("category") else "number" for name in COLUMNS}


def table(n: int, seed: int, *, moved: bool = False) -> pl.DataFrame:
    """Return n rows of all columns; with ``moved``, each third one by 0.03 to 0.3 standard deviations or as much of its names."""
    random = np.random.default_rng(seed)
    found: dict[str, pl.Series] = {}
    for i, (name, shape) in enumerate(COLUMNS.items()):
        values = SHAPES[shape](random, n)
        by = 0.03 * (1 + i % 10) if moved and i % 3 == 0 else 0.0
        if KINDS[name] == "category":
            values = np.where(random.random(n) < by, "name 001", values)
        elif by:
            values = values + by * values.std()
        missing = random.random(n) < (0.02 if i % 7 == 0 else 0.0)
        found[name] = pl.Series(values).set(pl.Series(missing), None) if missing.any() else pl.Series(values)
    return pl.DataFrame(found)


def columns_of(rows: pl.DataFrame) -> dict[str, list[Any]]:
    """Return the values by column as records hold them, None where they are missing."""
    return {name: rows[name].to_list() for name in rows.columns}
