"""scikit-learn pipelines from skops files: no pickle, and no type beyond a fixed list."""

import io
import stat
import struct
import zipfile
from pathlib import PurePosixPath
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import BaseEstimator, is_outlier_detector

from serving.contract import Column
from serving.runtimes import (
    Columns,
    MisfitError,
    ModelError,
    Output,
    Row,
    Value,
    check_names,
    known_values,
    placeholder,
)

# What skops does not trust by itself, read through before it was listed: data holders without behaviour of their own.
TRUSTED = [
    "numpy.clip",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
]


MAX_ENTRIES = 100_000
MAX_UNPACKED_BYTES = 2 * 1024**3


class Estimator(Protocol):
    """What is used of a scikit-learn estimator."""

    def predict(self, rows: Any) -> Any:
        """Return one value a row."""

    def predict_proba(self, rows: Any) -> Any:
        """Return one probability a class and row."""

    def score_samples(self, rows: Any) -> Any:
        """Return how normal each row is."""


class Skops:
    """An estimator that takes a frame by column name, or a plain matrix where it was trained without names."""

    slow = True

    def __init__(self, estimator: Estimator, columns: list[Column]) -> None:
        self.estimator = estimator
        self._columns = columns
        self._known = [known_values(column) for column in columns]
        names = getattr(estimator, "feature_names_in_", None)
        self._order = None if names is None else [str(name) for name in names]
        check_names(self._order, columns)
        classes = len(getattr(estimator, "classes_", ()))
        self.classifies = classes > 1 and hasattr(estimator, "predict_proba")
        self._detects = is_outlier_detector(estimator) and hasattr(estimator, "score_samples")
        if self.classifies:
            self.output = Output("probability") if classes == 2 else Output("probabilities", classes)
        else:
            width = len(self.predict([[placeholder(column)] for column in columns], 1))
            self.output = Output("anomaly_score" if self._detects else "value" if width == 1 else "values", width)

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row."""
        return self.predict([[value] for value in row], 1)

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row: for two classes the probability of the second, of a detector how anomalous."""
        frame = pd.DataFrame(
            {c.name: _typed(c, known, v) for c, known, v in zip(self._columns, self._known, columns, strict=True)}
        )
        given = frame.to_numpy(dtype=object) if self._order is None else frame[self._order]
        if self._detects:
            answer = -self.estimator.score_samples(given)  # scikit-learn's own is higher for what is normal
        elif not self.classifies:
            answer = self.estimator.predict(given)
        elif self.output.width == 1:
            answer = self.estimator.predict_proba(given)[:, 1]
        else:
            answer = self.estimator.predict_proba(given)
        return np.asarray(answer, dtype=np.float64).ravel().tolist()


def load(data: bytes, columns: list[Column]) -> Skops:
    """Return the pipeline of a skops file.

    Raises:
        ModelError: the bytes are no such file, name a type that is not trusted, or do not fit the columns.
    """
    _check_archive(data)
    try:
        if foreign := sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)):
            raise MisfitError(f"the file names types that are not trusted: {', '.join(foreign[:5])}")
        estimator = skops.io.loads(data, trusted=TRUSTED)
    except ModelError:
        raise
    except Exception as error:  # whatever a hostile file provokes in zip, JSON or constructors
        raise ModelError(f"not a skops file that can be read here: {type(error).__name__}: {error}") from error
    if not isinstance(estimator, BaseEstimator):
        raise MisfitError("the file holds no scikit-learn estimator")
    return Skops(cast("Estimator", estimator), columns)


def _check_archive(data: bytes) -> None:
    """Refuse what no skops file holds, before anything is unpacked: bombs, links, and names that lead elsewhere (T26).

    Raises:
        ModelError: says which.
    """
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, struct.error, OverflowError, NotImplementedError) as error:
        raise ModelError(f"not a skops file that can be read here: {type(error).__name__}: {error}") from error
    names = [entry.filename for entry in entries]
    if "schema.json" not in names:
        raise ModelError("not a skops file that can be read here: it has no schema.json")
    if len(names) > MAX_ENTRIES or len(set(names)) != len(names):
        raise ModelError("the archive holds a name twice, or too many files")
    for entry in entries:
        if entry.filename.startswith("/") or "\\" in entry.filename or ".." in PurePosixPath(entry.filename).parts:
            raise ModelError(f"the archive holds {entry.filename!r}, which lies outside it")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ModelError(f"the archive holds a link, {entry.filename!r}")
    if (size := sum(entry.file_size for entry in entries)) > MAX_UNPACKED_BYTES:
        raise ModelError(f"the archive unpacks to {size} bytes, more than {MAX_UNPACKED_BYTES}")


def _typed(column: Column, known: list[Value] | None, values: list[Value]) -> Any:
    """Return the values as the frame at training held them."""
    if known is not None:
        return pd.Categorical(cast("list[Any]", values), categories=cast("list[Any]", known))
    if column.type == "string":
        return pd.Series(values, dtype="str")
    if None not in values:
        return np.asarray(values)
    return np.asarray(values, dtype=object if column.type == "boolean" else np.float64)
