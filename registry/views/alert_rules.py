"""The rules of alerts, of a team and of the installation: what holds for each kind, and changing it with a reason."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from registry import services
from registry.access import actor_of
from registry.alerting import rules as pure
from registry.alerting.kinds import KINDS
from registry.errors import InvalidError, RefusedError, RoleError
from registry.forms.alerts import RuleForm
from registry.models import AlertRule, Team
from registry.selectors.alert_rules import rule_book
from registry.selectors.alerts import keeps_installation
from registry.services.alert_rules import MANAGERS
from registry.views.alerts import own_model, own_team

INSTALLATION = "installation"


@require_GET
def rules(request: HttpRequest) -> HttpResponse:
    """List what holds for each kind of alerts, of a team or of the installation, and what was changed."""
    actor, team = actor_of(request), _whose(request)
    book = rule_book([team.pk] if team else [])
    rows = []
    for kind in KINDS.values():
        if team and kind.of_installation:
            continue
        held, above = (
            book.of(kind.name, team.pk if team else None, None),
            book.of(kind.name, None, None) if team else kind.rule,
        )
        rows.append({
            "kind": kind, "rule": held,
            "changed": [pure.LABELS[name] for name in pure.NAMES if getattr(held, name) != getattr(above, name)],
        })  # fmt: skip
    own = AlertRule.objects.filter(team=team).select_related("model", "changed_by").order_by("-changed_at")
    context = {
        "team": team,
        "teams": actor.teams().order_by("name"),
        "whose": _address(team),
        "rows": rows,
        "own": own,
        "may_change": actor.role_in(team) in MANAGERS if team else keeps_installation(actor),
    }
    return render(request, "registry/alert_rules.html", context)


@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest) -> HttpResponse:
    """Change what holds for one kind, for all of a team's models, for one of them, or for all teams."""
    actor, team = actor_of(request), _whose(request)
    kind = request.POST.get("kind") or request.GET.get("kind") or "burn"
    known = KINDS.get(kind)
    if known is None or (team and known.of_installation):
        raise Http404
    if team:
        actor.require(team, *MANAGERS)
    elif not keeps_installation(actor):
        raise RoleError("The installation's rules are changed by an admin.")
    name = request.POST.get("model", "") or request.GET.get("model", "")
    model = own_model(team, name) if team else None
    held = rule_book([team.pk] if team else [], kind).of(kind, team.pk if team else None, model.pk if model else None)
    own = AlertRule.objects.filter(team=team, model=model, kind=kind).select_related("changed_by").first()
    form = RuleForm(request.POST or None, team=team, kind=known, initial=pure.as_json(held))
    refused: RefusedError | None = None
    reset = "reset" in request.POST
    if reset or (request.method == "POST" and form.is_valid()):
        try:
            if reset:
                services.alert_rule_reset(
                    actor=actor, team=team, kind=kind, model=model, reason=request.POST.get("reason", "")
                )
            else:
                services.alert_rule_change(
                    actor=actor,
                    team=team,
                    kind=kind,
                    model=model,
                    changes=form.changes(),
                    reason=form.cleaned_data["reason"],
                )
        except InvalidError as error:
            form.is_valid()
            form.add_error(error.field if error.field in form.fields else None, str(error))
        except RefusedError as error:
            refused = error
        else:
            messages.success(request, f"{known.words}: the rule holds from the next look on.")
            return redirect(f"{reverse('alert_rules')}?{_address(team)}")
    context = {
        "team": team,
        "whose": _address(team),
        "kind": known,
        "model": model,
        "form": form,
        "own": own,
        "refused": refused,
    }
    return render(request, "registry/alert_rule.html", context, status=422 if request.method == "POST" else 200)


def _whose(request: HttpRequest) -> Team | None:
    """Return the team whose rules are asked for; None: those of the installation."""
    asked = request.POST.get("of") or request.GET.get("of")
    return None if asked == INSTALLATION else own_team(request)


def _address(team: Team | None) -> str:
    return f"team={team.slug}" if team else f"of={INSTALLATION}"
