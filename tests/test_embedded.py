"""The embedded servers: private, closed to others, and unharmed by a crash."""

import os
import stat
import subprocess
import sys

import psycopg2
import pytest
import redis

from controlplane.embedded import (
    APP_ROLE,
    OWNER_ROLE,
    EmbeddedServerError,
    Postgres,
    Valkey,
    free_port,
    secret_file,
    write_private,
)
from controlplane.supervisor.config import REPOSITORY


def new_cluster(folder):
    for path in (folder, *folder.parents):
        if "pytest-" in str(path):
            path.chmod(0o755)  # PostgreSQL runs unprivileged and has to reach its data
    return Postgres(folder / "postgres", free_port())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    server = new_cluster(tmp_path_factory.mktemp("a b"))
    yield server
    server.destroy()


@pytest.fixture
def postgres(cluster):
    """One cluster for several tests; each finds it stopped."""
    yield cluster
    cluster.stop()


def test_a_first_start_makes_two_roles_and_a_database_that_the_application_does_not_own(postgres):
    postgres.start(durable=False)

    with psycopg2.connect(postgres.url(APP_ROLE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
        assert cursor.fetchone() == (OWNER_ROLE,)
        cursor.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
    connection.close()


def test_no_one_enters_without_the_password(postgres):
    postgres.start(durable=False)

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgresql://postgres:guess@127.0.0.1:{postgres.port}/postgres")


def test_a_half_finished_first_start_is_begun_again(tmp_path):
    server = new_cluster(tmp_path)
    (server.data / "base").mkdir(parents=True)

    server.start(durable=False)

    assert server.accepts()
    server.destroy()


def test_what_was_committed_survives_a_killed_server(postgres):
    process = postgres.start()
    with psycopg2.connect(postgres.url(OWNER_ROLE)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    connection.close()
    process.kill()
    process.wait()

    postgres.start()

    with psycopg2.connect(postgres.url(OWNER_ROLE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM kept")
        assert cursor.fetchone() == (42,)
    connection.close()


def test_the_server_ends_with_the_process_that_started_it(postgres):
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom controlplane.embedded import Postgres\n"
        "print(Postgres(Path(sys.argv[1]), int(sys.argv[2])).start(durable=False).pid, flush=True)\ntime.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(postgres.root), str(postgres.port)], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert starter.stdout is not None
    assert starter.stdout.readline().strip().isdigit()

    starter.kill()
    starter.wait()
    postgres.stop()  # waits for the server, which is on its way

    assert not postgres.accepts()


def test_a_stale_process_number_of_somebody_else_is_left_alone(tmp_path):
    server = new_cluster(tmp_path)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    server.data.mkdir(parents=True)
    (server.data / "postmaster.pid").write_text(f"{bystander.pid}\n{server.data}\n")

    server.stop()

    assert bystander.poll() is None
    bystander.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as another user")
def test_root_keeps_the_cluster_elsewhere_where_other_users_cannot_pass(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres", free_port())

    server.start(durable=False)
    home, works = server.home, server.accepts()
    server.destroy()

    assert works
    assert not home.is_relative_to(closed)
    assert not home.exists()


def test_the_broker_asks_for_its_password_and_shows_it_to_nobody(tmp_path):
    broker = Valkey(tmp_path, free_port())
    process = broker.start()
    try:
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=broker.port) as anonymous:
            anonymous.ping()
        with redis.Redis.from_url(broker.url) as known:
            assert known.ping()
        password = secret_file(tmp_path / "valkey.secret")
        command_line = " ".join(broker.command())
        assert password not in command_line
        assert stat.S_IMODE((tmp_path / "valkey.conf").stat().st_mode) == 0o600
    finally:
        process.terminate()
        process.wait()


def test_a_server_whose_port_is_taken_says_where_to_look(tmp_path):
    first = Valkey(tmp_path / "first", free_port())
    process = first.start()

    with pytest.raises(EmbeddedServerError, match=r"Valkey did not start; see .*/second/valkey\.log"):
        Valkey(tmp_path / "second", first.port).start()

    process.terminate()
    process.wait()


def test_a_secret_is_made_once(tmp_path):
    path = tmp_path / "deep/secret"

    first, again = secret_file(path), secret_file(path)

    assert first == again
    assert len(first) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_private_file_is_never_open_to_others(tmp_path):
    path = tmp_path / "open.json"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["open.json"]
