"""`manage.py policy`: change the installation's policy of a risk tier, below which no team goes."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry import services
from registry.errors import RefusedError
from registry.owner import as_owner
from registry.policies import NAMES

PROCESS = "manage.py"


class Command(BaseCommand):
    """Put the next number of the installation's policy for one tier in force."""

    help = "Change the installation's policy of a risk tier. Needs DATABASE_OWNER_URL."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("tier", type=int, choices=(1, 2, 3))
        parser.add_argument(
            "rules", nargs="+", metavar="RULE=VALUE",
            help=f"the value as JSON, such as max_waiver_days=20 or 'required={{\"approver\": 2}}'; rules: {', '.join(NAMES)}",
        )  # fmt: skip
        parser.add_argument("--reason", required=True, help="why; it stays with the policy")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the rules and change the policy."""
        changes = {}
        for rule in options["rules"]:
            name, _, value = rule.partition("=")
            try:
                changes[name] = json.loads(value)
            except json.JSONDecodeError:
                raise CommandError(f"{rule}: the value is JSON, such as 20, true, null or {{}}.") from None
        try:
            with as_owner():
                policy = services.policy_default(
                    risk_tier=options["tier"], changes=changes, reason=options["reason"], process=PROCESS
                )
        except RefusedError as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(f"Policy {policy.number} of tier {policy.risk_tier} is in force for the installation.")
