"""`manage.py publish_routing`: publish the routing table and who may call now, as the schedule does every second."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from rollouts.gateways.callers import callers_publish
from rollouts.routing import routing_publish


class Command(BaseCommand):
    """Publish the routing table; changes nothing where it is up to date."""

    help = "Publish the routing table if what should be served changed, and restore its file if it was lost."

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish, and say what is in force."""
        callers_publish(now=timezone.now())
        table = routing_publish(now=timezone.now())
        self.stdout.write(f"Routing table {table.version} of {table.published_at:%Y-%m-%d %H:%M:%S} UTC is in force.")
