"""Searches for good parameters: the list, the form that begins one, and the page that shows it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import services
from experiments.drawing import searches as charts
from experiments.forms.data import DataForm
from experiments.forms.searches import SearchForm, SpaceForm
from experiments.models import UNFINISHED, Search, SearchState, TrainingRun, TrialState
from experiments.pipelines.catalogue import PIPELINES, pipelines_for
from experiments.searching.objectives import OBJECTIVES, objective_of
from experiments.selectors import best_trial, searches_of, trainable, trial_counts
from experiments.training.params import parameters
from jobs.paging import page_of
from registry.access import actor_of
from registry.criteria import metric_label
from registry.errors import InvalidError, RefusedError
from registry.models import Role
from registry.views.models import visible_model

FEWEST_DRAWN = 2


@require_GET
def searches(request: HttpRequest) -> HttpResponse:
    """List the searches of the reader's teams, newest first."""
    chosen = {key: request.GET.get(key, "") for key in ("q", "state")}
    rows = searches_of(actor_of(request))
    if chosen["q"]:
        rows = rows.filter(model__name__icontains=chosen["q"])
    if chosen["state"] in SearchState.values:
        rows = rows.filter(state=chosen["state"])
    page = page_of(request, rows, "-id", size=25)
    context = {
        "page": page,
        "rows": [
            (one, _title(one), metric_label(one.metric), one.highest if one.direction == "maximize" else one.lowest)
            for one in page.rows
        ],
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": SearchState.choices,
    }
    template = "experiments/searches.html#list" if request.headers.get("HX-Request") else "experiments/searches.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def search_new(request: HttpRequest, name: str) -> HttpResponse:
    """Choose pipeline, rows and where to look, and begin a search."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    objectives = OBJECTIVES.get(model.task, ())
    fitting = {one.name: one for one in pipelines_for(model.task)}
    if not objectives:
        return render(request, "experiments/search_none.html", {"model": model})
    chosen = fitting.get(request.GET.get("pipeline", ""), next(iter(fitting.values())))
    data = trainable(actor, model, chosen.needs)
    sent = request.POST if request.method == "POST" else None
    data_form, form = DataForm(sent, model=model, versions=data), SearchForm(sent, objectives=objectives)
    space, refused, status = SpaceForm(chosen.params, sent), None, 200
    if sent is not None:
        status = 422
        if all([data_form.is_valid(), form.is_valid(), space.is_valid()]):
            try:
                search = services.search_create(
                    actor=actor, model=model, pipeline=chosen.name, params=space.params, space=space.space,
                    **data_form.cleaned_data, **form.asked,
                )  # fmt: skip
            except InvalidError as error:
                field = "size" if error.field == "trials" else error.field
                if not space.refuse(field, str(error)):
                    form.add_error(field if field in form.fields else None, str(error))
            except RefusedError as error:
                refused, status = error, error.status
            else:
                return redirect(search.path)
    context = {
        "model": model,
        "chosen": chosen,
        "pipelines": fitting.values(),
        "data": data.exists(),
        "data_form": data_form,
        "form": form,
        "space": space,
        "refused": refused,
        "may_search": actor.role_in(model.team) == Role.ENGINEER,
    }
    return render(request, "experiments/search_new.html", context, status=status)


@require_GET
def search_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a search while it runs and after: the best, how it came about, what matters, and every trial."""
    actor = actor_of(request)
    search = get_object_or_404(searches_of(actor), pk=pk)
    objective = objective_of(search.model.task, search.metric)
    maximize = search.direction == "maximize"
    counts, best = trial_counts(search), best_trial(search)
    complete = search.trials.filter(state=TrialState.COMPLETE).values_list("number", "value", "params")
    points = [charts.Point(number, value, params) for number, value, params in complete if value is not None]
    space = dict(_in_order(search, search.space))
    drawn = len(points) >= FEWEST_DRAWN
    state = request.GET.get("state", "")
    trials = search.trials.select_related("job", "training")
    order: tuple[str, ...] = ("-number",)
    if state in TrialState.values:
        trials = trials.filter(state=state)
        order = (search.best_first, "number") if state == TrialState.COMPLETE else order
    done = sum(count for state, count in counts.items() if state not in UNFINISHED)
    page = page_of(request, trials, *order, size=25)
    made = TrainingRun.objects.filter(trial__in=page.rows).select_related("version__model").order_by("id")
    versions = {run.trial_id: run.version for run in made}
    context = {
        "search": search,
        "objective": objective,
        "pipeline": _title(search),
        "mlflow_url": f"{settings.MLFLOW_URL}/#/experiments/{search.experiment_id}/runs/{search.run_id}"
        if search.run_id
        else "",
        "done": done,
        "done_share": done / search.size,
        "counts": [(TrialState(one).label, counts[one], one) for one in TrialState.values if one in counts],
        "best": best,
        "best_params": _in_order(search, best.params) if best else [],
        "registered": best.version if best else None,
        "chart": charts.best_so_far(points, objective.label, maximize=maximize) if drawn else None,
        "slices": charts.slices(points, space, objective.label, maximize=maximize) if drawn else [],
        "parallel": charts.trials_in_parallel(points, space, objective.label, maximize=maximize) if drawn else None,
        "importances": sorted(search.importances.items(), key=lambda item: -item[1]),
        "page": page,
        "trials": [(one, _in_order(search, one.params), versions.get(one.pk)) for one in page.rows],
        "chosen": state,
        "states": TrialState.choices,
        "space": [(name, _words(one)) for name, one in space.items()],
        "may_act": actor.role_in(search.model.team) == Role.ENGINEER,
    }
    live = request.headers.get("HX-Request")
    return render(request, "experiments/search.html#live" if live else "experiments/search.html", context)


@require_POST
def search_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """End a search before its time."""
    actor = actor_of(request)
    search = services.search_cancel(actor=actor, search_id=get_object_or_404(searches_of(actor), pk=pk).pk)
    messages.success(request, "The search is cancelled; what it found stays.")
    return redirect(search.path)


@require_POST
def search_register(request: HttpRequest, pk: int) -> HttpResponse:
    """Train a trial again and register it as a version: the best one, or the one that the form names."""
    actor = actor_of(request)
    search = get_object_or_404(searches_of(actor), pk=pk)
    number = request.POST.get("number", "")
    if number and not number.isdecimal():
        raise InvalidError(f"{number} is no number of a trial.", field="number")
    job = services.search_register(actor=actor, search_id=search.pk, number=int(number) if number else None)
    messages.success(request, "The trial is trained again and registered; the job shows how far it is.")
    return redirect("job", pk=job.pk)


def _title(search: Search) -> str:
    return PIPELINES[search.pipeline].title if search.pipeline in PIPELINES else search.pipeline


def _in_order(search: Search, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return values by parameter in the order that the pipeline declares; PostgreSQL keeps no order of keys."""
    declared = parameters(PIPELINES[search.pipeline].params) if search.pipeline in PIPELINES else []
    names = [one.name for one in declared if one.name in values]
    return [(name, values[name]) for name in names or sorted(values)]


def _words(one: Mapping[str, Any]) -> str:
    if "choices" in one:
        return f"one of {', '.join(map(str, one['choices']))}"
    return f"{one['low']} to {one['high']}{', by ratios' if one['log'] else ''}"
