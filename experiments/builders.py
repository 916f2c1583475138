"""The builders of data sets: what each makes, what its columns mean, and how the rows are described."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from experiments import flights
from experiments.describing import Description, describe_rows
from experiments.frames import SavedFrame


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


def describe(builder: Builder, frame: pd.DataFrame, saved: SavedFrame, *, now: datetime, **held_to: Any) -> Description:
    """Return the description of rows that ``builder`` made and that were saved.

    Args:
        now: what freshness is reckoned from.
        held_to: as in :func:`experiments.describing.describe_rows`.
    """
    roles = {
        builder.target: ("target", builder.target_meaning),
        builder.time_column: ("time", "decides the split; UTC"),
        builder.key: ("key", "names the row"),
    }
    columns = []
    for name, kind in saved.types.items():
        role, meaning = roles.get(name) or ("feature", builder.features[name])
        columns.append({"name": name, "type": kind, "role": role, "meaning": meaning})
    return describe_rows(
        frame, saved, columns=columns, time_column=builder.time_column, target=builder.target, key=builder.key,
        splits=builder.splits, source=builder.source, now=now, **held_to,
    )  # fmt: skip


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
