"""`manage.py traffic`: call the gateway with real rows, so that the demo's pages live."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.demo import description
from controlplane.demo.traffic import Traffic
from experiments.models import DatasetVersion


class Command(BaseCommand):
    """Replay the rows that came after a champion's training."""

    help = "Replay real rows of the months after training against the gateway, until stopped."
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the rate and the model."""
        parser.add_argument("--rate", type=float, default=20.0, help="requests per second")
        parser.add_argument("--model", default="flight-delay", help="name of the model to call")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send until SIGTERM or SIGINT."""
        if not 0 < options["rate"] <= 1000:
            raise CommandError("--rate must be more than 0 and at most 1000 requests per second.")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        try:
            token = description.read()["callers"].get("traffic", "")
            Traffic(settings.GATEWAY_URL, options["model"], options["rate"], stopping, token).run()
        except DatasetVersion.DoesNotExist:
            raise CommandError(
                f"The champion of {options['model']} was trained on rows that are no data set here."
            ) from None
