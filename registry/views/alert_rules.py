"""The rules of a team's alerts: what holds for each kind, and changing it with a reason."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from registry import services
from registry.access import actor_of
from registry.alerting import rules as pure
from registry.alerting.kinds import KINDS
from registry.errors import InvalidError, RefusedError
from registry.forms.alerts import RuleForm
from registry.models import AlertRule
from registry.selectors.alert_rules import rule_book
from registry.services.alert_rules import MANAGERS
from registry.views.alerts import address, own_model, own_team


@require_GET
def rules(request: HttpRequest) -> HttpResponse:
    """List what holds for each kind of a team's alerts, and what it changed."""
    actor, team = actor_of(request), own_team(request)
    book = rule_book([team.pk])
    rows = []
    for kind in KINDS.values():
        held = book.of(kind.name, team.pk, None)
        rows.append({
            "kind": kind, "rule": held, "own": held != kind.rule,
            "changed": [pure.LABELS[name] for name in pure.NAMES if getattr(held, name) != getattr(kind.rule, name)],
        })  # fmt: skip
    own = AlertRule.objects.filter(team=team).select_related("model", "changed_by").order_by("-changed_at")
    context = {
        "team": team,
        "teams": actor.teams().order_by("name"),
        "rows": rows,
        "own": own,
        "may_change": actor.role_in(team) in MANAGERS,
    }
    return render(request, "registry/alert_rules.html", context)


@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest) -> HttpResponse:
    """Change what holds for one kind, for all of a team's models or for one."""
    actor, team = actor_of(request), own_team(request)
    kind = request.POST.get("kind") or request.GET.get("kind") or "burn"
    known = KINDS.get(kind)
    if known is None:
        raise Http404
    actor.require(team, *MANAGERS)
    name = request.POST.get("model", "") or request.GET.get("model", "")
    model = own_model(team, name)
    held = rule_book([team.pk], kind).of(kind, team.pk, model.pk if model else None)
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
            return redirect(address("alert_rules", team))
    context = {
        "team": team,
        "kind": known,
        "model": model,
        "models": team.models.filter(archived_at__isnull=True).order_by("name").values_list("name", flat=True),
        "form": form,
        "own": own,
        "refused": refused,
    }
    return render(request, "registry/alert_rule.html", context, status=422 if request.method == "POST" else 200)
