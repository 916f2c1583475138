"""Forecasts of several steps from models of three kinds, all seen alike: rows with a step in, one value a row out.

A row and its steps 1, 2, …, h lie beside each other, as ``serving.families`` lays them. Which kind a model is shows in
its columns and its answer:

- it takes a column ``horizon``: it is asked for each step;
- it answers several values a row: the first is one step ahead, the second two, …;
- it takes columns ``lag_1`` … ``lag_k``, the newest value first: its answer becomes ``lag_1`` of the next step;
- anything else answers one step ahead.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from serving.contract import QUANTILES_FILE, Column, Quantiles, Version
from serving.protocol import Fault
from serving.runtimes import Columns, MisfitError, Output, Row, Runtime, Value

HORIZON = "horizon"  # the column, the parameter of a request, and that of the signature with its default
MAX_HORIZON = "max_horizon"  # the parameter of the signature with the bound
LEVELS = "quantiles"  # the parameter of a request that asks for them, and the output
FORECAST = Output("forecast")
MOST_STEPS = 366  # where neither the signature nor the model says less
MOST_PREDICTIONS = 100_000  # of one request: series times steps
_LAG = re.compile(r"lag_([1-9]\d*)")
_NUMBERS = ("double", "float", "long", "integer")


@dataclass(frozen=True)
class Horizon:
    """How many steps may be asked for, and how many are meant where nothing is said."""

    default: int
    most: int

    def asked(self, parameters: Mapping[str, Any] | None, rows: int) -> int:
        """Return how many steps a request of ``rows`` series asks for.

        Raises:
            Fault: 400; it is no number of steps, or too many.
        """
        steps = (parameters or {}).get(HORIZON, self.default)
        if type(steps) is not int or not 1 <= steps <= self.most:
            raise Fault(400, f"parameter horizon: {str(steps)[:40]!r} is not an integer from 1 to {self.most}")
        if rows * steps > MOST_PREDICTIONS:
            raise Fault(
                400, f"parameter horizon: {rows} rows of {steps} steps are more than {MOST_PREDICTIONS} predictions"
            )
        return steps


class Spread:
    """What is told around a forecast to who asks for it.

    Raises:
        MisfitError: the columns lack the former values that it is measured by.
    """

    def __init__(self, quantiles: Quantiles, columns: list[Column]) -> None:
        self.quantiles = quantiles
        places = {column.name: place for place, column in enumerate(columns)}
        names = [f"lag_{n}" for n in range(1, quantiles.lags + 1)]
        if missing := [name for name in names if name not in places]:
            raise MisfitError(f"{QUANTILES_FILE} takes {missing[0]}, which is no column of the signature")
        self._places = [places[name] for name in names]

    def check(self, steps: int) -> None:
        """Return if so many steps have quantiles.

        Raises:
            Fault: 400; they are further ahead than they are known.
        """
        if steps > (most := self.quantiles.steps):
            raise Fault(
                400, f"parameter quantiles: known for up to {most} steps, not {steps}; ask for fewer, or without them"
            )

    def around(self, values: list[float], columns: Columns, rows: int) -> list[float]:
        """Return the quantiles of each value: row by row, step by step, level by level.

        Args:
            columns: as they were predicted, a row a step.
            rows: that were sent.
        """
        ahead = len(values) // rows
        lags = cast("list[list[float | None]]", [columns[place][::ahead] for place in self._places])
        points = np.asarray(values, dtype=np.float64).reshape(rows, ahead)
        found: list[float] = self.quantiles.around(points, self.quantiles.scales(lags)).ravel().tolist()
        return found


class _Wrapped(ABC):
    output = FORECAST
    slow = True  # a row is many

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @abstractmethod
    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the forecast of each row; the last column is the step."""

    def predict_row(self, row: Row) -> list[float]:
        """Return the forecast of one row."""
        return self.predict([[value] for value in row], 1)


class ByColumn(_Wrapped):
    """A model that takes the step as a column."""

    def __init__(self, runtime: Runtime, place: int) -> None:
        super().__init__(runtime)
        self._place = place

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """See :class:`_Wrapped`."""
        *others, steps = columns
        return self._runtime.predict([*others[: self._place], steps, *others[self._place :]], rows)


class ByOutput(_Wrapped):
    """A model that answers all its steps at once."""

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """See :class:`_Wrapped`."""
        *others, steps = columns
        starts, width = _starts(steps), self._runtime.output.width
        values = self._runtime.predict([[column[i] for i in starts] for column in others], len(starts))
        ahead = len(steps) // len(starts)
        return [value for at in range(0, len(values), width) for value in values[at : at + ahead]]


class ByLags(_Wrapped):
    """A model of one step, whose answers are fed back to it."""

    def __init__(self, runtime: Runtime, lags: list[int]) -> None:
        super().__init__(runtime)
        self._lags = lags  # their places, the newest value first

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """See :class:`_Wrapped`."""
        *others, steps = columns
        starts = _starts(steps)
        now: Columns = [[column[i] for i in starts] for column in others]
        by_step = [self._runtime.predict(now, len(starts))]
        for _ in range(1, len(steps) // len(starts)):
            newest: list[Value] = [*by_step[-1]]
            for place in self._lags:
                newest, now[place] = now[place], newest
            by_step.append(self._runtime.predict(now, len(starts)))
        return [values[series] for series in range(len(starts)) for values in by_step]


def fit(version: Version, runtime: Runtime) -> tuple[Runtime, Horizon]:
    """Return the model as one that takes the step as its last column, and how far ahead it may be asked.

    Raises:
        MisfitError: its columns or the parameters of its signature contradict each other.
    """
    wrapped, possible = _wrap(version.columns, runtime)
    most = _steps(version, MAX_HORIZON, min(possible, MOST_STEPS))
    default = _steps(version, HORIZON, 1)
    if most > possible:
        raise MisfitError(f"max_horizon of the signature is {most}, but the model answers no more than {possible}")
    if default > most:
        raise MisfitError(f"horizon of the signature is {default}, which is more than {most}, the most")
    return wrapped, Horizon(default, most)


def _wrap(columns: list[Column], runtime: Runtime) -> tuple[_Wrapped, int]:
    names = [column.name for column in columns]
    width = runtime.output.width
    if HORIZON in names:
        column = columns[names.index(HORIZON)]
        if column.type not in _NUMBERS or column.categories is not None or width != 1:
            raise MisfitError("a model with the column horizon takes it as a number and answers one value a row")
        return ByColumn(runtime, names.index(HORIZON)), MOST_PREDICTIONS
    if width > 1:
        return ByOutput(runtime), width
    lags = sorted((int(found[1]), place) for place, name in enumerate(names) if (found := _LAG.fullmatch(name)))
    if not lags:
        return ByOutput(runtime), 1
    gap = [lag for lag, _ in lags] != [*range(1, len(lags) + 1)]
    if gap or any(columns[place].type not in ("double", "float") for _, place in lags):
        raise MisfitError("the columns lag_1, lag_2, … must be floats without a gap, the newest value first")
    return ByLags(runtime, [place for _, place in lags]), MOST_PREDICTIONS


def _starts(steps: list[Value]) -> list[int]:
    return [i for i, step in enumerate(steps) if step == 1]


def _steps(version: Version, name: str, default: int) -> int:
    steps = version.parameters.get(name, default)
    if type(steps) is not int or not 1 <= steps <= MOST_PREDICTIONS:
        raise MisfitError(f"{name} of the signature is {steps!r}, which is no number of steps")
    return steps
