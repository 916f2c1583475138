"""What is measured of numbers: how far they lie from what came. Pure: rows and predictions in, measurements out."""

from dataclasses import replace
from typing import Any

import numpy as np

from experiments.metrics import Floats, Interval
from experiments.metrics.arrays import added_up
from experiments.metrics.bootstrap import differences_of_sums, intervals_of_sums
from experiments.metrics.regression import STATISTICS, sums
from experiments.rows.roles import BINARY, GRADE, NUMBER
from experiments.suites.errors import error_table
from experiments.suites.parts import SEED, Material, Measurement, Suite, UnmeasurableError, decided, measurement
from experiments.suites.slicing import candidates, worst

MAIN = "mean_absolute_error"


def measure(given: Material) -> list[Measurement]:
    """Return every measurement of the suite.

    Raises:
        UnmeasurableError: a target or a prediction is no finite number.
    """
    actual, n = _actual(given), len(given.rows)
    predicted = given.version.held_out
    entity = given.codes("entity")
    blocks = np.arange(n) if entity is None else entity
    try:
        ours = sums(actual, predicted, blocks)
    except ValueError as error:
        raise UnmeasurableError(f"{given.target}: {error}") from None
    given.progress(0.2, "Drawing resamples")
    whole = intervals_of_sums(ours, STATISTICS, seed=SEED)
    method = given.resampled()
    found = [measurement(name, one, n, method, **_about(name, given, actual)) for name, one in whole.items()]
    found += _slices(given, np.abs(predicted - actual))
    if given.champion is not None:
        given.progress(0.6, "Comparing with the champion")
        theirs = sums(actual, given.champion.held_out, blocks)
        reached = {name: float(of({k: v.sum() for k, v in theirs.items()})) for name, of in STATISTICS.items()}
        for name, one in differences_of_sums(ours, theirs, STATISTICS, seed=SEED).items():
            paired = measurement(name, one, n, f"{method}, the same rows for both models", champion_value=reached[name])
            found.append(replace(paired, paired=True))
    return [decided(one, one.rows, given.plan.least_positives, "rows") for one in found]


def _actual(given: Material) -> Floats:
    try:
        return given.rows[given.target].to_numpy(dtype=np.float64)
    except (ValueError, TypeError):
        raise UnmeasurableError(f"{given.target} holds no numbers, so there is nothing to be off from.") from None


def _about(name: str, given: Material, actual: Floats) -> dict[str, Any]:
    if name != MAIN:
        return {}
    error = given.version.held_out - actual
    least = given.plan.least_positives
    names = [n for n in dict.fromkeys([*given.features, *given.plan.slices, *given.plan.groups]) if n in given.rows]
    parts = candidates(given.rows, names, given.categorical, least=least)
    everyone = np.ones(len(error), dtype=bool)
    search = worst(parts, np.abs(error), everyone, least=least, higher_is_better=False)
    order = np.argsort(-np.abs(error), kind="stable")
    return {
        "worst_parts": {"metric": MAIN, **search.told()},
        "errors": error_table(given, order, predicted=given.version.held_out, error=error),
    }


def _slices(given: Material, absolute: Floats) -> list[Measurement]:
    """Return the mean absolute error of each slice."""
    entity = given.codes("entity")
    found = []
    for name, mask in given.slices().items():
        if not mask.any():
            continue
        blocks = np.arange(mask.sum()) if entity is None else np.unique(entity[mask], return_inverse=True)[1]
        of = added_up({"absolute": absolute[mask], "rows": np.ones(int(mask.sum()))}, blocks)
        one: Interval = intervals_of_sums(of, {MAIN: lambda t: t["absolute"] / t["rows"]}, seed=SEED)[MAIN]
        found.append(replace(measurement(MAIN, one, int(mask.sum()), given.resampled()), data_slice=name))
    return found


SUITE = Suite(
    task="regression",
    name="regression-1",
    measure=measure,
    targets=(BINARY, GRADE, NUMBER),
    metrics=tuple(STATISTICS),
    compared=tuple(STATISTICS),
)
