"""Batch scoring: the form that starts one, and those that were."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from experiments import services
from experiments.forms.data import BatchForm
from experiments.models import DatasetVersion, inputs_of
from jobs.paging import page_of
from registry.access import actor_of
from registry.errors import InvalidError, RefusedError
from registry.models import Role
from registry.selectors.servables import is_routable
from registry.views.versions import visible_version
from serving.contract import FORECASTING


@require_http_methods(["GET", "POST"])
def batch(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Choose an input and start scoring it; below, what this version scored before."""
    actor = actor_of(request)
    version = visible_version(actor, name, number)
    team = version.model.team
    form = BatchForm(
        request.POST if request.method == "POST" else None,
        versions=DatasetVersion.objects.filter(dataset__team=team).select_related("dataset").order_by("-id"),
        folder=str(inputs_of(team)), forecasts=version.model.task == FORECASTING,
    )  # fmt: skip
    refused: RefusedError | None = None
    if form.is_bound and form.is_valid():
        try:
            job = services.batch_start(actor=actor, version=version, **form.cleaned_data)
        except InvalidError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        except RefusedError as error:
            refused = error
        else:
            messages.success(request, "The rows are being scored; the job shows how far it is.")
            return redirect("job", pk=job.pk)
    scorings = version.batch_scorings.select_related(
        "job", "dataset_version__dataset", "created_by", "version__model__team"
    )
    context = {
        "version": version,
        "form": form,
        "refused": refused,
        "may_score": actor.role_in(team) == Role.ENGINEER,
        "routable": is_routable(version),
        "page": page_of(request, scorings, "-id", size=25),
    }
    status = refused.status if refused else 422 if form.errors else 200
    return render(request, "experiments/batch.html", context, status=status)
