"""`manage.py team`: make a team, rename it, or switch its governance."""

from contextlib import nullcontext
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_slug

from registry import services
from registry.models import Team
from registry.owner import as_owner

PROCESS = "manage.py"


class Command(BaseCommand):
    """Make or change a team."""

    help = "Make a team, or change one: its name, and whether guarded aliases move by approved promotions alone."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("slug", help="short name in addresses and tokens, such as travel")
        parser.add_argument("--name", default="", help="name for people (the slug)")
        governed = parser.add_mutually_exclusive_group()
        governed.add_argument("--governed", action="store_true", default=None, help="guarded aliases need approval")
        governed.add_argument("--ungoverned", action="store_false", dest="governed", help="aliases are free")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the team, or change what differs."""
        slug = options["slug"]
        try:
            validate_slug(slug)
        except ValidationError as error:
            raise CommandError(f"{slug}: {error.messages[0]}") from None
        team = Team.objects.filter(slug=slug).first()
        if team is None:
            governed = options["governed"] is not False
            team = services.team_create(
                actor=None, slug=slug, name=options["name"] or slug, governed=governed, process=PROCESS
            )
        else:
            with as_owner() if team.governed and options["governed"] is False else nullcontext():
                team = services.team_change(
                    team=team, name=options["name"], governed=options["governed"], process=PROCESS
                )  # fmt: skip
        self.stdout.write(f"{team.name} ({team.slug}) is {'governed' if team.governed else 'not governed'}.")
