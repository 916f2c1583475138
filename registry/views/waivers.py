"""Asking for a waiver on a promotion's page, and deciding on it there."""

from datetime import UTC, datetime, time, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_POST

from registry import services
from registry.access import actor_of
from registry.errors import InvalidError, RefusedError
from registry.models import Waiver
from registry.views.promotions import promotion_page, visible_promotion

DONE = {"grant": "granted", "decline": "declined", "withdraw": "withdrawn", "revoke": "revoked"}


@require_POST
def waiver_ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that the promotion may pass a rule; a refusal shows the page again with what was typed."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    position = request.POST.get("criterion", "")
    try:
        waiver = services.waiver_ask(
            actor=actor, promotion_id=found.pk, criterion=int(position) if position.isdecimal() else None,
            reason=request.POST.get("reason", ""), evidence=evidence_number(request.POST.get("evidence", "")),
            link=request.POST.get("link", ""), document=request.POST.get("document", ""),
            expires_at=_end_of(request.POST.get("expires_on", "")), mends=bool(request.POST.get("mends")),
        )  # fmt: skip
    except RefusedError as refused:
        return promotion_page(
            request, found, refused=refused, asked=request.POST.dict() | {"for": position}, status=refused.status
        )
    messages.success(request, f"Waiver W-{waiver.pk} is asked for; approvers find it in their inbox.")
    return redirect(waiver.path)


@require_POST
def waiver_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Grant, decline, withdraw or revoke."""
    actor = actor_of(request)
    rows = Waiver.objects.filter(promotion__model__team__in=actor.teams())
    waiver = get_object_or_404(rows.select_related("promotion"), pk=pk)
    action, note = request.POST.get("action", ""), request.POST.get("note", "")
    try:
        if action == "grant":
            services.waiver_grant(actor=actor, waiver_id=pk, note=note)
        elif action == "decline":
            services.waiver_decline(actor=actor, waiver_id=pk, note=note)
        elif action == "withdraw":
            services.waiver_withdraw(actor=actor, waiver_id=pk)
        elif action == "revoke":
            services.waiver_revoke(actor=actor, waiver_id=pk, reason=note)
        else:
            raise InvalidError("action must be grant, decline, withdraw or revoke.", field="action")
    except RefusedError as refused:
        found = visible_promotion(actor, waiver.promotion_id)
        return promotion_page(request, found, refused=refused, status=refused.status)
    messages.success(request, f"Waiver W-{pk} is {DONE[action]}.")
    return redirect(waiver.path)


def evidence_number(typed: str) -> int | None:
    """Return the number of a piece of evidence, as people write it: ``E-12`` or ``12``."""
    digits = typed.strip().upper().removeprefix("E-")
    if digits and not digits.isdecimal():
        raise InvalidError("Evidence is named by its number, such as E-12.", field="evidence")
    return int(digits) if digits else None


def _end_of(typed: str) -> datetime:
    """Return the end of the day (UTC) that was typed."""
    try:
        day = parse_date(typed.strip())
    except ValueError:
        day = None
    if day is None:
        raise InvalidError("Say until which day it shall hold, such as 2027-03-31.", field="expires_at")
    return datetime.combine(day, time(), UTC) + timedelta(days=1, seconds=-1)
