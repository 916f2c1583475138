"""XGBoost models from its JSON and UBJSON forms. Both hold trees and numbers alone; its old binary form is refused."""

import json
from typing import Any

import numpy as np
import xgboost

from serving.contract import Column
from serving.runtimes import Columns, MisfitError, ModelError, Output, Row, as_matrix, check_names, check_numeric

PROBABILITY = ("binary:logistic",)
PROBABILITIES = ("multi:softprob",)


class XGBoost:
    """A booster that takes numbers by column."""

    slow = False

    def __init__(self, booster: xgboost.Booster, order: list[int], output: Output) -> None:
        self.output = output
        self._booster = booster
        self._order = order

    def predict_row(self, row: Row) -> list[float]:
        """Return the output of one row."""
        return self.predict([[value] for value in row], 1)

    def predict(self, columns: Columns, rows: int) -> list[float]:
        """Return the output of ``rows`` rows, row by row."""
        answer = self._booster.inplace_predict(as_matrix(columns, rows, self._order), validate_features=False)
        return np.asarray(answer, dtype=np.float64).ravel().tolist()


def load(data: bytes, columns: list[Column]) -> XGBoost:
    """Return the model of an XGBoost JSON or UBJSON file.

    Raises:
        ModelError: the bytes are no such file.
        MisfitError: its features are not the columns, or it uses what is not served.
    """
    if not data.startswith(b"{"):
        raise ModelError("not an XGBoost model in JSON or UBJSON")
    try:
        booster = xgboost.Booster(params={"nthread": 1}, model_file=bytearray(data))
        config: dict[str, Any] = json.loads(booster.save_config())["learner"]
        features = booster.num_features()
    except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"XGBoost: {str(error).strip().splitlines()[-1][:300]}") from error
    check_numeric(columns, "an XGBoost model")
    if "c" in (booster.feature_types or ()):
        raise MisfitError("the model has categorical features; encode them as numbers")
    if features != len(columns):
        raise MisfitError(f"the model has {features} features, the signature {len(columns)} columns")
    stopped = booster.attr("best_iteration")
    if stopped is not None and int(stopped) + 1 != booster.num_boosted_rounds():
        # Its two interfaces answer differently from such a file: one with all rounds, the other up to the best.
        raise MisfitError("it still holds the rounds after early stopping; log booster[: booster.best_iteration + 1]")
    order = check_names(booster.feature_names, columns)
    answer = booster.inplace_predict(np.zeros((1, features)), validate_features=False)
    return XGBoost(booster, order, _output(config["objective"]["name"], int(np.size(answer))))


def _output(objective: str, width: int) -> Output:
    if objective in PROBABILITY and width == 1:
        return Output("probability")
    if objective in PROBABILITIES:
        return Output("probabilities", width)
    return Output("value" if width == 1 else "values", width)
