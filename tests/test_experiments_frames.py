"""A data set is named by its content, and changed content is noticed."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from experiments.contracts.sources import rows_of
from experiments.rows.frames import DataChangedError, load_frame, save_frame, table_of
from experiments.rows.profile import profile_of
from experiments.rows.splitting import by_time, split_facts


def rows():
    return pd.DataFrame(
        {
            "carrier": ["AA", None, "Ünï"],
            "delay": [1.5, np.nan, -2.0],
            "hour": [5, 6, 7],
            "late": [True, False, True],
            "at": pd.to_datetime(["2013-01-01", "2013-01-02", "2013-01-03"], utc=True).as_unit("us"),
        }
    ).astype({"carrier": "str"})


def test_digest_is_the_one_that_the_documentation_describes(tmp_path):
    saved = save_frame(rows(), tmp_path)

    def heading(name, kind, *present):
        return json.dumps([name, kind]).encode() + b"\n" + bytes(present)

    day = 86_400_000_000
    first = 15_706 * day
    content = (
        heading("carrier", "string", 1, 0, 1) + np.array([2, 0, 5], "<i4").tobytes() + "AAÜnï".encode()
        + heading("delay", "double", 1, 0, 1) + np.array([1.5, 0.0, -2.0], "<f8").tobytes()
        + heading("hour", "long", 1, 1, 1) + np.array([5, 6, 7], "<i8").tobytes()
        + heading("late", "boolean", 1, 1, 1) + bytes([1, 0, 1])
        + heading("at", "datetime", 1, 1, 1) + np.array([first, first + day, first + 2 * day], "<i8").tobytes()
    )  # fmt: skip
    assert saved.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert saved.types == {"carrier": "string", "delay": "double", "hour": "long", "late": "boolean", "at": "datetime"}


def test_rows_come_back_as_they_were(tmp_path):
    saved = save_frame(rows(), tmp_path)

    pd.testing.assert_frame_equal(load_frame(tmp_path / saved.file, saved.digest), rows())


def test_the_same_rows_are_one_file(tmp_path):
    first, second = save_frame(rows(), tmp_path), save_frame(rows(), tmp_path)

    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == [first.file]


@pytest.mark.parametrize("change", [{"hour": [5, 6, 8]}, {"delay": [1.5, 0.0, -2.0]}, {"carrier": ["AA", "", "Ünï"]}])
def test_other_content_is_noticed(tmp_path, change):
    saved = save_frame(rows(), tmp_path)
    other = save_frame(rows().assign(**change), tmp_path)

    (tmp_path / other.file).replace(tmp_path / saved.file)

    with pytest.raises(DataChangedError, match="build the data set again"):
        load_frame(tmp_path / saved.file, saved.digest)


def test_a_column_of_another_kind_is_refused(tmp_path):
    with pytest.raises(TypeError, match="pair"):
        save_frame(pd.DataFrame({"pair": [[1, 2], [3]]}), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_profile_counts_what_is_missing_and_how_values_spread():
    found = profile_of(rows())

    assert found["carrier"] == {"nulls": 1, "distinct": 2}
    assert found["delay"]["nulls"] == 1
    assert (found["delay"]["min"], found["delay"]["max"], found["delay"]["mean"]) == (-2.0, 1.5, -0.25)
    assert sum(found["delay"]["histogram"]["counts"]) == 2
    assert found["at"]["min"] == "2013-01-01T00:00:00+00:00"
    json.dumps(found, allow_nan=False)


def test_profile_of_a_category_names_the_most_frequent():
    found = profile_of(pd.DataFrame({"origin": ["JFK", "EWR", "JFK"]}))

    assert found["origin"]["top"] == [["JFK", 2], ["EWR", 1]]


def test_half_open_splits_share_no_row():
    frame = pd.DataFrame({"at": pd.to_datetime(["2013-01-31 23:59", "2013-02-01 00:00"], utc=True), "label": [0, 1]})

    facts = split_facts(
        rows_of(table_of(frame.astype({"at": "datetime64[us, UTC]"}))), target="label", time_column="at",
        policy=by_time("at", {"a": ("2013-01-01", "2013-02-01"), "b": ("2013-02-01", "2013-03-01")}),
    )  # fmt: skip

    assert (facts["a"]["rows"], facts["a"]["positives"]) == (1, 0)
    assert (facts["b"]["rows"], facts["b"]["positives"]) == (1, 1)
