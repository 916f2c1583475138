"""Boosters whose probability is set right by a curve in their file."""

from serving.contract import Calibration
from serving.runtimes import Columns, MisfitError, Row, Runtime


class Calibrated:
    """A runtime of one probability a row, and the curve that it is read from."""

    def __init__(self, inner: Runtime, calibration: Calibration) -> None:
        self.output = inner.output
        self.slow = inner.slow
        self._inner = inner
        self._probability = calibration.probability

    def predict_row(self, row: Row) -> list[float]:
        """Return the probability of one row."""
        return [self._probability(self._inner.predict_row(row)[0])]

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the probabilities of ``rows`` rows."""
        return [self._probability(value) for value in self._inner.predict(columns, rows)]


def with_calibration(runtime: Runtime, calibration: Calibration | None) -> Runtime:
    """Return the runtime that answers calibrated probabilities; as it is where the file holds no calibration.

    Raises:
        MisfitError: it does not answer one probability a row.
    """
    if calibration is None:
        return runtime
    if (runtime.output.name, runtime.output.width) != ("probability", 1):
        raise MisfitError("it is calibrated, and does not answer one probability a row")
    return Calibrated(runtime, calibration)
