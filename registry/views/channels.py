"""Channels: the list, one with what was sent there, what is done with them; and how one wants mail."""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.models import DELIVERIES
from jobs.outbox import TEST
from jobs.paging import page_of
from jobs.states import Delivery
from jobs.tasks import deliver
from registry import services
from registry.access import Actor, actor_of
from registry.errors import ConflictError, InvalidError
from registry.forms.alerts import ChannelForm, MailForm
from registry.models import AlertPreference, Channel
from registry.selectors.channels import channels_of, messages_of
from registry.services.outgoing import MANAGERS

PAGE = 25


@require_GET
def channels(request: HttpRequest) -> HttpResponse:
    """List the channels of the reader's teams."""
    actor = actor_of(request)
    context = {
        "page": page_of(request, channels_of(actor), "-id", size=PAGE),
        "may_create": actor.teams().filter(memberships__user=actor.user, memberships__role__in=MANAGERS).exists(),
    }
    return render(request, "registry/channels.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
def channel_new(request: HttpRequest) -> HttpResponse:
    """Make a channel."""
    actor = actor_of(request)
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    kind = kind if kind in Channel.Kind.values else Channel.Kind.MAIL
    teams = actor.teams().filter(memberships__user=actor.user, memberships__role__in=MANAGERS).order_by("name")
    form = ChannelForm(request.POST or None, teams=teams, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.channel_create(actor=actor, kind=kind, **form.values())
        except (InvalidError, ConflictError) as refused:
            _blame(form, refused)
        else:
            messages.success(request, "Made. Send a test to see whether it arrives.")
            return redirect(made.path)
    context = {"form": form, "kind": kind}
    return render(request, "registry/channel_form.html", context, status=422 if form.errors else 200)


@require_GET
def channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a channel and what was sent to it."""
    actor = actor_of(request)
    found = _channel(actor, pk)
    rows, state = messages_of(found), request.GET.get("state", "")
    rows = rows.filter(state=state) if state in dict(DELIVERIES) else rows
    context = {
        "channel": found,
        "page": page_of(request, rows, "-id", size=PAGE),
        "state": state,
        "may_manage": actor.role_in(found.team) in MANAGERS,
    }
    return render(request, "registry/channel.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
def channel_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a channel."""
    actor = actor_of(request)
    found = _channel(actor, pk)
    actor.require(found.team, *MANAGERS)
    names = ("name", "roles", "kinds", "least", "escalations", "installation")
    known = {name: getattr(found, name) for name in names} | {"addresses": " ".join(found.addresses)}
    form = ChannelForm(request.POST or None, initial=known, kind=found.kind)
    if request.method == "POST" and form.is_valid():
        try:
            services.channel_update(actor=actor, channel=found, **form.values())
        except (InvalidError, ConflictError) as refused:
            _blame(form, refused)
        else:
            messages.success(request, "Saved. It holds for everything that is told from now on.")
            return redirect(found.path)
    context = {"form": form, "channel": found, "kind": found.kind}
    return render(request, "registry/channel_form.html", context, status=422 if form.errors else 200)


@require_POST
def channel_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a made-up message and say how it went."""
    actor = actor_of(request)
    sent = services.channel_test(actor=actor, channel=_channel(actor, pk))
    if sent.state == Delivery.SENT:
        messages.success(request, "The test was taken. See whether it arrived.")
    else:
        messages.warning(request, f"The test failed. {sent.error}")
    return redirect("channel", pk=pk)


@require_POST
def channel_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Enable a channel, or disable it."""
    actor = actor_of(request)
    found = _channel(actor, pk)
    enabled = request.POST.get("enabled") == "true"
    services.channel_update(actor=actor, channel=found, enabled=enabled)
    messages.success(request, f"{found.name} is {'enabled' if enabled else 'disabled; alerts are not told there'}.")
    return redirect("channel", pk=pk)


@require_POST
def channel_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a channel with what it was told."""
    actor = actor_of(request)
    found = _channel(actor, pk)
    services.channel_delete(actor=actor, channel=found)
    messages.success(request, f"{found.name} is deleted.")
    return redirect("channels")


@require_GET
def channel_message(request: HttpRequest, pk: int, message: int) -> HttpResponse:
    """Show one message: its text and its attempts."""
    actor = actor_of(request)
    found = _channel(actor, pk)
    sent = get_object_or_404(messages_of(found), pk=message)
    context = {
        "channel": found,
        "delivery": sent,
        "attempts": sent.attempts.order_by("-number"),
        "payload": json.dumps(sent.payload, indent=2, ensure_ascii=False),
        "may_send": sent.state != Delivery.WAITING and sent.event != TEST and found.enabled,
        "may_manage": actor.role_in(found.team) in MANAGERS,
    }
    return render(request, "registry/channel_message.html", context)


@require_POST
def channel_message_again(request: HttpRequest, pk: int, message: int) -> HttpResponse:
    """Send a message once more."""
    actor = actor_of(request)
    found = _channel(actor, pk)
    sent = get_object_or_404(messages_of(found), pk=message)
    services.channel_redeliver(actor=actor, channel=found, message=sent)
    deliver.delay_on_commit()
    messages.success(request, "It is sent again.")
    return redirect("channel_message", pk=pk, message=message)


@require_http_methods(["GET", "POST"])
def mail(request: HttpRequest) -> HttpResponse:
    """Say which mail about alerts one wants, and when not."""
    actor = actor_of(request)
    held = AlertPreference.objects.filter(user=actor.user).first() or AlertPreference(user=actor.user)
    names = ("mail", "quiet_from", "quiet_until", "time_zone", "critical_at_once")
    form = MailForm(request.POST or None, initial={name: getattr(held, name) for name in names})
    if request.method == "POST" and form.is_valid():
        try:
            services.preference_set(actor=actor, **form.cleaned_data)
        except InvalidError as refused:
            _blame(form, refused)
        else:
            messages.success(request, "Saved.")
            return redirect("alert_mail")
    return render(request, "registry/alert_mail.html", {"form": form}, status=422 if form.errors else 200)


def _blame(form: ChannelForm | MailForm, refused: InvalidError | ConflictError) -> None:
    field = refused.field if isinstance(refused, InvalidError) else "name"
    form.add_error(field if field in form.fields else None, str(refused))


def _channel(actor: Actor, pk: int) -> Channel:
    return get_object_or_404(channels_of(actor), pk=pk)
