"""Faults, and what they may not cost.

Workers killed while their jobs run (F1), the broker wiped (F4), clocks an hour wrong (F6); web processes killed while they write
(F2), PostgreSQL stopped (F3), the artifacts' disk full (F5); races (F7) between approvals, and between champion switches and
readers; and the gateway under a constant 500 requests a second while versions switch (F10), workers are killed, the spool or its
disk is full (F9) and everything else is gone (F8).

It runs the product's services on its own PostgreSQL, as the application's role.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Row, arguments, finish
from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, Valkey, free_port

ROOT = Path(__file__).parent.parent
RACERS = 8
RATE = 500  # requests a second


def main() -> None:
    """Start a database, race, print."""
    options = arguments(__doc__ or "")
    times = 100 if options.quick else 1_000
    home = Path(tempfile.mkdtemp(prefix="controlplane-faults-"))
    home.chmod(0o755)
    postgres, valkey = Postgres(home / "postgres", free_port()), Valkey(home / "broker", free_port())
    broker = valkey.start()
    os.environ |= {
        "DEPLOYMENT": "test",
        "SECRET_KEY": secrets.token_urlsafe(40),
        "BROKER_URL": valkey.url,
        "JOB_KIND_MODULES": "tests.job_kinds",
        "VAR_DIR": str(home),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "LOG_LEVEL": "ERROR",
    }
    try:
        postgres.start()
        os.environ["DATABASE_URL"] = postgres.url(APP_ROLE)
        owner = os.environ | {"DATABASE_OWNER_URL": postgres.url(OWNER_ROLE)}
        subprocess.run([sys.executable, "manage.py", "provision", "-v0"], check=True, cwd=ROOT, env=owner)
        rows = [
            *_races(times), *_jobs(home, quick=options.quick), *_writes(home, postgres, quick=options.quick),
            *_gateway(home, postgres, seconds=10 if options.quick else 60),
        ]  # fmt: skip
    finally:
        broker.terminate()
        postgres.destroy()
    finish(rows, options.json)
    if any(row.met is False for row in rows):
        sys.exit(1)


def _races(times: int) -> list[Row]:
    import django

    django.setup()
    from django.db import connections

    from benchmarks.races import make_people, race_approvals, race_switches

    people = make_people("races")
    approvals = race_approvals(people, promotions=times // RACERS, racers=RACERS)
    switches = race_switches(people, switches=times, writers=4, readers=4)
    connections.close_all()
    return [
        Row("approvals.attempts", approvals.attempts, "at once"),
        Row("approvals.recorded", approvals.recorded),
        Row("double_approvals", approvals.doubled, "", ("≤", 0)),
        Row("promotions.completed", approvals.completed, "", ("≥", times // RACERS)),
        Row("promotions.completed_twice", approvals.moved_twice, "", ("≤", 0)),
        Row("switches.done", switches.switches, "", ("≥", times)),
        Row("switches.refused", switches.refused),
        Row("switches.reads", switches.reads),
        Row("readers_other_than_one_champion", switches.other_than_one, "", ("≤", 0)),
        Row("readers_history_disagrees", switches.history_disagrees, "", ("≤", 0)),
    ]


def _jobs(home: Path, *, quick: bool) -> list[Row]:
    from benchmarks.job_faults import kill_workers, wrong_clocks

    lease_s = 6 if quick else 30  # 30 is the product's own
    killed = kill_workers(home / "jobs", jobs=24 if quick else 200, every_s=10, lease_s=lease_s)
    clocks = wrong_clocks(home / "clocks", jobs=4 if quick else 40)
    wrong = [
        Row("clocks.jobs", clocks.jobs), Row("clocks.leases_expired", clocks.expired, "", ("≤", 0)),
        Row("clocks.lost", clocks.lost, "", ("≤", 0)),
    ] if clocks else []  # fmt: skip
    return [
        Row("jobs.killed", killed.kills, "workers", ("≥", 1)),
        Row("jobs.lost", killed.lost, f"of {killed.jobs}", ("≤", 0)),
        Row("jobs.doubled", killed.doubled, f"of {killed.jobs}", ("≤", 0)),
        Row("recovery_s.jobs", killed.recovery_s, f"s, the lease being {lease_s} s"),
        *wrong,
    ]


def _writes(home: Path, postgres: Postgres, *, quick: bool) -> list[Row]:
    from benchmarks.gateway_faults import small_disk
    from benchmarks.write_faults import fill_artifacts, kill_web, stop_database

    web, database = kill_web(kills=2 if quick else 10), stop_database(postgres, stops=1 if quick else 5)
    rows = []
    for name, found in (("web", web), ("database", database)):
        sys.stderr.write(f"{name}: answers by status: {found.answers}\n")
        rows += [
            Row(f"{name}.faults", found.faults),
            Row(f"{name}.acknowledged", found.acknowledged, "writes"),
            Row(f"{name}.acknowledged_absent", found.absent, "", ("≤", 0)),
            Row(f"{name}.half_written", found.half, "", ("≤", 0)),
            Row(f"recovery_s.{name}", found.recovery_s, "s"),
        ]
    with small_disk(home / "artifacts") as disk:
        if disk:
            full = fill_artifacts(disk, home / "uploads")
            sys.stderr.write(f"disk full: the client reads: {full.told}\n")
            rows += [
                Row("artifacts.kept", full.kept), Row("artifacts.refused", full.refused, "", ("≥", 1)),
                Row("artifacts.corrupt", full.corrupt, "", ("≤", 0)),
                Row("artifacts.taken_once_there_is_room", int(full.recovered), "", ("≥", 1)),
            ]  # fmt: skip
    return rows


def _gateway(home: Path, postgres: Postgres, *, seconds: float) -> list[Row]:
    from benchmarks.gateway_faults import fill_the_disk, kill_workers, small_disk, switch_versions
    from benchmarks.outages import control_plane_gone, ship_twice

    switch = switch_versions(home / "switch", rate=RATE, seconds=seconds, switches=round(seconds))
    killed = kill_workers(home / "kill", rate=RATE, seconds=seconds, kills=max(1, round(seconds / 12)))
    full = fill_the_disk(home / "full", rate=RATE, seconds=10)
    with small_disk(home / "small") as disk:
        no_room = fill_the_disk(home / "small", rate=RATE, seconds=15, disk=disk) if disk else None
    lost, doubled = ship_twice(home / "switch/spool", home / "shipping")
    gone = control_plane_gone(home / "gone", postgres, rate=RATE, seconds=seconds)
    all_of_them = [fault for fault in (switch, killed, full, no_room, gone.outcome) if fault]
    on_disk = [
        Row("disk_full.refused", no_room.dropped, "", ("≥", 1)), Row("recovery_s.disk", no_room.recovery_s, "s")
    ] if no_room else []  # fmt: skip
    return [
        Row("switch.asked", switch.asked),
        Row("dropped_on_switch", switch.dropped, "", ("≤", 0)),
        Row("mixed_on_switch", switch.mixed, "", ("≤", 0)),
        Row("killed.answered", killed.answered),
        Row("killed.cut_off", killed.dropped),
        Row("full.refused", full.dropped, "", ("≥", 1)),
        Row("gone.asked", gone.outcome.asked),
        Row("gone.unanswered", gone.outcome.dropped, "", ("≤", 0)),
        Row("gone.table_confirmed_s_ago", gone.confirmed_s, "s"),
        Row("records_lost", sum(fault.lost for fault in all_of_them), "", ("≤", 0)),
        Row("records_doubled", sum(fault.doubled for fault in all_of_them), "", ("≤", 0)),
        Row("lost", lost, "rows", ("≤", 0)),
        Row("doubled", doubled, "rows", ("≤", 0)),
        Row("recovery_s.worker", killed.recovery_s, "s"),
        Row("recovery_s.spool", full.recovery_s, "s"),
        Row("recovery_s.routing", gone.outcome.recovery_s, "s"),
        *on_disk,
    ]


if __name__ == "__main__":
    main()
