"""Where the demo's parts live and answer, read from the environment once; every variable has a default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.embedded import (
    APP_ROLE,
    OWNER_ROLE,
    Postgres,
    Valkey,
    free_port,
    port_is_free,
    secret_file,
    write_private,
)

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
PUBLIC_PORTS = {"web": "WEB_PORT", "mlflow": "MLFLOW_PORT", "gateway": "GATEWAY_PORT"}
VARIABLES = {  # name: (default, meaning)
    "VAR_DIR": ("var", "folder that holds all the demo keeps; a new or empty one"),
    "WEB_PORT": ("8000", "port of the pages and the API, on 127.0.0.1"),
    "MLFLOW_PORT": ("5000", "port of MLflow's protocol"),
    "GATEWAY_PORT": ("8080", "port of the gateway"),
    "POSTGRES_PORT": ("55432", "port of the embedded PostgreSQL; another is taken where this is not free"),
    "VALKEY_PORT": ("56379", "port of the embedded broker; another is taken where this is not free"),
    "DATABASE_URL": ("embedded", "PostgreSQL of your own, as the application's role"),
    "DATABASE_OWNER_URL": ("embedded", "the same database as the schema's owner; goes with DATABASE_URL"),
    "BROKER_URL": ("embedded", "Redis or Valkey of your own"),
    "DEMO_TRAFFIC_RATE": ("20", "requests per second that the demo sends to its gateway"),
    "NO_COLOR": ("unset", "any value takes the colours from the output"),
}
STORAGE = {
    "ARTIFACT_ROOT": "artifacts",
    "DATA_ROOT": "datasets",
    "LAKE_ROOT": "lake",
    "BATCH_ROOT": "batch",
    "SPOOL_ROOT": "spool",
    "REPORT_ROOT": "reports",
    "AUDIT_HEADS": "audit-heads",
    "ROUTING_TABLE_PATH": "routing/table.json",
    "SIGNING_TRUSTED_KEYS": "signing/key.pub",
}
NOT_INHERITED = ("DATABASE_OWNER_URL", "PYTHONPATH", "PYTHONHOME")


class SetupError(Exception):
    """The demo cannot run as things are; the message is one line that says what to do."""


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds all the demo keeps.

    Raises:
        SetupError: it holds other things; `make reset` would delete them.
    """
    default = REPOSITORY / "var"
    var = Path(environ.get("VAR_DIR") or default).absolute()
    if var != default and var.exists() and any(var.iterdir()) and not (var / "run/mark").exists():
        raise SetupError(f"VAR_DIR is {var}, which holds other things; name a new or empty folder.")
    return var


@dataclass(frozen=True)
class Config:
    """Folders, ports and servers of one demo."""

    var: Path
    ports: dict[str, int]
    postgres: Postgres | None  # None: DATABASE_URL and DATABASE_OWNER_URL name an external one
    valkey: Valkey | None  # None: BROKER_URL names an external one
    external_owner_url: str
    inherited: Mapping[str, str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, var: Path) -> "Config":
        """Read the environment.

        Raises:
            SetupError: a variable is missing beside another, or is no port.
        """
        if bool(environ.get("DATABASE_URL")) != bool(environ.get("DATABASE_OWNER_URL")):
            raise SetupError(
                "DATABASE_URL and DATABASE_OWNER_URL go together: set both to use an external PostgreSQL, or neither."
            )
        postgres = valkey = None
        if not environ.get("DATABASE_URL"):
            postgres = Postgres(var / "postgres", server_port(environ, "POSTGRES_PORT"))
        if not environ.get("BROKER_URL"):
            valkey = Valkey(var / "broker", server_port(environ, "VALKEY_PORT"))
        ports = {name: _port(environ, variable) for name, variable in PUBLIC_PORTS.items()}
        return cls(
            var, ports, postgres, valkey,
            external_owner_url=environ.get("DATABASE_OWNER_URL", ""),
            inherited={key: value for key, value in environ.items() if key not in NOT_INHERITED},
        )  # fmt: skip

    @property
    def owner_url(self) -> str:
        """The schema owner's database; handed to the migration alone."""
        return self.postgres.url(OWNER_ROLE) if self.postgres else self.external_owner_url

    def url(self, name: str) -> str:
        """Return the address of web, mlflow or gateway."""
        return f"http://{HOST}:{self.ports[name]}"

    def storage(self) -> dict[str, str]:
        """Return the variables that say where files lie."""
        return {"VAR_DIR": str(self.var)} | {
            variable: self.inherited.get(variable) or str(self.var / place) for variable, place in STORAGE.items()
        }

    def settings(self) -> dict[str, str]:
        """Return what `manage.py` and the Django processes read; the owner's database is not among it."""
        return {
            "DEPLOYMENT": "demo",
            "SECRET_KEY": secret_file(self.var / "secrets/secret-key"),
            "DATABASE_URL": self.postgres.url(APP_ROLE) if self.postgres else self.inherited["DATABASE_URL"],
            "BROKER_URL": self.valkey.url if self.valkey else self.inherited["BROKER_URL"],
            **{f"{name.upper()}_URL": self.url(name) for name in self.ports},
            **self.storage(),
        }

    def log_hash_key(self) -> str:
        """Return what the gateway hashes sensitive values with; it stays, so that equal values keep equal hashes."""
        return secret_file(self.var / "secrets/log-hash-key")

    def write_env_file(self) -> None:
        """Write the settings for a `manage.py` run beside the demo."""
        quoted = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in self.settings().items()}
        write_private(self.var / "demo.env", "".join(f'{key}="{value}"\n' for key, value in quoted.items()))

    def check_ports(self) -> None:
        """Make sure that every port is free.

        Raises:
            SetupError: names the first that is taken, and the variable that moves it.
        """
        wanted = [(name, variable, self.ports[name]) for name, variable in PUBLIC_PORTS.items()]
        if self.postgres:
            wanted.append(("PostgreSQL", "POSTGRES_PORT", self.postgres.port))
        if self.valkey:
            wanted.append(("the broker", "VALKEY_PORT", self.valkey.port))
        for name, variable, port in wanted:
            if not port_is_free(port):
                other = next((p for p in range(port + 1, 65536) if port_is_free(p)), free_port())
                raise SetupError(
                    f"Port {port} for {name} is taken by another process; choose another: {variable}={other} make demo"
                )


def _port(environ: Mapping[str, str], variable: str) -> int:
    default, _ = VARIABLES[variable]
    text = environ.get(variable) or default
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SetupError(f"{variable} is {text!r}; it must be a port number such as {default}.")
    return int(text)


def server_port(environ: Mapping[str, str], variable: str) -> int:
    """Return the port of an embedded server, which nobody dials by heart: where the default is taken, any other."""
    port = _port(environ, variable)
    return port if environ.get(variable) or port_is_free(port) else free_port()
