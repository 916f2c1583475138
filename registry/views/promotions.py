"""One promotion, like a pull request: description, checks, timeline, and the decision box."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from registry import selectors, services
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.models import AuditEvent, Promotion, Role, Rollback
from registry.states import PromotionState
from registry.views.accounts import password_confirm

DECISIONS = {"approve", "reject", "withdraw", "comment"}


def visible_promotion(actor: Actor, pk: int) -> Promotion:
    """Return a promotion of the actor's teams, or 404."""
    rows = Promotion.objects.select_related("model__team", "version", "replaces", "criteria_set", "requested_by")
    return get_object_or_404(rows.filter(model__team__in=actor.teams()), pk=pk)


@require_GET
def promotion(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a promotion with its checks, timeline and decision box."""
    return promotion_page(request, visible_promotion(actor_of(request), pk))


@require_POST
def promotion_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve, reject, withdraw or comment; a refusal shows the page again with each unmet rule."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    action, reason = request.POST.get("action", ""), request.POST.get("reason", "")
    try:
        if action in ("approve", "reject") and "password" in request.POST:
            password_confirm(request)
            actor = actor_of(request)
        if action == "approve":
            done = services.promotion_approve(
                actor=actor, promotion_id=found.pk, reason=reason, seen=request.POST.get("seen", "")
            )
            messages.success(request, _after_approval(done))
        elif action == "reject":
            services.promotion_reject(actor=actor, promotion_id=found.pk, reason=reason)
            messages.success(request, "The promotion is rejected; its author sees the reason.")
        elif action == "withdraw":
            services.promotion_withdraw(actor=actor, promotion_id=found.pk, reason=reason)
            messages.success(request, "The request is withdrawn.")
        elif action == "comment":
            services.promotion_comment(actor=actor, promotion_id=found.pk, body=reason)
            return redirect(f"{found.path}#timeline")
        else:
            return promotion_page(request, found, status=400)
    except RefusedError as refused:
        return promotion_page(
            request, visible_promotion(actor, pk), refused=refused, reason=reason, status=refused.status
        )
    return redirect("promotion", pk=pk)


def _then(rules: list[selectors.Rule]) -> str:
    """Return what an approval given now brings about, for who is about to give it."""
    if sum(rule.lacking for rule in rules) > 1:
        return "Your approval is kept; nothing moves until the others are given too."
    if any(rule.key == "rollout" for rule in rules):
        return "Approving begins the rollout; the champion goes on until it has passed."
    return "Approving moves the alias; the gateway follows within seconds."


def _after_approval(promotion: Promotion) -> str:
    if promotion.state == PromotionState.COMPLETED:
        return f"v{promotion.version.number} is {promotion.alias} now; the gateway follows within seconds."
    if promotion.state == PromotionState.APPROVED:
        return f"The promotion is approved; the rollout of v{promotion.version.number} begins within seconds."
    return "Your approval is recorded; the promotion waits for others."


def promotion_page(
    request: HttpRequest, found: Promotion, *, refused: RefusedError | None = None, reason: str = "",
    asked: dict[str, str] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    """Render the page of a promotion.

    Args:
        refused: what was just refused.
        reason: what was typed into the decision box.
        asked: what was typed when a waiver was asked for; its dialog opens again.
    """
    actor = actor_of(request)
    checks = selectors.promotion_checks(found)
    binding = selectors.promotion_binding(found, checks)
    is_open = found.state == PromotionState.REQUESTED
    later = [check for phase in ("shadow", "canary") for check in selectors.rollout_checks(found, phase)]
    rolls = found.state == PromotionState.ROLLING_OUT
    rules = selectors.decision_rules(found, actor, checks) if is_open else []
    policy = selectors.policy_for(found.model)
    role = actor.role_in(found.model.team)
    lapses = selectors.lapses(found, binding)
    contributes = actor.user.pk in selectors.contributor_ids(found)
    context = {
        "promotion": found,
        "model": found.model,
        "checks": checks,
        "later": later,
        "tally": _tally(checks),
        "rules": rules,
        "unmet": (unmet := sum(not rule.met for rule in rules)),
        "has_approved": is_open and selectors.has_approved(found, actor, binding),
        "then": _then(rules),
        "unmet_words": f"{unmet} rule{'' if unmet == 1 else 's'} unmet",
        "binding": binding,
        "signature": selectors.signature_record(found.version),
        "opinions": selectors.opinions_of(found),
        "objections": selectors.refusals_of(found),
        "may_review": role in selectors.REVIEWERS,
        "timeline": timeline(found, lapses),
        "approvals": found.approvals.select_related("approver", "standing__model"),
        "lapsed": {lapse.approval.pk: lapse for lapse in lapses},
        "policy": policy,
        "held": selectors.policy_snapshot(found.model) if is_open else found.policy,
        "waivers": selectors.promotion_waivers(found),
        "now": timezone.now(),
        "waivable": _waivable(checks, rules) if is_open else _waivable(later, []) if rolls else [],
        "may_ask_waiver": (is_open or rolls) and role in (Role.ENGINEER, Role.PRODUCT),
        "may_waive_now": is_open and role in (Role.ENGINEER, Role.PRODUCT),
        "may_waive_later": rolls and role in (Role.ENGINEER, Role.PRODUCT),
        "may_grant": (is_open or rolls) and role == Role.APPROVER and not contributes,
        "may_revoke": role == Role.APPROVER,
        "last_day": timezone.now().date() + timedelta(days=policy.max_waiver_days - 1),
        "asked": asked or {},
        "me": actor.user,
        "may_decide": role in policy.required or role in (Role.PRODUCT, Role.APPROVER),
        "needs_password": actor.needs_password(policy),
        "may_comment": role not in (None, Role.VIEWER),
        "may_withdraw": found.requested_by_id == actor.user.pk,
        "refused": refused,
        "reason": reason,
        "is_open": is_open,
    }
    return render(request, "registry/promotion.html", context, status=status)


def _waivable(checks: list[selectors.Check], rules: list[selectors.Rule]) -> list[dict[str, Any]]:
    """Return what a waiver may be asked for: each blocking criterion that is not met, and the spent budget."""
    found = [{"position": check.criterion.position, "title": check.title} for check in checks if check.may_be_waived]
    budget = next((rule for rule in rules if rule.key == "budget" and not rule.met), None)
    return found + ([{"position": "budget", "title": budget.text}] if budget else [])


def _tally(checks: list[selectors.Check]) -> str:
    words: dict[str, int] = {}
    for check in checks:
        words[check.status_label.lower()] = words.get(check.status_label.lower(), 0) + 1
    return ", ".join(f"{count} {word}" for word, count in words.items())


MARKS = {
    "promotion.approve": "pass", "promotion.approve_standing": "pass", "promotion.reject": "fail", "promotion.complete": "pass", "waiver.ask": "pending",
    "promotion.roll_out": "live", "promotion.roll_back": "warn", "waiver.grant": "unsure", "waiver.decline": "fail", "waiver.revoke": "warn",
}  # fmt: skip


def timeline(found: Promotion, lapses: list[selectors.Lapse]) -> list[dict[str, Any]]:
    """Return what happened to the promotion, oldest first: its audit events, the words said, and lapsed approvals."""
    comments = {comment.pk: comment.body for comment in found.comments.all()}
    events: list[dict[str, Any]] = [
        {
            "anchor": f"e{event.seq}",
            "at": event.at,
            "actor": event.actor,
            "action": event.action,
            "mark": MARKS.get(event.action, "dot"),
            "payload": event.payload,
            "body": comments.get(event.payload.get("comment"))
            or event.payload.get("reason")
            or event.payload.get("note", ""),
        }
        for event in AuditEvent.objects.filter(subject=found.path).order_by("seq")
    ]
    undone = _undone_by(found)
    if undone:
        events.append(
            {
                "anchor": f"rollback{undone.pk}",
                "at": undone.requested_at,
                "actor": undone.requested_by.get_username(),
                "action": "rollback",
                "mark": "warn",
                "payload": {"after": undone.to_version.number},
                "body": undone.reason,
            }
        )
    events += [
        {
            "anchor": f"lapse{lapse.approval.pk}",
            "at": lapse.at or lapse.approval.decided_at,
            "actor": lapse.approval.approver.get_username(),
            "action": "lapse",
            "mark": "warn",
            "because": lapse.because,
        }
        for lapse in lapses
    ]
    return sorted(events, key=lambda event: event["at"])


def _undone_by(found: Promotion) -> Rollback | None:
    """Return the rollback by which a person took back what the promotion had done."""
    if found.state != PromotionState.ROLLED_BACK or found.completed_at is None:
        return None
    later = Rollback.objects.filter(
        model=found.model, alias=found.alias, from_version=found.version, requested_at__gte=found.completed_at
    )
    return later.select_related("requested_by", "to_version").order_by("id").first()
