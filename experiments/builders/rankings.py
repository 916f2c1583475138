"""Which flight of a route should be shown first? One row per flight of 2013, ranked within its route and day.

The query is a route on a day (origin, destination and day), its items are the flights that the schedule offers, and the grade says how
well each one ran. All features are known when the day's schedule is sold: what the schedule prints, and how flights ran on the days
before, never on the day itself. Routes with one flight that day need no ranking and are left out.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from experiments.builders.flights import PACKAGE, load_tables

DAYS = 28  # that past performance is taken over
GRADES = ((0, 4), (15, 3), (45, 2))  # arrived at most so many minutes late: grade; later: 1; cancelled or diverted: 0
TARGET, TIME_COLUMN, KEY, QUERY = "grade", "day", "flight_id", "query_id"
FEATURES = {
    "carrier": "operating carrier, two-letter code",
    "hour": "hour of the scheduled departure, local time",
    "minute": "minute of the scheduled departure",
    "day_of_week": "0 is Monday",
    "distance": "between the airports, miles",
    "offered": "flights of the route that day",
    "place_in_day": "place of the flight among them by departure; the first is 1",
    "flight_delay_28d": "mean arrival delay of the same flight number on the route in the 28 days before, minutes; empty: none ran",
    "flight_lost_28d": "share of them that were cancelled or diverted",
    "carrier_delay_28d": "mean arrival delay of the carrier on the route in the 28 days before, minutes",
    "carrier_lost_28d": "share of its flights on the route that were cancelled or diverted",
    "hour_delay_28d": "mean arrival delay of flights that left the origin in the same hour in the 28 days before, minutes",
    "origin_delay_1d": "mean arrival delay of all flights of the origin on the day before, minutes",
}
TARGET_MEANING = (
    "how well the flight ran: 4 at most on time, 3 up to 15 minutes late, 2 up to 45, 1 later, 0 cancelled or diverted"
)
SPLITS = {
    "train": ("2013-01-29", "2013-06-01"),
    "validation": ("2013-06-01", "2013-07-01"),
    "held_out": ("2013-07-01", "2013-10-01"),
    "replay": ("2013-10-01", "2014-01-01"),
}
SOURCE = (
    f"PyPI package {PACKAGE} (CC0): flights of the US Bureau of Transportation Statistics out of New York City in 2013, grouped by route "
    "and day. The first 28 days lack a past and are in no split."
)


@dataclass(frozen=True)
class RankingsParams:
    """What may be chosen when the data set is built."""

    keep_one_in: int = field(
        default=1,
        metadata={"label": "Keep one query in", "help": "1 keeps all; features rest on all flights", "min": 1},
    )


def build(params: RankingsParams) -> pd.DataFrame:
    """Return the data set, or one of fewer queries for a quick trial."""
    frame = ranked_frame(load_tables().flights)
    if params.keep_one_in == 1:
        return frame
    kept = frame[QUERY].drop_duplicates().iloc[:: params.keep_one_in]
    return frame[frame[QUERY].isin(set(kept))].reset_index(drop=True)


def ranked_frame(flights: pd.DataFrame) -> pd.DataFrame:
    """Return one row per flight of a route with at least two that day, in order of day, query and departure.

    Args:
        flights: the package's table as it is.
    """
    dates = pd.to_datetime(flights[["year", "month", "day"]])
    flights = flights.assign(
        date=(dates - pd.Timestamp("2013-01-01")).dt.days, lost=flights["arr_delay"].isna().astype("float64")
    )
    frame = pd.DataFrame({name: flights[name] for name in ("carrier", "hour", "minute", "distance")})
    frame["day_of_week"] = dates.dt.dayofweek.astype("int64")
    route_day = ["origin", "dest", "date"]
    frame["offered"] = flights.groupby(route_day)["flight"].transform("size")
    due = flights["hour"] * 60 + flights["minute"]
    frame["place_in_day"] = due.groupby([flights[name] for name in route_day]).rank("first").astype("int64")
    same_flight, same_carrier = ["origin", "dest", "carrier", "flight"], ["origin", "dest", "carrier"]
    frame["flight_delay_28d"] = _before(flights, same_flight, "arr_delay", DAYS)
    frame["flight_lost_28d"] = _before(flights, same_flight, "lost", DAYS)
    frame["carrier_delay_28d"] = _before(flights, same_carrier, "arr_delay", DAYS)
    frame["carrier_lost_28d"] = _before(flights, same_carrier, "lost", DAYS)
    frame["hour_delay_28d"] = _before(flights, ["origin", "hour"], "arr_delay", DAYS)
    frame["origin_delay_1d"] = _before(flights, ["origin"], "arr_delay", 1)
    frame[TARGET] = grade(flights["arr_delay"])
    frame[TIME_COLUMN] = dates.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    frame[QUERY] = flights["origin"] + "-" + flights["dest"] + "-" + dates.dt.strftime("%Y-%m-%d")
    frame[KEY] = (
        dates.dt.strftime("%Y-%m-%d-")
        + flights["carrier"]
        + flights["flight"].astype(str)
        + "-"
        + flights["origin"]
        + "-"
        + flights["dest"]
    )
    kept = frame["offered"] > 1
    return (
        frame[kept]
        .assign(due=due[kept])
        .sort_values([TIME_COLUMN, QUERY, "due", KEY], ignore_index=True)
        .drop(columns="due")
    )


def grade(delay: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the grades of arrival delays in minutes; a missing one is a flight that never arrived."""
    found = pd.Series(1, index=delay.index, dtype="int64")
    for minutes, value in reversed(GRADES):
        found[delay <= minutes] = value
    found[delay.isna()] = 0
    return found


def _before(flights: pd.DataFrame, by: list[str], value: str, days: int) -> "pd.Series[Any]":
    """Return the mean of ``value`` over the flights of the same group in the ``days`` days before the flight's own day."""
    daily = flights.groupby([*by, "date"])[value].agg(["sum", "count"]).reset_index()
    group = daily.groupby(by, sort=False).ngroup().to_numpy()
    date = daily["date"].to_numpy()
    place = group * 1000 + date  # a year has fewer than 1,000 days, so groups do not touch
    order = np.argsort(place, kind="stable")
    place = place[order]
    totals = {
        name: np.concatenate([[0.0], np.cumsum(daily[name].to_numpy(dtype="float64")[order])])
        for name in ("sum", "count")
    }
    first = np.searchsorted(place, np.maximum(place - days, group[order] * 1000), "left")
    last = np.arange(len(place))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (totals["sum"][last] - totals["sum"][first]) / (totals["count"][last] - totals["count"][first])
    daily.loc[order, "mean"] = mean
    found = flights[[*by, "date"]].merge(daily[[*by, "date", "mean"]], on=[*by, "date"], how="left")["mean"]
    return pd.Series(found.to_numpy(), index=flights.index)
