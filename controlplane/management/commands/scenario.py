"""`manage.py scenario`: rehearse rollouts and retraining on the running demo, and say how they went."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.demo.play import NAMES, play_of
from controlplane.demo.playing import StoppedError
from registry.errors import RefusedError


class Command(BaseCommand):
    """Run one scenario or several at once."""

    help = (
        "Rehearse on the running demo: rollouts of a good candidate, one that fails, one that dawdles and one that stays unclear; and "
        "a champion that the world leaves behind."
    )
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the scenarios, and how fast they pass."""
        parser.add_argument("names", nargs="+", choices=NAMES, metavar="name", help=", ".join(NAMES))
        parser.add_argument("--rate", type=float, default=100.0, help="requests per second to each model")
        parser.add_argument("--speed", type=float, default=1.0, help="how many times faster the plan's phases pass")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run them beside each other until each is over; any that ended otherwise than it should is an error."""
        if settings.DEPLOYMENT != "demo":
            raise CommandError(f"DEPLOYMENT is {settings.DEPLOYMENT}; scenarios are the demo's alone.")
        if not 0 < options["rate"] <= 500:
            raise CommandError("--rate must be more than 0 and at most 500 requests per second.")
        if not 0 < options["speed"] <= 20:
            raise CommandError("--speed must be more than 0 and at most 20.")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        names = list(dict.fromkeys(options["names"]))
        with ThreadPoolExecutor(len(names)) as threads:
            failed = list(filter(None, threads.map(lambda name: self._run(name, stopping, options), names)))
        if failed:
            raise CommandError("\n".join(failed))

    def _run(self, name: str, stopping: threading.Event, options: dict[str, Any]) -> str:
        """Return what went wrong; empty where the scenario ended as it should."""
        began = time.monotonic()

        def say(_: float, text: str) -> None:
            self.stdout.write(f"{name:12} {time.monotonic() - began:6.1f} s  {text}")
            self.stdout.flush()

        try:
            ended = play_of(name, options["rate"], options["speed"], say, stopping).run()
        except (RefusedError, StoppedError) as refused:
            return f"{name}: {refused}"
        say(1.0, f"The {ended.what} is {ended.told}")
        return "" if ended.good else f"{name}: the {ended.what} is {ended.told}, which it should not be"
