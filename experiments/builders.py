"""The builders of data sets: what each makes, and what its columns mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from experiments import flights


@dataclass(frozen=True)
class Builder:
    """How the rows of a data set come about.

    Attributes:
        build: takes an instance of ``params`` and returns the rows.
        features: column names that a model may see, each with its meaning.
        splits: half-open intervals of the time column, as ISO days, UTC.
    """

    name: str
    title: str
    params: type
    build: Callable[[Any], pd.DataFrame]
    features: dict[str, str]
    target: str
    target_meaning: str
    time_column: str
    key: str
    splits: dict[str, tuple[str, str]]
    source: str


BUILDERS = {
    "flights": Builder(
        name="flights",
        title="Flights out of New York, 2013",
        params=flights.FlightsParams,
        build=flights.build,
        features=flights.FEATURES,
        target=flights.TARGET,
        target_meaning="1 where the flight arrived more than 60 minutes late",
        time_column=flights.TIME_COLUMN,
        key=flights.KEY,
        splits=flights.SPLITS,
        source=flights.SOURCE,
    )
}
