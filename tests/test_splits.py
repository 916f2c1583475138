"""Splits by time, entity and chance; what they promise; and what leaks from one side to the other."""

import hashlib
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.contracts.sources import rows_of
from experiments.rows.leakage import leaks
from experiments.rows.roles import BINARY, CATEGORY, GRADE, NUMBER, check_columns, target_kind
from experiments.rows.splitting import SHARES, SPLIT_COLUMN, SplitPolicy, assigned, by_time, cuts_by_share, split_facts
from registry.errors import InvalidError

BY_ENTITY = SplitPolicy("entity", "customer", shares=SHARES, seed=7)


def column(name, kind, role):
    return {"name": name, "type": kind, "role": role, "meaning": ""}


COLUMNS = [
    column("x", "double", "feature"), column("noise", "double", "feature"), column("customer", "string", "entity"),
    column("label", "long", "target"), column("at", "datetime", "time"), column("id", "string", "key"),
]  # fmt: skip


def frame(count=400, **change):
    """Rows of one hour each and of 40 customers, with features that say nothing of the label."""
    draw = np.random.default_rng(3)
    data = {
        "x": draw.normal(size=count), "noise": draw.normal(size=count), "customer": [f"c{n % 40}" for n in range(count)],
        "label": draw.integers(0, 2, count), "id": [f"r{n}" for n in range(count)],
    }  # fmt: skip
    at = pl.datetime_range(
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "1h", time_unit="us", eager=True
    )
    return pl.DataFrame(data).with_columns(at.head(count).alias("at")).with_columns(**change)


def found(rows, policy, kind=BINARY, columns=COLUMNS):
    """What is found of each way to leak: {rule: (passed, severity)}."""
    table = rows_of(rows.to_arrow())
    facts = split_facts(table, policy=policy, target="label", kind=kind, time_column="at")
    results = leaks(table, columns=columns, splits=facts, target_kind=kind, policy=policy.kind, time_column="at")
    return {one.rule: one for one in results}


def by_customer(rows):
    return rows.with_columns(assigned(rows["customer"], BY_ENTITY))


@given(st.lists(st.text(max_size=8), min_size=1, max_size=30), st.integers(0, 2**31))
def test_a_row_keeps_its_split_whatever_else_is_there(values, seed):
    policy = SplitPolicy("random", "id", shares=SHARES, seed=seed)

    together = assigned(pl.Series(values), policy).to_list()

    assert together == [assigned(pl.Series([value]), policy)[0] for value in values]


def test_the_hash_is_the_one_that_the_documentation_describes():
    place = int.from_bytes(hashlib.blake2b(b"7:c1", digest_size=8).digest(), "big") / 2**64
    expected = "train" if place < 0.7 else "validation" if place < 0.85 else "held_out"

    assert assigned(pl.Series(["c1"]), BY_ENTITY).to_list() == [expected]


def test_shares_are_about_kept_and_another_seed_splits_otherwise():
    many = pl.Series([str(n) for n in range(20_000)])

    one, other = (assigned(many, SplitPolicy("random", "id", shares=SHARES, seed=seed)) for seed in (1, 2))

    assert (one == "train").mean() == pytest.approx(0.7, abs=0.015)
    assert 0.4 < (one == other).mean() < 0.65  # .7² + .15² + .15² = .535


def test_time_is_cut_by_shares_where_no_instants_are_named():
    rows = frame()
    cuts = cuts_by_share(rows["at"], SHARES)

    facts = split_facts(rows_of(rows.to_arrow()), policy=by_time("at", cuts), target="label", time_column="at")

    assert {name: one["rows"] for name, one in facts.items()} == {"train": 279, "validation": 60, "held_out": 61}
    assert facts["train"]["until"] == facts["validation"]["from"]
    with pytest.raises(InvalidError, match="too few"):
        cuts_by_share(pl.Series([datetime(2026, 1, 1, tzinfo=UTC)] * 5), SHARES)


@pytest.mark.parametrize(
    ("kind", "target", "told"),
    [
        (GRADE, [0, 4, 4, 2], {"counts": {"0": 1, "2": 1, "4": 2}}),
        (NUMBER, [0.5, 1.5, -1.0, 3.0], {"min": -1.0, "max": 3.0, "mean": 1.0}),
        (CATEGORY, ["b", "a", "b", "c"], {"counts": {"b": 2, "a": 1, "c": 1}, "words": 3}),
        (BINARY, [0, 1, 1, 1], {"positives": 3}),
    ],
)
def test_a_split_tells_of_its_target_what_fits_it(kind, target, told):
    rows = pl.DataFrame({"label": target, "part": ["train"] * 4})

    facts = split_facts(rows_of(rows.to_arrow()), policy=SplitPolicy("given", "part"), target="label", kind=kind)

    assert facts == {"train": {"column": "part", "rows": 4, **told}}


@pytest.mark.parametrize("name", ["count", "value", "rows"])
def test_a_target_may_have_any_name(name):
    rows = pl.DataFrame({name: ["b", "a", "b", "c"], "part": ["train"] * 4})

    facts = split_facts(rows_of(rows.to_arrow()), policy=SplitPolicy("given", "part"), target=name, kind=CATEGORY)

    assert facts["train"]["counts"] == {"b": 2, "a": 1, "c": 1}


@pytest.mark.parametrize(
    ("kind", "facts", "expected"),
    [
        ("long", {"min": 0, "max": 1}, BINARY), ("long", {"min": 0, "max": 4}, GRADE), ("long", {"min": -1, "max": 1}, NUMBER),
        ("long", {"min": 0, "max": 11}, NUMBER), ("double", {}, NUMBER), ("boolean", {}, BINARY), ("string", {}, CATEGORY),
    ],
)  # fmt: skip
def test_a_target_is_what_it_looks_like(kind, facts, expected):
    assert target_kind(kind, facts) == expected


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([*COLUMNS, column("x", "double", "feature")], "declared twice"),
        ([*COLUMNS, column("other", "long", "target")], "label and other are both the target"),
        ([c for c in COLUMNS if c["role"] != "key"], "No column is the key"),
        ([*COLUMNS, column("y", "double", "cause")], "role must be one of"),
        ([c if c["role"] != "time" else {**c, "type": "string"} for c in COLUMNS], "at must be a datetime"),
    ],
)
def test_columns_that_make_no_data_set_are_refused(columns, words):
    with pytest.raises(InvalidError, match=words):
        check_columns(columns)


def test_what_an_entity_split_promises_it_keeps():
    told = found(by_customer(frame()), BY_ENTITY)

    assert {rule: (one.passed, one.severity) for rule, one in told.items()} == {
        "shared_entity:customer": (True, "blocking"),
        "later_in_training:at": (False, "advisory"),  # customers come all the time
        "repeated_across": (True, "advisory"),
        "tells_target": (True, "blocking"),
    }


def test_an_entity_on_both_sides_is_named():
    rows = by_customer(frame())
    held = rows.filter(pl.col(SPLIT_COLUMN) == "held_out")["customer"].unique().sort()
    torn = rows.with_columns(
        pl.when(pl.col("id") == rows.filter(pl.col("customer") == held[0])["id"][0])
        .then(pl.lit("train")).otherwise(pl.col(SPLIT_COLUMN)).alias(SPLIT_COLUMN)
    )  # fmt: skip

    one = found(torn, BY_ENTITY)["shared_entity:customer"]

    assert (one.passed, one.severity, one.sample) == (False, "blocking", [held[0]])
    assert one.measured == pytest.approx(1 / len(held))


def test_a_later_time_in_training_breaks_a_split_by_time():
    rows = frame()
    overlapping = by_time("at", {"train": ("2026-01-01", "2026-01-12"), "held_out": ("2026-01-11", "2026-02-01")})

    one = found(rows, overlapping)["later_in_training:at"]

    assert (one.passed, one.severity) == (False, "blocking")
    assert one.detail.startswith("24 of 264 training rows are of 2026-01-11 00:00 UTC or later")


def test_rows_on_both_sides_are_counted():
    rows = by_customer(frame())
    again = (
        rows.filter(pl.col(SPLIT_COLUMN) == "train")
        .head(5)
        .with_columns(pl.lit("held_out").alias(SPLIT_COLUMN), id="again" + pl.col("id"))
    )

    one = found(pl.concat([rows, again]), BY_ENTITY)["repeated_across"]

    assert (one.passed, one.severity) == (False, "advisory")
    assert one.detail.startswith("5 of ")


@pytest.mark.parametrize(
    ("feature", "kind", "rule", "severity"),
    [
        (pl.col("label") * 3.0 + 1, BINARY, "tells_target:x", "blocking"),
        (-pl.col("label").cast(pl.Float64), BINARY, "tells_target:x", "blocking"),
        (pl.when(pl.int_range(400) < 3).then(1 - pl.col("label")).otherwise(pl.col("label")).cast(pl.Float64), BINARY, "tells_target:x", "advisory"),
        (pl.when(pl.col("label") == 1).then(pl.lit("yes")).otherwise(pl.lit("no")), BINARY, "tells_target:x", "blocking"),
    ],
)  # fmt: skip
def test_a_feature_that_is_the_target_is_named(feature, kind, rule, severity):
    one = found(by_customer(frame(x=feature)), BY_ENTITY, kind)[rule]

    assert (one.passed, one.severity) == (False, severity)


def test_a_feature_that_follows_a_number_is_named():
    rows = by_customer(frame().with_columns(pl.col("x").exp().alias("label")))

    one = found(rows, BY_ENTITY, NUMBER)["tells_target:x"]

    assert (one.passed, one.severity) == (False, "blocking")  # by rank, though not by line
