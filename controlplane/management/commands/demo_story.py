"""`manage.py demo_story`: carry the demo's first model on, as far as jobs and traffic allow, until its story ends."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane.demo import families
from controlplane.demo.story import WaitingError, advance
from registry.errors import RefusedError

LOOK_EVERY_S, SELDOM_S = 0.5, 3.0  # seldom where the same is waited for


class Command(BaseCommand):
    """Tell the story; safe to stop and to start again."""

    help = "Train, evaluate and promote the demo's first model, step by step. Safe to repeat; refused elsewhere."
    requires_system_checks = ()  # they import every page, and take longer than the work itself

    def handle(self, *args: Any, **options: Any) -> None:
        """Take what steps can be taken, and wait between them."""
        if settings.DEPLOYMENT != "demo":
            raise CommandError(f"DEPLOYMENT is {settings.DEPLOYMENT}; the story is the demo's alone.")
        said, pause, parts = "", LOOK_EVERY_S, {"the first model": advance, "further families": families.advance}
        while parts:
            for name, part in list(parts.items()):
                try:
                    goes_on = part()
                except WaitingError as waiting:
                    goes_on = True
                    if waiting.what != said:
                        said, pause = waiting.what, LOOK_EVERY_S
                        self.stdout.write(f"{said} ({settings.WEB_URL}{waiting.path})")
                except RefusedError as refused:
                    goes_on = False
                    self.stdout.write(f"The story of {name} ends here, since people took over: {refused}")
                else:
                    if part is advance:
                        self.stdout.write(f"A promotion waits for the approver: {settings.WEB_URL}/")
                if not goes_on:
                    del parts[name]
            time.sleep(pause)
            pause = min(pause * 1.2, SELDOM_S)
