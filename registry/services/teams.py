"""Teams: who belongs to them in which role, and what is guarded there."""

import re

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import Membership, Role, Team

ALIAS = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


@audited()
def team_create(*, actor: Actor | None, slug: str, name: str, governed: bool = True, process: str = "") -> Team:
    """Make a team.

    Args:
        governed: whether its guarded aliases move by promotion or rollback alone.

    Raises:
        ConflictError: a team has this slug.
    """
    try:
        with transaction.atomic():
            team = Team.objects.create(slug=slug, name=name, governed=governed)
    except IntegrityError:
        raise ConflictError(f"A team with the slug {slug} exists. Choose another.") from None
    audit(
        action="team.create", subject=team.path, actor=actor, team=slug, process=process,
        payload={"name": name, "governed": governed},
    )  # fmt: skip
    return team


@audited()
def team_join(*, actor: Actor | None, team: Team, user: User, role: Role, process: str = "") -> Membership:
    """Give ``user`` a role in ``team``, replacing the one held before.

    Raises:
        RoleError: the actor is not an admin of the team, or changes the own role.
    """
    if actor:
        actor.require(team, Role.ADMIN)
        if actor.user == user:
            raise RoleError("Nobody changes their own role; another admin of the team can.")
    before = Membership.objects.filter(team=team, user=user).values_list("role", flat=True).first()
    membership, _ = Membership.objects.update_or_create(team=team, user=user, defaults={"role": role})
    if before != role:
        audit(
            action="team.join", subject=team.path, actor=actor, team=team.slug, process=process,
            payload={"user": user.get_username(), "before": before, "after": role},
        )  # fmt: skip
    return membership


@audited()
def team_leave(*, actor: Actor | None, team: Team, user: User, process: str = "") -> None:
    """Take ``user`` out of ``team``: its objects, and tokens for it, are gone for them at once.

    Raises:
        RoleError: the actor is not an admin of the team, or would leave it; so a team never loses its last admin.
        ConflictError: the person is not in the team.
    """
    if actor:
        actor.require(team, Role.ADMIN)
        if actor.user == user:
            raise RoleError("Nobody leaves a team alone; another admin of the team can take you out.")
    membership = Membership.objects.select_for_update(no_key=True).filter(team=team, user=user).first()
    if membership is None:
        raise ConflictError(f"{user.get_username()} is not a member of {team.name}.")
    membership.delete()
    audit(
        action="team.leave", subject=team.path, actor=actor, team=team.slug, process=process,
        payload={"user": user.get_username(), "before": membership.role},
    )  # fmt: skip


@audited()
def team_guard(*, actor: Actor, team: Team, aliases: list[str]) -> Team:
    """Set the aliases that move by promotion or rollback alone, beside ``champion``.

    Raises:
        RoleError: the actor is not an admin of the team.
        InvalidError: an alias is not spelled like one.
    """
    actor.require(team, Role.ADMIN)
    wanted = sorted({alias.strip() for alias in aliases} - {"", "champion"})
    if bad := [alias for alias in wanted if not ALIAS.fullmatch(alias)]:
        raise InvalidError(
            f"{bad[0]!r} is no alias: up to 100 lower-case letters, digits, hyphens and underscores.", field="aliases"
        )
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    before = team.guarded_aliases
    if before != wanted:
        team.guarded_aliases = wanted
        team.save(update_fields=["guarded_aliases"])
        audit(
            action="team.guard", subject=team.path, actor=actor, team=team.slug,
            payload={"before": before, "after": wanted},
        )  # fmt: skip
    return team


@audited()
def team_change(*, team: Team, name: str = "", governed: bool | None = None, process: str) -> Team:
    """Rename a team, or switch its governance on or off.

    Only the installation's keeper does this, at a shell, and switches it off as the schema's owner: an admin who could
    would be rid of every approval.
    """
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    before = {"name": team.name, "governed": team.governed}
    team.name = name or team.name
    team.governed = team.governed if governed is None else governed
    after = {"name": team.name, "governed": team.governed}
    if before != after:
        team.save(update_fields=["name", "governed"])
        audit(
            action="team.change", subject=team.path, actor=None, team=team.slug, process=process,
            payload={"before": before, "after": after},
        )  # fmt: skip
    return team
