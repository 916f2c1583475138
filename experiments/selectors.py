"""Reads that join tables or build a record."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.frames import load_frame
from experiments.models import DatasetVersion
from experiments.profile import in_interval

MOST_SLICES = 6


def slices_of(data: DatasetVersion, rows: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the parts that are measured on their own: one for each value of a category with at most six of them."""
    few = [name for name in data.categorical() if rows[name].nunique() <= MOST_SLICES]
    return {
        f"{name}={value}": (rows[name] == value).to_numpy(dtype=bool)
        for name in few
        for value in sorted(rows[name].dropna().unique())
    }


def split_rows(data: DatasetVersion, frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of one split, such as ``replay``.

    Raises:
        KeyError: there is no such split.
    """
    interval = data.splits[split]
    return in_interval(frame, data.time_column, interval["from"], interval["until"])


def dataset_rows(data: DatasetVersion, split: str) -> pd.DataFrame:
    """Read one split of a version, in order of time.

    Raises:
        KeyError: there is no such split.
        DataChangedError: the file no longer holds the version's rows.
    """
    return split_rows(data, load_frame(data.parquet, data.digest), split)
