"""BentoML, as its guide says: one worker, no batching. The model's path is in ``MODEL``."""
# Runs in the peer's environment.
# mypy: ignore-errors

import os

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1)
class Model:
    """The booster behind ``/predict``."""

    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: list[list[float]]) -> list[float]:
        """Answer the rows."""
        return self.booster.predict(np.asarray(rows), num_threads=1).tolist()
