"""A pytest plugin (`-p tests.servers`): a real PostgreSQL and a real broker for the session.

It is loaded before Django reads its settings. Under pytest-xdist the controller starts the servers and the workers
inherit the addresses through the environment.
"""

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, Valkey, free_port

ROOT = Path(__file__).parent.parent
KEPT = ROOT / ".pytest_cache/databases"


def _schema() -> str:
    """Return a digest of all that decides what a provisioned cluster holds."""
    files = [*ROOT.glob("*/migrations/**/*.py"), *ROOT.glob("*/migrations/**/*.sql"), ROOT / "requirements.txt"]
    files += [ROOT / "controlplane/embedded/postgres.py", ROOT / "controlplane/management/commands/provision.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()[:16]


def _copy(source: Path, target: Path) -> None:
    """Copy a cluster that is stopped, with its owners; a copy that was cut short is never taken for a whole one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent))
    subprocess.run(["cp", "-a", f"{source}/.", str(partial)], check=True)  # noqa: S607  part of every system
    try:
        partial.rename(target)
    except OSError:  # another session was first
        shutil.rmtree(partial)


def _start_migrated(postgres: Postgres) -> None:
    """Start the server with all migrations applied: by a session before this one, where nothing that decides them has changed."""
    kept = KEPT / _schema()
    if known := kept.exists():
        _copy(kept, postgres.root)
    postgres.start(durable=False)
    os.environ.update(DATABASE_URL=postgres.url(APP_ROLE), DATABASE_OWNER_URL=postgres.url(OWNER_ROLE))
    if not known:
        subprocess.run([sys.executable, "manage.py", "provision", "-v0"], check=True, cwd=ROOT)
        if postgres.home == postgres.root:  # else its data lie where only the server's own user gets
            postgres.stop()
            _copy(postgres.root, kept)
            postgres.start(durable=False)
    for former in KEPT.glob("[0-9a-f]" * 16):
        if former != kept:
            shutil.rmtree(former, ignore_errors=True)


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
    _valkey = Valkey(_home / "broker", free_port())
    atexit.register(_valkey.start().terminate)
    os.environ.update(
        DEPLOYMENT="test",
        SECRET_KEY="test-secret-key",
        BROKER_URL=_valkey.url,
        VAR_DIR=str(_home / "var"),
    )
    _start_migrated(_postgres)
    os.environ["TEST_SUPERUSER_URL"] = _postgres.url("postgres", "postgres")
