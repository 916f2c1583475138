"""The prediction log of a model: for how long it is kept, and which values never reach it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from monitoring import services
from monitoring.models import MAX_KEEP_DAYS, MIN_KEEP_DAYS, Treatment
from monitoring.selectors.log import input_columns, log_history, log_policy_of
from registry.access import actor_of
from registry.errors import InvalidError
from registry.views.models import visible_model

COLUMN = "column:"  # what the form's names of columns begin with


@require_GET
def log_panel(request: HttpRequest, name: str) -> HttpResponse:
    """Say how long predictions are kept and which columns are withheld."""
    model = visible_model(actor_of(request), name)
    policy = log_policy_of(model)
    said = [(column, Treatment(how).label.lower()) for column, how in sorted(policy.columns.items())]
    return render(request, "monitoring/log_panel.html", {"model": model, "policy": policy, "said": said})


@require_http_methods(["GET", "POST"])
def prediction_log(request: HttpRequest, name: str) -> HttpResponse:
    """Show the policy of a model's log, and change it."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    policy = log_policy_of(model)
    chosen, days, refused = policy.columns, str(policy.keep_days), None
    if request.method == "POST":
        days = request.POST.get("keep_days", "")
        given = {key.removeprefix(COLUMN): how for key, how in request.POST.items() if key.startswith(COLUMN)}
        chosen = {column: str(how) for column, how in given.items() if how}
        try:
            if not days.isdecimal():
                raise InvalidError("keep_days must be a whole number of days.", field="keep_days")
            services.log_policy_change(
                actor=actor, model=model, keep_days=int(days), columns=chosen, reason=request.POST.get("reason", "")
            )
        except InvalidError as error:
            refused = error
        else:
            messages.success(request, "Saved. Withheld columns hold for predictions from the next routing table on.")
            return redirect("prediction_log", name=model.name)
    types = input_columns(model)
    types |= dict.fromkeys(sorted(policy.columns.keys() - types.keys()), "no longer an input")
    context = {
        "model": model, "policy": policy, "days": days, "refused": refused, "history": log_history(model),
        "reason": request.POST.get("reason", ""), "treatments": Treatment.choices,
        "rows": [(column, type_, chosen.get(column, "")) for column, type_ in types.items()],
        "may_change": actor.role_in(model.team) in services.LOG_KEEPERS, "bounds": (MIN_KEEP_DAYS, MAX_KEEP_DAYS),
    }  # fmt: skip
    return render(request, "monitoring/prediction_log.html", context, status=422 if refused else 200)
