"""A backup of the running product, restored elsewhere: the same champion serves, and the trail holds."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from controlplane.embedded import free_port
from controlplane.supervisor import backup
from controlplane.supervisor.config import REPOSITORY, VARIABLES, Config, SetupError
from tests.stack import Stack


@pytest.mark.stack
def test_backup_of_the_running_product_restored_elsewhere_serves_the_same_champion(stack, tmp_path):
    kept = tmp_path / "kept"
    before = stack.api("engineer", "GET", "/models/flight-delay/versions")[1]
    told = stack.supervisor("backup", TO=str(kept))
    ports = {name: str(free_port()) for name in VARIABLES if name.endswith("_PORT")}
    elsewhere = Stack(tmp_path / "var", {**stack.environment, **ports, "VAR_DIR": str(tmp_path / "var")})

    restored = elsewhere.supervisor("restore", FROM=str(kept))
    again = elsewhere.supervisor("restore", FROM=str(kept), check=False)
    try:
        started = elsewhere.supervisor("demo", "--detach", check=False)
        elsewhere.until(lambda: elsewhere.infer()[0] == 200, seconds=120, what="the restored champion to serve")
        after = elsewhere.api("engineer", "GET", "/models/flight-delay/versions")[1]
        verified = subprocess.run(
            [sys.executable, "manage.py", "audit_verify"], cwd=REPOSITORY, capture_output=True, text=True, check=False,
            env={**elsewhere.environment},
        )  # fmt: skip
    finally:
        elsewhere.supervisor("reset", YES="1")

    assert "keys among them" in told.stdout
    assert "Restored what was backed up" in restored.stdout
    assert again.returncode == 1
    assert "Nothing was restored" in again.stdout
    assert started.returncode == 0, started.stdout
    assert {(v["number"], v["artifact_digest"]) for v in after["results"]} >= {
        (v["number"], v["artifact_digest"]) for v in before["results"]
    }
    assert verified.returncode == 0, verified.stderr
    assert "The chain holds" in verified.stdout


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
