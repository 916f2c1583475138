"""What was put away, and bringing it back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs.paging import page_of
from registry import selectors, services
from registry.access import actor_of
from registry.models import Role
from registry.views.models import visible_model
from registry.views.versions import visible_version


@require_GET
def archive(request: HttpRequest) -> HttpResponse:
    """List what the reader's teams archived, and until when an admin may restore it; tabs are addresses."""
    actor = actor_of(request)
    tab = "versions" if request.GET.get("tab") == "versions" else "models"
    rows = selectors.archived_models(actor) if tab == "models" else selectors.archived_versions(actor)
    context = {
        "tab": tab,
        "page": page_of(request, rows, "-archived_at", "-id", size=25),
        "admin_of": set(actor.user.memberships.filter(role=Role.ADMIN).values_list("team_id", flat=True)),
        "days": services.RESTORABLE.days,
        "oldest": timezone.now() - services.RESTORABLE,
    }
    return render(request, "registry/archive.html", context)


@require_POST
def model_archive(request: HttpRequest, name: str) -> HttpResponse:
    """Put a model away."""
    actor = actor_of(request)
    found = visible_model(actor, name)
    services.model_archive(actor=actor, model=found)
    messages.success(request, f"{found.name} is archived; its name is free. An admin may restore it.")
    return redirect("archive")


@require_POST
def version_archive(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Put a version away."""
    actor = actor_of(request)
    found = visible_version(actor, name, number)
    services.version_archive(actor=actor, version=found)
    messages.success(request, f"v{found.number} is archived. An admin may restore it.")
    return redirect(found.model.path)


@require_POST
def model_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring a model back, under another name where one was given."""
    actor = actor_of(request)
    found = get_object_or_404(selectors.archived_models(actor), pk=pk)
    restored = services.model_restore(actor=actor, model_id=found.pk, name=request.POST.get("name", "").strip())
    messages.success(request, f"{restored.name} is back, with its versions.")
    return redirect(restored.path)


@require_POST
def version_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring a version back."""
    actor = actor_of(request)
    found = get_object_or_404(selectors.archived_versions(actor), pk=pk)
    restored = services.version_restore(actor=actor, version_id=found.pk)
    messages.success(request, f"v{restored.number} is back.")
    return redirect(restored.path)
