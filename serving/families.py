"""What a model's task adds to a prediction: the order of a ranking, the horizon of a forecast. docs/serving.md has the contract."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving import horizons
from serving.contract import FORECASTING, RANKING, Column, Version
from serving.protocol import OutputTensor
from serving.runtimes import Columns, MisfitError, Output, Runtime

Outputs = dict[str, list[float] | list[int]]  # by name, what is recorded of each predicted row
Metadata = list[dict[str, Any]]


class Family:
    """Classification, anomalies and regression: each row is answered for itself.

    Attributes:
        by_row: a request of one row is predicted as it is.
    """

    by_row = True

    def __init__(self, output: Output) -> None:
        self._output = output
        self._names = [output.name] if output.width == 1 else [f"{output.name}_{i}" for i in range(output.width)]

    def widen(self, _parameters: Mapping[str, Any] | None, columns: Columns, rows: int) -> tuple[Columns, int]:
        """Return the rows to predict for those that were sent.

        Raises:
            Fault: 400; a parameter makes no sense.
        """
        return columns, rows

    def answer(self, values: list[float], rows: int) -> tuple[list[OutputTensor], Outputs]:
        """Return what the caller is told, and what is recorded of each predicted row.

        Args:
            rows: that were sent.
        """
        name, width = self._output.name, self._output.width
        if width == 1:
            return [OutputTensor(name, "FP64", [rows], None, values)], {name: values}
        recorded: Outputs = {part: values[place::width] for place, part in enumerate(self._names)}
        return [OutputTensor(name, "FP64", [rows, width], None, values)], recorded

    def metadata(self) -> Metadata:
        """Return the outputs as the protocol describes a model."""
        shape = [-1] if self._output.width == 1 else [-1, self._output.width]
        return [{"name": self._output.name, "datatype": "FP64", "shape": shape}]

    def parameters(self) -> dict[str, Any]:
        """Return what a request may say beside its rows."""
        return {}


class Ranking(Family):
    """The rows of a request are the candidates of one query: beside the scores it says which comes first."""

    def answer(self, values: list[float], rows: int) -> tuple[list[OutputTensor], Outputs]:
        """Add ``order``: positions of the rows, best first; equal scores stay in the order they came in, NaN is last."""
        tensors, outputs = super().answer(values, rows)
        order = np.argsort(-np.asarray(values), kind="stable").tolist()
        position = [0] * rows
        for place, row in enumerate(order):
            position[row] = place
        outputs["position"] = position
        return [*tensors, OutputTensor("order", "INT64", [rows], None, order)], outputs

    def metadata(self) -> Metadata:
        """See :class:`Family`."""
        return [*super().metadata(), {"name": "order", "datatype": "INT64", "shape": [-1]}]


class Forecasting(Family):
    """Each row is a series as of now; it is answered for 1, 2, … steps ahead."""

    by_row = False

    def __init__(self, output: Output, horizon: horizons.Horizon) -> None:
        super().__init__(output)
        self._horizon = horizon

    def widen(self, parameters: Mapping[str, Any] | None, columns: Columns, rows: int) -> tuple[Columns, int]:
        """Repeat each row for each step; the step is the last column."""
        steps = self._horizon.asked(parameters, rows)
        wide: Columns = [[value for value in values for _ in range(steps)] for values in columns]
        return [*wide, [*range(1, steps + 1)] * rows], rows * steps

    def answer(self, values: list[float], rows: int) -> tuple[list[OutputTensor], Outputs]:
        """Return one row of values a series."""
        _, outputs = super().answer(values, len(values))
        return [OutputTensor(self._output.name, "FP64", [rows, len(values) // rows], None, values)], outputs

    def metadata(self) -> Metadata:
        """See :class:`Family`."""
        return [{"name": self._output.name, "datatype": "FP64", "shape": [-1, -1]}]

    def parameters(self) -> dict[str, Any]:
        """See :class:`Family`."""
        return {horizons.HORIZON: {"default": self._horizon.default, "maximum": self._horizon.most}}


def fit(task: str, version: Version, runtime: Runtime) -> tuple[Family, Runtime, list[Column]]:
    """Return how a version of a model with this task answers: its family, its runtime, and the columns to ask for.

    Raises:
        MisfitError: the version cannot answer what the task asks.
    """
    width = runtime.output.width
    if task == FORECASTING:
        wrapped, horizon = horizons.fit(version, runtime)
        asked = [column for column in version.columns if column.name != horizons.HORIZON]
        return Forecasting(wrapped.output, horizon), wrapped, asked
    if task == RANKING:
        if width != 1:
            raise MisfitError(f"a ranking needs one number a row, and the model answers {width}")
        return Ranking(runtime.output), runtime, version.columns
    return Family(runtime.output), runtime, version.columns
