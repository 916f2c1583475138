"""The builders of data sets: what each makes, what its columns mean, and how the rows are described."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from experiments.builders import flights, library_docs, rankings, shuttle, tourism
from experiments.contracts.sources import rows_of
from experiments.rows import retrieval
from experiments.rows.describing import Description, describe_rows
from experiments.rows.frames import SavedFrame, table_of
from experiments.rows.roles import BINARY, GRADE, NUMBER
from experiments.rows.splitting import SPLIT_COLUMN, SplitPolicy, by_time


@dataclass(frozen=True)
class Builder:
    """How the rows of a data set come about.

    Attributes:
        build: takes an instance of ``params`` and returns the rows.
        features: column names that a model may see, each with its meaning.
        time_column: empty where rows have no time.
        splits: half-open intervals of the time column, as ISO days, UTC; none where ``policy`` says how rows are split.
        roles: {column: (role, meaning)} of what is neither feature, target, time nor key.
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
    target_kind: str = BINARY
    time_meaning: str = "decides the split; UTC"
    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    policy: SplitPolicy | None = None


def describe(builder: Builder, frame: pd.DataFrame, saved: SavedFrame, *, now: datetime, **held_to: Any) -> Description:
    """Return the description of rows that ``builder`` made and that were saved.

    Args:
        now: what freshness is reckoned from.
        held_to: as in :func:`experiments.rows.describing.describe_rows`.
    """
    roles = {
        **builder.roles,
        builder.target: ("target", builder.target_meaning),
        builder.time_column: ("time", builder.time_meaning),
        builder.key: ("key", "names the row"),
        SPLIT_COLUMN: ("split", "which part the row belongs to"),
    }
    columns = []
    for name, kind in saved.types.items():
        role, meaning = roles.get(name) or ("feature", builder.features[name])
        columns.append({"name": name, "type": kind, "role": role, "meaning": meaning})
    return describe_rows(
        rows_of(table_of(frame)), saved, columns=columns, source=builder.source, now=now, target_kind=builder.target_kind,
        policy=builder.policy or by_time(builder.time_column, builder.splits), **held_to,
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
    ),
    "rankings": Builder(
        name="rankings",
        title="Flights of a route and day, to be ranked",
        params=rankings.RankingsParams,
        build=rankings.build,
        features=rankings.FEATURES,
        target=rankings.TARGET,
        target_meaning=rankings.TARGET_MEANING,
        target_kind=GRADE,
        time_column=rankings.TIME_COLUMN,
        time_meaning="day of the flight by the local calendar, as midnight UTC",
        key=rankings.KEY,
        roles={rankings.QUERY: ("query", "route and day: the flights that are ranked together")},
        splits=rankings.SPLITS,
        source=rankings.SOURCE,
    ),
    "tourism": Builder(
        name="tourism",
        title="Trips within Australia, by quarter",
        params=tourism.TourismParams,
        build=tourism.build,
        features=tourism.FEATURES,
        target=tourism.TARGET,
        target_meaning=tourism.TARGET_MEANING,
        target_kind=NUMBER,
        time_column=tourism.TIME_COLUMN,
        time_meaning="first day of the quarter, UTC",
        key=tourism.KEY,
        roles={tourism.SERIES: ("series", "region and purpose")},
        splits=tourism.SPLITS,
        source=tourism.SOURCE,
    ),
    "shuttle": Builder(
        name="shuttle",
        title="Sensor readings of a space shuttle",
        params=shuttle.ShuttleParams,
        build=shuttle.build,
        features=shuttle.FEATURES,
        target=shuttle.TARGET,
        target_meaning=shuttle.TARGET_MEANING,
        time_column="",
        key=shuttle.KEY,
        splits={},
        policy=shuttle.POLICY,
        source=shuttle.SOURCE,
    ),
    "library-docs": Builder(
        name="library-docs",
        title="Documentation of Python libraries, to be searched",
        params=library_docs.LibraryDocsParams,
        build=library_docs.build,
        features=retrieval.FEATURES,
        target=retrieval.GRADE,
        target_meaning="2: the page that the query was made from; 1: its authors name it under See Also; 0: nobody asked for it",
        target_kind=GRADE,
        time_column="",
        key=retrieval.KEY,
        roles=retrieval.ROLES,
        splits={},
        policy=retrieval.POLICY,
        source=library_docs.source(),
    ),
}
