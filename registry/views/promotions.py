"""One promotion, like a pull request: description, checks, timeline, and the decision box."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from registry import selectors, services
from registry.access import Actor, actor_of
from registry.errors import RefusedError
from registry.models import AuditEvent, Promotion, PromotionPolicy, Role
from registry.states import PromotionState

DECISIONS = {"approve", "reject", "withdraw", "comment"}


def visible_promotion(actor: Actor, pk: int) -> Promotion:
    """Return a promotion of the actor's teams, or 404."""
    rows = Promotion.objects.select_related("model__team", "version", "replaces", "criteria_set", "requested_by")
    return get_object_or_404(rows.filter(model__team__in=actor.teams()), pk=pk)


@require_GET
def promotion(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a promotion with its checks, timeline and decision box."""
    return _page(request, visible_promotion(actor_of(request), pk))


@require_POST
def promotion_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve, reject, withdraw or comment; a refusal shows the page again with each unmet rule."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    action, reason = request.POST.get("action", ""), request.POST.get("reason", "")
    try:
        if action == "approve":
            done = services.promotion_approve(
                actor=actor, promotion_id=found.pk, reason=reason, seen=request.POST.get("seen", "")
            )
            completed = done.state == PromotionState.COMPLETED
            messages.success(
                request,
                f"v{done.version.number} is {done.alias} now; the gateway follows within seconds."
                if completed
                else "Your approval is recorded; the promotion waits for others.",
            )
        elif action == "reject":
            services.promotion_reject(actor=actor, promotion_id=found.pk, reason=reason)
            messages.success(request, "The promotion is refused; its author sees the reason.")
        elif action == "withdraw":
            services.promotion_withdraw(actor=actor, promotion_id=found.pk, reason=reason)
            messages.success(request, "The request is withdrawn.")
        elif action == "comment":
            services.promotion_comment(actor=actor, promotion_id=found.pk, body=reason)
        else:
            return _page(request, found, status=400)
    except RefusedError as refused:
        return _page(request, visible_promotion(actor, pk), refused=refused, reason=reason, status=refused.status)
    return redirect("promotion", pk=pk)


def _page(
    request: HttpRequest, found: Promotion, *, refused: RefusedError | None = None, reason: str = "", status: int = 200
) -> HttpResponse:
    actor = actor_of(request)
    checks = selectors.promotion_checks(found)
    binding = selectors.promotion_binding(found, checks)
    rules = selectors.decision_rules(found, actor, checks) if found.state == PromotionState.REQUESTED else []
    policy = PromotionPolicy.objects.get(risk_tier=found.model.risk_tier)
    role = actor.role_in(found.model.team)
    context = {
        "promotion": found,
        "model": found.model,
        "checks": checks,
        "tally": _tally(checks),
        "rules": rules,
        "unmet": sum(not rule.met for rule in rules),
        "binding": binding,
        "timeline": _timeline(found),
        "opinions": selectors.opinions_of(found),
        "objections": selectors.refusals_of(found),
        "may_review": role in selectors.REVIEWERS,
        "approvals": found.approvals.select_related("approver"),
        "may_decide": role in policy.required or role == Role.PRODUCT,
        "may_comment": role not in (None, Role.VIEWER),
        "may_withdraw": found.requested_by_id == actor.user.pk,
        "refused": refused,
        "reason": reason,
        "is_open": found.state == PromotionState.REQUESTED,
    }
    return render(request, "registry/promotion.html", context, status=status)


def _tally(checks: list[selectors.Check]) -> str:
    words: dict[str, int] = {}
    for check in checks:
        words[check.status_label.lower()] = words.get(check.status_label.lower(), 0) + 1
    return ", ".join(f"{count} {word}" for word, count in words.items())


def _timeline(found: Promotion) -> list[dict[str, object]]:
    """Return the audit events of the promotion with the words of its comments and decisions, oldest first."""
    comments = {comment.pk: comment.body for comment in found.comments.all()}
    marks = {"promotion.approve": "pass", "promotion.reject": "fail", "promotion.complete": "pass"}
    return [
        {
            "seq": event.seq,
            "at": event.at,
            "actor": event.actor,
            "action": event.action,
            "mark": marks.get(event.action, "dot"),
            "payload": event.payload,
            "body": comments.get(event.payload.get("comment"), event.payload.get("reason", "")),
        }
        for event in AuditEvent.objects.filter(subject=found.path).order_by("seq")
    ]
