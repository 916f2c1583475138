"""Waivers: asked with reason and evidence, decided by a second person, revocable, and void once they expire."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs.state_table import IllegalMoveError
from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError
from registry.models import (
    AcceptanceCriterion,
    Alert,
    Alias,
    ApiToken,
    Evidence,
    Promotion,
    RegisteredModel,
    Role,
    Waiver,
)
from registry.services.alerts import alert_clear, alert_raise
from registry.states import WAIVER, PromotionState, WaiverEvent, WaiverState

DECIDE = ApiToken.Scope.DECIDE


def supported_by(
    *, model: RegisteredModel, evidence: int | None, link: str, document: str
) -> dict[str, Evidence | str | None]:
    """Return what supports a waiver or a re-validation, checked.

    Raises:
        InvalidError: nothing does, the link is no address, or the evidence is not of this model.
    """
    link, document = link.strip(), document.strip()
    if not (evidence or link or document):
        raise InvalidError(
            "Say what supports it: the number of a piece of evidence, a link to a document, or its text.",
            field="evidence",
        )
    if link:
        try:
            URLValidator(schemes=["http", "https"])(link)
        except ValidationError:
            raise InvalidError("link must be an address that begins with http:// or https://.", field="link") from None
    found = Evidence.objects.filter(pk=evidence, version__model=model).first() if evidence else None
    if evidence and found is None:
        raise InvalidError(f"{model.name} has no evidence E-{evidence}.", field="evidence")
    return {"evidence": found, "link": link, "document": document}


@audited()
def waiver_ask(
    *, actor: Actor, promotion_id: int, criterion: int | None, reason: str, expires_at: datetime,
    evidence: int | None = None, link: str = "", document: str = "", mends: bool = False,
) -> Waiver:  # fmt: skip
    """Ask that one promotion may pass one blocking rule that it does not meet.

    Args:
        criterion: its position in the criteria set; None for the gate of the error budget.
        evidence, link, document: what supports it; one of them at least.
        mends: of the error budget: that this version mends what spent it.

    Raises:
        InvalidError: no reason, no support, an unknown criterion, or an expiry that is past or too far (T31).
        ConflictError: the promotion is decided, the rule is met, or a waiver of it is asked for already.
    """
    promotion = _promotion(promotion_id)
    team, policy = promotion.model.team, selectors.policy_for(promotion.model)
    actor.require(team, Role.ENGINEER, Role.PRODUCT)
    if promotion.state not in (PromotionState.REQUESTED, PromotionState.ROLLING_OUT):
        raise ConflictError(f"This promotion is already {promotion.get_state_display()}.")
    if not reason.strip():
        raise InvalidError("A waiver needs a reason: why may this pass, and what limits the harm?", field="reason")
    support = supported_by(model=promotion.model, evidence=evidence, link=link, document=document)
    days = (expires_at - timezone.now()).total_seconds() / 86_400
    if not 0 < days <= policy.max_waiver_days:
        raise InvalidError(
            f"expires_at must lie ahead, by {policy.max_waiver_days} days at most.", field="expires_at"
        )  # fmt: skip
    rule, found = _rule(promotion, criterion)
    if mends:
        if rule != Waiver.Rule.BUDGET:
            raise InvalidError("Only a spent error budget is mended by a version.", field="mends")
        rule = Waiver.Rule.MENDS
    try:
        with transaction.atomic():
            waiver = Waiver.objects.create(
                promotion=promotion, rule=rule, criterion=found, reason=reason.strip(), expires_at=expires_at,
                asked_by=actor.user, **support,
            )  # fmt: skip
    except IntegrityError:
        raise ConflictError("A waiver of this rule is asked for already; it is decided first.") from None
    audit(
        action="waiver.ask", subject=promotion.path, actor=actor, team=team.slug,
        payload={"waiver": waiver.pk, "rule": _named(waiver), "reason": waiver.reason, "evidence": evidence, "link": link,
                 "document": document, "expires_at": expires_at.isoformat()},
    )  # fmt: skip
    return waiver


@audited()
def waiver_grant(*, actor: Actor, waiver_id: int, note: str) -> Waiver:
    """Grant what another person asked for; from now on approvals may rest on it, until it expires or is revoked.

    Raises:
        FourEyesError: the actor asked for it, or had a part in the version.
        ConflictError: it is decided, expired, or its promotion is.
        InvalidError: the note is empty.
        FreshLoginError: the policy asks for a newer log-in.
    """
    waiver, promotion = _locked(waiver_id)
    team = promotion.model.team
    actor.require(team, Role.APPROVER, scope=DECIDE)
    if actor.user.pk == waiver.asked_by_id or actor.user.pk in selectors.contributor_ids(promotion):
        raise FourEyesError(
            "Who asked for a waiver, or had a part in the version, cannot grant it.",
            unmet=[{"rule": "a second person grants", "who": f"another approver of {team.name}"}],
        )
    state = _next(waiver, WaiverEvent.GRANT)
    if promotion.state not in (PromotionState.REQUESTED, PromotionState.ROLLING_OUT):
        raise ConflictError(f"This promotion is already {promotion.get_state_display()}.")
    if waiver.expires_at <= timezone.now():
        raise ConflictError("It would have expired by now; it is declined, and asked for again with a later date.")
    if not note.strip():
        raise InvalidError("Granting needs a note: what did you look at?", field="note")
    actor.require_fresh_login(selectors.policy_for(promotion.model))
    waiver = _decided(waiver, actor, state, note)
    audit(
        action="waiver.grant", subject=promotion.path, actor=actor, team=team.slug,
        payload={"waiver": waiver.pk, "rule": _named(waiver), "note": waiver.note,
                 "expires_at": waiver.expires_at.isoformat()},
    )  # fmt: skip
    return waiver


@audited()
def waiver_decline(*, actor: Actor, waiver_id: int, note: str) -> Waiver:
    """Refuse a waiver, with a note that its asker can act on.

    Raises:
        FourEyesError: the actor asked for it; who asked withdraws.
        ConflictError: it is decided.
        InvalidError: the note is empty.
    """
    waiver, promotion = _locked(waiver_id)
    actor.require(promotion.model.team, Role.APPROVER, scope=DECIDE)
    if actor.user.pk == waiver.asked_by_id:
        raise FourEyesError("Who asked for a waiver withdraws it; another person declines it.")
    state = _next(waiver, WaiverEvent.DECLINE)
    if not note.strip():
        raise InvalidError("Declining needs a note that the asker can act on.", field="note")
    waiver = _decided(waiver, actor, state, note)
    audit(
        action="waiver.decline", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"waiver": waiver.pk, "rule": _named(waiver), "note": waiver.note},
    )  # fmt: skip
    return waiver


@audited()
def waiver_withdraw(*, actor: Actor, waiver_id: int) -> Waiver:
    """Take back what one asked for oneself.

    Raises:
        RoleError: another person asked.
        ConflictError: it is decided.
    """
    waiver, promotion = _locked(waiver_id)
    actor.require(promotion.model.team, Role.ENGINEER, Role.PRODUCT)
    if actor.user.pk != waiver.asked_by_id:
        raise RoleError("Only the person who asked withdraws a waiver; an approver declines it.")
    Waiver.objects.filter(pk=waiver.pk).update(state=_next(waiver, WaiverEvent.WITHDRAW))
    waiver.refresh_from_db()
    audit(
        action="waiver.withdraw", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"waiver": waiver.pk, "rule": _named(waiver)},
    )  # fmt: skip
    return waiver


@audited()
def waiver_revoke(*, actor: Actor, waiver_id: int, reason: str) -> Waiver:
    """End a granted waiver at once: approvals that rest on it lapse; a champion that rests on it raises an alert.

    Raises:
        ConflictError: it is not in force.
        InvalidError: no reason was given.
    """
    waiver, promotion = _locked(waiver_id)
    actor.require(promotion.model.team, Role.APPROVER, scope=DECIDE)
    state = _next(waiver, WaiverEvent.REVOKE)
    if not reason.strip():
        raise InvalidError("Revoking needs a reason.", field="reason")
    Waiver.objects.filter(pk=waiver.pk).update(
        state=state, revoked_by=actor.user, revoked_at=Now(), revoke_reason=reason.strip()
    )
    waiver.refresh_from_db()
    audit(
        action="waiver.revoke", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"waiver": waiver.pk, "rule": _named(waiver), "reason": waiver.revoke_reason},
    )  # fmt: skip
    waivers_watch(now=timezone.now())
    return waiver


@audited()
def waivers_watch(*, now: datetime) -> int:
    """Raise an alert for each champion that rests on a waiver which no longer holds; return how many. Safe to repeat.

    The alert is over once another version serves.
    """
    ended: list[Alert] = []
    serving = Alias.objects.filter(promotion__waivers__state__in=[WaiverState.GRANTED, WaiverState.REVOKED])
    for alias in serving.select_related("model__team", "promotion", "version").distinct():
        assert alias.promotion is not None  # noqa: S101  by the filter
        rested_on = {pk for a in alias.promotion.approvals.all() for pk in a.binding.get("waivers", [])}
        for waiver in alias.promotion.waivers.filter(pk__in=rested_on).select_related("promotion", "criterion"):
            if waiver.is_live(now):
                continue
            ended.append(alert_raise(
                model=alias.model, kind="waiver_ended", severity=Alert.Severity.CRITICAL, key=f"waiver:{waiver.pk}",
                title=f"v{alias.version.number} serves on waiver W-{waiver.pk} ({_named(waiver)}), which "
                + ("was revoked" if waiver.state == WaiverState.REVOKED else "has expired"),
                link=waiver.path,
            ))  # fmt: skip
    over = Alert.objects.filter(kind="waiver_ended", cleared_at__isnull=True).exclude(pk__in=[a.pk for a in ended])
    for alert in over.select_related("model__team"):  # another version serves by now
        alert_clear(model=alert.model, key=alert.key)
    return len(ended)


def _promotion(promotion_id: int) -> Promotion:
    # The model's row first, as promotions do, so that asking and approving queue instead of deadlocking.
    model_id = Promotion.objects.values_list("model_id", flat=True).get(pk=promotion_id)
    RegisteredModel.objects.hold(model_id)
    return Promotion.objects.select_related("model__team", "version__model__team", "criteria_set").get(pk=promotion_id)


def _locked(waiver_id: int) -> tuple[Waiver, Promotion]:
    promotion = _promotion(Waiver.objects.values_list("promotion_id", flat=True).get(pk=waiver_id))
    return Waiver.objects.select_for_update(of=("self",), no_key=True).select_related("criterion").get(
        pk=waiver_id
    ), promotion


def _rule(promotion: Promotion, position: int | None) -> tuple[str, AcceptanceCriterion | None]:
    """Return the rule and its criterion, if an approval is refused because of it."""
    if position is None:
        if promotion.state != PromotionState.REQUESTED or not selectors.spent_budgets(
            promotion.model, selectors.policy_for(promotion.model)
        ):
            raise ConflictError("The error budget does not block this promotion, so there is nothing to waive.")
        return Waiver.Rule.BUDGET, None
    if promotion.state == PromotionState.REQUESTED:
        checks, asked = selectors.promotion_checks(promotion), "before approval"
    else:
        phases = (AcceptanceCriterion.Phase.SHADOW, AcceptanceCriterion.Phase.CANARY)
        checks = [check for phase in phases for check in selectors.rollout_checks(promotion, phase)]
        asked = "in a rollout"
    check = next((c for c in checks if c.criterion.position == position), None)
    if check is None:
        raise InvalidError(f"The criteria have no C{position} {asked}.", field="criterion")
    if not check.blocks:
        raise ConflictError(f"C{position} does not block this promotion, so there is nothing to waive.")
    return Waiver.Rule.CRITERION, check.criterion


def _next(waiver: Waiver, event: WaiverEvent) -> WaiverState:
    try:
        return WAIVER.after(waiver.state, event)
    except IllegalMoveError:
        raise ConflictError(f"This waiver is already {waiver.state}.") from None


def _decided(waiver: Waiver, actor: Actor, state: WaiverState, note: str) -> Waiver:
    Waiver.objects.filter(pk=waiver.pk).update(
        state=state, decided_by=actor.user, decided_at=Now(), note=note.strip()
    )  # fmt: skip
    waiver.refresh_from_db()
    return waiver


def _named(waiver: Waiver) -> str:
    mends = ", which the version mends" if waiver.rule == Waiver.Rule.MENDS else ""
    return waiver.criterion.label if waiver.criterion else f"error budget{mends}"
