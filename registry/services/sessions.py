"""Logging in and out: passwords are guessed slowly, then not at all (T35)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.models import LoginFailure
from registry.throttle import pause_s

SUBJECT = "/login/"


@dataclass(frozen=True)
class LoginAttempt:
    """How an attempt to log in ended: a user, or when the next attempt may be made."""

    user: User | None = None
    wait_until: datetime | None = None
    locked: bool = False


@audited()
def login_attempt(*, username: str, password: str, address: str, now: datetime) -> LoginAttempt:
    """Check a name and a password, or refuse to look at them while the name is throttled or locked.

    The row of the name stays locked while the password is checked, so parallel attempts get no more tries than
    attempts in a row. A name that no user has is treated alike, so an answer never tells whether a user exists.
    """
    LoginFailure.objects.get_or_create(username=username, defaults={"last_at": now})
    failures = LoginFailure.objects.select_for_update(no_key=True).get(username=username)
    lock = timedelta(seconds=settings.LOGIN_LOCK_SECONDS)
    if failures.locked_until and now < failures.locked_until:
        return LoginAttempt(wait_until=failures.locked_until, locked=True)
    if failures.locked_until or now - failures.last_at > lock:
        failures.count, failures.locked_until = 0, None
    too_soon = now < failures.last_at + timedelta(seconds=pause_s(failures.count))
    user = None if too_soon else authenticate(username=username, password=password)
    if isinstance(user, User):
        failures.count = 0
        failures.save()
        audit(action="session.login", subject=SUBJECT, actor=Actor(user, "session"), payload={"address": address})
        return LoginAttempt(user=user)
    return _failed(failures, address=address, now=now, lock=lock)


def _failed(failures: LoginFailure, *, address: str, now: datetime, lock: timedelta) -> LoginAttempt:
    """Count one more failed log-in of a name; enough of them in a row lock it."""
    failures.count, failures.last_at = failures.count + 1, now
    if failures.count >= settings.LOGIN_FAILURES_BEFORE_LOCK:
        failures.locked_until = now + lock
    failures.save()
    # A name that no user has may well be a password typed into the wrong field: the trail must not keep it for ever.
    known = User.objects.filter(username=failures.username).exists()
    payload = {"user": failures.username if known else "", "failures": failures.count, "address": address}
    audit(action="session.login_failed", subject=SUBJECT, actor=None, process="web", payload=payload)
    if failures.locked_until:
        audit(action="session.locked", subject=SUBJECT, actor=None, process="web", payload=payload)
        return LoginAttempt(wait_until=failures.locked_until, locked=True)
    pause = pause_s(failures.count)
    return LoginAttempt(wait_until=now + timedelta(seconds=pause) if pause else None)


@audited()
def logout_record(*, actor: Actor) -> None:
    """Record that a person ended the session."""
    audit(action="session.logout", subject=SUBJECT, actor=actor)
