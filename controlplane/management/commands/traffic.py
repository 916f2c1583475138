"""`manage.py traffic`: call the gateway with real rows, so that the demo's pages live."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.demo import description
from controlplane.demo.callers import Caller
from controlplane.demo.labels import LateLabels
from controlplane.demo.traffic import Traffic
from experiments.models import DatasetVersion

LABELS_BY = "engineer"


class Command(BaseCommand):
    """Replay the rows that came after a champion's training."""

    help = "Replay real rows of the months after training against the gateway, and tell later what became of them, until stopped."
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the models, and how fast their days pass."""
        parser.add_argument("--rate", type=float, default=20.0, help="requests per second to each model")
        parser.add_argument("--model", action="append", help="model to call (flight-delay); may be given several times")
        parser.add_argument(
            "--clock", type=float, default=2000.0,
            help="how many times faster than the world's the replay's clock runs: outcomes come in after the flight's own "
            "hours, divided by it; 0 tells none",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Send until SIGTERM or SIGINT."""
        if not 0 < options["rate"] <= 1000:
            raise CommandError("--rate must be more than 0 and at most 1000 requests per second.")
        if options["clock"] < 0:
            raise CommandError("--clock must not be negative.")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        first, *others = [self._traffic(name, stopping, options) for name in options["model"] or ["flight-delay"]]
        for traffic in others:
            threading.Thread(target=traffic.run, daemon=True).start()
        try:
            first.run()
        except DatasetVersion.DoesNotExist:
            raise CommandError(
                f"The champion of {first.caller.model} was trained on rows that are no data set here."
            ) from None

    def _traffic(self, model: str, stopping: threading.Event, options: dict[str, Any]) -> Traffic:
        described = description.read()
        login = described["users"].get(LABELS_BY)
        labels = None
        if login and options["clock"]:
            labels = LateLabels(settings.WEB_URL, model, login["token"], clock=options["clock"])
            threading.Thread(target=labels.run, args=(stopping,), daemon=True).start()
        caller = Caller(settings.GATEWAY_URL, model, described["callers"].get(description.CALLER, ""))
        return Traffic(caller, options["rate"], stopping, labels=labels)
