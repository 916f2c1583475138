"""Alerts: the open ones in groups, one with its timeline, and what people do with it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from jobs.paging import page_of
from registry import services
from registry.access import WRITERS, actor_of
from registry.alerting.kinds import KINDS
from registry.errors import InvalidError
from registry.models import Alert, Membership, Role, Team
from registry.selectors.alert_rules import rule_book, runbook_of
from registry.selectors.alerts import alerts_seen, audience, grouped, keeps_installation, leading, may_act

GROUPS = 25
STATES = ("open", "over", "all")
ACTS = ("acknowledge", "resolve", "reopen", "own", "comment")


@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """List the alerts that the reader may see: open ones in groups, the worst first; or those that are over, one by one."""
    actor = actor_of(request)
    names = ("q", "kind", "severity", "team", "who")
    chosen = {name: request.GET.get(name, "").strip() for name in names}
    state = request.GET.get("state", "open")
    rows = alerts_seen(actor)
    if state == "open":
        rows = rows.filter(cleared_at__isnull=True)
    elif state == "over":
        rows = rows.filter(cleared_at__isnull=False)
    if chosen["q"]:
        rows = rows.filter(model__name__icontains=chosen["q"])
    if chosen["kind"]:
        rows = rows.filter(kind=chosen["kind"])
    if chosen["severity"] in Alert.Severity.values:
        rows = rows.filter(severity=chosen["severity"])
    if chosen["team"]:
        rows = rows.filter(team__slug=chosen["team"])
    match chosen["who"]:
        case "nobody":
            rows = rows.filter(acknowledged_by__isnull=True, silence__isnull=True)
        case "me":
            rows = rows.filter(owner=actor.user) | rows.filter(acknowledged_by=actor.user)
        case "silenced":
            rows = rows.filter(silence__isnull=False)
    context: dict[str, Any] = {
        "state": state,
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "kinds": [(kind.name, kind.words) for kind in KINDS.values()],
        "teams": list(actor.teams().order_by("name").values_list("slug", "name")),
        "may_take": set(Membership.objects.filter(user=actor.user, role__in=WRITERS).values_list("team", flat=True)),
        "keeps": keeps_installation(actor),
    }
    if state == "open":
        leaders = leading(rows).select_related("model", "team", "acknowledged_by", "owner", "silence")
        page = page_of(request, leaders, "-rank", "-id", size=GROUPS)
        context |= {"page": page, "groups": grouped(page.rows, rows)}
    else:
        context["page"] = page_of(request, rows, "-id")
    template = "registry/alerts.html#list" if request.headers.get("HX-Request") else "registry/alerts.html"
    return render(request, template, context)


@require_GET
def alerts_count(request: HttpRequest) -> HttpResponse:
    """Say how many groups of alerts nobody has taken on: the mark beside *Alerts*."""
    untaken = alerts_seen(actor_of(request)).filter(
        cleared_at__isnull=True, acknowledged_by__isnull=True, silence__isnull=True
    )
    count = untaken.order_by().values("group").distinct().count()
    return render(request, "partials/inbox_count.html", {"count": count})


@require_GET
def alert(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one alert: what to do next, what became of it, and who was told."""
    actor = actor_of(request)
    found = get_object_or_404(alerts_seen(actor), pk=pk)
    book = rule_book([found.team_id] if found.team_id else [])
    same = alerts_seen(actor).filter(group=found.group, cleared_at__isnull=True).exclude(pk=found.pk)
    held = (
        Membership.objects.filter(role__in=WRITERS, team=found.team)
        if found.team
        else Membership.objects.filter(role=Role.ADMIN)
    )
    context = {
        "alert": found,
        "rule": book.of(found.kind, found.team_id, found.model_id),
        "runbook": runbook_of(found, book),
        "audience": [Role(role).label.lower() for role in audience(found)],
        "events": found.events.select_related("actor").order_by("-id")[:200],
        "notices": found.notices.select_related("channel", "person", "message").order_by("-id")[:100],
        "same": list(same[:20]),
        "same_count": same.count(),
        "may_act": may_act(actor, found),
        "members": sorted(set(held.filter(user__is_active=True).values_list("user__username", flat=True))),
        "roles": Role.choices,
    }
    return render(request, "registry/alert.html", context)


@require_POST
def alert_act(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """Take an alert on, call it over, open it again, hand it on, or comment."""
    if act not in ACTS:
        raise Http404
    actor = actor_of(request)
    found = get_object_or_404(alerts_seen(actor), pk=pk)
    said = request.POST.get("note", "")
    match act:
        case "acknowledge":
            services.alert_acknowledge(actor=actor, alert_id=found.pk, note=said)
            done = "You took the alert on; it stays open until its cause is gone."
        case "resolve":
            services.alert_resolve(actor=actor, alert_id=found.pk, reason=said)
            done = "The alert is over. It comes back if the next look still finds its cause."
        case "reopen":
            services.alert_reopen(actor=actor, alert_id=found.pk, reason=said)
            done = "The alert is open again."
        case "own":
            kind, _, who = request.POST.get("owner", "").partition(":")
            services.alert_own(
                actor=actor,
                alert_id=found.pk,
                owner=who if kind == "person" else "",
                role=who if kind == "role" else "",
            )
            done = f"It waits with {who or 'whoever it is for'} now."
        case _:
            services.alert_comment(actor=actor, alert_id=found.pk, body=said)
            done = "Your comment is on the timeline."
    messages.success(request, done)
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return redirect(back if safe and back.startswith("/") else found.path)


def own_team(request: HttpRequest) -> Team:
    """Return the team that the address asks for, or the reader's first one.

    Raises:
        Http404: the reader has no part in it, or in none.
    """
    teams = actor_of(request).teams().order_by("name")
    asked = request.POST.get("team") or request.GET.get("team")
    found = get_object_or_404(teams, slug=asked) if asked else teams.first()
    if found is None:
        raise Http404
    return found


def own_model(team: Team, name: str) -> Any:
    """Return a live model of a team by name; None where none is named.

    Raises:
        InvalidError: the team has no such model.
    """
    if not name:
        return None
    found = team.models.filter(name=name, archived_at__isnull=True).first()
    if found is None:
        raise InvalidError(f"{team.name} has no model {name}.", field="model")
    return found


def address(name: str, team: Team, **more: str) -> str:
    """Return the address of a page of one team."""
    return f"{reverse(name)}?team={team.slug}" + "".join(f"&{key}={value}" for key, value in more.items() if value)
