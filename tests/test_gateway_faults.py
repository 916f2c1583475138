"""A small run of the gateway's faults that `make faults` measures: a caller in a process of its own asks 500 times a second."""

from benchmarks.gateway_faults import fill_the_disk, kill_workers, switch_versions

RATE = 500


def tell(name, outcome):
    print(  # noqa: T201  figures for the reader of the log
        f"{name}: asked {outcome.asked}, dropped {outcome.dropped}, mixed {outcome.mixed}, lost {outcome.lost}, "
        f"doubled {outcome.doubled}, recovery {outcome.recovery_s:.2f} s, {outcome.errors or 'no errors'}"
    )


def test_switch_under_constant_load_drops_nothing_and_mixes_nothing(tmp_path):  # F10
    outcome = switch_versions(tmp_path, rate=RATE, seconds=4, switches=6)

    tell("switch", outcome)
    assert outcome.asked == 4 * RATE
    assert (outcome.dropped, outcome.errors) == (0, {})
    assert (outcome.mixed, outcome.lost, outcome.doubled) == (0, 0, 0)
    assert set(outcome.versions) == {"1", "2"}


def test_killed_worker_loses_no_acknowledged_record_and_is_replaced(tmp_path):
    outcome = kill_workers(tmp_path, rate=RATE, seconds=4, kills=1)

    tell("kill -9", outcome)
    assert (outcome.lost, outcome.doubled, outcome.mixed) == (0, 0, 0)
    assert outcome.answered > outcome.asked / 2
    # Cut off, or told to ask again by the replacement that still loads; never answered wrongly.
    assert all(error.startswith("0 ") for error in outcome.errors), outcome.errors


def test_full_spool_refuses_by_policy_keeps_what_it_acknowledged_and_recovers(tmp_path):  # F9
    outcome = fill_the_disk(tmp_path, rate=RATE, seconds=4)

    tell("full spool", outcome)
    assert (outcome.lost, outcome.doubled, outcome.mixed) == (0, 0, 0)
    assert outcome.dropped > 0
    assert all(error.startswith("503 ") for error in outcome.errors)
