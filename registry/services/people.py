"""People: made by the installation's keeper; each changes the own password."""

import secrets

from django.contrib.auth.models import User

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError

SUBJECT = "/settings/"


@audited()
def person_create(*, username: str, process: str) -> tuple[User, str]:
    """Make a person who belongs to no team yet; return them with a first password, which is kept nowhere.

    Raises:
        ConflictError: the name is taken.
    """
    if User.objects.filter(username=username).exists():
        raise ConflictError(f"A person named {username} exists.")
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(username, password=password)
    audit(action="person.create", subject=SUBJECT, actor=None, process=process, payload={"user": username})
    return user, password


@audited()
def password_reset(*, user: User, process: str) -> str:
    """Give a person a new password, which ends their sessions; return it: it is kept nowhere."""
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit(action="person.password_reset", subject=SUBJECT, actor=None, process=process,
          payload={"user": user.get_username()})  # fmt: skip
    return password


@audited()
def password_change(*, actor: Actor, password: str) -> None:
    """Change the own password, which ends the person's other sessions."""
    actor.user.set_password(password)
    actor.user.save(update_fields=["password"])
    audit(action="person.password", subject=SUBJECT, actor=actor)


@audited()
def person_activate(*, user: User, active: bool, process: str) -> None:
    """Let a person log in, or refuse them: sessions end and tokens stop working at once."""
    if user.is_active != active:
        user.is_active = active
        user.save(update_fields=["is_active"])
        audit(action="person.activate", subject=SUBJECT, actor=None, process=process,
              payload={"user": user.get_username(), "active": active})  # fmt: skip
