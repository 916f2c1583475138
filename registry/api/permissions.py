"""What a token and a role allow of any API view, before the object is looked at."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from registry.access import WRITERS, actor_of
from registry.errors import RoleError
from registry.models import ApiToken


class ScopeAndRole(BasePermission):
    """A token needs the verb's scope; who is nothing but a viewer writes nothing.

    Services ask again for the exact role in the object's team.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the request may go on.

        Raises:
            RoleError: the token lacks the scope, or the person may only read; says which.
        """
        reads = request.method in SAFE_METHODS
        scope = ApiToken.Scope.READ if reads else getattr(view, "token_scope", ApiToken.Scope.WRITE)
        actor = actor_of(request)
        if actor.token and scope not in actor.token.scopes:
            raise RoleError(
                f"This token lacks the scope {scope}.",
                unmet=[{"rule": f"a token with the scope {scope}", "who": "its owner, under Settings, Tokens"}],
            )
        if reads:
            return True
        if not actor.user.memberships.filter(team__in=actor.teams(), role__in=WRITERS).exists():
            raise RoleError(
                "A viewer reads and changes nothing.",
                unmet=[{"rule": "a role above viewer", "who": "an admin of the team"}],
            )
        return True
