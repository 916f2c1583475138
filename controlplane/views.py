"""What belongs to no app: the palette's search, and what is said when a request cannot be answered."""

import sys
from datetime import timedelta

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from controlplane.search import search
from registry.access import actor_of
from registry.errors import FourEyesError
from registry.outages import AWAY, Told, told


@require_GET
def search_results(request: HttpRequest) -> HttpResponse:
    """Answer what the palette asks while the person types."""
    query = request.GET.get("q", "").replace("\0", "").strip()
    return render(request, "partials/found.html", {"query": query, "groups": search(actor_of(request), query)})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the request was not understood."""
    return _fault(request, 400, "The request could not be understood.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say what was refused; a permission error carries its own words."""
    return _fault(request, 403, str(exception) or "Your role does not allow this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing here, in the same words whether it never was or belongs to another team."""
    return _fault(request, 404, "There is no such page, or it belongs to a team you are not in.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that the fault is ours, and whether it passes: Django calls this while it handles what was raised."""
    said = told(sys.exception())
    return _outage(request, said) if said else _fault(request, 500, "Something failed on our side.")


def _outage(request: HttpRequest, said: Told) -> HttpResponse:
    """Say what the database could not do, without asking it who is looking."""
    if request.path.startswith("/api/"):
        answer = _fault(request, 503, said.detail)
    else:
        away = said is AWAY
        answer = HttpResponse(render_to_string("errors/503.html", {"detail": said.detail, "away": away}), status=503)
    answer["Retry-After"] = str(said.retry_s)
    return answer


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form came without the proof that it is from one of our pages (T23)."""
    return _fault(request, 403, "This form is too old, or was not sent from one of our pages.", page="csrf")


def _fault(request: HttpRequest, status: int, detail: str, *, page: str = "") -> HttpResponse:
    if request.path.startswith("/api/"):
        body = {"type": "about:blank", "title": detail, "status": status, "detail": detail}
        return JsonResponse(body, status=status, content_type="application/problem+json")
    return render(request, f"errors/{page or status}.html", {"detail": detail}, status=status)


@require_safe
def kit(request: HttpRequest) -> HttpResponse:
    """Show every component of the kit, for those who build pages; installations in production have no such address."""
    now = timezone.now()
    context = {
        "now": now,
        "hours_ago": now - timedelta(hours=3, minutes=12),
        "days_ago": now - timedelta(days=2),
        "soon": now + timedelta(minutes=38),
        "digest": "sha256:9f3c1ab2" + "40d1e7c65b08" * 4 + "a1b2c3d4",
        "page": {"next": "older", "previous": "newer"},
        "form": _Sample({"name": ""}),
        "refused": FourEyesError(
            "You requested this promotion, so another person has to approve it.",
            unmet=[{"rule": "Approval by a second person", "who": "Any approver of Flight Ops who did not build v15"}],
        ),
    }
    return render(request, "kit.html", context)


class _Sample(forms.Form):
    name = forms.CharField(
        label="Model name",
        help_text="Short and lasting, such as flight-delay. Callers use it.",
        error_messages={"required": "Give the model a name; nothing was saved."},
        widget=forms.TextInput({"class": "form-control"}),
    )
    tier = forms.ChoiceField(
        label="Risk tier", required=False, choices=[(1, "Tier 1: highest risk, two approvals"), (2, "Tier 2")],
        widget=forms.Select({"class": "form-select"}),
    )  # fmt: skip
