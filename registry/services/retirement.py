"""Retirement: a version or a model that never serves again. Asked by one, approved by another, once no traffic is left."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs.state_table import IllegalMoveError
from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError
from registry.models import ApiToken, ModelVersion, RegisteredModel, Retirement, Role, VersionTraffic
from registry.states import RETIREMENT, RetirementEvent, RetirementState

QUIET = timedelta(minutes=10)  # without a request for so long, nobody calls it any more
DECIDE = ApiToken.Scope.DECIDE


@audited()
def retirement_request(
    *, actor: Actor, model: RegisteredModel, version: ModelVersion | None, reason: str
) -> Retirement:
    """Ask that a version, or without one the whole model, never serve again.

    Raises:
        InvalidError: no reason was given.
        ConflictError: it is retired, or its retirement is asked for, already.
    """
    model = RegisteredModel.objects.hold(model.pk)
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    if not reason.strip():
        raise InvalidError("A retirement needs a reason: why does nobody need it any more?", field="reason")
    if version and model.promotions.filter(version=version, state__in=selectors.OPEN).exists():
        raise ConflictError(f"A promotion of {version} is open; it is decided or withdrawn first.")
    try:
        with transaction.atomic():
            retirement = Retirement.objects.create(
                model=model, version=version, reason=reason.strip(), requested_by=actor.user
            )
    except IntegrityError:
        raise ConflictError("It is retired, or its retirement is asked for, already.") from None
    audit(
        action="retirement.request", subject=_subject(retirement), actor=actor, team=model.team.slug,
        payload={"retirement": retirement.pk, "what": retirement.title, "reason": retirement.reason},
    )  # fmt: skip
    return retirement


@audited()
def retirement_approve(*, actor: Actor, retirement_id: int, note: str) -> Retirement:
    """Retire: the gateway unloads it within seconds, and the record remains.

    Raises:
        FourEyesError: the actor asked for it.
        ConflictError: it is decided, still serves, still has traffic, or a promotion is open; says which.
        InvalidError: the note is empty.
        FreshLoginError: the policy asks for a newer log-in.
    """
    retirement = _locked(retirement_id)
    model, team = retirement.model, retirement.model.team
    actor.require(team, Role.APPROVER, scope=DECIDE)
    state = _next(retirement, RetirementEvent.APPROVE)
    if actor.user.pk == retirement.requested_by_id:
        raise FourEyesError(
            "Who asked for a retirement cannot approve it.",
            unmet=[{"rule": "a second person approves", "who": f"another approver of {team.name}"}],
        )
    if not note.strip():
        raise InvalidError("Approving needs a note: what did you look at?", field="note")
    actor.require_fresh_login(selectors.policy_for(model))
    if unmet := obstacles(retirement):
        raise ConflictError(f"{retirement.title} cannot be retired yet.", unmet=unmet)
    Retirement.objects.filter(pk=retirement.pk).update(
        state=state, decided_by=actor.user, decided_at=Now(), note=note.strip()
    )  # a trigger stamps the version or model
    retirement.refresh_from_db()
    audit(
        action="retirement.approve", subject=_subject(retirement), actor=actor, team=team.slug,
        payload={"retirement": retirement.pk, "what": retirement.title, "note": retirement.note},
    )  # fmt: skip
    return retirement


@audited()
def retirement_reject(*, actor: Actor, retirement_id: int, note: str) -> Retirement:
    """Refuse a retirement; the version or model stays as it is.

    Raises:
        FourEyesError: the actor asked for it; who asked withdraws.
        ConflictError: it is decided.
        InvalidError: the note is empty.
    """
    retirement = _locked(retirement_id)
    actor.require(retirement.model.team, Role.APPROVER, scope=DECIDE)
    state = _next(retirement, RetirementEvent.REJECT)
    if actor.user.pk == retirement.requested_by_id:
        raise FourEyesError("Who asked for a retirement withdraws it; another person refuses it.")
    if not note.strip():
        raise InvalidError("Refusing needs a note that the asker can act on.", field="note")
    Retirement.objects.filter(pk=retirement.pk).update(
        state=state, decided_by=actor.user, decided_at=Now(), note=note.strip()
    )
    retirement.refresh_from_db()
    audit(
        action="retirement.reject", subject=_subject(retirement), actor=actor, team=retirement.model.team.slug,
        payload={"retirement": retirement.pk, "what": retirement.title, "note": retirement.note},
    )  # fmt: skip
    return retirement


@audited()
def retirement_withdraw(*, actor: Actor, retirement_id: int) -> Retirement:
    """Take back what one asked for oneself.

    Raises:
        RoleError: another person asked.
        ConflictError: it is decided.
    """
    retirement = _locked(retirement_id)
    actor.require(retirement.model.team, Role.ENGINEER, Role.ADMIN)
    if actor.user.pk != retirement.requested_by_id:
        raise RoleError("Only the person who asked withdraws a retirement; an approver refuses it.")
    Retirement.objects.filter(pk=retirement.pk).update(state=_next(retirement, RetirementEvent.WITHDRAW))
    retirement.refresh_from_db()
    audit(
        action="retirement.withdraw", subject=_subject(retirement), actor=actor, team=retirement.model.team.slug,
        payload={"retirement": retirement.pk, "what": retirement.title},
    )  # fmt: skip
    return retirement


def obstacles(retirement: Retirement) -> list[dict[str, str]]:
    """Return what a retirement still waits for: each unmet rule, and who can clear it."""
    model, version = retirement.model, retirement.version
    unmet = []
    if version and model.aliases.filter(name="champion", version=version).exists():
        who = "An approved promotion of another version; or the retirement of the whole model."
        unmet.append({"rule": f"v{version.number} is champion", "who": who})
    promotions = model.promotions.filter(state__in=selectors.OPEN)
    if (promotions.filter(version=version) if version else promotions).exists():
        unmet.append({"rule": "A promotion is open", "who": "Its requester withdraws it, or an approver refuses it."})
    traffic = VersionTraffic.objects.filter(
        version__model=model, last_request_at__gt=timezone.now() - QUIET
    ).select_related("version")
    minutes = QUIET.seconds // 60
    return unmet + [
        {
            "rule": f"v{seen.version.number} answered {seen.requests:,} requests in the last {minutes} minutes",
            "who": "Its callers stop calling it; the gateway's metrics and the prediction log say who they are.",
        }
        for seen in (traffic.filter(version=version) if version else traffic)
    ]


def _locked(retirement_id: int) -> Retirement:
    RegisteredModel.objects.hold(Retirement.objects.values_list("model_id", flat=True).get(pk=retirement_id))
    rows = Retirement.objects.select_for_update(of=("self",), no_key=True).select_related(
        "model__team", "version__model"
    )
    return rows.get(pk=retirement_id)


def _next(retirement: Retirement, event: RetirementEvent) -> RetirementState:
    try:
        return RETIREMENT.after(retirement.state, event)
    except IllegalMoveError:
        raise ConflictError(f"This retirement is already {retirement.state}.") from None


def _subject(retirement: Retirement) -> str:
    return retirement.version.path if retirement.version else retirement.model.path
