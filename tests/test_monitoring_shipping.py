"""Every record reaches the lake and the windows exactly once, wherever a shipper is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from monitoring import shipping
from monitoring.counting import rollup
from monitoring.models import ShippedSegment, TelemetryHour, TelemetryWindow
from monitoring.predictions import lake
from monitoring.shipping import Shipped, ship
from monitoring.telemetry import LATENCY_BINS, Counts, merge
from tests.factories import NOON, make_model, make_record, make_segment, make_version

ROOT = Path(__file__).parent.parent


@pytest.fixture
def version(db):
    return make_version(make_model(name="flight-delay"))


def held():
    """Return what the lake holds, as (request id, row)."""
    table = lake.open_table()
    if table is None:
        return []
    rows = table.to_pyarrow_table(columns=["request_id", "row"]).to_pylist()
    return sorted((r["request_id"], r["row"]) for r in rows)


def ids(*records):
    return sorted((r.request_id, r.row) for r in records)


def total(model=TelemetryWindow):
    counts = Counts()
    for row in model.objects.all():
        counts = merge(counts, row.counts())
    return counts


def test_records_reach_lake_and_windows_and_the_file_goes(version):
    a, b, c = make_record(version), make_record(version, after=10), make_record(version, status=500, outputs={})
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, [a, b])
    make_segment(settings.SPOOL_ROOT, "spool-b", 1, [c])

    shipped = ship()

    assert shipped == Shipped(segments=2, records=3)
    assert held() == ids(a, b, c)
    assert not list(Path(settings.SPOOL_ROOT).glob("*/*.segment"))
    windows = TelemetryWindow.objects.order_by("started_at")
    noon = datetime.fromtimestamp(NOON, UTC)
    assert [(w.started_at, w.requests, w.errors) for w in windows] == [
        (noon, 2, 1),
        (noon + timedelta(seconds=10), 1, 0),
    ]
    hour = TelemetryHour.objects.get()
    assert hour.started_at == noon
    assert hour.counts() == total()


def test_the_lake_keeps_every_field(version):
    record = make_record(
        version, key_hash=2**64 - 1, inputs={"distance": float("nan"), "carrier": "AA"}, outputs={"probability": 0.125},
        caller_id=12,
    )  # fmt: skip
    make_segment(settings.SPOOL_ROOT, "spool-a", 7, [record])

    ship()

    [row] = lake.open_table().to_pyarrow_table().to_pylist()
    assert row == {
        "model": "flight-delay", "day": date(2026, 11, 25), "request_id": record.request_id, "row": 0,
        "at": datetime(2026, 11, 25, 12, tzinfo=UTC), "model_id": version.model_id, "version": 1, "arm": "champion",
        "table_version": 1, "weight_bp": 10_000, "key_hash": -1, "pinned": False, "status": 200, "latency_us": 800,
        "score": 0.125, "inputs": '{"distance":null,"carrier":"AA"}', "outputs": '{"probability":0.125}', "error": "",
        "spool_id": "spool-a", "segment": 7, "caller_id": 12,
    }  # fmt: skip


def test_later_segments_add_to_the_same_window(version):
    for number in range(3):
        make_segment(settings.SPOOL_ROOT, "spool-a", number, [make_record(version, latency_us=700)] * 5)
        ship()

    window = TelemetryWindow.objects.get()
    assert window.requests == 15
    assert window.latency == [0, 0, 0, 0, 15] + [0] * (LATENCY_BINS - 5)
    assert len(held()) == 15


def test_segments_that_come_back_change_nothing(version, tmp_path):
    """A shipper killed after both commits leaves the file behind."""
    path = make_segment(settings.SPOOL_ROOT, "spool-a", 1, [make_record(version)])
    kept = shutil.copy(path, tmp_path / "kept")
    ship()
    before, lake_before = total(), held()

    shutil.copy(kept, path)
    ship()

    assert (total(), held()) == (before, lake_before)
    assert not path.exists()


@pytest.mark.django_db(transaction=True)
def test_shipper_killed_between_lake_and_database():
    version = make_version(make_model(name="flight-delay"))
    records = [make_record(version, after=n) for n in range(20)]
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, records[:10])
    make_segment(settings.SPOOL_ROOT, "spool-b", 4, records[10:])
    blocker = psycopg2.connect(os.environ["DATABASE_URL"])  # holds the shipper at its first write to PostgreSQL
    blocker.cursor().execute("LOCK TABLE monitoring_shippedsegment IN EXCLUSIVE MODE")
    places = {name: str(getattr(settings, name)) for name in ("LAKE_ROOT", "SPOOL_ROOT")}
    code = "import django; django.setup(); from monitoring.shipping import ship; ship()"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | places | {"DJANGO_SETTINGS_MODULE": "controlplane.settings"},
    )
    deadline = time.monotonic() + 30
    while lake.open_table() is None:
        assert child.poll() is None, "the shipper ended early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    blocker.rollback()
    blocker.close()
    assert held() == ids(*records)
    assert not TelemetryWindow.objects.exists()

    _until_lock_is_free()
    ship()
    ship()

    assert held() == ids(*records)
    assert total().requests == 20
    assert ShippedSegment.objects.count() == 2
    assert not list(Path(settings.SPOOL_ROOT).glob("*/*.segment"))


def _until_lock_is_free():
    """PostgreSQL notices a killed client when it next speaks to it."""
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.05)
    raise AssertionError("the killed shipper's lock is still held")


@pytest.mark.django_db(transaction=True)
def test_only_one_shipper_at_a_time(version):
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, [make_record(version)])
    other = psycopg2.connect(os.environ["DATABASE_URL"])
    other.cursor().execute("SELECT pg_advisory_lock(%s)", [shipping.ADVISORY_LOCK])

    assert ship() == Shipped()
    assert held() == []

    other.close()
    _until_lock_is_free()
    assert ship() == Shipped(segments=1, records=1)


def test_predictions_of_an_unknown_version_go_to_the_lake_alone(version):
    known, unknown = make_record(version), make_record(version, number=99)
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, [known, unknown])

    ship()

    assert held() == ids(known, unknown)
    assert total().requests == 1


def test_an_unreadable_segment_is_put_aside_and_holds_up_no_other(version):
    path = make_segment(settings.SPOOL_ROOT, "spool-a", 1, [])
    path.write_bytes(b"\x04\x00\x00\x00\xc1\xc1\xc1\xc1")
    good = make_record(version)
    make_segment(settings.SPOOL_ROOT, "spool-a", 2, [good])

    ship()

    assert held() == ids(good)
    assert path.with_suffix(".unreadable").exists()


def test_an_empty_segment_is_shipped_once(version):
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, [])

    assert ship() == Shipped(segments=1, records=0)
    assert lake.open_table().transaction_version("spool-a") == 1


def test_batches_keep_the_order_of_each_spool(version, monkeypatch):
    monkeypatch.setattr(shipping, "BATCH_BYTES", 1)
    for number in (10, 9, 100):
        make_segment(settings.SPOOL_ROOT, "spool-a", number, [make_record(version)])

    assert ship().segments == 3
    assert len(held()) == 3
    assert total().requests == 3


def test_purge_keeps_48_hours_and_the_last_segment_of_each_spool(version):
    now = timezone.now()
    for n, spool in enumerate(["a", "a", "b"]):
        after = now.timestamp() - NOON - (49 * 3600 if n == 0 else 0)
        make_segment(settings.SPOOL_ROOT, spool, n, [make_record(version, after=after)])
    ship()
    ShippedSegment.objects.update(shipped_at=now - timedelta(hours=49))

    rollup.purge(now=now)

    assert total().requests == 2
    assert total(TelemetryHour).requests == 3
    assert list(ShippedSegment.objects.order_by("spool_id").values_list("spool_id", "number")) == [("a", 1), ("b", 2)]


def test_latest_inputs_are_those_of_real_decisions(version):
    good = [make_record(version, after=n, inputs={"distance": n}) for n in range(6)]
    noise = [
        make_record(version, after=9, pinned=True),
        make_record(version, after=9, arm="shadow"),
        make_record(version, after=9, status=500, outputs={}),
        make_record(version, after=9, number=99),
    ]
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, good[:3])
    ship()
    make_segment(settings.SPOOL_ROOT, "spool-a", 2, good[3:] + noise)
    ship()
    of = {"model_id": version.model_id, "model": "flight-delay", "number": 1}

    since = datetime.fromtimestamp(NOON + 1, UTC)
    assert lake.latest_answers(**of, since=since, limit=100).inputs == [{"distance": n} for n in (5, 4, 3, 2, 1)]
    assert lake.latest_answers(**of, since=since, limit=2).inputs == [{"distance": 5}, {"distance": 4}]
    assert lake.latest_answers(**of, since=since + timedelta(hours=1), limit=2).inputs == []
