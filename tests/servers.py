"""A pytest plugin (`-p tests.servers`): a real PostgreSQL and a real broker for the session.

It is loaded before Django reads its settings. Under pytest-xdist the controller starts the servers and the workers
inherit the addresses through the environment.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, Valkey, free_port

ROOT = Path(__file__).parent.parent

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # two test processes on two cores: threads that spin hold each other up

if "PYTEST_XDIST_WORKER" not in os.environ:
    _home = Path(tempfile.mkdtemp(prefix="controlplane-tests-"))
    _home.chmod(0o755)  # PostgreSQL runs unprivileged and has to reach its data
    (_home / "var/static").mkdir(parents=True)  # whitenoise warns of a missing folder at every test client
    _postgres = Postgres(_home / "postgres", free_port())
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    atexit.register(_postgres.destroy)
    _postgres.start(durable=False)
    _valkey = Valkey(_home / "broker", free_port())
    atexit.register(_valkey.start().terminate)
    os.environ.update(
        DEPLOYMENT="test",
        SECRET_KEY="test-secret-key",
        DATABASE_URL=_postgres.url(APP_ROLE),
        DATABASE_OWNER_URL=_postgres.url(OWNER_ROLE),
        BROKER_URL=_valkey.url,
        VAR_DIR=str(_home / "var"),
        TEST_SUPERUSER_URL=_postgres.url("postgres", "postgres"),
    )
    subprocess.run([sys.executable, "manage.py", "provision", "-v0"], check=True, cwd=ROOT)
