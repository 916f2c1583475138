"""`manage.py gateway_token`: make or revoke what gateways of another host show to the control plane."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import RefusedError
from rollouts.gateways.tokens import gateway_token_create, gateway_token_revoke

PROCESS = "manage.py"


class Command(BaseCommand):
    """Make or revoke a gateway's token."""

    help = "Make a token for the gateways of one host (their ROUTING_TOKEN), or revoke it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("name", help="which gateways use it, such as the name of their host")
        parser.add_argument("--revoke", action="store_true", help="revoke it at once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; the secret alone goes to standard output, so that it can be piped to where it is kept."""
        name = options["name"]
        try:
            if options["revoke"]:
                gateway_token_revoke(name=name, process=PROCESS)
                self.stderr.write(f"{name} is revoked.")
                return
            _, secret = gateway_token_create(name=name, process=PROCESS)
        except RefusedError as error:
            raise CommandError(str(error)) from error
        self.stderr.write("This is shown once. Give it to the gateways as ROUTING_TOKEN.")
        self.stdout.write(secret)
