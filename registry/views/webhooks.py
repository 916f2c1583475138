"""Webhooks: the list, one with its deliveries, and what is done with them."""

import json

from django.contrib import messages
from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.models import DELIVERIES, OutboxMessage
from jobs.outbox import LEASE, TEST
from jobs.paging import page_of
from jobs.states import Delivery
from jobs.tasks import deliver
from registry import services
from registry.access import Actor, actor_of
from registry.errors import InvalidError
from registry.forms.webhooks import WebhookForm
from registry.models import Team, Webhook
from registry.selectors.webhooks import deliveries_of, deliveries_tally, webhooks_of
from registry.services.outgoing import MANAGERS

PAGE = 25


@require_GET
def webhooks(request: HttpRequest) -> HttpResponse:
    """List the webhooks of the reader's teams."""
    actor = actor_of(request)
    chosen = {key: request.GET.get(key, "") for key in ("team", "status")}
    rows = webhooks_of(actor)
    if chosen["team"]:
        rows = rows.filter(team__slug=chosen["team"])
    if chosen["status"] in Webhook.Status.values:
        rows = rows.filter(status=chosen["status"])
    elif chosen["status"] == "failing":
        rows = rows.filter(status=Webhook.Status.ACTIVE, failing_since__isnull=False)
    context = {
        "page": page_of(request, rows, "-id", size=PAGE),
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "teams": actor.teams().order_by("name"),
        "may_create": _managed(actor).exists(),
        "verify": verify_snippet("whsec_…"),
    }
    template = "registry/webhooks.html#list" if request.headers.get("HX-Request") else "registry/webhooks.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
@never_cache
def webhook_new(request: HttpRequest) -> HttpResponse:
    """Make a webhook, and show its secret this once."""
    actor = actor_of(request)
    form = WebhookForm(request.POST or None, teams=_managed(actor))
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = services.webhook_create(actor=actor, **form.cleaned_data)
        except InvalidError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            return _page(request, made, secret=secret, status=201)
    return render(request, "registry/webhook_form.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a webhook and what was sent to it."""
    return _page(request, _webhook(actor_of(request), pk))


@require_http_methods(["GET", "POST"])
def webhook_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a webhook."""
    actor = actor_of(request)
    found = _webhook(actor, pk)
    actor.require(found.team, *MANAGERS)
    known = {field: getattr(found, field) for field in ("name", "url", "description", "events")}
    form = WebhookForm(request.POST or None, initial=known, flavour=found.flavour)
    if request.method == "POST" and form.is_valid():
        try:
            services.webhook_update(actor=actor, webhook=found, **form.cleaned_data)
        except InvalidError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, "Saved. It holds for everything that happens from now on.")
            return redirect(found.path)
    context = {"form": form, "webhook": found}
    return render(request, "registry/webhook_form.html", context, status=422 if form.errors else 200)


@require_POST
def webhook_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a made-up event and say how it went."""
    actor = actor_of(request)
    sent = services.webhook_test(actor=actor, webhook=_webhook(actor, pk))
    if sent.state == Delivery.SENT:
        messages.success(request, f"The receiver took the test: it answered {sent.status}.")
    else:
        messages.warning(request, f"The test failed. {sent.error}")
    return redirect("webhook", pk=pk)


@require_POST
@never_cache
def webhook_rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new secret and show it this once."""
    actor = actor_of(request)
    rotated, secret = services.webhook_rotate(actor=actor, webhook=_webhook(actor, pk))
    return _page(request, rotated, secret=secret)


@require_POST
def webhook_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Enable a webhook, or disable it; one that was given up may be left so."""
    actor = actor_of(request)
    found = _webhook(actor, pk)
    status = request.POST.get("status", "")
    services.webhook_update(actor=actor, webhook=found, status=status)
    done = "is enabled" if status == Webhook.Status.ACTIVE else "is disabled; what happens is not told"
    messages.success(request, f"{found.name} {done}.")
    return redirect("webhook", pk=pk)


@require_POST
def webhook_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a webhook with its deliveries."""
    actor = actor_of(request)
    found = _webhook(actor, pk)
    services.webhook_delete(actor=actor, webhook=found)
    messages.success(request, f"{found.name} is deleted.")
    return redirect("webhooks")


@require_GET
def delivery(request: HttpRequest, pk: int, delivery: int) -> HttpResponse:
    """Show one delivery: its attempts and its body."""
    actor = actor_of(request)
    found = _webhook(actor, pk)
    sent = get_object_or_404(deliveries_of(found), pk=delivery)
    context = {
        "webhook": found,
        "delivery": sent,
        "attempts": sent.attempts.order_by("-number"),
        "payload": json.dumps(sent.payload, indent=2, ensure_ascii=False),
        "may_send": sent.state != Delivery.WAITING and sent.event != TEST and found.is_active,
        "may_manage": actor.role_in(found.team) in MANAGERS,
        "live": _moves(sent),
    }
    template = "registry/delivery.html#moving" if request.headers.get("HX-Request") else "registry/delivery.html"
    return render(request, template, context)


@require_POST
def delivery_again(request: HttpRequest, pk: int, delivery: int) -> HttpResponse:
    """Send a delivery once more."""
    actor = actor_of(request)
    found = _webhook(actor, pk)
    sent = get_object_or_404(deliveries_of(found), pk=delivery)
    services.webhook_redeliver(actor=actor, webhook=found, message=sent)
    deliver.delay_on_commit()
    messages.success(request, "It is sent again, under the same id.")
    return redirect("delivery", pk=pk, delivery=delivery)


def verify_snippet(secret: str) -> str:
    """Return how a receiver checks a signature, in Python."""
    return (
        "# pip install standardwebhooks\n"
        "from standardwebhooks import Webhook\n"
        "\n"
        "# raises, unless we signed it\n"
        f'event = Webhook("{secret}").verify(\n'
        "    request.body, request.headers\n"
        ")"
    )


def _managed(actor: Actor) -> QuerySet[Team]:
    return actor.teams().filter(memberships__user=actor.user, memberships__role__in=MANAGERS).order_by("name")


def _webhook(actor: Actor, pk: int) -> Webhook:
    return get_object_or_404(webhooks_of(actor), pk=pk)


def _moves(sent: OutboxMessage) -> bool:
    """Tell whether a delivery will move within moments: it is under way, or its turn comes within a minute."""
    turn = sent.next_attempt_at if sent.state == Delivery.WAITING else None
    return turn is not None and turn <= timezone.now() + LEASE


def _page(request: HttpRequest, found: Webhook, *, secret: str = "", status: int = 200) -> HttpResponse:
    actor = actor_of(request)
    rows = deliveries_of(found)
    state = request.GET.get("state", "")
    if state in dict(DELIVERIES):
        rows = rows.filter(state=state)
    about = Coalesce(KT("payload__subject"), KT("payload__data__name"))  # of ours, and of MLflow's
    page = page_of(request, rows.defer("payload").annotate(about=about), "-id", size=PAGE)
    context = {
        "webhook": found,
        "secret": secret,
        "verify": verify_snippet(secret or "whsec_…"),
        "page": page,
        "state": state,
        "states": DELIVERIES,
        "tally": deliveries_tally(found),
        "may_manage": actor.role_in(found.team) in MANAGERS,
        "live": any(_moves(sent) for sent in page.rows),
        "address": reverse("webhook", args=[found.pk]),  # of this page, also where a form's answer shows it
    }
    template = "registry/webhook.html#deliveries" if request.headers.get("HX-Request") else "registry/webhook.html"
    return render(request, template, context, status=status)
