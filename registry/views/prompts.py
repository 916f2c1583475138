"""Prompts, as MLflow's clients keep them: read here, written there."""

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from jobs.paging import page_of
from registry.access import actor_of
from registry.models import RegisteredModel

TEXT, TYPE = "mlflow.prompt.text", "_mlflow_prompt_type"
INTERNAL = ("mlflow.prompt.", "_mlflow_")


@require_GET
def prompts(request: HttpRequest) -> HttpResponse:
    """List the prompts of the reader's teams."""
    rows = RegisteredModel.objects.prompts().filter(team__in=actor_of(request).teams()).select_related("team")
    query = request.GET.get("q", "")
    if query:
        rows = rows.filter(name__icontains=query)
    return render(request, "registry/prompts.html", {"page": page_of(request, rows, "name", "id"), "query": query})


@require_GET
def prompt(request: HttpRequest, name: str) -> HttpResponse:
    """Show one prompt: the text of a version (the newest, unless the address names one), and the versions."""
    rows = RegisteredModel.objects.prompts().filter(team__in=actor_of(request).teams()).select_related("team")
    found = get_object_or_404(rows, name=name)
    versions = found.versions.filter(archived_at__isnull=True).select_related("created_by")
    versions = versions.prefetch_related("aliases", "tags")
    asked = request.GET.get("version", "")
    shown = get_object_or_404(versions, number=int(asked[:9])) if asked.isdecimal() else versions.first()
    tags = {tag.key: tag.value for tag in shown.tags.all()} if shown else {}
    context = {
        "prompt": found,
        "shown": shown,
        "messages_shown": _messages(tags),
        "tags": [(key, value) for key, value in sorted(tags.items()) if not key.startswith(INTERNAL)],
        "load": f'mlflow.genai.load_prompt("prompts:/{found.name}/{shown.number}")' if shown else "",
        "page": page_of(request, versions, "-number", size=25),
    }
    return render(request, "registry/prompt.html", context)


def _messages(tags: dict[str, str]) -> list[tuple[str, str]]:
    """Return what a version says as (role, text); a plain text has no role."""
    text = tags.get(TEXT, "")
    if tags.get(TYPE) == "chat":
        try:
            return [(str(message.get("role", "")), str(message.get("content", ""))) for message in json.loads(text)]
        except (ValueError, AttributeError, TypeError):
            pass  # a client wrote what MLflow's own would not: shown as it is
    return [("", text)] if text else []
