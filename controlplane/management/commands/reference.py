"""`manage.py reference`: write docs/reference from the code, or check that it was."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.reference import ROOT, stale_pages


class Command(BaseCommand):
    """Write the reference pages."""

    help = "Write docs/reference, and the list of actions that webhooks are told, from the code."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take one option."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare or write each page."""
        stale = stale_pages()
        if options["check"]:
            if stale:
                raise CommandError(f"Stale: {', '.join(map(str, stale))}. Run `make docs`.")
            return
        for place, text in stale.items():
            (ROOT / place).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / place).write_text(text)
        self.stdout.write(f"Wrote {', '.join(map(str, stale)) or 'nothing: all was up to date'}.")
