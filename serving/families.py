"""What a model's task adds to a prediction: the order of a ranking, the horizon of a forecast. docs/serving.md has the contract."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving import horizons
from serving.contract import FORECASTING, RANKING, RETRIEVAL, Column, Quantiles, Version
from serving.protocol import Fault, OutputTensor, encode
from serving.runtimes import Columns, MisfitError, Output, Runtime
from serving.runtimes.searching import MOST_CHARACTERS, Searching

MOST_QUERIES = 64  # of one request
Outputs = dict[str, list[float] | list[int] | list[str]]  # by name, what is recorded of each predicted row
Metadata = list[dict[str, Any]]


class Family:
    """Classification, anomalies and regression: each row is answered for itself.

    Attributes:
        by_row: a request of one row is predicted as it is.
        added: what else is recorded of the inputs of each predicted row.
    """

    by_row = True
    added: tuple[str, ...] = ()

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

    def beside(
        self, parameters: Mapping[str, Any] | None, columns: Columns, values: list[float], rows: int
    ) -> list[OutputTensor]:
        """Return what the caller is told beside the answer because it asked for it.

        Raises:
            Fault: 400; it asks for what this version does not have.
        """
        return []

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
    added = (horizons.HORIZON,)

    def __init__(self, output: Output, horizon: horizons.Horizon, spread: horizons.Spread | None = None) -> None:
        super().__init__(output)
        self._horizon, self._spread = horizon, spread

    def widen(self, parameters: Mapping[str, Any] | None, columns: Columns, rows: int) -> tuple[Columns, int]:
        """Repeat each row for each step; the step is the last column."""
        steps = self._horizon.asked(parameters, rows)
        wide: Columns = [[value for value in values for _ in range(steps)] for values in columns]
        return [*wide, [*range(1, steps + 1)] * rows], rows * steps

    def answer(self, values: list[float], rows: int) -> tuple[list[OutputTensor], Outputs]:
        """Return one row of values a series."""
        _, outputs = super().answer(values, len(values))
        return [OutputTensor(self._output.name, "FP64", [rows, len(values) // rows], None, values)], outputs

    def beside(
        self, parameters: Mapping[str, Any] | None, columns: Columns, values: list[float], rows: int
    ) -> list[OutputTensor]:
        """Return ``quantiles`` [rows, horizon, levels], with their levels."""
        spread = self._asked(parameters)
        if spread is None:
            return []
        levels = spread.quantiles.levels
        shape = [rows, len(values) // rows, len(levels)]
        spread.check(shape[1])
        data = spread.around(values, columns, rows)
        return [OutputTensor(horizons.LEVELS, "FP64", shape, {"levels": levels}, data)]

    def _asked(self, parameters: Mapping[str, Any] | None) -> horizons.Spread | None:
        """Return what is told around the forecast, where it is asked for.

        Raises:
            Fault: 400; it is not known, or what asks for it is neither true nor false.
        """
        asked = (parameters or {}).get(horizons.LEVELS, False)
        if type(asked) is not bool:
            raise Fault(400, f"parameter quantiles: {str(asked)[:40]!r} is neither true nor false")
        if asked and self._spread is None:
            raise Fault(400, "parameter quantiles: this version has none; ask without them")
        return self._spread if asked else None

    def metadata(self) -> Metadata:
        """See :class:`Family`."""
        found: Metadata = [{"name": self._output.name, "datatype": "FP64", "shape": [-1, -1]}]
        if self._spread:
            levels = len(self._spread.quantiles.levels)
            found.append({"name": horizons.LEVELS, "datatype": "FP64", "shape": [-1, -1, levels]})
        return found

    def parameters(self) -> dict[str, Any]:
        """See :class:`Family`."""
        found: dict[str, Any] = {horizons.HORIZON: {"default": self._horizon.default, "maximum": self._horizon.most}}
        if self._spread:
            known = self._spread.quantiles
            found[horizons.LEVELS] = {"default": False, "levels": known.levels, "maximum_horizon": known.steps}
        return found


class Retrieval(Family):
    """Each row is a query; it is answered with the documents that were found, best first."""

    by_row = False
    added = ("k",)

    def __init__(self, runtime: Searching, default: int) -> None:
        super().__init__(runtime.output)
        self._ids, self._most = runtime.documents, runtime.most
        self._default = min(default, self._most)

    def widen(self, parameters: Mapping[str, Any] | None, columns: Columns, rows: int) -> tuple[Columns, int]:
        """Say for each query how many documents are wanted."""
        k = (parameters or {}).get("k", self._default)
        if type(k) is not int or not 1 <= k <= self._most:
            raise Fault(400, f"parameter k: {str(k)[:40]!r} is not an integer from 1 to {self._most}")
        if rows > MOST_QUERIES:
            raise Fault(400, f"column query: {rows} rows, and a request asks {MOST_QUERIES} queries at most")
        for row, query in enumerate(columns[0]):
            if not isinstance(query, str) or not query.strip():
                raise Fault(400, f"column query, row {row}: the query is empty")
            if len(query) > MOST_CHARACTERS:
                raise Fault(
                    400, f"column query, row {row}: {len(query)} characters, and {MOST_CHARACTERS} are the most"
                )
        return [*columns, [k] * rows], rows

    def answer(self, values: list[float], rows: int) -> tuple[list[OutputTensor], Outputs]:
        """Return the ids and scores of each query's documents; where fewer were found, empty ids and zeros follow."""
        ids = ["" if place < 0 else self._ids[int(place)] for place in values[::2]]
        scores, k = values[1::2], len(values) // 2 // rows
        each = [range(at, at + k) for at in range(0, len(ids), k)]
        recorded: Outputs = {
            "score": [scores[places[0]] for places in each],
            "ids": [encode([ids[place] for place in places if ids[place]]).decode() for places in each],
        }
        tensors = [
            OutputTensor("ids", "BYTES", [rows, k], None, ids),
            OutputTensor("scores", "FP64", [rows, k], None, scores),
        ]
        return tensors, recorded

    def metadata(self) -> Metadata:
        """See :class:`Family`."""
        return [
            {"name": "ids", "datatype": "BYTES", "shape": [-1, -1]},
            {"name": "scores", "datatype": "FP64", "shape": [-1, -1]},
        ]

    def parameters(self) -> dict[str, Any]:
        """See :class:`Family`."""
        return {"k": {"default": self._default, "maximum": self._most}}


def fit(
    task: str, version: Version, runtime: Runtime, quantiles: Quantiles | None = None
) -> tuple[Family, Runtime, list[Column]]:
    """Return how a version of a model with this task answers: its family, its runtime, and the columns to ask for.

    Args:
        quantiles: of a forecast, where its artifact has them.

    Raises:
        MisfitError: the version cannot answer what the task asks.
    """
    width = runtime.output.width
    if isinstance(runtime, Searching):
        if task != RETRIEVAL:
            raise MisfitError("a retriever finds documents for queries; register it with a model of the task retrieval")
        k = version.parameters.get("k", 10)
        return Retrieval(runtime, k if type(k) is int and k > 0 else 10), runtime, version.columns
    if task == FORECASTING:
        wrapped, horizon = horizons.fit(version, runtime)
        asked = [column for column in version.columns if column.name != horizons.HORIZON]
        spread = horizons.Spread(quantiles, asked) if quantiles else None
        return Forecasting(wrapped.output, horizon, spread), wrapped, asked
    if task == RANKING:
        if width != 1:
            raise MisfitError(f"a ranking needs one number a row, and the model answers {width}")
        return Ranking(runtime.output), runtime, version.columns
    return Family(runtime.output), runtime, version.columns
