"""`make backup` and `make restore`: database, files and keys of one installation in one folder, with a digest for each file.

The database is dumped first, in one snapshot. Files are written before the rows that name them and never change, so no row of
the dump names a file that the copy lacks; what came later is surplus and does no harm. A folder gets its name once it is
complete, and a restored database takes its place once all of it is there.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, free_port, postgres_program
from controlplane.supervisor.config import REPOSITORY, Config, SetupError

MANIFEST, DUMP, FILES = "manifest.json", "database.dump", "files"
BLOCK = 1 << 20
# In the order they are copied: a segment leaves the spool once it lies in the lake, so it is found in one of the two.
PARTS = {
    "spool": "SPOOL_ROOT",
    "lake": "LAKE_ROOT",
    "artifacts": "ARTIFACT_ROOT",
    "datasets": "DATA_ROOT",
    "reports": "REPORT_ROOT",
    "audit-heads": "AUDIT_HEADS",
}
KEPT_IN_VAR = ("signing", "secrets", "demo.json")  # keys, and the demo's log-ins


def backup(config: Config, target: Path) -> dict[str, Any]:
    """Write a backup to ``target``; return its manifest.

    Raises:
        SetupError: something stands there already, or the database cannot be dumped.
    """
    if target.exists():
        raise SetupError(f"{target} exists; name another place: make backup TO=…")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    partial.chmod(0o700)  # it holds keys
    try:
        with _databases(config) as (_, app):
            _run(config, "pg_dump", app, "--format=custom", f"--file={partial / DUMP}")
        digests = {DUMP: _digest(partial / DUMP)}
        for name, place in _places(config).items():
            for source in _sources(place):
                inside = Path(FILES, name, source.relative_to(place)) if source != place else Path(FILES, name)
                with suppress(FileNotFoundError):  # shipped, or given its final name, since it was listed
                    digests[str(inside)] = _copy(source, partial / inside)
        manifest = {"format": 1, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": digests}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def check(source: Path) -> dict[str, Any]:
    """Return the manifest of a backup that is complete and unchanged.

    Raises:
        SetupError: it is no backup, or a file is missing, surplus or altered; names it.
    """
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text())
        digests: dict[str, str] = manifest["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SetupError(f"{source} is no backup: it lacks a readable {MANIFEST}.") from None
    there = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_symlink() or not path.is_dir()}
    for path in sorted((there ^ digests.keys()) - {MANIFEST}):
        raise SetupError(f"{source}: {path} is {'missing' if path in digests else 'not part of this backup'}.")
    for path, digest in digests.items():
        if (source / path).is_symlink() or _digest(source / path) != digest:
            raise SetupError(f"{source}: {path} is not what was backed up. Nothing was restored.")
    return manifest


def is_empty(config: Config) -> bool:
    """Tell whether an installation keeps nothing yet that a restore would replace."""
    if config.postgres:
        held = (config.postgres.home / "initialised").exists()
    else:
        with closing(_connect(config.owner_url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_tables WHERE schemaname IN ('public', 'mlflow') LIMIT 1")
            held = cursor.fetchone() is not None
    return not held and not any(any(_sources(place)) for place in _places(config).values())


def restore(config: Config, source: Path) -> dict[str, Any]:
    """Replace what an installation keeps by a backup; return the backup's manifest. The product must be stopped.

    Raises:
        SetupError: the backup is not whole, or the database cannot be restored; then everything is as before.
    """
    manifest = check(source)
    staged: dict[Path, Path] = {}
    try:
        for name, place in _places(config).items():
            new = place.with_name(f"{place.name}.restoring")
            _remove(new)
            if (source / FILES / name).exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                _copy_all(source / FILES / name, new)
            staged[place] = new
        with _databases(config) as (owner, app):
            _restore_database(config, source / DUMP, owner, app)
            for place, new in staged.items():
                _remove(place)
                if new.exists():
                    new.rename(place)
            _provision(config, owner, app)
    finally:
        for new in staged.values():
            _remove(new)
    return manifest


def _places(config: Config) -> dict[str, Path]:
    storage = config.storage()
    places = {name: Path(storage[variable]) for name, variable in PARTS.items() if "://" not in storage[variable]}
    return places | {name: config.var / name for name in KEPT_IN_VAR}


def _sources(place: Path) -> Iterator[Path]:
    """Yield the files under a place; of a Delta table its log first, since it names data files that were written before."""
    if place.is_file():
        yield place
        return
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    yield from sorted(files, key=lambda path: ("_delta_log" not in path.parts, path))


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the digest of what was copied."""
    with source.open("rb") as read:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("wb") as written:
            while block := read.read(BLOCK):
                digest.update(block)
                written.write(block)
    shutil.copystat(source, target)
    return digest.hexdigest()


def _copy_all(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _databases(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the addresses of the database as owner and as application; an embedded server is started where none runs."""
    if config.postgres is None:
        yield config.external_owner_url, config.inherited["DATABASE_URL"]
        return
    running = config.postgres.running_port()
    postgres = Postgres(config.postgres.root, running or free_port())
    if not running:
        postgres.start()
    try:
        yield postgres.url(OWNER_ROLE), postgres.url(APP_ROLE)
    finally:
        if not running:
            postgres.stop()


def _restore_database(config: Config, dump: Path, owner: str, app: str) -> None:
    """Restore into a database beside the present one, each schema as its own owner, then let it take the name."""
    name = urlsplit(owner).path.lstrip("/")
    beside, before = f"{name}_restoring", f"{name}_replaced"
    _as_admin(owner, "DROP DATABASE IF EXISTS {} WITH (FORCE)", beside)
    try:
        _as_admin(owner, "CREATE DATABASE {}", beside)
        with closing(psycopg2.connect(_at(owner, beside))) as connection, connection, connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA mlflow")
            user = sql.Identifier(unquote(urlsplit(app).username or ""))
            cursor.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA mlflow TO {}").format(user))
        for url, schema in ((owner, "public"), (app, "mlflow")):
            _run(
                config, "pg_restore", _at(url, beside), f"--schema={schema}", "--no-owner", "--no-acl", "--exit-on-error",
                "--single-transaction", str(dump),
            )  # fmt: skip
        _as_admin(owner, "DROP DATABASE IF EXISTS {} WITH (FORCE)", before)
        _as_admin(owner, "ALTER DATABASE {} RENAME TO {}", name, before)
        _as_admin(owner, "ALTER DATABASE {} RENAME TO {}", beside, name)
        _as_admin(owner, "DROP DATABASE {} WITH (FORCE)", before)
    except psycopg2.Error as error:
        raise SetupError(
            f"The database was not restored: {str(error).strip()}. Its owner needs CREATEDB, and nobody else may be connected."
        ) from None


def _as_admin(owner: str, statement: str, *names: str) -> None:
    with closing(psycopg2.connect(_at(owner, "postgres"))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _provision(config: Config, owner: str, app: str) -> None:
    """Bring an older backup to this release, and grant anew."""
    environment = {**config.inherited, **config.settings(), "DATABASE_URL": app, "DATABASE_OWNER_URL": owner}
    command = [sys.executable, "manage.py", "provision", "-v0"]
    done = subprocess.run(  # noqa: S603
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"Restored, but `manage.py provision` failed:\n{done.stderr.strip()}")


def _at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _connect(url: str) -> Any:
    try:
        return psycopg2.connect(url)
    except psycopg2.OperationalError as error:
        raise SetupError(f"PostgreSQL does not answer: {str(error).strip()}") from None


def _server_version(config: Config, url: str) -> int | None:
    """Return the major version of an external server; None for the embedded one."""
    if config.postgres:
        return None
    with closing(_connect(url)) as connection:
        return int(connection.server_version) // 10_000


def _run(config: Config, program: str, url: str, *args: str) -> None:
    """Run one of PostgreSQL's own programs; the password goes by the environment, where no process list shows it.

    Raises:
        SetupError: it failed; carries what it said.
    """
    parts = urlsplit(url)
    place = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1))
    environment: Mapping[str, str] = {**os.environ, "PGPASSWORD": unquote(parts.password or "")}
    command = [postgres_program(program, server=_server_version(config, url)), f"--dbname={urlunsplit(place)}", *args]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SetupError(f"{program} failed: {done.stderr.strip()}")
