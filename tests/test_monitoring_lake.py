"""The lake is taken care of without losing a record or the memory of what was shipped, and other engines read it."""

from datetime import UTC, datetime, timedelta
from itertools import count

import duckdb
import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable
from django.conf import settings
from django.utils import timezone

from jobs.states import State
from monitoring.models import DEFAULT_KEEP_DAYS
from monitoring.predictions import lake
from monitoring.services import log_policy_change
from monitoring.services.tidying import lake_jobs_start
from monitoring.shipping import ship
from registry.errors import InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.factories import NOON, make_actor, make_model, make_record, make_segment, make_version, run_jobs

_segments = count(1)


@pytest.fixture
def version(db):
    return make_version(make_model(name="flight-delay"))


def shipped(*records, spool="spool-a"):
    path = make_segment(settings.SPOOL_ROOT, spool, next(_segments), records)
    kept = path.read_bytes()
    ship()
    return path, kept


def days_ago(version, days, **fields):
    return make_record(version, after=timezone.now().timestamp() - NOON - days * 86_400, **fields)


def held():
    return sorted(lake.open_table().to_pyarrow_table(columns=["request_id"])["request_id"].to_pylist())


def tidied(kind):
    """Take one turn of the schedule, and run the jobs that it queues."""
    jobs = lake_jobs_start(kind=kind, now=timezone.now())
    done = run_jobs("monitoring")
    assert [job.state for job in done] == [State.SUCCEEDED] * len(jobs)
    return done


def sweep_at_once(monkeypatch):
    """Delete replaced files without the day that readers have."""
    vacuum = DeltaTable.vacuum
    monkeypatch.setattr(
        DeltaTable, "vacuum", lambda table, **options: vacuum(table, 0, enforce_retention_duration=False, **options)
    )


def test_small_files_are_joined_and_what_was_shipped_is_remembered(version, monkeypatch):
    sweep_at_once(monkeypatch)
    records = [days_ago(version, 3) for _ in range(4)]
    segments = [shipped(record) for record in records]
    on_disk = len(list(lake.table_path().rglob("*.parquet")))

    [job] = tidied("lake_compact")

    assert (on_disk, job.result) == (4, {"partitions": 1, "files_before": 4, "deleted": 4})
    assert len(list(lake.table_path().rglob("*.parquet"))) == 1
    for path, kept in segments:  # what a shipper that was killed leaves behind
        path.write_bytes(kept)
    ship()
    assert held() == sorted(record.request_id for record in records)
    assert tidied("lake_compact") == []


def test_the_memory_of_what_was_shipped_outlives_the_log_of_commits(version):
    record = days_ago(version, 3)
    path, kept = shipped(record)
    table = lake.open_table()
    table.create_checkpoint()
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    lake.open_table().create_checkpoint()
    lake.open_table().cleanup_metadata()
    assert not (lake.table_path() / "_delta_log" / f"{0:020}.json").exists()
    path.write_bytes(kept)

    ship()

    assert held() == [record.request_id]


def test_days_past_the_models_own_time_are_forgotten(version):
    other = make_version(make_model(version.model.team, name="no-show"))
    log_policy_change(actor=make_actor(version.model.team), model=version.model, keep_days=30)
    kept = [days_ago(version, 29), days_ago(other, 40), days_ago(other, DEFAULT_KEEP_DAYS - 1)]
    past = [days_ago(version, 31), days_ago(version, 40), days_ago(other, DEFAULT_KEEP_DAYS + 1)]
    path, again = shipped(*kept, *past)

    [job] = tidied("lake_retain")

    assert (job.result["partitions"], job.result["rows"]) == (3, 3)
    assert held() == sorted(record.request_id for record in kept)
    path.write_bytes(again)
    ship()
    assert held() == sorted(record.request_id for record in kept)
    assert tidied("lake_retain") == []


def test_a_day_that_two_models_shared_a_name_on_is_kept_as_long_as_either_wants(version):
    log_policy_change(actor=make_actor(version.model.team), model=version.model, keep_days=30)
    other = make_version(make_model(version.model.team, name="no-show"))
    shipped(days_ago(version, 40), days_ago(other, 40, model="flight-delay"))

    assert tidied("lake_retain") == []
    assert len(held()) == 2


def test_teams_have_jobs_of_their_own_and_one_at_a_time(version):
    foreign = make_version(make_model(name="foreign"))
    for _ in range(2):
        shipped(days_ago(version, 3), days_ago(foreign, 3))
    now = timezone.now()

    jobs = lake_jobs_start(kind="lake_compact", now=now)

    assert [job.scope for job in jobs] == sorted([version.model.team.slug, foreign.model.team.slug])
    assert lake_jobs_start(kind="lake_compact", now=now + timedelta(hours=1)) == []  # those wait still


def test_today_is_left_alone_until_many_files_are_there(version):
    for _ in range(3):
        shipped(days_ago(version, 0))

    assert tidied("lake_compact") == []


def test_a_table_of_an_earlier_release_gains_the_columns_it_lacks(version):
    record = make_record(version)
    rows = lake._rows([lake.Segment("spool-old", 1, None, [record])]).drop(["caller_id"])
    lake.write(lake.PREDICTIONS, rows, CommitProperties())

    shipped(make_record(version, caller_id=5))

    found = lake.open_table().to_pyarrow_table(columns=["caller_id"])["caller_id"].to_pylist()
    assert sorted(found, key=str) == [5, None]


def test_polars_duckdb_and_deltalake_read_the_same(version):
    shipped(*(make_record(version, after=n, inputs={"distance": float(n)}) for n in range(5)))
    path = str(lake.table_path())
    since = datetime.fromtimestamp(NOON + 2, UTC)

    by_polars = (
        pl.scan_delta(path).filter((pl.col("model") == "flight-delay") & (pl.col("at") >= since))
        .select(pl.col("inputs").str.json_path_match("$.distance").cast(pl.Float64).sum()).collect().item()
    )  # fmt: skip
    predictions = DeltaTable(path).to_pyarrow_dataset()
    found = duckdb.from_arrow(predictions).filter(
        "model = 'flight-delay' AND \"at\" >= TIMESTAMPTZ '2026-11-25 12:00:02+00'"
    )
    by_duckdb = found.aggregate("sum((inputs->>'distance')::double)").fetchall()[0][0]

    assert by_polars == by_duckdb == 2.0 + 3.0 + 4.0
    assert (
        DeltaTable(path).protocol().min_reader_version == 1
    )  # so every reader of Delta, Spark's among them, knows how


def test_who_may_change_how_long_predictions_are_kept(version):
    team = version.model.team
    with pytest.raises(RoleError):
        log_policy_change(actor=make_actor(team, Role.PRODUCT), model=version.model, keep_days=30)
    with pytest.raises(InvalidError, match="keep_days must be 7 to 3660"):
        log_policy_change(actor=make_actor(team, Role.ADMIN), model=version.model, keep_days=6)

    log_policy_change(actor=make_actor(team, Role.ADMIN), model=version.model, keep_days=30)
    log_policy_change(actor=make_actor(team, Role.ADMIN), model=version.model, keep_days=30)

    event = AuditEvent.objects.get(action="log_policy.change")
    assert event.payload["before"] == {"keep_days": DEFAULT_KEEP_DAYS, "columns": {}}
    assert event.payload["after"] == {"keep_days": 30, "columns": {}}
