"""Which readings of the shuttle's radiators are anomalous? 49,097 readings of nine sensors, 7.15% of them anomalies.

The rows carry no time, so they are split by chance: by the hash of their place in the file. What normal looks like is learned without
the label, which serves for measuring.
"""

import importlib.metadata
from dataclasses import dataclass, field

import pandas as pd
import polars as pl

from experiments.rows.splitting import SPLIT_COLUMN, SplitPolicy, assigned

PACKAGE = "river"
FILE = "river/datasets/shuttle.csv.gz"
TARGET, KEY = "anomaly", "reading_id"
FEATURES = {f"f{n}": f"sensor {n}, as published: without name or unit" for n in range(1, 10)}
TARGET_MEANING = "1 where the reading is of a class other than the normal one"
POLICY = SplitPolicy("random", KEY, shares={"train": 0.6, "validation": 0.2, "held_out": 0.2}, seed=7)
SOURCE = f"PyPI package {PACKAGE}, {FILE}: Statlog (Shuttle) of the UCI Machine Learning Repository in the form of ODDS, without class 4."


@dataclass(frozen=True)
class ShuttleParams:
    """What may be chosen when the data set is built."""

    keep_one_in: int = field(default=1, metadata={"label": "Keep one row in", "help": "1 keeps all", "min": 1})


def build(params: ShuttleParams) -> pd.DataFrame:
    """Return one row per reading, in the order of the file.

    Raises:
        importlib.metadata.PackageNotFoundError: the package is not installed.
    """
    path = importlib.metadata.distribution(PACKAGE).locate_file(FILE)
    frame = pd.read_csv(str(path)).astype("int64")
    frame[KEY] = [f"reading-{n:05d}" for n in range(1, len(frame) + 1)]
    frame = frame.iloc[:: params.keep_one_in].reset_index(drop=True)
    frame[SPLIT_COLUMN] = assigned(pl.Series(frame[KEY].to_list()), POLICY).to_list()
    return frame
