"""PostgreSQL and Valkey from their wheels: private, on 127.0.0.1, with passwords, under one data folder.

Nothing here imports Django, so the supervisor and the test session can start the servers before settings are read.
"""

from controlplane.embedded.local import EmbeddedServerError, free_port, port_is_free, secret_file, write_private
from controlplane.embedded.postgres import APP_ROLE, OWNER_ROLE, Postgres, postgres_program
from controlplane.embedded.valkey import Valkey

__all__ = [
    "APP_ROLE",
    "OWNER_ROLE",
    "EmbeddedServerError",
    "Postgres",
    "Valkey",
    "free_port",
    "port_is_free",
    "postgres_program",
    "secret_file",
    "write_private",
]
