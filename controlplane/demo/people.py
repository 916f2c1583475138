"""The demo's two teams and six people. Passwords and tokens are made here and kept nowhere but in `var/demo.json`."""

import secrets

from django.contrib.auth.models import User

from controlplane.demo.description import CALLER, Login
from registry.access import Actor
from registry.models import ApiToken, Role, Team
from registry.selectors import token_by_secret
from registry.services import Bounds, team_create, team_join, token_create, token_revoke

PROCESS = "demo"
TRAVEL = "travel"
SANDBOX = "sandbox"
SCOPES = list(ApiToken.Scope.values)

PEOPLE = {
    "engineer": (TRAVEL, Role.ENGINEER),
    "product": (TRAVEL, Role.PRODUCT),
    "approver": (TRAVEL, Role.APPROVER),
    "admin": (TRAVEL, Role.ADMIN),
    "viewer": (TRAVEL, Role.VIEWER),
    "sandbox": (SANDBOX, Role.ENGINEER),
}


def person(name: str) -> Actor:
    """Return the demo's person ``name`` as somebody who acts: by the token in `var/demo.json`, as a script of theirs would."""
    user = User.objects.get(username=name)
    tokens = ApiToken.objects.filter(user=user, name=PROCESS, revoked_at__isnull=True).select_related("team")
    token = tokens.order_by("-id").first()
    return Actor(user, f"token:{token.prefix}", token) if token else Actor(user, PROCESS)


def seed_people(known: dict[str, Login]) -> dict[str, Login]:
    """Make sure of teams, people and their log-ins; return the log-ins.

    Args:
        known: log-ins as last written down. One that still works is kept; a lost or foreign one is made anew.
    """
    for slug, name, governed in ((TRAVEL, "Travel", True), (SANDBOX, "Sandbox", False)):
        if not Team.objects.filter(slug=slug).exists():
            team_create(actor=None, slug=slug, name=name, governed=governed, process=PROCESS)
    logins = {}
    for name, (slug, role) in PEOPLE.items():
        user, _ = User.objects.get_or_create(username=name)
        team = Team.objects.get(slug=slug)
        team_join(actor=None, team=team, user=user, role=role, process=PROCESS)
        logins[name] = _login(user, team, known.get(name))
    return logins


def seed_callers(known: dict[str, str]) -> dict[str, str]:
    """Make sure of the token that the demo's visitors show to the gateway; return it by name.

    Args:
        known: as last written down; kept if it still works.
    """
    if token_by_secret(known.get(CALLER, "")):
        return known
    user, team = User.objects.get(username="engineer"), Team.objects.get(slug=TRAVEL)
    _revoke(user, CALLER)
    bounds = Bounds(requests_per_s=1000, in_flight=100)
    _, secret = token_create(
        actor=None, user=user, team=team, name=CALLER, scopes=[ApiToken.Scope.PREDICT], bounds=bounds, process=PROCESS
    )
    return {CALLER: secret}


def _login(user: User, team: Team, known: Login | None) -> Login:
    """Return a log-in that works, keeping what still does: a token is cheap to check, a password is not."""
    if known and (token := token_by_secret(known["token"])) and token.user == user and len(token.scopes) == len(SCOPES):
        return known
    _revoke(user, PROCESS)
    _, token_secret = token_create(actor=None, user=user, team=team, name=PROCESS, scopes=SCOPES, process=PROCESS)
    if known and user.check_password(known["password"]):
        return Login(password=known["password"], token=token_secret)
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(update_fields=["password"])
    return Login(password=password, token=token_secret)


def _revoke(user: User, name: str) -> None:
    for stale in ApiToken.objects.filter(user=user, name=name, revoked_at__isnull=True):
        token_revoke(actor=None, token_id=stale.pk, process=PROCESS)
