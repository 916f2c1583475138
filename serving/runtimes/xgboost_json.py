"""XGBoost models from its JSON and UBJSON forms. Both hold trees and numbers alone; its old binary form is refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xgboost

from serving.contract import CALIBRATION, Column, read_calibration
from serving.runtimes import (
    Columns,
    MisfitError,
    ModelError,
    Output,
    Row,
    Runtime,
    Value,
    as_floats,
    check_names,
    check_numeric,
    known_values,
)
from serving.runtimes.calibrated import with_calibration

PROBABILITY = ("binary:logistic",)
PROBABILITIES = ("multi:softprob",)


class XGBoost:
    """A booster that takes values by column; categories become the codes it was trained with."""

    slow = False

    def __init__(
        self, booster: xgboost.Booster, features: Sequence[tuple[int, Mapping[Value, int] | None]], output: Output
    ) -> None:
        self.output = output
        self._booster = booster
        self._features = features  # for each of the model's: the place of its column, and its categories' codes

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row."""
        return self.predict([[value] for value in row], 1)

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row."""
        matrix = np.empty((rows, len(self._features)))
        for i, (place, codes) in enumerate(self._features):
            values = columns[place] if codes is None else [None if v is None else codes[v] for v in columns[place]]
            matrix[:, i] = as_floats(values)
        answer = self._booster.inplace_predict(matrix, validate_features=False)
        return np.asarray(answer, dtype=np.float64).ravel().tolist()


def load(data: bytes, columns: list[Column]) -> Runtime:
    """Return the model of an XGBoost JSON or UBJSON file.

    Raises:
        ModelError: the bytes are no such file.
        MisfitError: its features are not the columns, or it uses what is not served.
    """
    booster, objective = read_model(data)
    check_numeric([column for column in columns if column.categories is None], "an XGBoost model")
    features = booster.num_features()
    if features != len(columns):
        raise MisfitError(f"the model has {features} features, the signature {len(columns)} columns")
    stopped = booster.attr("best_iteration")
    if stopped is not None and int(stopped) + 1 != booster.num_boosted_rounds():
        # Its two interfaces answer differently from such a file: one with all rounds, the other up to the best.
        raise MisfitError("it still holds the rounds after early stopping; log booster[: booster.best_iteration + 1]")
    order = check_names(booster.feature_names, columns)
    codes = [_codes(columns[place], words) for place, words in zip(order, categories_of(booster), strict=True)]
    answer = booster.inplace_predict(np.zeros((1, features)), validate_features=False)
    model = XGBoost(booster, list(zip(order, codes, strict=True)), _output(objective, int(np.size(answer))))
    try:
        return with_calibration(model, read_calibration(booster.attr(CALIBRATION)))
    except MisfitError:
        raise
    except ValueError as error:
        raise ModelError(str(error)) from None


def read_model(data: bytes) -> tuple[xgboost.Booster, str]:
    """Return the booster, and the name of its objective.

    Raises:
        ModelError: the bytes are no XGBoost model in JSON or UBJSON.
    """
    if not data.startswith(b"{"):
        raise ModelError("not an XGBoost model in JSON or UBJSON")
    try:
        booster = xgboost.Booster(params={"nthread": 1}, model_file=bytearray(data))
        config: dict[str, Any] = json.loads(booster.save_config())["learner"]
        booster.num_features()
    except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"XGBoost: {str(error).strip().splitlines()[-1][:300]}") from error
    return booster, str(config["objective"]["name"])


def categories_of(booster: xgboost.Booster) -> list[list[Value] | None]:
    """Return the categories of each feature in the order of their codes; None for numbers.

    Raises:
        MisfitError: it knows its categories by number alone.
    """
    kinds = booster.feature_types or []
    if "c" not in kinds:
        return [None] * booster.num_features()
    found = booster.get_categories(export_to_arrow=True).to_arrow()
    known = [None if words is None else words.to_pylist() for _, words in found]
    if any(kind == "c" and words is None for kind, words in zip(kinds, known, strict=True)):
        raise MisfitError(
            "it does not say what the codes of its categories mean; train on columns of dtype 'category', and cut no rounds off"
        )
    return known


def _codes(column: Column, words: list[Value] | None) -> dict[Value, int] | None:
    if known_values(column) != words:
        raise MisfitError(f"the categories of {column.name} are not those the model was trained with, in their order")
    return None if words is None else {word: code for code, word in enumerate(words)}


def _output(objective: str, width: int) -> Output:
    if objective in PROBABILITY and width == 1:
        return Output("probability")
    if objective in PROBABILITIES:
        return Output("probabilities", width)
    return Output("value" if width == 1 else "values", width)
