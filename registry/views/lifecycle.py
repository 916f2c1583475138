"""One page for what becomes of a model with time: re-validation, and retirement."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from registry import selectors, services
from registry.access import actor_of
from registry.errors import InvalidError, RefusedError
from registry.models import ModelVersion, RegisteredModel, Retirement, RevalidationTrigger, Role
from registry.states import revalidation_state
from registry.views.models import visible_model
from registry.views.waivers import evidence_number

SHOWN = 50


@require_GET
def lifecycle(request: HttpRequest, name: str) -> HttpResponse:
    """Show when the model is looked at again, and what of it is retired."""
    return _page(request, visible_model(actor_of(request), name))


@require_POST
def revalidate(request: HttpRequest, name: str) -> HttpResponse:
    """Say that the model was looked at and still holds."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    try:
        done = services.revalidation_record(
            actor=actor, model=found, note=request.POST.get("note", ""),
            evidence=evidence_number(request.POST.get("evidence", "")), link=request.POST.get("link", ""),
            document=request.POST.get("document", ""),
        )  # fmt: skip
    except RefusedError as refused:
        return _page(request, found, refused=refused)
    messages.success(request, f"{found.name} is re-validated; the next time is due by {done.next_due:%d %b %Y}.")
    return redirect("lifecycle", name=found.name)


@require_POST
def revalidation_due(request: HttpRequest, name: str) -> HttpResponse:
    """Bring the re-validation forward, because something material changed."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    try:
        model = services.revalidation_bring_forward(actor=actor, model=found, why=request.POST.get("reason", ""))
    except RefusedError as refused:
        return _page(request, found, refused=refused)
    messages.success(request, f"The re-validation is due by {model.revalidate_by:%d %b %Y}.")
    return redirect("lifecycle", name=found.name)


@require_POST
def revalidation_triggers(request: HttpRequest, name: str) -> HttpResponse:
    """Choose what brings the re-validation forward by itself."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    chosen = request.POST.getlist("trigger")
    try:
        services.model_update(actor=actor, model=found, revalidation_triggers=chosen)
    except RefusedError as refused:
        return _page(request, found, refused=refused)
    messages.success(request, f"What brings the re-validation of {found.name} forward is changed.")
    return redirect("lifecycle", name=found.name)


@require_POST
def retire(request: HttpRequest, name: str) -> HttpResponse:
    """Ask that a version or the whole model be retired."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    number = request.POST.get("version", "")
    version = get_object_or_404(found.versions, number=number) if number.isdecimal() else None
    try:
        services.retirement_request(actor=actor, model=found, version=version, reason=request.POST.get("reason", ""))
    except RefusedError as refused:
        return _page(request, found, refused=refused)
    messages.success(request, "The retirement is asked for; approvers find it in their inbox.")
    return redirect("lifecycle", name=found.name)


@require_POST
def retirement_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve, refuse or withdraw a retirement."""
    actor = actor_of(request)
    rows = Retirement.objects.filter(model__team__in=actor.teams()).select_related("model__team", "version")
    retirement = get_object_or_404(rows, pk=pk)
    action, note = request.POST.get("action", ""), request.POST.get("note", "")
    try:
        if action == "approve":
            services.retirement_approve(actor=actor, retirement_id=pk, note=note)
            messages.success(request, f"{retirement.title} is retired; the gateway unloads it within seconds.")
        elif action == "reject":
            services.retirement_reject(actor=actor, retirement_id=pk, note=note)
            messages.success(request, "The retirement is rejected.")
        elif action == "withdraw":
            services.retirement_withdraw(actor=actor, retirement_id=pk)
            messages.success(request, "The retirement is withdrawn.")
        else:
            raise InvalidError("action must be approve, reject or withdraw.", field="action")
    except RefusedError as refused:
        return _page(request, retirement.model, refused=refused)
    return redirect("lifecycle", name=retirement.model.name)


def _page(request: HttpRequest, found: RegisteredModel, refused: RefusedError | None = None) -> HttpResponse:
    actor = actor_of(request)
    role = actor.role_in(found.team)
    asked = list(found.retirements.filter(state="requested").select_related("model__team", "version", "requested_by"))
    champion = found.versions.filter(aliases__name="champion").first()
    context = {
        "model": found,
        "champion": champion,
        "standing": revalidation_state(found.revalidate_by, timezone.now().date()),
        "policy": selectors.policy_for(found),
        "revalidations": found.revalidations.select_related("done_by", "version")[:SHOWN],
        "asked": [(retirement, services.obstacles(retirement)) for retirement in asked],
        "decided": found.retirements.exclude(state="requested").select_related("version", "decided_by")[:SHOWN],
        "retirable": found.versions.filter(retired_at__isnull=True, archived_at__isnull=True).exclude(
            aliases__name="champion"
        )[:SHOWN],
        "may_validate": role == Role.APPROVER and not (champion and _made_by(champion, actor.user)),
        "triggers": [
            (trigger.value, trigger.label, trigger.value in found.revalidation_triggers)
            for trigger in RevalidationTrigger
        ],
        "may_choose": role in (Role.ENGINEER, Role.PRODUCT, Role.ADMIN),
        "may_hurry": role in (Role.ENGINEER, Role.PRODUCT, Role.APPROVER),
        "may_ask": role in (Role.ENGINEER, Role.ADMIN) and found.retired_at is None,
        "may_decide": role == Role.APPROVER,
        "me": actor.user,
        "typed": request.POST,
        "refused": refused,
    }
    return render(request, "registry/lifecycle.html", context, status=refused.status if refused else 200)


def _made_by(champion: ModelVersion, person: User) -> bool:
    return champion.created_by == person or person in champion.contributors.all()
