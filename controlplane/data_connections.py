"""The form of DATA_CONNECTIONS: which PostgreSQL data sets are read from, and by which teams."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

FORM = '{"name": {"url": "postgresql://…", "teams": ["slug"]}}'


def data_connections(given: Any, checked: Callable[[str, str], str]) -> dict[str, Any]:
    """Return the connections as they are configured.

    Args:
        given: ``{name: {url, teams}}``.
        checked: refuses a well-known secret.

    Raises:
        ImproperlyConfigured: one is not of the form; names it, and never its address.
    """
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"DATA_CONNECTIONS is no object of the form {FORM}.")
    for name, one in given.items():
        if not isinstance(one, Mapping) or set(one) != {"url", "teams"}:
            raise ImproperlyConfigured(f"DATA_CONNECTIONS: {name} has to have url and teams, and nothing else: {FORM}.")
        teams, url = one["teams"], one["url"]
        if not isinstance(url, str) or urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise ImproperlyConfigured(f"DATA_CONNECTIONS: url of {name} does not begin with postgresql://.")
        if not isinstance(teams, list) or not teams or not all(isinstance(team, str) and team for team in teams):
            raise ImproperlyConfigured(f"DATA_CONNECTIONS: teams of {name} is no list of slugs; nobody could use it.")
        checked("DATA_CONNECTIONS", url)
    return dict(given)
