"""Silences: whose alerts nobody is told of for a while, with a reason and an end."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.db.models.functions import Now
from django.utils import timezone

from registry.access import Actor
from registry.alerting.kinds import KINDS
from registry.alerting.silences import CRITICAL_ALONE
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, InvalidError
from registry.models import Alert, RegisteredModel, Role, Silence, Team

MANAGERS = (Role.ENGINEER, Role.APPROVER, Role.ADMIN)
LONGEST = timedelta(days=30)  # once
LONGEST_RECURRING = timedelta(days=366)
MOST_MINUTES = 24 * 60


@audited()
def silence_create(
    *, actor: Actor, team: Team, ends_at: datetime, reason: str, starts_at: datetime | None = None,
    model: RegisteredModel | None = None, kind: str = "", severity: str = "", cron: str = "", time_zone: str = "UTC", minutes: int = 0,
) -> Silence:  # fmt: skip
    """Have nobody told of some of a team's alerts for a while; they are raised and shown all the same.

    Critical ones stay silent for four hours at most, and not at all in a recurring window, until a second person confirms it.

    Args:
        cron, time_zone, minutes: it recurs at these instants, by the clocks of the zone, for so long each time.

    Raises:
        InvalidError: no reason, or a value that is not acceptable; names the field.
    """
    actor.require(team, *MANAGERS)
    now = timezone.now()
    starts_at = starts_at or now
    if not reason.strip():
        raise InvalidError("Say why nobody should be told.", field="reason")
    if model and model.team_id != team.pk:
        raise InvalidError(f"{model.name} is no model of {team.name}.", field="model")
    if kind and kind not in KINDS:
        raise InvalidError(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.", field="kind")
    if severity and severity not in Alert.Severity.values:
        raise InvalidError("severity is warning, critical, or empty: any.", field="severity")
    longest = LONGEST_RECURRING if cron else LONGEST
    if ends_at <= max(starts_at, now):
        raise InvalidError("ends_at lies in the past, or before starts_at.", field="ends_at")
    if ends_at - starts_at > longest:
        raise InvalidError(f"A silence lasts {longest.days} days at most; make another one then.", field="ends_at")
    _check_recurrence(cron, time_zone, minutes)
    silence = Silence.objects.create(
        team=team, model=model, kind=kind, severity=severity, starts_at=starts_at, ends_at=ends_at, cron=cron,
        time_zone=time_zone, minutes=minutes, reason=reason.strip(), created_by=actor.user,
    )  # fmt: skip
    audit(
        action="silence.create", subject=silence.path, actor=actor, team=team.slug,
        payload={"silence": silence.pk, "what": silence.what, "from": starts_at.isoformat(), "until": ends_at.isoformat(),
                 "cron": cron, "minutes": minutes, "reason": silence.reason},
    )  # fmt: skip
    return silence


@audited()
def silence_confirm(*, actor: Actor, silence: Silence) -> Silence:
    """Agree, as a second person, that critical alerts stay silent for the whole of a silence.

    Raises:
        FourEyesError: the actor made it.
        ConflictError: it is over, was confirmed before, or does not ask for it.
    """
    silence = _locked(actor, silence)
    if silence.created_by_id == actor.user.pk:
        raise FourEyesError(
            "Who made a silence does not confirm it.",
            unmet=[{"rule": "a second person", "who": f"another engineer, approver or admin of {silence.team.name}"}],
        )
    if silence.confirmed_by_id or not silence.window.asks_for_two:
        hours = int(CRITICAL_ALONE.total_seconds() // 3600)
        raise ConflictError(f"Nothing is to confirm: it was, or holds no critical alert for more than {hours} hours.")
    silence.confirmed_by, silence.confirmed_at = actor.user, timezone.now()
    silence.save(update_fields=["confirmed_by", "confirmed_at"])
    audit(
        action="silence.confirm", subject=silence.path, actor=actor, team=silence.team.slug,
        payload={"silence": silence.pk, "what": silence.what},
    )  # fmt: skip
    return silence


@audited()
def silence_end(*, actor: Actor, silence: Silence) -> Silence:
    """End a silence now: what is still open and was told to nobody is told.

    Raises:
        ConflictError: it is over.
    """
    silence = _locked(actor, silence)
    Silence.objects.filter(pk=silence.pk).update(ended_at=Now(), ended_by=actor.user)
    audit(
        action="silence.end", subject=silence.path, actor=actor, team=silence.team.slug,
        payload={"silence": silence.pk, "what": silence.what},
    )  # fmt: skip
    silence.refresh_from_db()
    return silence


def _locked(actor: Actor, silence: Silence) -> Silence:
    found = (
        Silence.objects.select_for_update(of=("self",), no_key=True).select_related("team", "model").get(pk=silence.pk)
    )
    actor.require(found.team, *MANAGERS)
    if found.ended_at or found.ends_at <= timezone.now():
        raise ConflictError("This silence is over.")
    return found


def _check_recurrence(cron: str, time_zone: str, minutes: int) -> None:
    if time_zone not in available_timezones():
        raise InvalidError(f"{time_zone!r} is no time zone; say it as Europe/Berlin.", field="time_zone")
    if not cron:
        if minutes:
            raise InvalidError("minutes go with a cron expression.", field="minutes")
        return
    try:
        CronSim(cron, timezone.now().astimezone(ZoneInfo(time_zone)))
    except CronSimError as error:
        raise InvalidError(f"cron is no cron expression: {error}.", field="cron") from None
    if not 1 <= minutes <= MOST_MINUTES:
        raise InvalidError(f"minutes must be a whole number from 1 to {MOST_MINUTES}.", field="minutes")
