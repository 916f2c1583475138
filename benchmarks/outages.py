"""Outages of the control plane that gateways outlive, and a shipper that is given the same segments twice."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from django.conf import settings
from django.db import connections
from django.utils import timezone

from benchmarks.gateway_faults import Outcome, asking, outcome, records, until
from controlplane.embedded import Postgres, free_port
from monitoring.predictions import lake
from monitoring.shipping import ship
from rollouts.gateways.callers import callers_publish
from rollouts.gateways.tokens import gateway_token_create
from rollouts.routing import routing_publish
from tests.factories import make_model, make_team
from tests.gateways import ROOT, RunningGateway
from tests.test_routing import make_served, set_alias


@dataclass(frozen=True)
class Outage:
    """What became of predictions meanwhile.

    Attributes:
        outcome: of the requests to a gateway that was restarted while everything else was down.
        confirmed_s: how long ago the control plane stood by the table, as the gateway said itself.
    """

    outcome: Outcome
    confirmed_s: float


def control_plane_gone(home: Path, postgres: Postgres, *, rate: float, seconds: float) -> Outage:
    """Stop web and PostgreSQL, restart the gateway, ask it, and start all again (F8). There is no broker to begin with."""
    _, secret = gateway_token_create(name="faults", process="faults")
    set_alias(make_served(make_model(make_team("faults", governed=False), name="flight-delay"), trees=20))
    callers_publish(now=timezone.now())
    routing_publish(now=timezone.now())
    connections.close_all()
    port = free_port()
    gateway = RunningGateway(home, ROUTING_URL=f"http://127.0.0.1:{port}", ROUTING_TOKEN=secret)
    home.mkdir()
    try:
        with _web(port):
            gateway.start()
        postgres.stop()
        gateway.kill()
        gateway.start()
        with asking(gateway, rate=rate, seconds=seconds) as answers:
            pass
        told = gateway.status()["table"]["confirmed_s_ago"]
        postgres.start()
        with _web(port):
            took = until(lambda: gateway.status()["table"]["confirmed_s_ago"] < 1)
    finally:
        if hasattr(gateway, "process"):
            gateway.stop()
    return Outage(outcome(answers, records(gateway.spool_root), recovery_s=took), told)


@contextmanager
def _web(port: int) -> Iterator[None]:
    command = ["gunicorn", "controlplane.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "8",
               "--graceful-timeout", "1", "--no-control-socket", "--log-level", "error"]  # fmt: skip
    with subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=os.environ) as web:  # noqa: S603
        try:
            until(lambda: _answers(f"http://127.0.0.1:{port}/health/"))
            yield
        finally:
            web.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code in (200, 503)
    except httpx.TransportError:
        return False


def ship_twice(spool: Path, home: Path) -> tuple[int, int]:
    """Ship the sealed segments under ``spool``, give them back as if that had been forgotten, and ship again.

    Returns: how many rows the lake lacks, and how many it holds twice.
    """
    expected = Counter((record.request_id, record.row) for record in records(spool))
    settings.SPOOL_ROOT, settings.LAKE_ROOT = spool, home / "lake"
    shutil.copytree(spool, home / "again")
    ship()
    shutil.copytree(home / "again", spool, dirs_exist_ok=True)
    ship()
    table = lake.open_table()
    if table is None:
        return sum(expected.values()), 0
    rows = table.to_pyarrow_table(columns=["request_id", "row"]).to_pylist()
    found = Counter((row["request_id"], row["row"]) for row in rows)
    return sum((expected - found).values()), sum((found - expected).values())
