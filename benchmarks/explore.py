"""How long the page that explores runs takes with 500 of them, each of 12 parameters and 8 metrics, in MLflow's own tables.

Asked for over HTTP, from the product's own web server on its own PostgreSQL; `cpu` is what one answer costs the process alone, so
that a busy machine shows.
"""

import time
from urllib.parse import urlencode

from benchmarks.catalogue import Home, execute, installation
from benchmarks.pages import people, times_of
from benchmarks.report import Row, arguments, finish

RUNS = 500
TARGET_MS = 300.0
AXES = [("axis", f"p:param_{n:02d}") for n in range(9)] + [("axis", "m:metric_01")]
PAGES = {
    "scatter_and_parallel": "/runs/explore/",
    "ten_axes": f"/runs/explore/?{urlencode([*AXES, ('x', 'p:param_03'), ('y', 'm:metric_02')])}",
    "filtered_and_sorted": f"/runs/explore/?{urlencode({'min.p:param_00': 0.2, 'max.m:metric_01': 0.9, 'sort': '-m:metric_01'})}",
    "csv": "/runs/explore/csv/",
}


def main() -> None:
    """Fill, measure, print."""
    options = arguments(__doc__ or "")
    with installation() as home:
        cookie, ids = people()
        fill(home, ids["team"])
        cpu = _cpu(cookie, 5 if options.quick else 20)
        times = times_of(cookie, PAGES, 5 if options.quick else 20)
    rows = [Row(f"ms.{name}", times[name], "ms", ("≤", TARGET_MS)) for name in PAGES]
    rows += [Row(f"cpu.{name}", cpu[name], "ms", ("≤", TARGET_MS)) for name in PAGES]
    finish([*rows, Row("runs", RUNS)], options.json)


def fill(home: Home, team: int) -> None:
    """Have MLflow make its tables, and log the runs to an experiment of the team."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from registry.mlflow.server import tracking_uri
    from registry.models import ExperimentOwner

    SqlAlchemyStore(tracking_uri(), str(home.folder / "artifacts"))
    ExperimentOwner.objects.create(team_id=team, experiment_id="0", name="search")
    execute(
        home.postgres,
        f"""INSERT INTO mlflow.runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, experiment_id)
            SELECT md5(n::text), 'trial-' || n, 'LOCAL', 'engineer', 'FINISHED', 1780000000000 + n * 60000, 1780000042000 + n * 60000,
            'active', 0 FROM generate_series(1, {RUNS}) n""",  # noqa: S608
        f"""INSERT INTO mlflow.params (run_uuid, key, value)
            SELECT md5(n::text), 'param_' || lpad(p::text, 2, '0'), CASE WHEN p = 11 THEN 'kind-' || n % 4 ELSE round(random()::numeric, 4)::text END
            FROM generate_series(1, {RUNS}) n, generate_series(0, 11) p""",  # noqa: S608
        f"""INSERT INTO mlflow.latest_metrics (run_uuid, key, value, timestamp, step, is_nan)
            SELECT md5(n::text), 'metric_' || lpad(m::text, 2, '0'), random(), 1780000000000, 0, false
            FROM generate_series(1, {RUNS}) n, generate_series(0, 7) m""",  # noqa: S608
    )  # fmt: skip


def _cpu(cookie: str, rounds: int) -> dict[str, float]:
    """Return the least processor time of an answer in this process, in milliseconds, PostgreSQL's left out."""
    from django.test import Client

    client = Client()
    client.cookies["sessionid"] = cookie
    found = {}
    for name, path in PAGES.items():
        spent = []
        for _ in range(rounds):
            began = time.process_time()
            answer = client.get(path, headers={"host": "127.0.0.1"})
            spent.append((time.process_time() - began) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answered {answer.status_code}")
        found[name] = min(spent)
    return found


if __name__ == "__main__":
    main()
