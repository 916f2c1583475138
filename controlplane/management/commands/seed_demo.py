"""`manage.py seed_demo`: the demo's people and first model; the last line it writes says what happens next."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from controlplane.demo import description
from controlplane.demo.model import MODEL, seed_model
from controlplane.demo.people import seed_callers, seed_people


class Command(BaseCommand):
    """Make sure that everything the demo starts with is there; safe to repeat."""

    help = "Make the demo's teams, people and first model, and write var/demo.json. Safe to repeat; refused elsewhere."
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill in schedules, people and the model; say where the model is."""
        if settings.DEPLOYMENT != "demo":
            raise CommandError(f"DEPLOYMENT is {settings.DEPLOYMENT}; demo log-ins exist in the demo alone.")
        call_command("sync_schedules", verbosity=0)
        described = description.read()
        described["users"] = seed_people(described["users"])
        described["callers"] = seed_callers(described["callers"])
        description.write(described)
        if job := seed_model():
            self.stdout.write(f"The first model is being made in the background: {settings.WEB_URL}{job.path}")
        else:
            self.stdout.write(f"The first model is at {settings.WEB_URL}/models/{MODEL}/")
