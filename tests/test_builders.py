"""The data sets of the demo beside the flights: what their rows are, and that they are made the same each time."""

import json

import pandas as pd
import pytest
from django.utils import timezone

from experiments.builders import library_docs, rankings
from experiments.builders.catalogue import BUILDERS, describe
from experiments.builders.flights import load_tables
from experiments.rows.frames import save_frame
from experiments.rows.retrieval import joined, parted, read_retrieval
from experiments.training.params import parse
from registry.errors import InvalidError


def described(name, folder, **params):
    builder = BUILDERS[name]
    frame = builder.build(parse(builder.params, params))
    saved = save_frame(frame, folder)
    return frame, describe(builder, frame, saved, now=timezone.now())


@pytest.fixture(scope="module")
def winter():
    """The flights of New York to Chicago and to Boston in January and February."""
    flights = load_tables().flights
    return flights[(flights["month"] <= 2) & flights["dest"].isin(["ORD", "BOS"])].reset_index(drop=True)


def test_rankings_grade_each_flight_within_its_route_and_day(winter):
    frame = rankings.ranked_frame(winter)

    assert sorted(frame["grade"].unique()) == [0, 1, 2, 3, 4]
    assert frame.groupby("query_id").size().min() > 1
    storm = winter[(winter["month"] == 2) & (winter["day"] == 9)]  # the day after the blizzard of 8 February
    graded = frame[frame["day"] == pd.Timestamp("2013-02-09", tz="UTC")]
    assert (graded["grade"] == 0).sum() == storm["arr_delay"].isna().sum() > 10


def test_rankings_know_only_the_days_before(winter):
    frame = rankings.ranked_frame(winter)
    asked = frame[(frame["day"] == pd.Timestamp("2013-02-10", tz="UTC")) & (frame["carrier"] == "UA")].iloc[-1]
    origin, dest = asked["query_id"].split("-")[:2]
    date = pd.to_datetime(winter[["year", "month", "day"]])
    past = winter[
        (winter["carrier"] == "UA")
        & (winter["origin"] == origin)
        & (winter["dest"] == dest)
        & (date < "2013-02-10")
        & (date >= "2013-01-13")
    ]
    unknown = winter.assign(arr_delay=winter["arr_delay"].where(date < "2013-02-10"))

    assert asked["carrier_delay_28d"] == pytest.approx(past["arr_delay"].mean())
    assert asked["carrier_lost_28d"] == pytest.approx(past["arr_delay"].isna().mean())
    features = ["flight_id", *rankings.FEATURES]
    until = frame["day"] <= pd.Timestamp("2013-02-10", tz="UTC")
    pd.testing.assert_frame_equal(rankings.ranked_frame(unknown).loc[until, features], frame.loc[until, features])


@pytest.mark.parametrize(("delay", "grade"), [(-3, 4), (0, 4), (1, 3), (15, 3), (45, 2), (46, 1), (None, 0)])
def test_a_grade_falls_with_the_delay(delay, grade):
    assert rankings.grade(pd.Series([delay], dtype="float64")).tolist() == [grade]


def test_tourism_is_304_series_of_80_quarters(tmp_path):
    frame, found = described("tourism", tmp_path)

    assert (len(frame), frame["series_id"].nunique(), frame.groupby("series_id").size().unique().tolist()) == (
        24_320,
        304,
        [80],
    )
    assert {name: facts["rows"] for name, facts in found.splits.items()} == {
        "train": 304 * 64,
        "validation": 304 * 8,
        "held_out": 304 * 8,
    }
    assert found.target_kind == "number"
    assert found.splits["train"]["mean"] == pytest.approx(
        frame.loc[frame["quarter_start"] < "2014-01-01", "trips"].mean()
    )
    assert [check for check in found.checks if not check["passed"] and check["severity"] != "advisory"] == []
    assert [c["name"] for c in found.columns if c["role"] == "series"] == ["series_id"]


def test_shuttle_has_no_time_and_the_published_share_of_anomalies(tmp_path):
    frame, found = described("shuttle", tmp_path)

    assert (len(frame), round(frame["anomaly"].mean(), 4)) == (49_097, 0.0715)
    assert (found.starts_at, found.time_column, found.policy.kind) == (None, "", "random")
    assert sum(facts["rows"] for facts in found.splits.values()) == 49_097
    assert sum(facts["positives"] for facts in found.splits.values()) == 3_511
    assert [check for check in found.checks if not check["passed"] and check["severity"] != "advisory"] == []
    again = save_frame(BUILDERS["shuttle"].build(parse(BUILDERS["shuttle"].params, {})), tmp_path)
    assert again.digest == found.saved.digest


DOCSTRING = """
Find a root of a function in a bracketing interval using Brent's method.

Uses the classic method to find a root of the function on the sign changing interval. It is a safe version of the secant method that
uses inverse quadratic extrapolation, and it combines the methods of root bracketing, interval bisection, and extrapolation. Of the
methods that need no derivative it is the one to begin with: it is as sure as bisection, and mostly as quick as the secant.

See Also
--------
fmin, fmin_powell : multivariate local optimizers
newton : one-dimensional root-finding

Examples
--------
>>> 1 + 1
"""


def test_a_page_is_asked_for_in_words_that_it_does_not_copy():
    page = library_docs.page_of("scipy.optimize.root_brent", DOCSTRING)
    other = library_docs.Page("scipy.optimize.newton", "Find a zero by tangents quickly.", "text", ())

    tables = library_docs.known_items([page, other])

    assert page.also == ("fmin", "fmin_powell", "newton")
    assert "1 + 1" not in page.text
    assert (
        tables.queries["q-scipy.optimize.root_brent"]
        == "Find a of a function in a bracketing interval using Brent's method"
    )
    assert tables.judgements["q-scipy.optimize.root_brent"] == {page.id: 2, other.id: 1}


def lines(path, *objects):
    path.write_text("\n".join(json.dumps(one) for one in objects))


@pytest.mark.parametrize(
    "qrels", ["query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n", "q1\t0\td1\t2\nq1\t0\td2\t0\n"]
)
def test_trec_and_beir_files_become_rows_and_come_back(tmp_path, qrels):
    lines(
        tmp_path / "docs.jsonl",
        {"_id": "d1", "title": "One", "text": "first"},
        {"doc_id": "d2", "text": "second"},
        {"id": "d3", "text": "third"},
    )
    lines(tmp_path / "queries.jsonl", {"_id": "q1", "text": "which?"}, {"_id": "q2", "text": "never judged"})
    (tmp_path / "qrels.tsv").write_text(qrels)

    frame = joined(read_retrieval(tmp_path))
    back = parted(frame)

    assert frame["grade"].tolist() == [2, 0, 0]
    assert frame["split"].tolist()[2] == "corpus"
    assert back.judgements == {"q1": {"d1": 2, "d2": 0}}
    assert back.documents == {"d1": ("One", "first"), "d2": ("", "second"), "d3": ("", "third")}
    assert back.queries == {"q1": "which?"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("docs.jsonl", '{"_id": "d1", "text": "a"}\n{"text": "b"}', "docs.jsonl, line 2 has neither _id nor doc_id"),
        ("docs.jsonl", '{"_id": "d1"', "docs.jsonl, line 1 is no JSON"),
        ("queries.jsonl", '{"_id": "q1"}', "queries.jsonl, line 1 has no text"),
        ("qrels.tsv", "q1\td1\tgood\n", "qrels.tsv, line 1: the grade 'good' is no whole number"),
        ("qrels.tsv", "q1\td9\t1\n", "name the document d9"),
        ("qrels.tsv", "q1\td1\t1\nq1\td1\t0\n", "line 2: query q1 and document d1 were judged before"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named_with_its_line(tmp_path, name, text, words):
    (tmp_path / "docs.jsonl").write_text('{"_id": "d1", "text": "a"}')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "b"}')
    (tmp_path / "qrels.tsv").write_text("q1\td1\t1\n")
    (tmp_path / name).write_text(text)

    with pytest.raises(InvalidError, match=words):
        joined(read_retrieval(tmp_path))
