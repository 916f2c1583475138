"""`manage.py demo_story`: carry the demo's first model on, as far as jobs and traffic allow, until its story ends."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane.demo.story import WaitingError, advance
from registry.errors import RefusedError

LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    """Tell the story; safe to stop and to start again."""

    help = "Train, evaluate and promote the demo's first model, step by step. Safe to repeat; refused elsewhere."
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def handle(self, *args: Any, **options: Any) -> None:
        """Take what steps can be taken, and wait between them."""
        if settings.DEPLOYMENT != "demo":
            raise CommandError(f"DEPLOYMENT is {settings.DEPLOYMENT}; the story is the demo's alone.")
        said = ""
        while True:
            try:
                advance()
            except WaitingError as waiting:
                if waiting.what != said:
                    said = waiting.what
                    self.stdout.write(f"{said} ({settings.WEB_URL}{waiting.path})")
                time.sleep(LOOK_EVERY_S)
            except RefusedError as refused:
                self.stdout.write(f"The story ends here, since people took over: {refused}")
                return
            else:
                self.stdout.write(f"A promotion waits for the approver: {settings.WEB_URL}/")
                return
