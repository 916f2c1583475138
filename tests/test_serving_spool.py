"""Segments on disk: sealed in order, bounded, left readable by every fault."""

import errno
import fcntl
import os
import time

import pytest

from serving.contract import PredictionRecord, frame, read_segment, sealed_segments
from serving.settings import Settings
from serving.spool import Spool, SpoolFullError, seal_abandoned


def record(number):
    return frame(PredictionRecord(
        f"r{number}", 0, 1.5, "m", 1, 1, "champion", 1, 10_000, 7, False, 200, 800, {"x": 1.0}, {"p": 0.5}
    ))  # fmt: skip


SIZE = len(record(1))


@pytest.fixture
def make_spool(tmp_path):
    spools = []

    def make(**settings):
        spools.append(Spool(Settings(tmp_path / "table.json", tmp_path / "spool", **settings)))
        return spools[-1]

    yield make
    for spool in spools:
        try:
            spool.close()
        except OSError:
            continue  # closed by the test


def ids(path):
    return [r.request_id for r in read_segment(path)]


def test_record_is_on_disk_when_append_returns(make_spool):
    spool = make_spool()

    spool.append(record(1))

    assert ids(spool.folder / "00000001.open") == ["r1"]


def test_segment_is_sealed_by_size(make_spool, tmp_path):
    spool = make_spool(segment_max_bytes=2 * SIZE)

    for number in range(5):
        spool.append(record(number))
    spool.tick()

    assert [ids(path) for path in sealed_segments(tmp_path / "spool")] == [["r0", "r1"], ["r2", "r3"]]
    assert ids(spool.folder / "00000003.open") == ["r4"]


def test_segment_is_sealed_by_age_and_an_idle_spool_makes_none(make_spool, tmp_path):
    spool = make_spool(segment_max_age_s=0.05)
    spool.tick()
    assert sealed_segments(tmp_path / "spool") == []

    spool.append(record(1))
    spool.tick()
    assert sealed_segments(tmp_path / "spool") == []
    time.sleep(0.06)
    spool.tick()
    spool.tick()

    assert [path.name for path in sealed_segments(tmp_path / "spool")] == ["00000001.segment"]


def test_closing_seals(make_spool, tmp_path):
    spool = make_spool()
    spool.append(record(1))

    spool.close()

    assert [ids(path) for path in sealed_segments(tmp_path / "spool")] == [["r1"]]


def test_segments_of_the_dead_are_sealed_and_those_of_the_living_left(make_spool, tmp_path):
    living, dead = make_spool(), make_spool()
    living.append(record(1))
    dead.append(record(2))
    fcntl.flock(dead._lock_file, fcntl.LOCK_UN)  # as the kernel does for a killed process

    assert seal_abandoned(tmp_path / "spool") == 1

    assert [ids(path) for path in sealed_segments(tmp_path / "spool")] == [["r2"]]
    assert (living.folder / "00000001.open").exists()


def test_folder_of_the_dead_is_removed_once_all_is_shipped(make_spool, tmp_path):
    dead = make_spool()
    dead.append(record(1))
    dead.close()
    seal_abandoned(tmp_path / "spool")
    assert dead.folder.exists()

    (dead.folder / "00000001.segment").unlink()
    seal_abandoned(tmp_path / "spool")

    assert not dead.folder.exists()


def test_folder_of_another_host_is_left_alone(tmp_path):
    path = tmp_path / "spool/elsewhere-1-abcd/00000001.open"
    path.parent.mkdir(parents=True)
    path.write_bytes(record(1))

    assert seal_abandoned(tmp_path / "spool") == 0

    assert path.exists()


def test_full_spool_refuses_until_something_was_shipped(make_spool, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.spool.RETRY_AFTER_S", 0.0)
    spool = make_spool(spool_max_bytes=3 * SIZE, segment_max_bytes=SIZE)
    for number in range(3):
        spool.append(record(number))

    with pytest.raises(SpoolFullError, match="cannot be recorded: the spool is full"):
        spool.append(record(3))
    spool.tick()
    sealed_segments(tmp_path / "spool")[0].unlink()
    spool.tick()
    spool.append(record(4))
    spool.close()

    assert [ids(path) for path in sealed_segments(tmp_path / "spool")] == [["r1"], ["r2"], ["r4"]]


def test_bytes_of_earlier_lives_count(make_spool):
    make_spool().append(record(1))

    with pytest.raises(SpoolFullError):
        make_spool(spool_max_bytes=SIZE).append(record(2))


def test_dropping_counts_what_is_lost(make_spool):
    spool = make_spool(spool_max_bytes=SIZE, when_full="drop")

    spool.append(record(1))
    spool.append(record(2) + record(3), records=2)

    assert (spool.dropped, spool.used) == (2, SIZE)


def test_half_written_record_is_taken_back(make_spool, monkeypatch):  # F5
    spool = make_spool()
    spool.append(record(1))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))

    with pytest.raises(SpoolFullError, match="no room for the whole record"):
        spool.append(record(2))
    monkeypatch.undo()
    spool.append(record(3))

    assert ids(spool.folder / "00000001.open") == ["r1", "r3"]


def test_disk_that_refuses_is_told_to_the_caller(make_spool, monkeypatch):
    spool = make_spool()

    def refuse(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)

    with pytest.raises(SpoolFullError, match="No space left on device"):
        spool.append(record(1))


@pytest.mark.parametrize(("policy", "synced"), [("record", 2), ("interval", 0), ("never", 0)])
def test_only_the_strictest_policy_waits_for_the_disk(make_spool, monkeypatch, policy, synced):
    calls = []
    monkeypatch.setattr(os, "fsync", calls.append)
    spool = make_spool(fsync=policy)

    spool.append(record(1))
    spool.append(record(2))

    assert len(calls) == synced


def test_interval_makes_records_durable_about_once_a_second(make_spool, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", calls.append)
    monkeypatch.setattr("serving.spool.FSYNC_EVERY_S", 0.0)
    spool = make_spool(fsync="interval")
    spool.append(record(1))

    spool.tick()

    assert len(calls) == 1
