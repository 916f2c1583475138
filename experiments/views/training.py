"""Training runs, the form that starts one, and what a version's page shows of its making."""

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import services
from experiments.drawing.boxes import drawn_across, drawn_down
from experiments.drawing.charts import overlaid_reliability, precision_recall_chart, reliability_chart
from experiments.drawing.forecasts import series_drawn
from experiments.forms.data import DataForm, DeclaredForm, MeasureForm
from experiments.lineage.versions import lineage_of
from experiments.models import TrainingRun
from experiments.pipelines.catalogue import PIPELINES, pipelines_for
from experiments.selectors import measured_of, runs_of, trainable
from experiments.training.params import parameters
from jobs.paging import page_of
from registry.access import actor_of
from registry.criteria import metric_label
from registry.errors import RefusedError
from registry.models import Role
from registry.selectors.servables import is_routable
from registry.views.models import visible_model
from registry.views.versions import visible_version
from serving.contract import CHAMPION, RETRIEVER

IMPORTANT = 10
ALSO_SHOWN = ("roc_auc", "calibration_error", "root_mean_squared_error")  # of a fold, beside what tells versions apart


@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    """List the training runs of the reader's teams, newest first."""
    actor = actor_of(request)
    chosen = {key: request.GET.get(key, "") for key in ("q", "pipeline")}
    rows = runs_of(actor)
    if chosen["q"]:
        rows = rows.filter(version__model__name__icontains=chosen["q"])
    if chosen["pipeline"] in PIPELINES:
        rows = rows.filter(pipeline=chosen["pipeline"])
    page = page_of(request, rows, "-id")
    context = {
        "page": page,
        "rows": [
            {
                "run": run,
                "pipeline": PIPELINES[run.pipeline].title,
                "mlflow": mlflow_link(run),
                "metric": metric_label(run.main),
                "validation": run.metrics.get(f"validation_{run.main}"),
            }
            for run in page.rows
        ],
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "pipelines": PIPELINES.values(),
    }
    template = "experiments/runs.html#list" if request.headers.get("HX-Request") else "experiments/runs.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def train(request: HttpRequest, name: str) -> HttpResponse:
    """Choose a pipeline, rows and parameters, and start a training."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    fitting = {pipeline.name: pipeline for pipeline in pipelines_for(model.task)}
    chosen = fitting.get(request.GET.get("pipeline", ""), next(iter(fitting.values())))
    data = trainable(actor, model, chosen.needs)
    sent = request.POST if request.method == "POST" else None
    data_form = DataForm(sent, model=model, versions=data)
    form, refused, status = DeclaredForm(chosen.params, sent), None, 200
    if sent is not None:
        if data_form.is_valid() and form.is_valid():
            try:
                job = services.training_start(
                    actor=actor, model=model, pipeline=chosen.name, params=form.cleaned_data, **data_form.cleaned_data
                )
            except RefusedError as error:
                refused, status = error, error.status
            else:
                return redirect("job", pk=job.pk)
        else:
            status = 422
    context = {
        "model": model,
        "chosen": chosen,
        "pipelines": fitting.values(),
        "data": data.exists(),
        "data_form": data_form,
        "form": form,
        "refused": refused,
        "may_train": actor.role_in(model.team) == Role.ENGINEER,
    }
    return render(request, "experiments/train.html", context, status=status)


@require_GET
def training_panel(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Return the piece of a version's page that says what it was made from and how it did."""
    actor = actor_of(request)
    version = visible_version(actor, name, number)
    run = (
        TrainingRun.objects.select_related("dataset_version__dataset", "job", "trial__search")
        .filter(version=version)
        .first()
    )
    measured = measured_of(version)
    curves = measured.curves
    evaluations = version.evaluations.select_related("job", "against", "plan", "dataset_version__dataset")
    champion = version.model.aliases.filter(name=CHAMPION).exclude(version=version).select_related("version").first()
    way = lineage_of(version, run)
    detail = measured.main.detail if measured.main else {}
    chosen_series = request.GET.get("series", "")
    may_measure = version.is_servable and actor.role_in(version.model.team) == Role.ENGINEER
    context = {
        "version": version,
        "run": run,
        "across": drawn_across(way),
        "down": drawn_down(way),
        "pipeline": PIPELINES[run.pipeline] if run else None,
        "mlflow_url": mlflow_link(run) if run else "",
        "params": _declared_order(run) if run else [],
        "importance": sorted(run.importance.items(), key=lambda item: -item[1])[:IMPORTANT] if run else [],
        "measured": measured,
        "chosen_series": chosen_series,
        "series_charts": series_drawn(detail.get("series_shown", {}), chosen_series),
        "spread": any("coverage_80pct" in one for one in detail.get("by_horizon", [])),
        "evaluations": evaluations,
        **_tried(run.detail if run else {}),
        "routable": is_routable(version) and version.format != RETRIEVER,
        "live": any(not evaluation.job.is_final for evaluation in evaluations),
        "champion": champion.version if champion else None,
        "measure_form": MeasureForm(version=version) if may_measure else None,
        "charts": [
            *([precision_recall_chart(curves["precision_recall"], curves["champion_precision_recall"])]
              if curves["precision_recall"] else []),
            *([reliability_chart(curves["reliability"])] if curves["reliability"] else []),
        ],
    }  # fmt: skip
    return render(request, "experiments/training_panel.html", context)


def _tried(detail: dict[str, Any]) -> dict[str, Any]:
    """Return how a run fared by fold and what calibrating changed, as its page shows them."""
    found: dict[str, Any] = {}
    if tried := detail.get("cross_validation"):
        shown = [name for name in tried["folds"][0]["metrics"] if name == tried["metric"] or name in ALSO_SHOWN]
        shown.sort(key=lambda name: name != tried["metric"])
        found |= {
            "tried_label": metric_label(tried["metric"]),
            "tried_metrics": [(name, metric_label(name)) for name in shown],
            "tried_folds": [(fold, [fold["metrics"][name] for name in shown]) for fold in tried["folds"]],
        }
    if calibration := detail.get("calibration"):
        tables = calibration["reliability"]
        chart = overlaid_reliability([("before", tables["before"]), ("after", tables["after"])])
        about = "Share that happened by predicted probability, before and after calibrating"
        found["calibration_chart"] = replace(chart, about=about) if chart else None
    return found


@require_POST
def evaluate(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Measure a version on rows of its team, against the present champion."""
    actor = actor_of(request)
    version = visible_version(actor, name, number)
    actor.require(version.model.team, Role.ENGINEER)
    form = MeasureForm(request.POST, version=version)
    if not form.is_valid():
        messages.error(
            request,
            "Choose rows that have all its inputs and on which it is not measured yet; the version's page lists them.",
        )
        return redirect(version.path)
    job = services.evaluation_start(actor=actor, version=version, dataset_version=form.cleaned_data["dataset_version"])
    messages.success(request, f"{version} is being measured; its evidence appears on its page.")
    return redirect("job", pk=job.pk)


def _declared_order(run: TrainingRun) -> list[tuple[str, Any]]:
    """Return the parameters in the order the pipeline declares them; PostgreSQL keeps no order of keys."""
    declared = [parameter.name for parameter in parameters(PIPELINES[run.pipeline].params)]
    return [(name, run.params[name]) for name in declared if name in run.params]


def mlflow_link(run: TrainingRun) -> str:
    """Return the address of a run in MLflow's own pages."""
    return f"{settings.MLFLOW_URL}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
