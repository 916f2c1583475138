"""Whoever was told that a change is made finds it after PostgreSQL was killed, though writers share their flushes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg2
import pytest

from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, free_port

ROOT = Path(__file__).parent.parent
WRITERS = 4
WRITER = """
import django, sys
django.setup()
from registry.audit_trail import audit
number = 0
while True:
    number += 1
    audit(action="test.write", subject=f"/{sys.argv[1]}/{number}/", actor=None, process="test")
    print(number, flush=True)  # acknowledged
"""


@pytest.fixture
def postgres(tmp_path):
    tmp_path.chmod(0o755)
    server = Postgres(tmp_path / "postgres", free_port())
    server.start()
    try:
        yield server
    finally:
        server.destroy()


def test_what_was_acknowledged_survives_a_killed_database(postgres, tmp_path):
    environment = os.environ | {
        "DATABASE_URL": postgres.url(APP_ROLE), "DATABASE_OWNER_URL": postgres.url(OWNER_ROLE),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }  # fmt: skip
    subprocess.run([sys.executable, "manage.py", "provision", "-v0"], check=True, cwd=ROOT, env=environment)
    logs = [tmp_path / f"{number}.log" for number in range(WRITERS)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number)], cwd=ROOT, env=environment, stdout=log.open("wb"),
            stderr=subprocess.DEVNULL,
        )
        for number, log in enumerate(logs)
    ]  # fmt: skip
    deadline = time.monotonic() + 60
    while min(log.read_bytes().count(b"\n") for log in logs) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)

    psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0])).send_signal(signal.SIGQUIT)

    for writer in writers:
        writer.wait(30)
    acknowledged = [log.read_bytes().count(b"\n") for log in logs]
    Postgres(postgres.root, postgres.port).start()
    with psycopg2.connect(postgres.url(APP_ROLE)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT split_part(subject, '/', 2)::int, count(*) FROM registry_auditevent GROUP BY 1 ORDER BY 1"
        )
        kept = [count for _, count in cursor.fetchall()]
        cursor.execute("SELECT count(*), max(seq), count(DISTINCT prev_hash) FROM registry_auditevent")
        events, last, links = cursor.fetchone()
    assert min(acknowledged) >= 20
    assert all(k - a in (0, 1) for k, a in zip(kept, acknowledged, strict=True)), (kept, acknowledged)
    assert events == last == links
