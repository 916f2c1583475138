"""`manage.py mlflow_server`: MLflow's protocol and web interface, with our registry and authentication."""

from typing import Any
from urllib.parse import urlsplit

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from registry.mlflow.server import application


class Command(BaseCommand):
    """Serve MLflow's application until stopped."""

    help = "Serve MLflow's protocol and web interface at MLFLOW_URL."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address to listen on."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, help="port to listen on (that of MLFLOW_URL)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Put the application together and serve it."""
        port = options["port"] or urlsplit(settings.MLFLOW_URL).port or 5000
        uvicorn.run(
            application(), host=options["host"], port=port, log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=3,
        )  # fmt: skip
