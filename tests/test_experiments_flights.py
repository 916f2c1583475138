"""The features of a flight rest on what was known an hour before it was due to leave, and on nothing later."""

import numpy as np
import pandas as pd
import pytest

from experiments.builders import flights as f


@pytest.fixture(scope="module")
def tables():
    """One week of flights is enough to see every feature."""
    all_of_them = f.load_tables()
    flights = all_of_them.flights
    week = flights[(flights["month"] == 2) & flights["day"].between(5, 11)].reset_index(drop=True)
    return f.Tables(week, all_of_them.weather, all_of_them.planes, all_of_them.airports)


@pytest.fixture(scope="module")
def frame(tables):
    return f.feature_frame(tables)


@pytest.fixture(scope="module")
def instants(tables):
    """The week's flights with their instants, by the key of the frame."""
    known = f._with_instants(tables)
    days = pd.to_datetime(known[["year", "month", "day"]]).dt.strftime("%Y-%m-%d-")
    known["key"] = days + known["carrier"] + known["flight"].astype(str) + "-" + known["origin"] + "-" + known["dest"]
    return known.set_index("key")


def test_every_flight_that_arrived_is_a_row_and_no_other(tables, frame):
    assert len(frame) == tables.flights["arr_delay"].notna().sum()
    assert frame[f.KEY].is_unique
    assert list(frame.columns) == [*f.FEATURES, f.TARGET, f.TIME_COLUMN, f.KEY]


def test_label_is_an_arrival_more_than_an_hour_late(frame, instants):
    delay = instants.loc[frame[f.KEY], "arr_delay"].to_numpy()

    assert (frame[f.TARGET].to_numpy() == (delay > 60)).all()


def test_actual_times_in_the_table_agree_with_the_instants_derived(instants):
    flown = instants[instants["arr_delay"].notna()]
    on_the_ground = flown["in"] - flown["out"] - flown["air_time"]

    assert on_the_ground.between(0, 300).all()  # taxiing, minutes: only right time zones make this so


def test_what_happens_after_the_cut_off_changes_no_feature(tables, frame):
    moment = pd.Timestamp("2013-02-09 15:00", tz="UTC")
    late = tables.flights.copy()
    known = f._with_instants(tables)
    minute = int(moment.timestamp() // 60)
    late.loc[known["out"] > minute, "dep_delay"] += 500
    late.loc[known["in"] > minute, "arr_delay"] += 500
    changed = f.feature_frame(f.Tables(late, tables.weather, tables.planes, tables.airports))

    before = frame[f.TIME_COLUMN] <= moment + f.CUT_OFF

    pd.testing.assert_frame_equal(frame.loc[before, list(f.FEATURES)], changed.loc[before, list(f.FEATURES)])
    assert not frame[list(f.FEATURES)].equals(changed[list(f.FEATURES)])  # later flights do see it


@pytest.mark.parametrize("position", [0, 1500, 3000, 5000])
def test_airport_and_aircraft_state_agree_with_a_plain_count(frame, instants, position):
    row = frame.iloc[position]
    flight = instants.loc[row[f.KEY]]
    now = flight["cut_off"]
    here = instants[instants["origin"] == flight["origin"]]
    left = here[(here["out"] > now - 120) & (here["out"] <= now)]
    due = here[(here["due_out"] > now - 120) & (here["due_out"] <= now)]
    same_plane = instants[(instants["tailnum"] == flight["tailnum"]) & (instants["in"] <= now)]
    landed = same_plane[same_plane["in"] >= now - 24 * 60].sort_values("in")
    there = instants[(instants["dest"] == flight["dest"]) & (instants["in"] > now - 180) & (instants["in"] <= now)]

    assert row["origin_departed_2h"] == len(left)
    np.testing.assert_allclose(row["origin_delay_2h"], left["dep_delay"].mean())
    np.testing.assert_allclose(
        row["carrier_delay_2h"], left.loc[left["carrier"] == flight["carrier"], "dep_delay"].mean()
    )
    assert row["origin_waiting_2h"] == (~(due["out"] <= now)).sum()
    np.testing.assert_allclose(row["dest_delay_3h"], there["arr_delay"].mean())
    np.testing.assert_allclose(row["aircraft_delay"], landed["arr_delay"].iloc[-1] if len(landed) else np.nan)


def test_weather_is_the_last_observation_before_the_cut_off(tables, frame):
    row = frame.iloc[2000]
    cut_off = row[f.TIME_COLUMN] - f.CUT_OFF
    seen = tables.weather[tables.weather["origin"] == row["origin"]]
    seen = seen[pd.to_datetime(seen["time_hour"], utc=True) <= cut_off].sort_values("time_hour")

    assert row["temperature"] == seen["temp"].iloc[-1]
    assert row["visibility"] == seen["visib"].iloc[-1]
