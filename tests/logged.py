"""MLflow's own tables, as far as pages read them, for tests without its server; tests/test_explore.py holds both to each other."""

import os
from contextlib import closing

import psycopg2
from django.db import connection
from psycopg2.extras import execute_values

TABLES = """
    CREATE SCHEMA IF NOT EXISTS mlflow;
    CREATE TABLE IF NOT EXISTS mlflow.runs (run_uuid text PRIMARY KEY, name text, experiment_id int, user_id text, status text,
        start_time bigint, end_time bigint, lifecycle_stage text);
    CREATE TABLE IF NOT EXISTS mlflow.params (run_uuid text, key text, value text, PRIMARY KEY (run_uuid, key));
    CREATE TABLE IF NOT EXISTS mlflow.latest_metrics (run_uuid text, key text, value float8, is_nan bool, PRIMARY KEY (run_uuid, key));
    CREATE TABLE IF NOT EXISTS mlflow.metrics (run_uuid text, key text, value float8, timestamp bigint, step bigint, is_nan bool);
    GRANT USAGE ON SCHEMA mlflow TO {role};
    GRANT ALL ON ALL TABLES IN SCHEMA mlflow TO {role};
"""


def make_tables():
    """Make the tables as the database's superuser, for the application's role."""
    place = connection.settings_dict
    admin = psycopg2.connect(f"{os.environ['TEST_SUPERUSER_URL'].rsplit('/', 1)[0]}/{place['NAME']}")
    with closing(admin), admin, admin.cursor() as cursor:
        cursor.execute(TABLES.format(role=place["USER"]))


def log_runs(experiment_id, runs):
    """Log runs, each as (id, name, parameters, metrics, curves by metric), a minute apart."""
    start = {run[0]: 1_780_000_000_000 + number * 60_000 for number, run in enumerate(runs)}
    rows = {
        "runs": [(one, name, experiment_id, "engineer", "FINISHED", start[one], start[one] + 42_000, "active") for one, name, *_ in runs],
        "params": [(one, key, str(value)) for one, _, params, _, _ in runs for key, value in params.items()],
        "latest_metrics": [(one, key, value, False) for one, _, _, metrics, _ in runs for key, value in metrics.items()],
        "metrics": [
            (one, key, value, start[one] + step, step, False)
            for one, _, _, _, curves in runs for key, points in curves.items() for step, value in enumerate(points)
        ],
    }  # fmt: skip
    with connection.cursor() as cursor:
        for table, values in rows.items():
            if values:
                execute_values(cursor.cursor, f"INSERT INTO mlflow.{table} VALUES %s", values)  # noqa: S608
