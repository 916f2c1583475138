"""Aliases, and the way back: rollback to a former champion."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, GuardedAliasError, InvalidError
from registry.models import (
    Alert,
    Alias,
    AliasMove,
    ModelVersion,
    Promotion,
    RegisteredModel,
    RevalidationTrigger,
    Role,
    Rollback,
)
from registry.services.alerts import alert_clear, alert_raise
from registry.services.revalidation import revalidation_trigger
from registry.services.standing import standing_approvals_void
from registry.states import PROMOTION, PromotionEvent, PromotionState


@audited(again=True)
def alias_set(*, actor: Actor, model: RegisteredModel, name: str, version: ModelVersion) -> Alias:
    """Point a free alias at a version.

    Raises:
        GuardedAliasError: the team guards it.
    """
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    _refuse_guarded(model, name)
    pk, before = _lock_held(model, name) or (None, None)
    alias = Alias(pk=pk, model=model, name=name, version=version, set_by=actor.user)
    alias.save()
    audit(
        action="alias.set", subject=model.path, actor=actor, team=model.team.slug,
        payload={"alias": name, "before": before, "after": version.number},
    )  # fmt: skip
    return alias


@audited(again=True)
def alias_delete(*, actor: Actor, model: RegisteredModel, name: str) -> None:
    """Remove a free alias; removing one that is not there changes nothing.

    Raises:
        GuardedAliasError: the team guards it.
    """
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    _refuse_guarded(model, name)
    model = RegisteredModel.objects.hold(model.pk)
    before = model.aliases.filter(name=name).values_list("version__number", flat=True).first()
    if before is not None:
        model.aliases.filter(name=name).delete()
        audit(
            action="alias.delete", subject=model.path, actor=actor, team=model.team.slug,
            payload={"alias": name, "before": before},
        )  # fmt: skip


@audited(again=True)
def rollback(
    *, actor: Actor, model: RegisteredModel, to_version: ModelVersion, reason: str, alias: str = "champion"
) -> Rollback:
    """Return an alias to a version that held it before: one person, at once, reviewed by another afterwards.

    Raises:
        InvalidError: no reason was given.
        ConflictError: the version never held the alias, holds it now, is retired or not servable.
    """
    actor.require(model.team, Role.ENGINEER, Role.APPROVER)
    if not reason.strip():
        raise InvalidError("A rollback needs a reason: what did you see?", field="reason")
    model = RegisteredModel.objects.hold(model.pk)
    current = model.aliases.select_related("version", "promotion").filter(name=alias).first()
    if current is None:
        raise ConflictError(f"{model.name} has no {alias} to roll back.")
    if current.version_id == to_version.pk:
        raise ConflictError(f"v{to_version.number} is {alias} already.")
    if not AliasMove.objects.filter(model=model, name=alias, version=to_version).exists():
        raise ConflictError(f"v{to_version.number} never was {alias}; a version gets there by a promotion.")
    if not to_version.is_servable:
        raise ConflictError(f"v{to_version.number} cannot be served: {to_version.refusal or 'its files are not read'}")
    if model.retired_at or to_version.retired_at:
        raise ConflictError(f"{model if model.retired_at else to_version} is retired and never serves again.")
    policy = selectors.policy_for(model)
    done = Rollback.objects.create(
        model=model, alias=alias, from_version=current.version, to_version=to_version, reason=reason.strip(),
        requested_by=actor.user, review_due_at=timezone.now() + timedelta(hours=policy.rollback_review_hours),
    )  # fmt: skip
    if current.promotion and current.promotion.state == PromotionState.COMPLETED:
        undone = PROMOTION.after(current.promotion.state, PromotionEvent.ROLL_BACK)
        Promotion.objects.filter(pk=current.promotion.pk).update(state=undone)
    left = current.version.number
    current.version, current.promotion, current.rollback, current.set_by = to_version, None, done, actor.user
    current.save()
    audit(
        action="alias.rollback", subject=model.path, actor=actor, team=model.team.slug,
        payload={"alias": alias, "before": left, "after": to_version.number, "reason": done.reason, "rollback": done.pk},
    )  # fmt: skip
    if alias == "champion":
        revalidation_trigger(
            model=model, trigger=RevalidationTrigger.ROLLBACK, since=done.requested_at, process="registry",
            why=f"v{left} was rolled back: {done.reason}",
        )  # fmt: skip
        standing_approvals_void(
            model=model, why=f"v{left} was rolled back, so people look at what comes next.", actor=actor
        )
    return done


@audited()
def rollback_review(*, actor: Actor, rollback_id: int, note: str) -> Rollback:
    """Confirm that a rollback was looked at by a second person.

    Raises:
        FourEyesError: the actor did the rollback.
        ConflictError: it was reviewed before.
        InvalidError: the note is empty.
    """
    done = (
        Rollback.objects.select_for_update(of=("self",), no_key=True).select_related("model__team").get(pk=rollback_id)
    )
    actor.require(done.model.team, Role.APPROVER)
    if done.requested_by_id == actor.user.pk:
        raise FourEyesError(
            "Who rolled back cannot review it.",
            unmet=[{"rule": "a second person reviews", "who": "another approver of the team"}],
        )
    if done.reviewed_by_id is not None:
        raise ConflictError("This rollback was reviewed before.")
    if not note.strip():
        raise InvalidError("A review needs a note: was it right, and what follows?", field="note")
    Rollback.objects.filter(pk=done.pk).update(reviewed_by=actor.user, reviewed_at=Now(), review_note=note.strip())
    done.refresh_from_db()
    audit(
        action="alias.rollback_review", subject=done.model.path, actor=actor, team=done.model.team.slug,
        payload={"rollback": done.pk, "note": done.review_note},
    )  # fmt: skip
    alert_clear(model=done.model, key=review_key(done.pk))
    return done


@audited()
def rollback_overdue(*, now: datetime) -> int:
    """Raise an alert for each rollback whose review is late; return how many are late. Safe to repeat."""
    late = Rollback.objects.filter(reviewed_by__isnull=True, review_due_at__lt=now, model__archived_at__isnull=True)
    late = late.select_related("model__team", "to_version")
    for done in late:
        alert_raise(
            model=done.model, kind="review_overdue", severity=Alert.Severity.CRITICAL, key=review_key(done.pk),
            title=f"Nobody reviewed the rollback to v{done.to_version.number} until {done.review_due_at:%d %b %H:%M} UTC",
            link=f"{done.model.path}#rollback-{done.pk}",
        )  # fmt: skip
    return len(late)


def review_key(rollback_id: int) -> str:
    """Return the key of the alert about a late review."""
    return f"rollback:{rollback_id}:review"


def _lock_held(model: RegisteredModel, name: str) -> tuple[int, int] | None:
    """Lock the model's row, as ``hold`` does; return the alias's id and the number of its version, if there is one.

    Two statements in one round trip: the second sees what was committed while the first waited.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM registry_registeredmodel WHERE id = %s FOR NO KEY UPDATE;"
            "SELECT a.id, v.number FROM registry_alias a JOIN registry_modelversion v ON v.id = a.version_id "
            "WHERE a.model_id = %s AND a.name = %s",
            [model.pk, model.pk, name],
        )
        held: tuple[int, int] | None = cursor.fetchone()
    return held


def _refuse_guarded(model: RegisteredModel, name: str) -> None:
    if model.team.guards(name):
        raise GuardedAliasError(
            f"{name} is guarded: it moves by an approved promotion or a rollback alone. Request a promotion at "
            f"{model.path}.",
            unmet=[{"rule": "an approved promotion", "who": f"an approver of {model.team.name}"}],
        )
