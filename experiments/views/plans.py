"""How a model is measured: the plan in force, its history, and the form that adds the next one."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from experiments import services
from experiments.forms.plans import PlanForm
from experiments.models import DatasetVersion, EvaluationPlan
from experiments.plan_words import Change, changes, said
from experiments.suites import Plan, suite_for
from registry.access import actor_of
from registry.errors import ConflictError, InvalidError
from registry.models import RegisteredModel, Role
from registry.views.models import visible_model


@require_http_methods(["GET", "POST"])
def evaluation_plan(request: HttpRequest, name: str) -> HttpResponse:
    """Show how versions of a model are measured, since when and why, and let an engineer change it."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    history = _history(model)
    newest = history[0][0] if history else None
    plan = newest.plan if newest else Plan()
    form = PlanForm(request.POST or None, plan=plan, task=model.task)
    status = 200
    if request.method == "POST":
        actor.require(model.team, Role.ENGINEER)
        status = 422
        if form.is_valid():
            try:
                made = services.evaluation_plan_change(
                    actor=actor, model=model, document=form.document(), reason=form.cleaned_data["reason"]
                )
            except (InvalidError, ConflictError) as error:
                form.add_error(form.named(getattr(error, "field", None)), str(error))
                status = error.status
            else:
                messages.success(request, f"Plan {made.number} is in force; evaluations from now on follow it.")
                return redirect("evaluation_plan", name=model.name)
    data = _data_of(model)
    known = {column["name"] for column in data.columns} if data else set()
    context = {
        "model": model, "newest": newest, "said": said(plan, model.task), "history": history, "form": form,
        "suite": suite_for(model.task).name, "data": data, "columns": sorted(known),
        "missing": [column for column in plan.columns if column not in known] if data else [],
        "may_change": actor.role_in(model.team) == Role.ENGINEER,
    }  # fmt: skip
    return render(request, "experiments/plan.html", context, status=status)


def _history(model: RegisteredModel) -> list[tuple[EvaluationPlan, list[Change]]]:
    """Return every plan, newest first, each with what it changed and ``measured``: how many evaluations followed it."""
    rows = EvaluationPlan.objects.filter(model=model).select_related("made_by")
    plans = list(rows.annotate(measured=Count("evaluations")).order_by("-number"))
    before = [*(one.document for one in plans[1:]), {}]
    return [(one, changes(before[at], one.document, model.task)) for at, one in enumerate(plans)]


def _data_of(model: RegisteredModel) -> DatasetVersion | None:
    """Return the rows that a version of ``model`` was last measured on or trained on; None before the first."""
    rows = DatasetVersion.objects.select_related("dataset")
    measured = rows.filter(evaluations__version__model=model).order_by("-evaluations__id").first()
    return measured or rows.filter(runs__version__model=model).order_by("-runs__id").first()
