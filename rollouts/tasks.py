"""Periodic work of rollouts; each is safe to deliver twice."""

import threading

from celery import shared_task
from django.utils import timezone

from jobs.tasks import Hint
from rollouts import routing
from rollouts.gateways import callers, reports, watch
from rollouts.services import reconciling

_turns = threading.BoundedSemaphore(2)  # one that publishes, and one that sees what came after that one looked
_looks = threading.BoundedSemaphore(2)  # likewise


@shared_task(base=Hint)
def publish() -> None:
    """Publish both at once, after a change; where others are at it already, they see the change too."""
    if not _turns.acquire(blocking=False):
        return
    try:
        callers.callers_publish(now=timezone.now())
        routing.routing_publish(now=timezone.now())
    finally:
        _turns.release()


@shared_task
def publish_routing() -> None:
    """Publish the routing table if what should be served changed, and restore a lost file."""
    routing.routing_publish(now=timezone.now())


@shared_task
def publish_callers() -> None:
    """Publish who may call the gateway if that changed, and restore a lost file."""
    callers.callers_publish(now=timezone.now())


@shared_task
def observe_gateways() -> None:
    """Note what gateways serve, what they would not load, what they should not have, and who called them."""
    reports.states_note(reports.states_here(), token=None)
    reports.unknown_observe()
    reports.callers_observe()
    reports.refusals_observe(now=timezone.now())
    watch.gateways_watch(now=timezone.now())


@shared_task(base=Hint)
def reconcile() -> None:
    """Take up approved promotions, move open rollouts on, and publish at once what that changed; where others are at it, they see to it."""
    if not _looks.acquire(blocking=False):
        return
    try:
        if reconciling.reconcile_all(now=timezone.now()):
            routing.routing_publish(now=timezone.now())
    finally:
        _looks.release()
