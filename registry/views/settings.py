"""What a person may see and set for themself: roles, members of the teams, tokens."""

from datetime import timedelta
from urllib.parse import quote

from django.conf import settings as conf
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from registry import services
from registry.access import actor_of
from registry.forms.people import TokenForm
from registry.models import ApiToken
from registry.selectors.webhooks import webhooks_tally

TOKENS_SHOWN = 50


@require_GET
def settings(request: HttpRequest) -> HttpResponse:
    """Show the reader's roles, teams and tokens."""
    return _page(request, TokenForm(teams=actor_of(request).teams()))


@require_POST
@never_cache
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token and answer with its secret, which is shown this once and kept nowhere."""
    actor = actor_of(request)
    form = TokenForm(request.POST, teams=actor.teams())
    if not form.is_valid():
        return _page(request, form, status=400)
    days = form.cleaned_data["days"]
    token, secret = services.token_create(
        actor=actor,
        user=actor.user,
        team=form.cleaned_data["team"],
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
        bounds=services.Bounds(*(form.cleaned_data[name] for name in form.BOUNDS)),
    )
    return _page(request, TokenForm(teams=actor.teams()), made=token, secret=secret)


@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one of the reader's tokens; it stops working at once."""
    actor = actor_of(request)
    get_object_or_404(ApiToken, pk=pk, user=actor.user)
    token = services.token_revoke(actor=actor, token_id=pk)
    messages.success(request, f"Token {token.prefix}… is revoked. Nothing can use it any more.")
    return redirect("settings")


def _page(
    request: HttpRequest, form: TokenForm, *, made: ApiToken | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    actor = actor_of(request)
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "curl": f'curl -H "Authorization: Bearer {secret}" {request.build_absolute_uri("/api/v1/models/")}',
        "predict": made and ApiToken.Scope.PREDICT in made.scopes,
        "gateway": f'curl -H "Authorization: Bearer {secret}" {conf.GATEWAY_URL}/v2/models/{_example(made)}',
        "mlflow": f"export MLFLOW_TRACKING_URI={conf.MLFLOW_URL}\nexport MLFLOW_TRACKING_TOKEN={secret}",
        "now": timezone.now(),
        "memberships": actor.user.memberships.select_related("team")
        .annotate(members=Count("team__memberships"))
        .order_by("team__name"),
        "webhooks": webhooks_tally(actor),
        "tokens": ApiToken.objects.filter(user=actor.user)
        .select_related("team")
        .prefetch_related("only_models")[:TOKENS_SHOWN],
    }
    return render(request, "registry/settings.html", context, status=status)


def _example(token: ApiToken | None) -> str:
    """Return a model that the token may call."""
    model = token and (token.only_models.first() or token.team.models.live().first())
    return quote(model.name) if model else "<model>"
