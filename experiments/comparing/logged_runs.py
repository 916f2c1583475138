"""What runs logged, read from MLflow's own tables: they lie in our database, in a schema of their own (registry.mlflow.server).

Hundreds of runs with their parameters take milliseconds this way, and seconds by the protocol. Nothing is ever written here.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection

MOST_POINTS = 200  # of a learning curve
MOST_VALUES = 200  # parameters or metrics of one run
MOST_TEXT = 200  # characters of a parameter

_RUNS = """
    SELECT r.run_uuid, r.name, r.experiment_id::text, r.user_id, r.status, r.start_time, r.end_time
    FROM mlflow.runs r WHERE r.lifecycle_stage = 'active' AND """
_CURVES = """
    SELECT run_uuid, key, step, value FROM (
        SELECT run_uuid, key, step, value, row_number() OVER turns AS n, count(*) OVER (PARTITION BY run_uuid, key) AS total
        FROM mlflow.metrics WHERE run_uuid = ANY(%(runs)s) AND NOT is_nan
        WINDOW turns AS (PARTITION BY run_uuid, key ORDER BY step, timestamp)
    ) AS points WHERE total > 1 AND ((n - 1) %% ((total + %(most)s - 1) / %(most)s) = 0 OR n = total)
    ORDER BY run_uuid, key, n"""


@dataclass(frozen=True)
class LoggedRun:
    """One run as MLflow knows it, with the last value of each metric."""

    run_id: str
    name: str
    experiment_id: str
    author: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it has not ended."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at and self.started_at else None


def is_there() -> bool:
    """Whether MLflow's server has made its tables; it does when it first starts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('mlflow.latest_metrics') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def runs_of_experiment(experiment_id: str, most: int) -> list[LoggedRun]:
    """Return the newest runs of an experiment that are not deleted, newest first."""
    if not is_there():
        return []
    return _runs("r.experiment_id = %s ORDER BY r.start_time DESC, r.run_uuid LIMIT %s", [int(experiment_id), most])


def count_by_experiment(experiment_ids: Collection[str]) -> dict[str, int]:
    """Return how many runs each experiment has; one without any is left out."""
    if not experiment_ids or not is_there():
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT experiment_id::text, count(*) FROM mlflow.runs WHERE lifecycle_stage = 'active' AND experiment_id = ANY(%s) "
            "GROUP BY experiment_id",
            [[int(one) for one in experiment_ids if one.isdecimal()]],
        )
        return dict(cursor.fetchall())


def logged_runs(run_ids: Collection[str]) -> dict[str, LoggedRun]:
    """Return runs by id; one that is unknown or deleted is left out."""
    if not run_ids or not is_there():
        return {}
    return {run.run_id: run for run in _runs("r.run_uuid = ANY(%s)", [list(run_ids)])}


def learning_curves(run_ids: Collection[str]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return (step, value) by run and metric, of metrics with several; of long ones evenly chosen points and the last."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    if not run_ids or not is_there():
        return found
    with connection.cursor() as cursor:
        cursor.execute(_CURVES, {"runs": list(run_ids), "most": MOST_POINTS})
        for run_id, key, step, value in cursor.fetchall():
            found[run_id][key].append((step, value))
    return found


def _runs(where: str, values: Sequence[Any]) -> list[LoggedRun]:
    with connection.cursor() as cursor:
        cursor.execute(_RUNS + where, values)
        rows = cursor.fetchall()
        ids = [row[0] for row in rows]
        cursor.execute(
            "SELECT run_uuid, key, left(value, %s) FROM mlflow.params WHERE run_uuid = ANY(%s) ORDER BY key",
            [MOST_TEXT, ids],
        )
        params = _by_run(cursor.fetchall())
        cursor.execute(
            "SELECT run_uuid, key, value FROM mlflow.latest_metrics WHERE run_uuid = ANY(%s) AND NOT is_nan ORDER BY key",
            [ids],
        )
        metrics = _by_run(cursor.fetchall())
    return [
        LoggedRun(row[0], row[1] or row[0][:8], row[2], row[3] or "", row[4] or "", _moment(row[5]), _moment(row[6]),
                  params.get(row[0], {}), metrics.get(row[0], {}))
        for row in rows
    ]  # fmt: skip


def _by_run(rows: Sequence[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in rows:
        if len(found[run_id]) < MOST_VALUES:
            found[run_id][key] = value
    return found


def _moment(ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, tz=UTC) if ms else None
