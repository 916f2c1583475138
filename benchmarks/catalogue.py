"""A PostgreSQL of a benchmark's own, migrated, with one team, and a registry of any size in it.

Rows are written as the superuser with triggers off: reading is what is measured, and governed rows cannot be had in bulk.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

from controlplane.embedded import APP_ROLE, OWNER_ROLE, Postgres, free_port

if TYPE_CHECKING:
    from django.db.models import Model

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Home:
    """Where the benchmark's database lies."""

    folder: Path
    postgres: Postgres


@contextmanager
def installation() -> Iterator[Home]:
    """Start and migrate a PostgreSQL and set Django up on it; all of it is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="controlplane-bench-"))
    folder.chmod(0o755)
    postgres = Postgres(folder / "postgres", free_port())
    os.environ |= {
        "DEPLOYMENT": "test",
        "SECRET_KEY": secrets.token_urlsafe(40),
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "VAR_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "LOG_LEVEL": "ERROR",
    }
    (folder / "static").mkdir()
    try:
        postgres.start()
        os.environ["DATABASE_URL"] = postgres.url(APP_ROLE)
        owner = os.environ | {"DATABASE_OWNER_URL": postgres.url(OWNER_ROLE)}
        subprocess.run([sys.executable, "manage.py", "provision", "-v0"], check=True, cwd=ROOT, env=owner)
        import django

        django.setup()
        yield Home(folder, postgres)
    finally:
        postgres.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def execute(postgres: Postgres, *statements: str, database: str = "controlplane") -> None:
    """Run statements as the superuser, in one transaction, with triggers off; then refresh the planner's statistics."""
    with closing(psycopg2.connect(postgres.url("postgres", database))) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            for statement in statements:
                cursor.execute(statement)
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def insert(model: "type[Model]", rows: str, /, **expressions: str) -> str:
    """Return an INSERT of ``rows`` (SQL from FROM on): columns take the expression given, or else their default."""
    from django.db import connection

    columns: dict[str | None, str] = {}
    with connection.cursor() as cursor:
        for field in model._meta.concrete_fields:
            if given := expressions.get(field.attname):
                columns[field.column] = given
            elif getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
                columns[field.column] = "now()"
            elif not field.primary_key:
                default: Any = field.get_db_prep_save(field.get_default(), connection)
                columns[field.column] = cursor.mogrify("%s", [default]).decode()
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(columns.values())} {rows}"
