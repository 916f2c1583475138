"""Sources of a data set: uploading a file, naming a place or a query, choosing what columns are for, and reading again."""

import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import services
from experiments.forms.sources import ColumnsForm, DialectForm, FilesForm, QueryForm, SplitForm, UploadForm
from experiments.intake.found import Found
from experiments.intake.incoming import TooLargeError
from experiments.intake.upload_handler import ArrivingFile, declared_too_large, drain
from experiments.models import Dataset, DatasetSource, source_folder
from experiments.sourcing.connections import connections_of
from experiments.sourcing.looking import preview
from experiments.target_shown import policy_words_of
from experiments.views.datasets import visible_dataset
from jobs.paging import page_of
from registry.access import Actor, actor_of
from registry.errors import ConflictError, InvalidError, RefusedError
from registry.models import Role

DECLARE = "declare"


@csrf_exempt  # the token lies in the body, which is not read before it is known who sends how much; then it is asked for
@require_http_methods(["GET", "POST"])
def dataset_upload(request: HttpRequest, name: str) -> HttpResponse:
    """Receive a file, and lead to the choice of its columns."""
    actor, found = _engineer(request, name)
    if request.method == "GET":
        return _upload_page(request, found, UploadForm())
    if declared_too_large(request, settings.SOURCE_MAX_BYTES):
        drain(request)
        return _upload_page(request, found, UploadForm(), refused=str(TooLargeError(settings.SOURCE_MAX_BYTES)))
    with services.upload_begin(actor=actor, dataset=found) as incoming:
        arriving = ArrivingFile(request, incoming)
        request.upload_handlers = [arriving]
        return _arrived(request, actor, found, arriving)


@csrf_protect
def _arrived(request: HttpRequest, actor: Actor, dataset: Dataset, arriving: ArrivingFile) -> HttpResponse:
    """Keep the file that came with the form."""
    form = UploadForm(request.POST, request.FILES)
    if arriving.refused:
        return _upload_page(request, dataset, UploadForm(), refused=arriving.refused)
    if form.is_valid():
        try:
            upload = services.upload_keep(
                actor=actor, dataset=dataset, name=form.cleaned_data["file"].name, incoming=arriving.incoming
            )
        except InvalidError as refused:
            form.add_error("file", str(refused))
        else:
            return redirect("dataset_columns", name=dataset.name, pk=upload.pk)
    return _upload_page(request, dataset, form)


def _upload_page(request: HttpRequest, dataset: Dataset, form: UploadForm, *, refused: str = "") -> HttpResponse:
    """Show the form; a file that is too large is refused above it."""
    address = f"{request.scheme}://{request.get_host()}/api/v1/datasets/{dataset.name}/uploads?filename=rows.csv"
    context = {
        "dataset": dataset, "form": form, "refused": refused, "most_bytes": settings.SOURCE_MAX_BYTES,
        "too_large": str(TooLargeError(settings.SOURCE_MAX_BYTES)),
        "curl": f"curl -X POST -T rows.csv -H 'Authorization: Bearer …' -H 'Idempotency-Key: …' '{address}'",
    }  # fmt: skip
    status = 413 if refused else 422 if form.errors else 200
    return render(request, "experiments/source_upload.html", context, status=status)


@require_http_methods(["GET", "POST"])
def dataset_columns(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Choose what the columns of an uploaded file are for, and read it."""
    actor, found = _engineer(request, name)
    upload = get_object_or_404(found.uploads, pk=pk)
    config: dict[str, Any] = {"upload": upload.pk}
    dialect = None
    if upload.format == "csv":
        dialect = DialectForm(request.POST if request.method == "POST" else None, initial=upload.found["dialect"])
        config["dialect"] = dialect.cleaned_data if dialect.is_bound and dialect.is_valid() else upload.found["dialect"]
    return _choose(request, actor, found, DatasetSource.Kind.UPLOAD, config, {"upload": upload, "dialect": dialect})


@require_http_methods(["GET", "POST"])
def source_new(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Name files or a query, look at the columns, and declare the source."""
    actor, found = _engineer(request, name)
    connections = connections_of(found.team)
    data = request.POST if request.method == "POST" else None
    form: FilesForm | QueryForm
    form = FilesForm(data) if kind == DatasetSource.Kind.FILES else QueryForm(data, connections=connections)
    if kind == DatasetSource.Kind.FILES:
        form.fields["place"].help_text = f"Within {source_folder(found.team.slug)}, or below your team's prefix on S3."
    context = {"where": form, "kind": kind, "connections": connections}
    if not form.is_bound or not form.is_valid():
        return render(
            request, "experiments/source_new.html", {"dataset": found, **context}, status=422 if form.errors else 200
        )
    return _choose(request, actor, found, kind, form.cleaned_data, context)


@require_GET
def source(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Show a source: what it reads, as what, when, and what was made of it."""
    actor = actor_of(request)
    found = get_object_or_404(visible_dataset(actor, name).sources.select_related("dataset__team", "created_by"), pk=pk)
    hidden = ("dialect", "upload")
    context = {
        "source": found, "dataset": found.dataset, "may_run": actor.role_in(found.dataset.team) == Role.ENGINEER,
        "config": [(key.replace("_", " "), value) for key, value in found.config.items() if key not in hidden and value],
        "dialect": found.config.get("dialect"), "policy": policy_words_of(found.split),
        "page": page_of(request, found.versions.select_related("created_by", "job"), "-number", size=25),
    }  # fmt: skip
    return render(request, "experiments/source.html", context)


@require_POST
def source_run(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Read a source again."""
    actor = actor_of(request)
    found = get_object_or_404(visible_dataset(actor, name).sources.select_related("dataset__team"), pk=pk)
    try:
        job = services.source_run_start(actor=actor, source=found)
    except ConflictError as refused:
        messages.error(request, str(refused))
        return redirect(found.path)
    return redirect("job", pk=job.pk)


@require_POST
def source_retire(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Let a source go."""
    actor = actor_of(request)
    found = get_object_or_404(visible_dataset(actor, name).sources.select_related("dataset__team"), pk=pk)
    services.source_retire(actor=actor, source=found, now=timezone.now())
    messages.success(request, "The source is not read again; the versions stay.")
    return redirect(found.path)


def _choose(
    request: HttpRequest, actor: Actor, dataset: Dataset, kind: str, config: dict[str, Any], context: dict[str, Any]
) -> HttpResponse:
    """Show the columns of a source with what they may be for; declare and read it once they are chosen."""
    errors: list[str] = []
    found = Found([])
    try:
        with tempfile.TemporaryDirectory() as folder:
            checked = services.source_check(actor=actor, dataset=dataset, kind=kind, config=config)
            found = preview(dataset, kind, checked, Path(folder))
    except InvalidError as error:
        errors.append(str(error))
    chosen = request.POST.get("act") == DECLARE
    columns = ColumnsForm(found.columns, request.POST if chosen else None, fixed=kind == DatasetSource.Kind.POSTGRES)
    split = SplitForm(request.POST if chosen else None)
    if chosen and not errors and columns.is_valid() and (config.get("format") == "retrieval" or split.is_valid()):
        try:
            made = services.source_declare(
                actor=actor, dataset=dataset, kind=kind, config=config, columns=columns.chosen(),
                split=split.split() if split.is_valid() else {}, cron=request.POST.get("cron", "").strip(),
            )  # fmt: skip
            job = services.source_run_start(actor=actor, source=made)
        except RefusedError as refused:
            errors.append(str(refused))
        else:
            return redirect("job", pk=job.pk)
    context |= {
        "dataset": dataset, "kind": kind, "columns": columns, "split": split, "errors": errors, "looked": not errors or bool(found.columns),
        "retrieval": config.get("format") == "retrieval",
    }  # fmt: skip
    bad = errors or columns.errors or (chosen and split.errors)
    return render(request, "experiments/source_new.html", context, status=422 if bad else 200)


def _engineer(request: HttpRequest, name: str) -> tuple[Actor, Dataset]:
    actor = actor_of(request)
    found = visible_dataset(actor, name)
    actor.require(found.team, Role.ENGINEER)
    return actor, found
