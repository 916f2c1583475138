"""How many audited changes a second eight writers get through, and whether the hash chain ever forks.

Each writer is a process with a connection of its own that commits one event after the other, durably, through the product's own
service; the head of the chain is the lock that they share. Afterwards the whole chain is walked.
"""

import subprocess
import sys
import time

from benchmarks.catalogue import ROOT, installation
from benchmarks.report import Row, arguments, finish

WRITERS = 8
FORKS = "SELECT count(*) FROM (SELECT FROM registry_auditevent GROUP BY prev_hash HAVING count(*) > 1) forked"


def main() -> None:
    """Let the writers go at once, count what they wrote, walk the chain."""
    options = arguments(__doc__ or "")
    seconds = 5.0 if options.quick else 20.0
    with installation():
        from django.db import connection

        from registry.models import AuditEvent
        from registry.selectors.audit_chain import chain_fault

        _let_write(seconds)
        first, last = AuditEvent.objects.earliest("seq"), AuditEvent.objects.latest("seq")
        rate = (last.seq - first.seq) / (last.at - first.at).total_seconds()
        with connection.cursor() as cursor:
            cursor.execute(FORKS)
            forks = cursor.fetchone()[0]
        if fault := chain_fault():
            raise RuntimeError(f"the chain is broken at {fault.seq}: {fault.what}")
    rows = [
        Row("audit.events_per_s", rate, "/s", ("≥", 500.0)),
        Row("audit.forks", forks, "", ("≤", 0.0)),
        Row("audit.events", last.seq, ""),
    ]
    finish(rows, options.json)


def _let_write(seconds: float) -> None:
    """Start the writers, wait until all are ready, then let them go at once; each answers a line by a line."""
    command = [sys.executable, "-m", "benchmarks.audit", "--write", str(seconds)]
    writers = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        for _ in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout  # noqa: S101  a pipe
        if writer.stdout.readline() != "ready\n":
            raise RuntimeError("a writer did not start")
    for writer in writers:
        assert writer.stdin  # noqa: S101  a pipe
        writer.stdin.write("go\n")
        writer.stdin.flush()
    if any(writer.wait() for writer in writers):
        raise RuntimeError("a writer failed")


def write(seconds: float) -> None:
    """Wait for the word, then write events for so long."""
    import django

    django.setup()
    from django.db import connection

    from registry.audit_trail import audit

    connection.ensure_connection()
    print("ready", flush=True)  # noqa: T201  said to who started this
    sys.stdin.readline()
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1
        audit(
            action="benchmark.write", subject="/audit/", actor=None, team="bench", process="benchmark",
            payload={"before": {"number": number}, "after": {"number": number + 1}},
        )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(float(sys.argv[2]))
    else:
        main()
