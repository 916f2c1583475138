"""Faults, and what they may not cost: here the races (F7) between approvals, and between champion switches and readers.

It runs the product's services on its own PostgreSQL, as the application's role.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Row, arguments, finish
from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, free_port

ROOT = Path(__file__).parent.parent
RACERS = 8


def main() -> None:
    """Start a database, race, print."""
    options = arguments(__doc__ or "")
    times = 100 if options.quick else 1_000
    home = Path(tempfile.mkdtemp(prefix="controlplane-faults-"))
    home.chmod(0o755)
    postgres = Postgres(home / "postgres", free_port())
    os.environ |= {
        "DEPLOYMENT": "test",
        "SECRET_KEY": secrets.token_urlsafe(40),
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "VAR_DIR": str(home),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "LOG_LEVEL": "ERROR",
    }
    try:
        postgres.start()
        os.environ["DATABASE_URL"] = postgres.url(APP_ROLE)
        owner = os.environ | {"DATABASE_OWNER_URL": postgres.url(OWNER_ROLE)}
        subprocess.run([sys.executable, "manage.py", "provision", "-v0"], check=True, cwd=ROOT, env=owner)
        rows = _races(times)
    finally:
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


if __name__ == "__main__":
    main()
