"""Re-validation: a model is looked at again by a date, which the calendar sets and what happens brings forward."""

from datetime import datetime, timedelta

from django.utils import timezone

from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import FourEyesError, InvalidError
from registry.models import Alert, ApiToken, RegisteredModel, Revalidation, RevalidationTrigger, Role
from registry.services.alerts import alert_clear, alert_raise
from registry.services.waivers import supported_by
from registry.states import GRACE

KEY = "revalidation"


@audited()
def revalidation_record(
    *, actor: Actor, model: RegisteredModel, note: str, evidence: int | None = None, link: str = "", document: str = ""
) -> Revalidation:
    """Say that the model was looked at and still holds; the next date follows from the policy.

    Args:
        evidence, link, document: what supports it; one of them at least.

    Raises:
        FourEyesError: the actor made or helped to make the champion.
        InvalidError: the note is empty, or nothing supports it.
        FreshLoginError: the policy asks for a newer log-in.
    """
    model = RegisteredModel.objects.hold(model.pk)
    actor.require(model.team, Role.APPROVER, scope=ApiToken.Scope.DECIDE)
    champion = model.versions.filter(aliases__name="champion").prefetch_related("contributors").first()
    makers = {champion.created_by_id, *(user.pk for user in champion.contributors.all())} if champion else set()
    if actor.user.pk in makers:
        raise FourEyesError(
            "Who made or contributed to the champion cannot re-validate it.",
            unmet=[{"rule": "somebody else re-validates", "who": f"another approver of {model.team.name}"}],
        )
    if not note.strip():
        raise InvalidError("A re-validation needs a note: what was looked at, and what is the verdict?", field="note")
    support = supported_by(model=model, evidence=evidence, link=link, document=document)
    policy = selectors.policy_for(model)
    actor.require_fresh_login(policy)
    done = Revalidation.objects.create(
        model=model,
        version=champion,
        note=note.strip(),
        was_due=model.revalidate_by,
        done_by=actor.user,
        next_due=timezone.now().date() + timedelta(days=policy.revalidation_days),
        **support,
    )  # a trigger sets the model's date
    audit(
        action="revalidation.record", subject=model.path, actor=actor, team=model.team.slug,
        payload={"before": str(model.revalidate_by or ""), "after": str(done.next_due), "note": done.note,
                 "evidence": evidence, "link": link, "document": document},
    )  # fmt: skip
    alert_clear(model=model, key=KEY)
    return done


@audited()
def revalidation_bring_forward(
    *, actor: Actor | None, model: RegisteredModel, why: str, process: str = ""
) -> RegisteredModel:
    """Make the re-validation due within two weeks because something material changed; an earlier date stays.

    Args:
        actor: who saw it; None where a process did, such as a drift alert of monitoring.

    Raises:
        InvalidError: no reason was given.
    """
    model = RegisteredModel.objects.hold(model.pk)
    if actor:
        actor.require(model.team, Role.ENGINEER, Role.PRODUCT, Role.APPROVER)
    if not why.strip():
        raise InvalidError("Say what changed: drift, an incident, a new use?", field="reason")
    due = timezone.now().date() + GRACE
    if model.revalidate_by and model.revalidate_by <= due:
        return model
    before, model.revalidate_by, model.revalidate_why = model.revalidate_by, due, why.strip()
    model.save(update_fields=["revalidate_by", "revalidate_why", "updated_at"])
    audit(
        action="revalidation.bring_forward", subject=model.path, actor=actor, process=process, team=model.team.slug,
        payload={"before": str(before or ""), "after": str(due), "reason": model.revalidate_why},
    )  # fmt: skip
    return model


@audited()
def revalidation_trigger(
    *, model: RegisteredModel, trigger: RevalidationTrigger, why: str, since: datetime, process: str
) -> None:
    """Bring the re-validation forward if the model names this trigger and was not re-validated after it was seen.

    Args:
        since: when it was first seen; what goes on since a re-validation was known to it.
        process: what saw it, such as ``job:12``.
    """
    if trigger in model.revalidation_triggers and not model.revalidations.filter(done_at__gte=since).exists():
        revalidation_bring_forward(actor=None, model=model, why=why, process=process)


@audited()
def revalidations_watch(*, now: datetime) -> int:
    """Raise an alert for each model that serves and is overdue; return how many. Safe to repeat."""
    late = RegisteredModel.objects.live().filter(
        revalidate_by__lt=now.date(), retired_at__isnull=True, aliases__name="champion"
    )
    for model in late.select_related("team"):
        alert_raise(
            model=model, kind="revalidation_overdue", key=KEY, link=f"{model.path}lifecycle/",
            title=f"The re-validation of {model.name} has been due since {model.revalidate_by:%d %b %Y}",
        )  # fmt: skip
    over = Alert.objects.filter(kind="revalidation_overdue", cleared_at__isnull=True).exclude(model__in=late)
    for alert in over.select_related("model__team"):  # retired meanwhile, or serving no longer
        alert_clear(model=alert.model, key=alert.key)
    return len(late)
