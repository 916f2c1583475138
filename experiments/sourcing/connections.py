"""The databases that the platform names in DATA_CONNECTIONS, each for the teams that may read it. Their addresses are told to nobody."""

from django.conf import settings

from registry.errors import InvalidError
from registry.models import Team


def connections_of(team: Team) -> list[str]:
    """Return the names of the connections that a team may read by; their addresses are told to nobody."""
    return sorted(name for name, one in settings.DATA_CONNECTIONS.items() if team.slug in one.get("teams", []))


def address_of(team: Team, connection: str) -> str:
    """Return where a connection leads; never to be shown, stored or logged.

    Raises:
        InvalidError: the team may not use it, or there is none of the name; which of the two is not told.
    """
    if connection not in connections_of(team):
        raise InvalidError(
            f"Your team has no connection {connection}; the platform configures them.", field="connection"
        )
    return str(settings.DATA_CONNECTIONS[connection]["url"])
