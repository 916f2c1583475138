"""Freezing rows: written by their digest, held to the contract in force, never changed afterwards."""

from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from django.db import DatabaseError, connection, transaction

from experiments.models import ContractCheck, DataContract, DatasetVersion
from experiments.rows.frames import load_frame
from experiments.services import ContractBrokenError, dataset_create, dataset_version_freeze
from registry.errors import InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.factories import make_actor, make_team


@contextmanager
def refused(words):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        yield


pytestmark = pytest.mark.django_db

COLUMNS = [
    {"name": "distance", "type": "double", "role": "feature", "meaning": "miles"},
    {"name": "carrier", "type": "string", "role": "feature", "meaning": "two letters"},
    {"name": "late", "type": "long", "role": "target", "meaning": "1 where late"},
    {"name": "at", "type": "datetime", "role": "time", "meaning": "UTC"},
    {"name": "request_id", "type": "string", "role": "key", "meaning": "of the prediction"},
]
ASKED = {
    "window": ["2026-01-01", "2026-01-09"],
    "predicate": "arm <> 'shadow'",
    "tables": {"predictions": 41, "labels": 7},
}


def rows(count=8, **change):
    return pd.DataFrame(
        {
            "late": np.arange(count) % 2, "at": pd.date_range("2026-01-01", periods=count, freq="D", tz="UTC"),
            "request_id": [f"r{n}" for n in range(count)], "distance": np.linspace(100, 900, count),
            "carrier": ["AA", "UA"] * (count // 2), "score": 0.5,
        }
    ).assign(**change)  # fmt: skip


@pytest.fixture
def engineer():
    return make_actor(make_team())


@pytest.fixture
def dataset(engineer):
    return dataset_create(actor=engineer, team=engineer.teams().get(), name="flights-live")


def freeze(actor, dataset, frame, **change):
    asked = {
        "columns": COLUMNS, "time_column": "at", "target": "late", "key": "request_id", "source": "The lake.", "query": ASKED,
        "splits": {"train": ("2026-01-01", "2026-01-05"), "held_out": (datetime(2026, 1, 5, tzinfo=UTC), "2026-01-09T00:00:00+00:00")},
    }  # fmt: skip
    return dataset_version_freeze(actor=actor, dataset=dataset, frame=frame, **asked | change)


def held_to(dataset, actor, **rule):
    document = {"rules": [{"reason": "For tests.", **rule}]}
    return DataContract.objects.create(
        dataset=dataset, number=1, document=document, reason="First.", made_by=actor.user
    )


def test_frozen_rows_are_a_version_that_says_what_was_asked_for(engineer, dataset, settings):
    version = freeze(engineer, dataset, rows())

    assert (version.number, version.frozen, version.query, version.rows) == (1, True, ASKED, 8)
    assert version.columns == COLUMNS  # in the declared order; what is not declared is left out
    assert {name: (facts["rows"], facts["positives"]) for name, facts in version.splits.items()} == {
        "train": (4, 2), "held_out": (4, 2),
    }  # fmt: skip
    assert version.failed_checks == []
    assert load_frame(version.parquet, version.digest)["distance"].tolist() == np.linspace(100, 900, 8).tolist()
    report = version.contract_checks.get()
    assert (report.occasion, report.broken, report.contract, report.created_by) == ("freeze", 0, None, engineer.user)
    assert {"dataset.freeze", "dataset.version", "contract.check"} <= set(
        AuditEvent.objects.values_list("action", flat=True)
    )


def test_polars_and_pandas_freeze_to_the_same_digest(engineer, dataset):
    first = freeze(engineer, dataset, rows())
    again = freeze(engineer, dataset, pl.from_pandas(rows()), query={"window": "another"})

    assert again == first
    assert again.query == ASKED  # what it was frozen by first
    assert DatasetVersion.objects.count() == 1


def test_rows_take_the_declared_types_and_numbers_that_are_none_are_missing(engineer, dataset):
    whole = rows(distance=[100, 200, 300, 400, 500, 600, 700, 800], late=[0.0, 1.0] * 4)
    gaps = rows(distance=[np.nan, *range(1, 8)], at=rows()["at"].dt.tz_localize(None))

    first, second = freeze(engineer, dataset, whole), freeze(engineer, dataset, gaps)

    assert load_frame(first.parquet, first.digest).dtypes.astype(str).to_dict() == {
        "distance": "float64", "carrier": "str", "late": "int64", "at": "datetime64[us, UTC]", "request_id": "str",
    }  # fmt: skip
    assert second.profile["distance"]["nulls"] == 1
    assert second.starts_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert second.parent == first


@pytest.mark.parametrize(
    ("frame", "change", "words", "field"),
    [
        (rows(), {"query": {}}, "what the rows were asked for", "query"),
        (rows(0), {}, "no rows", "frame"),
        (rows().drop(columns="carrier"), {}, "no column carrier; they have late, at", "columns"),
        (rows(late=[0.5] * 8), {}, "late is double, not long", "columns"),
        (rows(distance=["far"] * 8), {}, "not double", "columns"),
        (rows(), {"target": "carrier"}, "with the role target", "columns"),
        (rows(), {"columns": [*COLUMNS, COLUMNS[0]]}, "distance is declared twice", "columns"),
        (rows(), {"columns": [{"name": "x", "type": "double"}]}, "has no role", "columns"),
        (rows(at=pd.Series([pd.NaT] * 8, dtype="datetime64[us, UTC]")), {}, "No row says when", "time_column"),
    ],
)
def test_rows_that_are_not_as_declared_are_refused_by_field(engineer, dataset, frame, change, words, field):
    with pytest.raises(InvalidError, match=words) as refused:
        freeze(engineer, dataset, frame, **change)

    assert refused.value.field == field
    assert not DatasetVersion.objects.exists()


def test_rows_that_break_a_blocking_rule_become_no_version_and_the_report_is_kept(engineer, dataset):
    contract = held_to(dataset, engineer, kind="range", column="distance", max=850)

    with pytest.raises(ContractBrokenError, match="distance is at most 850: 1 of 8 values") as refused:
        freeze(engineer, dataset, rows())

    report = ContractCheck.objects.get()
    assert refused.value.check == report
    assert refused.value.unmet == [
        {"rule": "distance is at most 850 (1 of 8 values, 12.5%)", "who": "who makes the rows, or an engineer by a new contract"}
    ]  # fmt: skip
    assert (report.version, report.contract, report.broken) == (None, contract, 1)
    assert report.failures[0]["sample"] == ["r7"]
    assert not DatasetVersion.objects.exists()


def test_rows_that_break_an_advisory_rule_become_a_version_that_says_so(engineer, dataset):
    held_to(dataset, engineer, kind="range", column="distance", max=850, severity="advisory")

    version = freeze(engineer, dataset, rows())

    assert (version.failed_checks, version.noted_checks) == ([], ["distance is at most 850"])


def test_standard_rules_hold_without_a_contract(engineer, dataset):
    with pytest.raises(ContractBrokenError, match="no two rows have the same request_id"):
        freeze(engineer, dataset, rows(request_id=["same"] * 8))


def test_others_freeze_nothing(engineer, dataset):
    with pytest.raises(RoleError):
        freeze(make_actor(dataset.team, Role.APPROVER), dataset, rows())

    assert not DatasetVersion.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE experiments_datasetversion SET query = '{}'",
        "UPDATE experiments_datasetversion SET frozen = false",
        "UPDATE experiments_datasetversion SET digest = 'sha256:other'",
        "DELETE FROM experiments_datasetversion",
        "TRUNCATE experiments_datasetversion CASCADE",
    ],
)
def test_sql_changes_and_deletes_no_frozen_version(engineer, dataset, statement):
    version = freeze(engineer, dataset, rows())

    with refused(r"never changed or deleted|permission denied|must be owner"), connection.cursor() as cursor:
        cursor.execute(statement)

    assert DatasetVersion.objects.get() == version


def test_a_version_that_is_not_frozen_becomes_frozen_once(engineer, dataset):
    version = freeze(engineer, dataset, rows())
    fields = {f.attname: getattr(version, f.attname) for f in DatasetVersion._meta.concrete_fields if f.name != "id"}
    other = dataset_create(actor=engineer, team=dataset.team, name="built")
    built = DatasetVersion.objects.create(**fields | {"dataset_id": other.pk, "frozen": False, "query": {}})

    again = freeze(engineer, other, rows())

    assert again == built
    assert (again.frozen, again.query) == (True, ASKED)
