"""`manage.py person`: make a person, give them a role, a new password, or refuse them."""

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry import services
from registry.models import Role, Team

PROCESS = "manage.py"


class Command(BaseCommand):
    """Make or change a person."""

    help = "Make a person and print a first password; or give one a role, a new password, or refuse them the log-in."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("username")
        parser.add_argument("--team", help="slug of a team to join; needs --role")
        parser.add_argument("--role", choices=Role.values)
        parser.add_argument("--reset-password", action="store_true", help="print a new password; sessions end")
        active = parser.add_mutually_exclusive_group()
        active.add_argument("--deactivate", action="store_false", dest="active", default=None, help="refuse the log-in")
        active.add_argument("--activate", action="store_true", dest="active", help="allow it again")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked, in one line each."""
        if bool(options["team"]) != bool(options["role"]):
            raise CommandError("--team and --role go together.")
        team = Team.objects.filter(slug=options["team"]).first()
        if options["team"] and team is None:
            raise CommandError(f"There is no team {options['team']}; make it: manage.py team {options['team']}")
        user = User.objects.filter(username=options["username"]).first() or self._make(options["username"])
        if options["reset_password"]:
            self.stdout.write(f"New password: {services.password_reset(user=user, process=PROCESS)}")
        if options["active"] is not None:
            services.person_activate(user=user, active=options["active"], process=PROCESS)
            self.stdout.write(f"{user.username} may {'' if options['active'] else 'not '}log in.")
        if team:
            services.team_join(actor=None, team=team, user=user, role=Role(options["role"]), process=PROCESS)
            self.stdout.write(f"{user.username} is {options['role']} of {team.name}.")

    def _make(self, username: str) -> User:
        try:
            UnicodeUsernameValidator()(username)
        except ValidationError as error:
            raise CommandError(f"{username}: {error.messages[0]}") from None
        user, password = services.person_create(username=username, process=PROCESS)
        self.stdout.write(f"{username} is made. First password: {password}  (Settings, You: change it)")
        return user
