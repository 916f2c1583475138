"""`manage.py job_run`: the child process in which one attempt runs; workers start it, people do not."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.child import die_with_parent
from jobs.execution import perform
from jobs.leases import JobCancelledError, LeaseLostError


class Command(BaseCommand):
    """Run the handler of one claimed job."""

    help = "Run one attempt of a job in this process. Started by workers."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what names the attempt."""
        parser.add_argument("job", type=int)
        parser.add_argument("attempt", type=int)
        parser.add_argument("--parent", type=int, required=True, help="process id of the worker that started this")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it; an exception ends the process with its traceback, which the worker keeps."""
        die_with_parent(options["parent"])
        try:
            perform(options["job"], options["attempt"])
        except (JobCancelledError, LeaseLostError) as stop:
            sys.exit(str(stop))
