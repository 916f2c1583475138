"""Rows held to rules: every kind, across batches, in bounded memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.contracts import rules as r
from experiments.contracts import sources
from experiments.contracts.checking import Circumstances, check
from experiments.contracts.results import brief
from experiments.contracts.sources import rows_in, rows_of
from experiments.contracts.standard import standard_rules, together
from experiments.rows.frames import table_of
from experiments.rows.splitting import by_time, split_facts

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
AROUND = Circumstances(now=NOW, key=["id"])


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Three rows a batch, so that what holds across batches is met."""
    monkeypatch.setattr(sources, "BATCH_ROWS", 3)


def table(**columns):
    size = len(next(iter(columns.values())))
    return pa.table({"id": [f"k{n}" for n in range(size)], **columns})


def found(rule, rows, around=AROUND):
    (only,) = check(rows_of(rows), [rule], around)
    return only


def of(kind, **fields):
    return kind(reason="For tests.", **fields)


@pytest.mark.parametrize(
    ("rule", "values", "measured", "sample"),
    [
        (of(r.Nulls, name="x", max_share=0.25), [1.0, None, 2.0, 3.0], 0.25, ["k1"]),
        (of(r.Nulls, name="x", max_share=0.2), [1.0, None, 2.0, float("nan")], 0.5, ["k1", "k3"]),
        (of(r.Range, name="x", min=0, max=3), [0, 3, None, 2], 0.0, []),
        (of(r.Range, name="x", min=0, max=3), [-1, 3, None, 4], 2 / 3, ["k0", "k3"]),
        (of(r.Range, name="x", min=0), [0.0, float("inf"), float("nan"), 1.0], 1 / 3, ["k1"]),
        (of(r.Categories, name="x", values=["a", "b"], max_new_share=0.25), ["a", "b", "a", "c"], 0.25, ["k3"]),
        (of(r.Categories, name="x", values=["0", "1"]), [0, 1, 2, None], 1 / 3, ["k2"]),
        (of(r.Categories, name="x", values=["true"]), [True, False, None, True], 1 / 3, ["k1"]),
        (of(r.Pattern, name="x", pattern="[A-Z]{2}"), ["AA", "AAA", "bb", None], 2 / 3, ["k1", "k2"]),
        (of(r.Pattern, name="x", pattern="a|b"), ["a", "b", "ab", "a\n"], 0.5, ["k2", "k3"]),
        (of(r.Length, name="x", min=2, max=3), ["é", "ée", "éée", "éééé"], 0.5, ["k0", "k3"]),
        (of(r.Monotone, name="x"), [1, 1, None, 2, 1, 5, 4], 2, ["k4", "k6"]),
        (of(r.Monotone, name="x", strict=True), [1, 2, 3, 3, 4, 5], 1, ["k3"]),
        (of(r.Monotone, name="x"), [1, 2, None, None, None, None, 1], 1, ["k6"]),
        (of(r.Unique, together=["x"]), ["a", "b", "c", "d", "a", "b", "a"], 3, ["k4", "k5", "k6"]),
        (of(r.Unique, together=["x", "id"]), ["a", "a", "a", "a"], 0, []),
    ],
)  # fmt: skip
def test_what_is_measured_and_which_rows_break_it(rule, values, measured, sample):
    got = found(rule, table(x=values))

    assert got.measured == pytest.approx(measured)
    assert got.sample == sample
    assert got.passed == (measured <= rule.limit)
    assert (got.rule, got.severity, got.reason) == (rule.key, "blocking", "For tests.")


@pytest.mark.parametrize(
    ("rule", "passed", "detail"),
    [
        (of(r.Column, name="x", type="long"), True, "it is long"),
        (of(r.Column, name="x", type="double"), False, "it is long"),
        (of(r.Column, name="y", type="long"), False, "there is no column y"),
        (of(r.Column, name="y", type="long", required=False), True, "there is no column y"),
        (of(r.NoExtraColumns, allowed=["id"]), False, "also there: x"),
        (of(r.NoExtraColumns, allowed=["id", "x"]), True, "2 columns"),
        (of(r.Nulls, name="y"), False, "there is no column y"),
        (of(r.Length, name="x", min=1), False, "x is long; this asks for string"),
        (of(r.Varies, name="x"), True, "two values or more"),
        (of(r.RowCount, min=5), False, "4 rows"),
        (of(r.RowCount, min=4, max=4), True, "4 rows"),
        (of(r.RowCount, max_change_share=0.5), True, "4 rows, -50.0% against 8 before"),
        (of(r.RowCount, max_change_share=0.4), False, "4 rows, -50.0% against 8 before"),
    ],
)
def test_what_columns_and_counts_tell(rule, passed, detail):
    got = found(rule, table(x=[1, 2, 3, 4]), replace(AROUND, previous_rows=8))

    assert (got.passed, got.detail) == (passed, detail)


def test_a_missing_column_is_told_once():
    rules = [of(r.Column, name="y", type="long"), of(r.Nulls, name="y"), of(r.Range, name="y", min=0)]

    assert [got.rule for got in check(rows_of(table(x=[1])), rules, AROUND)] == ["column:y"]


def test_rules_about_live_predictions_are_not_asked_of_rows():
    assert check(rows_of(table(x=[1])), [of(r.LiveRows, min_per_hour=1)], AROUND) == []


def test_the_newest_row_is_held_to_its_age():
    at = pa.array([NOW - timedelta(hours=hours) for hours in (30, 5, 9, 7)], pa.timestamp("us", "UTC"))

    assert found(of(r.Freshness, name="x", max_age_hours=5), table(x=at)).passed
    late = found(of(r.Freshness, name="x", max_age_hours=4.9), table(x=at))
    assert (late.passed, late.measured) == (False, 5.0)
    assert not found(of(r.Freshness, name="x", max_age_hours=5), table(x=at[:0])).passed


def test_a_sample_holds_keys_alone_and_few_of_them():
    got = found(of(r.Categories, name="x", values=["known"]), table(x=[f"secret-{n}" for n in range(40)]))

    assert got.sample == ["k0", "k1", "k2", "k3", "k4"]
    assert "secret" not in str(got.as_json())


def test_rows_without_a_key_are_named_by_their_position():
    got = check(rows_of(table(x=[0, 1, 2, 3, 9])), [of(r.Range, name="x", max=2)], replace(AROUND, key=[]))

    assert got[0].sample == ["row 3", "row 4"]


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=30))
def test_batches_change_nothing(values):
    """What is counted three rows at a time is what pandas counts of all at once."""
    rows = pd.DataFrame({"x": pd.array(values, "Int64")})
    rules = [
        of(r.Nulls, name="x"), of(r.Range, name="x", min=-1, max=1), of(r.Unique, together=["x"]), of(r.Monotone, name="x"),
    ]  # fmt: skip
    present = rows["x"].dropna()

    got = check(rows_of(pa.table({"x": pa.array(values, pa.int64())})), rules, replace(AROUND, key=[]))

    assert [one.measured for one in got] == [
        pytest.approx(rows["x"].isna().mean()),
        pytest.approx(float((~present.between(-1, 1)).mean()) if len(present) else 0.0),
        int(rows["x"].duplicated().sum()),
        int((present.diff() < 0).sum()),
    ]


def test_a_file_is_read_in_batches_and_columns_that_no_rule_names_are_not(tmp_path):
    pq.write_table(table(x=list(range(10)), y=["a"] * 10), tmp_path / "rows.parquet")
    rows = rows_in(tmp_path / "rows.parquet")
    seen = []
    watched = replace(rows, batches=lambda columns: seen.append(columns) or rows.batches(columns))

    got = check(watched, [of(r.Range, name="x", max=8)], AROUND)

    assert (rows.count, rows.types) == (10, {"id": "string", "x": "long", "y": "string"})
    assert seen == [["id", "x"]]
    assert got[0].sample == ["k9"]


def test_many_columns_take_the_memory_of_a_batch(tmp_path, monkeypatch):
    """A hundred rules over a hundred columns: what is kept beside a batch does not grow with the rows."""
    monkeypatch.setattr(sources, "BATCH_ROWS", 10_000)
    columns = {f"x{n}": np.arange(200_000.0) for n in range(20)}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=10_000)
    rows = rows_in(tmp_path / "rows.parquet")
    most = []
    pool = pa.default_memory_pool()
    watched = replace(
        rows, batches=lambda columns: (most.append(pool.bytes_allocated()) or b for b in rows.batches(columns))
    )
    before = pool.bytes_allocated()

    check(watched, [of(r.Range, name=name, min=0) for name in columns], AROUND)

    assert len(most) == 20
    assert max(most) - before < 16_000_000  # of the 32 MB that the rows take


def test_what_a_version_keeps_names_failures_and_sums_up_the_rest():
    rules = [
        of(r.Nulls, name="x"), of(r.Nulls, name="id"), of(r.Varies, name="x"), of(r.Range, name="x", max=1),
        r.Range(name="y", max=1, severity="advisory", reason="For tests."),
    ]  # fmt: skip

    told = brief(check(rows_of(table(x=[1, 2], y=[2, 2])), rules, AROUND))

    assert told == [
        {"name": "x is at most 1", "passed": False, "detail": "1 of 2 values, 50%", "severity": "blocking"},
        {"name": "y is at most 1", "passed": False, "detail": "2 of 2 values, 100%", "severity": "advisory"},
        {"name": "Missing values", "passed": True, "detail": "2 rules hold", "severity": "blocking"},
        {
            "name": "x is not the same everywhere",
            "passed": True,
            "detail": "two values or more",
            "severity": "blocking",
        },
    ]


def sound(**change):
    """Return the standard rules that four flights break."""
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 1, 0], "id": list("abcd"),
            "at": pd.to_datetime(["2013-01-01", "2013-01-02", "2013-02-01", "2013-02-02"], utc=True),
        }
    ).assign(**change)  # fmt: skip
    splits = {"train": ("2013-01-01", "2013-02-01"), "held_out": ("2013-02-01", "2013-03-01")}
    facts = split_facts(rows_of(table_of(frame)), policy=by_time("at", splits), target="label", time_column="at")
    rules = standard_rules(features=["x"], target="label", time_column="at", key="id")
    rows = rows_of(pa.Table.from_pandas(frame, preserve_index=False))
    return [got.rule for got in check(rows, rules, Circumstances(NOW, ["id"], splits=facts)) if not got.passed]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"id": list("abca")}, ["unique:id"]),
        ({"id": ["a", "b", "c", None]}, ["nulls:id"]),
        ({"label": [0, 1, 2, 0]}, ["categories:label", "both_outcomes"]),
        ({"label": [0, 0, 1, 0]}, ["both_outcomes"]),
        ({"at": pd.to_datetime(["2013-01-02", "2013-01-01", "2013-02-01", "2013-02-02"], utc=True)}, ["monotone:at"]),
        ({"x": 1.0}, ["varies:x"]),
        ({"x": np.nan}, ["varies:x", "nulls:x"]),
    ],
)
def test_standard_rules_name_what_is_wrong(change, broken):
    assert sound(**change) == broken


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ([], True),
        ([of(r.Nulls, name="x", max_share=0.01)], False),
        ([of(r.Nulls, name="x", max_share=0.99)], True),
        ([r.Nulls(name="x", max_share=0.01, severity="advisory", reason="Noted.")], True),
    ],
)
def test_a_contract_tightens_the_standard_rules_and_loosens_none(own, kept):
    standard = of(r.Nulls, name="x", max_share=0.9)

    assert together([standard], own) == [*own, *([standard] if kept else [])]
