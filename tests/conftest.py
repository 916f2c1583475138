"""Each test process gets a copy of one migrated database; each test its own folders."""

import os
import time

import psycopg2
import pytest
from django.db import connections
from django.test import TransactionTestCase
from hypothesis import Phase, settings

from controlplane.embedded import OWNER_ROLE

pytest_plugins = ["tests.browser", "tests.stack"]

TEMPLATE = "controlplane"

settings.register_profile("patient", deadline=None)  # an example may take as long as the machine is busy
# Where a failure is all that is asked for, its smallest example is not looked for.
settings.register_profile("any_failure", deadline=None, phases=(Phase.explicit, Phase.generate))
settings.load_profile("patient")


def _clone_database(name: str) -> None:
    """Replace database ``name`` by a fresh copy of the migrated template, and point Django at it."""
    connections.close_all()
    admin = psycopg2.connect(os.environ["TEST_SUPERUSER_URL"])
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" OWNER "{OWNER_ROLE}" STRATEGY FILE_COPY')
    admin.close()
    for alias in connections:
        connections[alias].settings_dict["NAME"] = name
    for variable in ("DATABASE_URL", "DATABASE_OWNER_URL"):  # child processes of a test see the same database
        os.environ[variable] = f"{os.environ[variable].rsplit('/', 1)[0]}/{name}"


@pytest.fixture(scope="session")
def database_name(worker_id):
    return f"test_{worker_id}"


@pytest.fixture(scope="session")
def django_db_setup(database_name, django_db_blocker):
    with django_db_blocker.unblock():
        _clone_database(database_name)
        # Append-only tables refuse TRUNCATE, so a transactional test leaves by a fresh copy instead of a flush.
        TransactionTestCase._fixture_teardown = lambda self: _clone_database(database_name)
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture(autouse=True)
def var_dir(settings, tmp_path):
    """Give each test its own folders for artifacts, data, spool, lake, routing table, reports and keys."""
    settings.VAR_DIR = tmp_path
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    settings.DATA_ROOT = tmp_path / "datasets"
    settings.LAKE_ROOT = tmp_path / "lake"
    settings.SPOOL_ROOT = tmp_path / "spool"
    settings.REPORT_ROOT = tmp_path / "reports"
    settings.SIGNING_KEY_FILE = tmp_path / "signing/key.pem"
    settings.ROUTING_TABLE_PATH = tmp_path / "routing/table.json"
    return tmp_path


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def elsewhere(monkeypatch):
    """Let the process run where clocks are half a day off UTC."""
    with monkeypatch.context() as place:
        place.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        yield
    time.tzset()
