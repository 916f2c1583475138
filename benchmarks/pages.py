"""How long the list pages take with 10,000 models and 100,000 versions, and how many queries they ask.

The pages are asked for over HTTP, from the product's own web server on its own PostgreSQL; the number of queries is counted
in-process at two sizes, and must not grow.
"""

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psycopg2

from benchmarks.report import Row, arguments, finish
from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, free_port

ROOT = Path(__file__).parent.parent
TARGET_MS = 200.0

# Rows are written as the superuser with triggers off: this measures reading, and governed rows cannot be had in bulk.
FILL = """
SET session_replication_role = replica;
INSERT INTO registry_registeredmodel (team_id, name, task, risk_tier, purpose, description, last_number, created_by_id,
                                      created_at, updated_at)
SELECT %(team)s, 'model-' || lpad(n::text, 6, '0'), (ARRAY['classification','ranking','forecasting'])[1 + n %% 3], 1 + n %% 3,
       'Decides case ' || n, '', %(versions)s, %(user)s, now(), now() - n * interval '1 second'
FROM generate_series(%(first)s, %(last)s) n;
INSERT INTO registry_modelversion (model_id, number, source, run_id, run_link, logged_model_id, stage, description,
    artifact_state, artifact_digest, artifact_path, manifest, format, signature, refusal, data_digest, created_by_id,
    created_at, updated_at)
SELECT m.id, v, 'runs:/x/model', 'x', '', '', 'None', '', 'verified', 'sha256:' || md5(m.id || '-' || v), 'x', '[]',
       'lightgbm', '{}', '', '', %(user)s, now(), now()
FROM registry_registeredmodel m CROSS JOIN generate_series(1, %(versions)s) v
WHERE NOT EXISTS (SELECT FROM registry_modelversion k WHERE k.model_id = m.id);
INSERT INTO registry_alias (model_id, name, version_id, set_by_id, set_at)
SELECT v.model_id, 'champion', v.id, %(user)s, now() FROM registry_modelversion v
WHERE v.number = 1 AND NOT EXISTS (SELECT FROM registry_alias a WHERE a.model_id = v.model_id);
INSERT INTO registry_auditevent (seq, at, actor, via, team, action, subject, payload, prev_hash, hash)
SELECT n, now() - n * interval '1 second', 'engineer', 'session', 'bench', 'version.create', '/models/model-' || n || '/',
       '{"source": "runs:/x/model"}', '', '' FROM generate_series(%(first)s * 10, %(last)s * 10 + 9) n;
SET session_replication_role = DEFAULT;
ANALYZE;
"""

PAGES = {
    "models": "/models/",
    "model": "/models/model-000001/",
    "version": "/models/model-000001/versions/1/",
    "audit": "/audit/",
    "runs": "/runs/",
    "inbox": "/",
}


def main() -> None:
    """Fill, measure, print."""
    options = arguments(__doc__ or "")
    models, versions, rounds = (1_000, 10, 10) if options.quick else (10_000, 10, 40)
    home = Path(tempfile.mkdtemp(prefix="controlplane-bench-"))
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
        cookie, ids = _people()
        _fill(postgres, ids, first=1, last=100, versions=versions)
        few = _queries(cookie)
        _fill(postgres, ids, first=101, last=models, versions=versions)
        many = _queries(cookie)
        times = _times(cookie, rounds)
    finally:
        postgres.destroy()
    rows = [Row(f"ms.{name}", times[name], "ms", ("≤", TARGET_MS)) for name in PAGES]
    rows += [Row(f"queries.{name}", many[name], "", ("≤", few[name])) for name in PAGES]
    finish(rows, options.json)


def _people() -> tuple[str, dict[str, int]]:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.test import Client

    from registry.models import Membership, Role, Team

    team = Team.objects.create(slug="bench", name="Bench")
    user = User.objects.create_user("approver")
    Membership.objects.create(team=team, user=user, role=Role.APPROVER)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value, {"team": team.pk, "user": user.pk}


def _fill(postgres: Postgres, ids: dict[str, int], **sizes: int) -> None:
    connection = psycopg2.connect(postgres.url("postgres"))
    with connection, connection.cursor() as cursor:
        cursor.execute(FILL, ids | sizes)
    connection.close()


def _queries(cookie: str) -> dict[str, int]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.cookies["sessionid"] = cookie
    counts = {}
    for name, path in PAGES.items():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = client.get(path, headers={"host": "127.0.0.1"})
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        counts[name] = len(captured)
    return counts


def _times(cookie: str, rounds: int) -> dict[str, float]:
    port = free_port()
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "gunicorn", "controlplane.wsgi", "-b", f"127.0.0.1:{port}", "--log-level", "error"],
        cwd=ROOT,
    )
    try:
        _wait(port)
        times: dict[str, list[float]] = {name: [] for name in PAGES}
        for round_number in range(rounds + 3):
            for name, path in PAGES.items():
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
