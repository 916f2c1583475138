"""`manage.py provision`: migrate as the schema's owner, then grant the application's role what it may do."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from psycopg2 import sql

import registry

GRANTS = Path(registry.__path__[0]) / "migrations/sql/grants.sql"


class Command(BaseCommand):
    """Bring the database to the state that this release expects; safe to repeat."""

    help = "Migrate as the owner role and grant the application's role what it may do. Safe to repeat."
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then grant."""
        if "owner" not in settings.DATABASES:
            raise CommandError("DATABASE_OWNER_URL is not set: migrations run as the schema's owner.")
        owner, app = (settings.DATABASES[alias]["USER"] for alias in ("owner", "default"))
        if owner == app:
            raise CommandError(f"DATABASE_URL and DATABASE_OWNER_URL both use {owner!r}; each needs a role of its own.")
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        with connections["owner"].cursor() as cursor:
            cursor.execute(sql.SQL(GRANTS.read_text().replace("%(app)s", "{app}")).format(app=sql.Identifier(app)))
