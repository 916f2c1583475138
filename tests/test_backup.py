"""Backups: of an external database, of what is not whole, and what they refuse. Of the running product: `moving.py`."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

from controlplane.embedded import Postgres, free_port, postgres_program
from controlplane.supervisor import backup
from controlplane.supervisor.config import REPOSITORY, Config, SetupError

PASSWORDS = {"ml_owner": "own/er@1", "ml_app": "ap:p%2"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A PostgreSQL of somebody else's, with roles and a database of its own names; the passwords need quoting."""
    server = Postgres(tmp_path_factory.mktemp("bank") / "postgres", free_port())
    server.start(durable=False)
    with closing(psycopg2.connect(server.url("postgres", "postgres"))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("CREATE ROLE ml_owner LOGIN CREATEDB PASSWORD %s", [PASSWORDS["ml_owner"]])
        cursor.execute("CREATE ROLE ml_app LOGIN PASSWORD %s", [PASSWORDS["ml_app"]])
    yield server
    server.destroy()


@dataclass(frozen=True)
class Installation:
    """The product on a database and in a folder of its own; nothing of it runs."""

    server: Postgres
    name: str
    var: Path

    def url(self, role="ml_owner"):
        return f"postgresql://{role}:{quote(PASSWORDS[role], safe='')}@127.0.0.1:{self.server.port}/{self.name}"

    def create(self):
        with closing(psycopg2.connect(self.server.url("postgres", "postgres"))) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {self.name} OWNER ml_owner")
        return self

    def execute(self, statement, *, owner=True):
        url = self.url() if owner else self.url("ml_app")
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def run(self, *command, **given):
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        mine = {
            "DATABASE_URL": self.url("ml_app"),
            "DATABASE_OWNER_URL": self.url(),
            "VAR_DIR": str(self.var),
        }
        django = {"DEPLOYMENT": "test", "SECRET_KEY": "k" * 50, "BROKER_URL": "redis://127.0.0.1:1/0"}
        return subprocess.run(
            [sys.executable, *command], cwd=REPOSITORY, env=kept | mine | django | given, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip

    def manage(self, *command):
        done = self.run("manage.py", *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def supervisor(self, command, **given):
        return self.run("-m", "controlplane.supervisor", command, **given)


@pytest.fixture(scope="module")
def external(bank, tmp_path_factory):
    """An installation with a team, an audit trail, a run of MLflow's and a file; and its backup."""
    here = tmp_path_factory.mktemp("external")
    made = Installation(bank, "ml", here / "var").create()
    made.manage("provision", "-v0")
    made.manage("team", "travel", "--name", "Travel")
    made.execute("CREATE TABLE mlflow.runs (id text); INSERT INTO mlflow.runs VALUES ('r1')", owner=False)
    (made.var / "artifacts").mkdir(parents=True)
    (made.var / "artifacts/model.lgb").write_text("tree")
    (made.var / "run").mkdir()
    (made.var / "run/mark").touch()
    told = made.supervisor("backup", TO=str(here / "kept"))
    assert told.returncode == 0, told.stdout + told.stderr
    return made, here / "kept"


TEAMS = "SELECT slug FROM registry_team ORDER BY slug"


def test_backup_of_an_external_database_is_restored_into_an_empty_one(bank, external, tmp_path):
    made, kept = external
    other = Installation(bank, "other", tmp_path / "var").create()

    told = other.supervisor("restore", FROM=str(kept))

    assert told.returncode == 0, told.stdout + told.stderr
    assert other.execute(TEAMS, owner=False) == made.execute(TEAMS) == [("travel",)]
    assert other.execute("SELECT id FROM mlflow.runs", owner=False) == [("r1",)]
    assert (other.var / "artifacts/model.lgb").read_text() == "tree"
    other.manage("team", "cards")  # the application's role writes on, and still cannot rewrite what was
    assert "The chain holds" in other.manage("audit_verify")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        other.execute("DELETE FROM registry_auditevent", owner=False)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        other.execute("ALTER TABLE registry_auditevent DISABLE TRIGGER ALL", owner=False)


def test_external_database_is_replaced_only_when_told_to_and_when_nobody_uses_it(bank, external):
    made, kept = external
    made.execute("UPDATE registry_team SET slug = 'later'", owner=False)
    (made.var / "artifacts/model.lgb").write_text("twig")

    asked = made.supervisor("restore", FROM=str(kept))
    with closing(psycopg2.connect(made.url("ml_app"))):
        busy = made.supervisor("restore", FROM=str(kept), YES="1")
    assert (asked.returncode, busy.returncode) == (1, 1)
    assert "Nothing was restored" in asked.stdout
    assert "nobody else may be connected" in busy.stdout
    assert made.execute(TEAMS) == [("later",)]
    assert (made.var / "artifacts/model.lgb").read_text() == "twig"
    done = made.supervisor("restore", FROM=str(kept), YES="1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert made.execute(TEAMS) == [("travel",)]
    assert (made.var / "artifacts/model.lgb").read_text() == "tree"
    with closing(psycopg2.connect(bank.url("postgres", "postgres"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'ml%'")
        assert cursor.fetchall() == [("ml",)]


def test_external_database_that_does_not_answer_is_said_in_one_line(bank, tmp_path):
    nowhere = Installation(bank, "nowhere", tmp_path / "var")

    told = nowhere.supervisor("backup", TO=str(tmp_path / "kept"))

    assert told.returncode == 1
    assert "PostgreSQL does not answer" in told.stdout
    assert 'database "nowhere" does not exist' in told.stdout
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(("server", "is_systems"), [(14, True), (15, True), (16, False), (None, False)])
def test_client_programs_of_the_system_are_used_unless_older_than_the_server(tmp_path, monkeypatch, server, is_systems):
    systems = tmp_path / "pg_dump"
    systems.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)'\n")
    systems.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert (postgres_program("pg_dump", server=server) == str(systems)) is is_systems


@pytest.fixture
def config(tmp_path):
    return Config.from_environment({}, var=tmp_path / "var")


@pytest.fixture
def source(tmp_path):
    """A backup in which only the manifest is real."""
    folder = tmp_path / "kept"
    (folder / "files/artifacts").mkdir(parents=True)
    (folder / "database.dump").write_bytes(b"dump")
    (folder / "files/artifacts/model.lgb").write_bytes(b"tree")
    paths = ("database.dump", "files/artifacts/model.lgb")
    digests = {path: backup._digest(folder / path) for path in paths}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "made_at": "2026-11-26", "sha256": digests}))
    return folder


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: (folder / "files/artifacts/model.lgb").write_bytes(b"twig"), "is not what was backed up"),
        (lambda folder: (folder / "database.dump").unlink(), "database.dump is missing"),
        (lambda folder: (folder / "files/extra").write_bytes(b""), "files/extra is not part of this backup"),
        (lambda folder: (folder / "files/link").symlink_to("/etc/passwd"), "files/link is not part of this backup"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "is no backup"),
        (shutil.rmtree, "is no backup"),
    ],
    ids=["altered", "missing", "surplus", "link", "no manifest", "nothing"],
)
def test_backup_that_is_not_whole_is_refused_before_anything_is_touched(config, source, spoil, why):
    kept = config.var / "artifacts/kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("as before")
    spoil(source)

    with pytest.raises(SetupError, match=why):
        backup.restore(config, source)

    assert kept.read_text() == "as before"
    assert [path for path in config.var.rglob("*") if path.is_file()] == [kept]


def test_backup_that_fails_leaves_nothing(config, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "_databases", lambda config: (_ for _ in ()).throw(SetupError("no database")))

    with pytest.raises(SetupError, match="no database"):
        backup.backup(config, tmp_path / "new")

    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.partial").exists()


def test_database_is_refused_without_password_in_the_process_list(config, monkeypatch):
    seen = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: seen.append((command, options)) or Done())

    backup._run(config, "pg_dump", "postgresql://app:s3cret%40@127.0.0.1:1/control", "--format=custom")

    [(command, options)] = seen
    assert "s3cret" not in " ".join(command)
    assert "--dbname=postgresql://app@127.0.0.1:1/control" in command
    assert options["env"]["PGPASSWORD"] == "s3cret@"
    assert os.environ.get("PGPASSWORD") is None


class Done:
    returncode = 0
