"""How long pages take with 10,000 models and 100,000 versions, one of which has been watched for 90 days, and how many queries they ask.

The pages are asked for over HTTP, from the product's own web server on its own PostgreSQL; the number of queries is counted
in-process at two sizes, and must not grow.
"""

import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping

from benchmarks import watched
from benchmarks.catalogue import ROOT, Home, execute, insert, installation
from benchmarks.report import Row, arguments, finish
from controlplane.embedded import free_port

TARGET_MS = 200.0
WATCHED_MS = 300.0
LISTS = {
    "models": "/models/",
    "models_search": "/models/?q=777&state=serving&sort=-updated",
    "model": "/models/model-000007/",
    "champions": "/models/model-000007/?tab=champions",
    "version": "/models/model-000007/versions/1/",
    "criteria": "/models/model-000007/criteria/",
    "promotions": "/promotions/",
    "audit": "/audit/",
    "audit_actor": "/audit/?actor=engineer&action=version.",
    "runs": "/runs/",
    "jobs": "/jobs/",
    "inbox": "/",
    "alerts": "/alerts/",
    "settings": "/settings/",
}
SIGNATURE = '{"inputs": [{"name": "feature_000", "type": "double"}, {"name": "feature_001", "type": "double"}]}'
FILES = '[{"path": "model.lgb", "size": 1, "sha256": ""}]'
PAGES = LISTS | watched.PAGES


def main() -> None:
    """Fill, measure, print."""
    options = arguments(__doc__ or "")
    models, rounds = (1_000, 10) if options.quick else (10_000, 40)
    with installation() as home:
        cookie, ids = people()
        fill(home, ids, first=1, last=100)
        watched.fill(home)
        few = _queries(cookie)
        fill(home, ids, first=101, last=models)
        many = _queries(cookie)
        times = times_of(cookie, PAGES, rounds)
    rows = [Row(f"ms.{name}", times[name], "ms", ("≤", TARGET_MS if name in LISTS else WATCHED_MS)) for name in PAGES]
    rows += [Row(f"queries.{name}", many[name], "", ("≤", few[name])) for name in PAGES]
    finish(rows, options.json)


def people() -> tuple[str, dict[str, int]]:
    """Make a team with an approver, who looks at the pages, and an engineer; return the session and the ids."""
    from django.contrib.auth.models import User
    from django.test import Client

    from registry.models import Membership, Role, Team

    team = Team.objects.create(slug="bench", name="Bench")
    approver, engineer = (User.objects.create_user(name) for name in ("approver", "engineer"))
    Membership.objects.create(team=team, user=approver, role=Role.APPROVER)
    Membership.objects.create(team=team, user=engineer, role=Role.ENGINEER)
    client = Client()
    client.force_login(approver)
    return client.cookies["sessionid"].value, {"team": team.pk, "approver": approver.pk, "engineer": engineer.pk}


def fill(home: Home, ids: dict[str, int], *, first: int, last: int) -> None:
    """Write models ``first`` to ``last`` with ten versions each, and what a team that uses them leaves behind.

    Each version was trained by a job, the first three became champion, and each hundredth model has an open promotion.
    """
    from experiments.models import Dataset, DatasetVersion, TrainingRun
    from jobs.models import Job
    from registry.models import (
        AcceptanceCriterion,
        Alias,
        AliasMove,
        AuditEvent,
        CriteriaSet,
        Evidence,
        ModelVersion,
        Promotion,
        RegisteredModel,
    )

    team, approver, engineer = (str(ids[name]) for name in ("team", "approver", "engineer"))
    model, version = "FROM made_model", "FROM made_version"
    execute(
        home.postgres,
        f"CREATE TEMPORARY TABLE number AS SELECT n FROM generate_series({first}, {last}) n",  # noqa: S608
        insert(
            RegisteredModel, "FROM number", team_id=team, name="'model-' || lpad(n::text, 6, '0')",
            task="(ARRAY['classification','ranking','forecasting'])[1 + n % 3]", risk_tier="1 + n % 3",
            purpose="'Decides case ' || n || ' of the many that a customer meets on the way'", last_number="10",
            created_by_id=engineer, updated_at="now() - n * interval '1 second'",
        ),
        """CREATE TEMPORARY TABLE made_model AS SELECT m.*, n FROM registry_registeredmodel m
           JOIN number ON m.name = 'model-' || lpad(n::text, 6, '0')""",
        insert(
            Job, f"{model}, generate_series(1, 10) v", kind="'train'", queue="'training'", scope="'bench'",
            title="'Train ' || name", subject="'/models/' || name || '/'", state="'succeeded'", attempt="1",
            params="jsonb_build_object('version', v)", created_by_id=engineer, started_at="now()", finished_at="now()",
        ),
        insert(
            ModelVersion,
            f"{model} JOIN jobs_job j ON j.subject = '/models/' || name || '/'", model_id="made_model.id",
            number="(j.params ->> 'version')::int", source="'runs:/' || md5(j.id::text) || '/model'",
            run_id="md5(j.id::text)", artifact_state="'verified'", artifact_digest="'sha256:' || md5(j.id::text)",
            artifact_path="'x'", format="'lightgbm'", signature=f"'{SIGNATURE}'", manifest=f"'{FILES}'", job_id="j.id", created_by_id=engineer,
        ),
        """CREATE TEMPORARY TABLE made_version AS
           SELECT v.*, n FROM registry_modelversion v JOIN made_model m ON m.id = v.model_id""",
        insert(
            Dataset, "WHERE NOT EXISTS (SELECT FROM experiments_dataset)", team_id=team, name="'flights'",
            created_by_id=engineer,
        ),
        insert(
            DatasetVersion,
            "FROM experiments_dataset d WHERE NOT EXISTS (SELECT FROM experiments_datasetversion)", dataset_id="d.id",
            number="1", digest="'sha256:0'", file="'x'", rows="1", columns="'[]'", starts_at="now()", ends_at="now()",
            splits="'{}'", profile="'{}'", checks="'[]'", created_by_id=engineer,
        ),
        insert(
            TrainingRun, version, job_id="job_id", dataset_version_id="(SELECT min(id) FROM experiments_datasetversion)",
            version_id="id", pipeline="'lightgbm'", metrics="""'{"roc_auc": 0.8, "average_precision": 0.4}'""",
            run_id="run_id", experiment_id="'1'",
        ),
        insert(
            Evidence, f"{version}, unnest(ARRAY['roc_auc', 'average_precision', 'log_loss']) measured",
            version_id="made_version.id", metric="measured", value="0.5", artifact_digest="artifact_digest",
        ),
        insert(
            CriteriaSet, model, model_id="id", number="1", state="'agreed'", digest="'sha256:' || md5(name)",
            drafted_by_id=engineer, agreed_by_id=approver, agreed_at="now()",
        ),
        insert(
            AcceptanceCriterion, f"{model} JOIN registry_criteriaset c ON c.model_id = made_model.id",
            criteria_set_id="c.id", position="1", metric="'roc_auc'", direction="'at_least'", threshold="0.4",
            reason="'Ranks well enough.'",
        ),
        insert(
            Promotion,
            f"{version} JOIN registry_criteriaset c ON c.model_id = made_version.model_id "
            "WHERE made_version.number <= 3 OR (made_version.number = 4 AND n % 100 = 0)",
            model_id="made_version.model_id", version_id="made_version.id", criteria_set_id="c.id",
            state="CASE WHEN made_version.number = 4 THEN 'requested' ELSE 'completed' END", requested_by_id=engineer,
            decided_at="CASE WHEN made_version.number = 4 THEN NULL ELSE now() END",
        ),
        insert(
            Alias, f"{version} WHERE number = 3", model_id="model_id", name="'champion'", version_id="id",
            set_by_id=approver,
        ),
        insert(
            AliasMove, f"{version} WHERE number <= 3", model_id="model_id", name="'champion'", version_id="id",
            set_by_id=approver, at="now()",
        ),
        insert(
            AuditEvent, f"{model}, generate_series(0, 9) v", seq="1000000 + n * 10 + v", at="now() - n * interval '1 second'",
            actor="'engineer'", via="'session'", team="'bench'", action="'version.create'",
            subject="'/models/' || name || '/versions/' || v || '/'", payload="""'{"source": "runs:/x/model"}'""",
            prev_hash="''", hash="''",
        ),
    )  # fmt: skip


def _queries(cookie: str) -> dict[str, int]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.cookies["sessionid"] = cookie
    counts = {}
    for name, path in PAGES.items():
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(path, headers={"host": "127.0.0.1"})
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        counts[name] = len(captured)
    return counts


def times_of(cookie: str, pages: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Return the median time of each page over HTTP, in milliseconds."""
    port = free_port()
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "gunicorn", "controlplane.wsgi", "-b", f"127.0.0.1:{port}", "--log-level", "error"],
        cwd=ROOT,
    )
    try:
        _wait(port)
        times: dict[str, list[float]] = {name: [] for name in pages}
        for round_number in range(rounds + 3):
            for name, path in pages.items():
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}{path}", headers={"Cookie": f"sessionid={cookie}"}
                )
                began = time.perf_counter()
                with urllib.request.urlopen(request) as answer:  # noqa: S310  our own server on 127.0.0.1
                    answer.read()
                if round_number >= 3:  # the first rounds fill caches
                    times[name].append((time.perf_counter() - began) * 1000)
    finally:
        server.terminate()
        server.wait()
    return {name: statistics.median(values) for name, values in times.items()}


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/login/").close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the web server did not start within 30 seconds")


if __name__ == "__main__":
    main()
