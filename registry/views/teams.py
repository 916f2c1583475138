"""A team: its members and their roles, what is guarded; and the own password."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.paging import page_of
from registry import services
from registry.access import Actor, actor_of
from registry.errors import InvalidError
from registry.forms.people import MemberForm, PasswordForm
from registry.models import Role, Team


def _team(actor: Actor, slug: str) -> Team:
    return get_object_or_404(actor.teams(), slug=slug)


@require_GET
def team(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a team; its admins change members and guards here."""
    return _page(request, _team(actor_of(request), slug), MemberForm())


@require_POST
def member_set(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a member, or give one another role."""
    actor = actor_of(request)
    found = _team(actor, slug)
    form = MemberForm(request.POST)
    if not form.is_valid():
        actor.require(found, Role.ADMIN)
        return _page(request, found, form, status=422)
    user, role = form.cleaned_data["username"], form.cleaned_data["role"]
    services.team_join(actor=actor, team=found, user=user, role=role)
    messages.success(request, f"{user.get_username()} is {Role(role).label.lower()} of {found.name}.")
    return redirect(found.path)


@require_POST
def member_remove(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Take a member out of the team."""
    actor = actor_of(request)
    found = _team(actor, slug)
    user = get_object_or_404(User, username=username, memberships__team=found)
    services.team_leave(actor=actor, team=found, user=user)
    messages.success(request, f"{username} is no member of {found.name} any more. What they made and decided stays.")
    return redirect(found.path)


@require_POST
def team_guard(request: HttpRequest, slug: str) -> HttpResponse:
    """Set the guarded aliases."""
    actor = actor_of(request)
    found = _team(actor, slug)
    given = request.POST.get("aliases", "")
    try:
        services.team_guard(actor=actor, team=found, aliases=given.replace(",", " ").split())
    except InvalidError as refused:
        return _page(request, found, MemberForm(), aliases=given, error=str(refused), status=422)
    messages.success(request, "Saved. It holds for the next move of an alias.")
    return redirect(found.path)


@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters()
def password(request: HttpRequest) -> HttpResponse:
    """Change the own password; this session goes on, all others of the person end."""
    actor = actor_of(request)
    form = PasswordForm(actor.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        services.password_change(actor=actor, password=form.cleaned_data["new_password1"])
        update_session_auth_hash(request, actor.user)
        messages.success(request, "Your password is changed. Your other sessions have ended.")
        return redirect("settings")
    return render(request, "registry/password.html", {"form": form}, status=422 if form.errors else 200)


def _page(
    request: HttpRequest, found: Team, form: MemberForm, *, aliases: str | None = None, error: str = "",
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    actor = actor_of(request)
    context = {
        "team": found,
        "form": form,
        "page": page_of(request, found.memberships.select_related("user"), "user__username", "id"),
        "roles": Role.choices,
        "me": actor.user,
        "administers": actor.role_in(found) == Role.ADMIN,
        "aliases": " ".join(found.guarded_aliases) if aliases is None else aliases,
        "error": error,
    }
    return render(request, "registry/team.html", context, status=status)
