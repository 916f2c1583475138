"""Periodic work of rollouts; each is safe to deliver twice."""

from celery import shared_task
from django.utils import timezone

from rollouts import callers, gateways, routing


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
    """Note what gateways would not load, and who called them."""
    gateways.callers_observe()
    gateways.refusals_observe(now=timezone.now())
