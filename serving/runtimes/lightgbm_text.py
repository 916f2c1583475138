"""LightGBM models from their text form, through the library's C functions.

The Python package is not imported: it brings pandas and scikit-learn along, and its ``predict`` costs several times
the single-row call used here.
"""

import ctypes
import functools
import importlib.util
import json
import math
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serving.contract import CALIBRATION, Column, read_calibration
from serving.runtimes import Columns, MisfitError, ModelError, Output, Row, Runtime, Value, as_floats, known_values
from serving.runtimes.calibrated import with_calibration

FLOAT64 = 1  # C_API_DTYPE_FLOAT64
NORMAL = 0  # C_API_PREDICT_NORMAL: probabilities where the objective has them
PARAMETERS = b"num_threads=1"
NAN = math.nan


@functools.cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise ModelError("LightGBM is not installed here")
    library = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _call(function: str, *arguments: object) -> None:
    library = _library()
    if getattr(library, function)(*arguments):
        raise ModelError(f"LightGBM: {library.LGBM_GetLastError().decode(errors='replace')}")


class _Booster:
    """The library's handle of a model; freed with the last reference."""

    def __init__(self, text: bytes) -> None:
        self.handle = ctypes.c_void_p()
        self._free = _library().LGBM_BoosterFree
        _call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(ctypes.c_int()), ctypes.byref(self.handle))

    def __del__(self) -> None:
        if self.handle:
            self._free(self.handle)

    def count(self, function: str) -> int:
        found = ctypes.c_int()
        _call(function, self.handle, ctypes.byref(found))
        return found.value

    def predictions_per_row(self) -> int:
        found = ctypes.c_int64()
        _call("LGBM_BoosterCalcNumPredict", self.handle, 1, NORMAL, 0, -1, ctypes.byref(found))
        return found.value


class _SingleRow:
    """Buffers and prepared call for one row at a time; belongs to one thread, since the library writes into it."""

    def __init__(self, booster: _Booster, features: int, width: int) -> None:
        self.booster = booster
        self.pack = struct.Struct(f"{features}d").pack_into
        self.row = (ctypes.c_double * features)()
        self.answer = (ctypes.c_double * width)()
        self.config = ctypes.c_void_p()
        self._free = _library().LGBM_FastConfigFree
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit", booster.handle, NORMAL, 0, -1, FLOAT64, features,
            PARAMETERS, ctypes.byref(self.config),
        )  # fmt: skip
        self._predict = _library().LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            self.config, ctypes.byref(self.row), ctypes.byref(ctypes.c_int64()), ctypes.byref(self.answer)
        )  # fmt: skip

    def __del__(self) -> None:
        if self.config:
            self._free(self.config)

    def predict(self) -> list[float]:
        if self._predict(*self._arguments):
            raise ModelError(f"LightGBM: {_library().LGBM_GetLastError().decode(errors='replace')}")
        return self.answer[:]


class LightGBM:
    """A booster that takes values by column; text and other categories become the codes it was trained with."""

    slow = False

    def __init__(
        self, booster: _Booster, features: Sequence[tuple[int, dict[Value, int] | None]], output: Output
    ) -> None:
        self.output = output
        self._booster = booster
        self._features = features  # for each of the model's: the place of its column, and its categories' codes
        self._coded = [(i, codes) for i, (_, codes) in enumerate(features) if codes is not None]
        self._as_given = not self._coded and [place for place, _ in features] == [*range(len(features))]
        self._threads = threading.local()

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row."""
        try:
            single: _SingleRow = self._threads.single
        except AttributeError:
            single = self._threads.single = _SingleRow(self._booster, len(self._features), self.output.width)
        values: Sequence[Value] = row
        if not self._as_given:
            values = arranged = [row[place] for place, _ in self._features]
            for i, codes in self._coded:
                arranged[i] = None if arranged[i] is None else codes[arranged[i]]
        try:
            single.pack(single.row, 0, *values)
        except struct.error:  # None is no number
            single.pack(single.row, 0, *(NAN if value is None else value for value in values))
        return single.predict()

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row."""
        matrix = np.empty((rows, len(self._features)))
        for i, (place, codes) in enumerate(self._features):
            values = columns[place] if codes is None else [None if v is None else codes[v] for v in columns[place]]
            matrix[:, i] = as_floats(values)
        answer = np.empty(rows * self.output.width)
        _call(
            "LGBM_BoosterPredictForMat", self._booster.handle, matrix.ctypes.data_as(ctypes.c_void_p), FLOAT64, rows,
            len(self._features), 1, NORMAL, 0, -1, PARAMETERS, ctypes.byref(ctypes.c_int64()),
            answer.ctypes.data_as(ctypes.c_void_p),
        )  # fmt: skip
        return answer.tolist()


def load(data: bytes, columns: list[Column]) -> Runtime:
    """Return the model of a LightGBM text file, fitted to the signature's columns.

    Raises:
        ModelError: the bytes are no such text, or its features or categories are not those of the columns.
    """
    header, categories = read_text(data)
    try:
        calibration = read_calibration(header.get(CALIBRATION))
    except ValueError as error:
        raise ModelError(str(error)) from None
    features = header.get("feature_names", "").split(" ")
    _check_features(features, columns)
    codes = _codes(categories, columns, features)
    booster = _Booster(data)
    if booster.count("LGBM_BoosterGetNumFeature") != len(features):
        raise ModelError("the number of features is not that of their names")
    width = booster.predictions_per_row()
    if width < 1 or width != booster.count("LGBM_BoosterGetNumClasses"):
        raise ModelError("the number of outputs is not that of the classes")
    place = {_feature_name(column): i for i, column in enumerate(columns)}
    model = LightGBM(booster, [(place[name], codes.get(name)) for name in features], _output(header, width))
    return with_calibration(model, calibration)


def read_text(data: bytes) -> tuple[dict[str, str], list[list[Value]]]:
    """Return the header's fields, and the categories of each categorical column as pandas held them at training."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ModelError("not a LightGBM text file") from None
    if not text.startswith("tree\n") or "\x00" in text:
        raise ModelError("not a LightGBM text file")
    header = dict(line.split("=", 1) for line in text.partition("\n\n")[0].splitlines() if "=" in line)
    last = text.rstrip().rpartition("\n")[2]
    if not last.startswith("pandas_categorical:"):
        return header, []
    try:
        return header, json.loads(last.partition(":")[2]) or []
    except ValueError:
        raise ModelError("the line pandas_categorical is not JSON") from None


def _feature_name(column: Column) -> str:
    return column.name.replace(" ", "_")  # as LightGBM writes it


def _check_features(features: list[str], columns: list[Column]) -> None:
    names = [_feature_name(column) for column in columns]
    if sorted(names) != sorted(features) or len(set(features)) != len(features):
        odd = sorted(set(names) ^ set(features)) or ["a name twice"]
        raise MisfitError(f"the signature's columns are not the model's features; they differ in {', '.join(odd[:5])}")


def _codes(
    categories: list[list[Value]], columns: list[Column], features: list[str]
) -> dict[str, dict[Value, int]]:  # fmt: skip
    """Return the code of each category, by feature. The model lists categories by position, without names."""
    by_name = {_feature_name(column): column for column in columns}
    known = {name: values for name in features if (values := known_values(by_name[name])) is not None}
    if text := [c.name for c in columns if c.type == "string" and c.categories is None]:
        raise MisfitError(f"column {text[0]} is text without categories")
    if list(known.values()) != categories:
        raise MisfitError("the signature's categories are not those the model was trained with, in their order")
    return {name: {value: code for code, value in enumerate(values)} for name, values in known.items()}


def _output(header: dict[str, str], width: int) -> Output:
    if width > 1:
        return Output("probabilities", width)
    objective = header.get("objective", "").split(" ")[0]
    return Output("probability" if objective in {"binary", "cross_entropy"} else "value")
