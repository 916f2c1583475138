"""When one model is trained anew: what its conditions find now, each time it was, its policy, and what that would have done."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from experiments.models import TrainingRun
from jobs.paging import page_of
from monitoring import services
from monitoring.forms.retraining import PolicyForm, TextForm, as_text, initial_of
from monitoring.models import Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining.holds import days
from monitoring.selectors.retraining import retraining_policy_of
from monitoring.selectors.retraining_automation import beforehand
from monitoring.selectors.retraining_lists import DAYS, dry_run
from monitoring.views.retraining_drawings import lead, retraining_row
from registry.access import WRITERS, Actor, actor_of
from registry.criteria import metric_label
from registry.errors import RefusedError
from registry.models import STANDING_DAYS, RegisteredModel, Role
from registry.views.models import visible_model
from serving.contract import CHAMPION

# What the form is parted into, by its first field.
SECTIONS = {
    "match": ("When", "Each line below that is filled in is a condition"),
    "schedule_cron": ("Schedule", ""),
    "drift_features": ("Drift of the inputs", "Each field is a condition of its own"),
    "quality_metric": ("Quality", "As labels tell it, of the champion's own predictions"),
    "labels": ("New labels and error budget", ""),
    "dataset": ("Rows to learn from", "Labelled predictions of a window, parted by time"),
    "pipeline": ("Training and judging", "The champion is measured on the same rows; criteria are checked besides"),
    "automation": ("How far, and how often", "What is due waits until these let it start"),
    "reason": ("Why", ""),
}


@require_GET
@vary_on_headers("HX-Request")
def model_retraining(request: HttpRequest, name: str) -> HttpResponse:
    """Show a model's policy with the present value of each condition, and each retraining with why and what came of it."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    policy = retraining_policy_of(model)
    page = page_of(request, Retraining.objects.visible_to(actor).filter(model=model), "-id")
    open_one = Retraining.objects.visible_to(actor).open().filter(model=model).first()
    context = {
        "model": model,
        "policy": policy,
        **_policy_context(policy),
        "page": page,
        "rows": [retraining_row(one) for one in page.rows],
        "open": open_one,
        "open_lead": lead(open_one) if open_one else None,
        "history": list(model.retraining_policies.select_related("made_by")[:20]),
        **_rights(actor, model),
        "beforehand": beforehand(policy, actor) if policy and policy.rules.automation == "champion" else None,
        "longest": STANDING_DAYS,
        "snippet": f"curl {settings.WEB_URL}/api/v1/models/{model.name}/retraining-policy -H 'Authorization: Bearer '$TOKEN",
    }
    template = "monitoring/model_retraining.html"
    return render(request, f"{template}#now" if "HX-Request" in request.headers else template, context)


@require_GET
def retraining_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Show on the model's page what its retraining policy sees, and the last retraining."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    policy = retraining_policy_of(model)
    last = Retraining.objects.visible_to(actor).filter(model=model).first()
    context = {
        "model": model,
        "policy": policy,
        "watch": _watch(model),
        "last": retraining_row(last) if last else None,
        **_rights(actor, model),
    }
    return render(request, "monitoring/retraining_panel.html", context)


@require_http_methods(["GET", "POST"])
def retraining_policy(request: HttpRequest, name: str) -> HttpResponse:
    """Edit the policy as a form, or as JSON where it says more than a form can; saved as the next number."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    actor.require(model.team, Role.ENGINEER)
    policy = retraining_policy_of(model)
    initial = initial_of(policy.rules) if policy else _as_champion(model)
    as_json = request.GET.get("as") == "json" or initial is None
    form = _form(request, model, policy, initial or {}, as_json=as_json)
    if request.method == "POST" and form.is_valid():
        document = form.document() if isinstance(form, PolicyForm) else form.cleaned_data["document"]
        try:
            made = services.retraining_policy_save(
                actor=actor, model=model, document=document, reason=form.cleaned_data["reason"]
            )
        except RefusedError as refused:
            form.refuse(getattr(refused, "field", ""), str(refused))
        else:
            messages.success(request, f"Policy {made.number} is in force; what it starts is done in your name.")
            return redirect("model_retraining", name=model.name)
    context = {
        "model": model, "policy": policy, "form": form, "as_json": as_json, "form_says_it": initial is not None,
        "sections": _sections(form) if isinstance(form, PolicyForm) else [], "has_data": model.team.datasets.exists(),
    }  # fmt: skip
    return render(request, "monitoring/retraining_policy.html", context, status=422 if form.is_bound else 200)


@require_POST
def retraining_switch(request: HttpRequest, name: str) -> HttpResponse:
    """Switch the policy on or off."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    enabled = request.POST.get("enabled") == "on"
    services.retraining_policy_switch(
        actor=actor, model=model, enabled=enabled, reason=request.POST.get("reason", "")
    )  # fmt: skip
    messages.success(request, "It is switched on." if enabled else "It is switched off; it starts nothing.")
    return redirect("model_retraining", name=model.name)


@require_GET
def retraining_dry_run(request: HttpRequest, name: str) -> HttpResponse:
    """Show when the policy would have started retrainings lately; writes nothing."""
    model = visible_model(actor_of(request), name)
    policy = retraining_policy_of(model)
    context = {"model": model, "run": dry_run(policy, now=timezone.now()) if policy else None, "days": DAYS}
    return render(request, "monitoring/retraining_dry_run.html", context)


def _as_champion(model: RegisteredModel) -> dict[str, Any]:
    """Return what a first policy begins with: as the champion was trained."""
    run = TrainingRun.objects.filter(version__model=model, version__aliases__name=CHAMPION).first()
    return {"pipeline": run.pipeline, "params": run.params} if run else {"pipeline": "lightgbm"}


def _form(
    request: HttpRequest, model: RegisteredModel, policy: RetrainingPolicy | None, initial: dict[str, Any], *,
    as_json: bool,
) -> PolicyForm | TextForm:  # fmt: skip
    data = request.POST if request.method == "POST" else None
    if as_json:
        return TextForm(data, initial={"document": policy.document if policy else {}})
    return PolicyForm(data, model=model, initial=initial)


def _sections(form: PolicyForm) -> list[dict[str, Any]]:
    """Return the form's fields in the sections of the page."""
    sections: list[dict[str, Any]] = []
    for field in form:
        if field.name in SECTIONS:
            title, about = SECTIONS[field.name]
            sections.append({"title": title, "about": about, "fields": []})
        sections[-1]["fields"].append(field)
    return sections


def _policy_context(policy: RetrainingPolicy | None) -> dict[str, Any]:
    if policy is None:
        return {"watch": None}
    rules = policy.rules
    return {
        "watch": _watch(policy.model),
        "rules": rules,
        "text": as_text(policy.document),
        "window": days(rules.window_days),
        "metric": metric_label(rules.metric),
        "match": rules.when.kind,
    }


def _watch(model: RegisteredModel) -> RetrainingWatch | None:
    return RetrainingWatch.objects.filter(model=model, looked_at__isnull=False).first()


def _rights(actor: Actor, model: RegisteredModel) -> dict[str, bool]:
    role = actor.role_in(model.team)
    return {
        "may_change": role == Role.ENGINEER,
        "may_switch_off": role in WRITERS,
        "may_decide": role == Role.APPROVER,
    }
